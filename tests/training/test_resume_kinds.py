"""One run of each kind, stopped twice within an epoch and once at its end, has the bits of the one without a stop.

Every command line is a user's; `test_resume_matrix.py` has more stops and kills for the settings that meet in pairs.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runs import essence, history

NET = """
import random

import numpy as np
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, in_features, num_classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(in_features, 16), nn.BatchNorm1d(16), nn.Dropout(0.2), nn.Linear(16, 10))
        self.register_buffer("mean", torch.zeros(in_features), persistent=False)
        self.own = {KIND}

    def forward(self, x):
        x = x.flatten(1)
        if self.training:
            {CHANGE}
        return self.layers(x - self.mean)
"""
OWN = {
    "plain": ("None", "pass"),
    "buffer": ("None", "self.mean = 0.9 * self.mean + 0.1 * x.mean(0)"),
    "generators": (
        "[random.Random(1), np.random.default_rng(2), torch.Generator().manual_seed(3)]",
        "x = x + self.own[0].random() + self.own[1].normal() + torch.rand(x.shape, generator=self.own[2])",
    ),
    "counter": ("{'passes': 0}", "self.own['passes'] += 1; x = x / self.own['passes']"),
}
DIGITS = ("--data", "digits", "--limit", "150", "--batch-size", "8")
IMAGES = ("--augment", "light", "-s", "width=4")
# The words of the command line, and which network of the user's own they name.
RUNS: dict[str, tuple[tuple[str, ...], str]] = {
    "mlp": (("mlp", *DIGITS), ""),
    "cnn": (("cnn", *DIGITS, *IMAGES), ""),
    "spatial": (
        (
            "spatial",
            "--data",
            "spatial:n=190",
            "--batch-size",
            "8",
            "-s",
            "phi=8",
            "-s",
            "omega=8",
            "-s",
            "theta=16",
            "--schedule",
            "none",
        ),
        "",
    ),
    "pbpk": (
        (
            "pbpk",
            "--data",
            "pbpk:n=190,times=20",
            "--batch-size",
            "8",
            "-s",
            "hidden=4",
            "--schedule",
            "plateau",
        ),
        "",
    ),
    "own": (("net.py:Net", *DIGITS), "plain"),
    "dropout": (("mlp", *DIGITS, "-s", "dropout=0.3"), ""),
    "ema": (("mlp", *DIGITS, "--ema", "0.9"), ""),
    "plateau": (("mlp", *DIGITS, "--schedule", "plateau", "--lr", "1e-9", "--warmup-steps", "7"), ""),
    "accumulate": (("mlp", *DIGITS, "--accumulate", "3", "--optimizer", "adamw"), ""),
    "bf16": (("mlp", *DIGITS, "--precision", "bf16"), ""),
    "l1-clip": (
        ("mlp", *DIGITS, "--l1", "1e-4", "--grad-clip", "0.5", "--optimizer", "rmsprop", "--lr", "1e-3"),
        "",
    ),
    "sampler": (("mlp", *DIGITS, "--balance", "sampler", "--target-weights", "0=3"), ""),
    "save-every": (("mlp", *DIGITS, "--save-every", "5", "--keep", "2", "--patience", "9"), ""),
    "tiny-epochs": (
        ("mlp", "--data", "digits", "--limit", "10", "--batch-size", "10", "--epochs", "200"),
        "",
    ),
    "buffer": (("net.py:Net", *DIGITS), "buffer"),
    "buffer-ema": (("net.py:Net", *DIGITS, "--ema", "0.9", "--warmup-steps", "9"), "buffer"),
    "generators": (("net.py:Net", *DIGITS), "generators"),
    "counter": (("net.py:Net", *DIGITS, "--accumulate", "2"), "counter"),
}
USUAL = ("--epochs", "3", "--device", "cpu", "--no-plot")


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_a_stopped_run_has_the_bits_of_the_unbroken_one(
    name: str, dlkit: Callable[..., Any], home: Path
) -> None:
    words, own = RUNS[name]
    if own:
        kind, change = OWN[own]
        (home / "net.py").write_text(NET.replace("{KIND}", kind).replace("{CHANGE}", change))

    def train(*more: object) -> None:
        result = dlkit("train", *more)
        assert result.code == 0, result.stderr

    train(*USUAL, *words, "--out", "whole")
    steps = int(history(home / "whole")[-1]["step"])
    train(*USUAL, *words, "--out", "parts", "--max-steps", steps // 3 - 2)
    for stop in (steps // 3 + 1, steps * 2 // 3, steps):
        train(*words[: 1 if own else 0], "--resume", "parts", "--max-steps", stop)

    assert essence(home / "parts", settings=False) == essence(home / "whole", settings=False)
