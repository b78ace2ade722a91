"""Sequences whose axes are exchanged for networks that take the others: steps last, or features last."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlkit.data.kinds import load_dataset
from dlkit.settings.resolve import resolve

NETS = """
from torch import nn
class Conv(nn.Module):
    def __init__(self):
        super().__init__(); self.c = nn.Conv1d(6, 16, 5); self.o = nn.Linear(16, 3)
    def forward(self, x): return self.o(self.c(x).relu().mean(2))
class Any(nn.Module):
    def __init__(self, in_channels, num_classes):
        super().__init__(); self.c = nn.Conv1d(in_channels, 16, 5); self.o = nn.Linear(16, num_classes)
    def forward(self, x): return self.o(self.c(x).relu().mean(2))
class Lstm(nn.Module):
    def __init__(self, input_size=6):
        super().__init__(); self.l = nn.LSTM(input_size, 16, batch_first=True); self.o = nn.Linear(16, 3)
    def forward(self, x): return self.o(self.l(x)[0].mean(1))
"""
SCALES = np.array([1, 50, 0.1, 7, 300, 2])


def sequences(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """240 sequences of 20 steps with 6 features of different size; the class is the feature that is raised."""
    draw = np.random.default_rng(seed)
    y = draw.integers(0, 3, 240)
    x = draw.normal(size=(240, 20, 6))
    x[np.arange(240), :, y] += 1.5
    return x * SCALES + SCALES * 10, y


@pytest.mark.parametrize("steps_last", [False, True])
def test_the_second_reading_exchanges_the_axes(tmp_path: Path, steps_last: bool) -> None:
    x, y = sequences(0)
    np.savez(tmp_path / "a.npz", x=x.transpose(0, 2, 1) if steps_last else x, y=y)
    first = load_dataset(resolve({"model": "net.py:Net", "data": str(tmp_path / "a.npz")}, {}))
    assert first.otherwise is not None
    second = first.otherwise()

    shapes = [(6, 20), (20, 6)] if steps_last else [(20, 6), (6, 20)]
    assert [each.description.input_shape for each in (first, second)] == shapes
    split = second.splits["train"]
    batch, _ = split.batch(split.rows, torch.device("cpu"))
    rows = x[split.rows.numpy()]
    wanted = (rows - rows.mean((0, 1))) / rows.std((0, 1))
    assert batch.numpy() == pytest.approx(wanted if steps_last else wanted.transpose(0, 2, 1), abs=1e-3)  # type: ignore[union-attr]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "steps_last"), [("Conv", False), ("Any", False), ("Any", True), ("Lstm", True), ("Lstm", False)]
)
def test_networks_get_sequences_as_they_take_them(
    dlkit: Any, home: Path, name: str, steps_last: bool
) -> None:
    (home / "net.py").write_text(NETS)
    for file, seed in (("a.npz", 0), ("new.npz", 1)):
        x, y = sequences(seed)
        np.savez(home / file, x=x.transpose(0, 2, 1) if steps_last else x, y=y)

    options = (
        "--data",
        "a.npz",
        "--lr",
        "0.02",
        "--epochs",
        "15",
        "--batch-size",
        "32",
        "--no-plot",
        "--out",
        "run",
    )
    trained = dlkit("train", f"net.py:{name}", *options)
    scored = dlkit("eval", "run", "--model", f"net.py:{name}", "--data", "new.npz", "--json")

    assert trained.code == 0, trained.stderr
    assert scored.code == 0, scored.stderr
    assert json.loads(scored.stdout)["metrics"]["accuracy"]["value"] > 0.9
