"""Stopped anywhere, five times and more, in processes of its own, a run comes to the bits of one that never was."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pairs import Case, all_pairs, cover_pairs, pairs_of
from runs import essence

from dlkit.files.run_dir import RunDir

SMALL = {"epochs": 3, "limit": 150, "batch_size": 8, "device": "cpu", "plot": False, "warmup_steps": 2}
# Settings and arguments of each network; a torchvision one is large, so that it gets little to do and fewer stops.
NETWORKS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "mlp": ({"model": "mlp"}, {}),
    "mlp-dropout-norm": ({"model": "mlp"}, {"dropout": "0.3", "norm": "batch"}),
    "cnn": ({"model": "cnn"}, {"width": "4", "dropout": "0.3"}),
    "spatial": (
        {"model": "spatial", "data": "spatial:n=200", "neighbors": 6},
        {"phi": "8", "omega": "8", "theta": "16", "dropout": "0.3"},
    ),
    "pbpk": ({"model": "pbpk", "data": "pbpk:n=150,times=20", "epochs": 3}, {"hidden": "4"}),
    "mobilenet": ({"model": "mobilenet_v3_small", "limit": 26, "batch_size": 4, "lr": 1e-4}, {}),
}
EXTRAS: dict[str, dict[str, Any]] = {
    "plain": {},
    "sampler": {"balance": "sampler"},
    "blocks": {"shuffle": "blocks"},
    "clip": {"grad_clip": 0.5},
}
FACTORS: dict[str, tuple[Any, ...]] = {
    "network": tuple(NETWORKS),
    "optimizer": ("sgd", "adam", "adamw", "rmsprop", "adagrad"),
    "schedule": ("step", "cosine", "onecycle", "plateau", "cyclic"),
    "accumulate": (1, 3),
    "ema": (None, 0.9),
    "extra": tuple(EXTRAS),
}
CASES = {"-".join(map(str, case.values())): case for case in cover_pairs(FACTORS)}
# Each stop is of a process of its own, the next one resumes from there; the last two are not asked.
STOPS = (
    ("term", 1, "first"),
    ("term", 1, "middle"),
    ("term", 1, "last"),
    ("term", 2, "validation"),
    ("term", 3, "rate"),
    ("kill", 3, "last"),
    ("kill", 3, "validation"),
)
Work = Callable[..., int]


@pytest.fixture(scope="module")
def work() -> Iterator[Work]:
    """Start a run or resume it in a new process, and return its exit code."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__).with_name("resume_server.py"))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        stdin, stdout = server.stdin, server.stdout

        def send(folder: Path, case: Case, stop: tuple[str, int, str] | None = None) -> int:
            settings, arguments = NETWORKS[case["network"]]
            chosen = {name: case[name] for name in ("optimizer", "schedule", "accumulate", "ema")}
            job = {
                "folder": str(folder),
                "settings": {**SMALL, **settings, **chosen, **EXTRAS[case["extra"]]},
                "arguments": arguments,
                "stop": stop and dict(zip(("how", "epoch", "place"), stop, strict=True)),
            }
            stdin.write(f"{json.dumps(job)}\n")
            stdin.flush()
            return int(stdout.readline())

        with contextlib.closing(stdin):
            yield send


def test_every_two_values_meet_in_some_case() -> None:
    met = set().union(*(pairs_of(case) for case in CASES.values()))

    assert met == all_pairs(FACTORS)
    assert len(CASES) <= 36


def check(work: Work, case: Case, tmp_path: Path) -> None:
    """Train without a stop, and with all of them; nothing but times may differ."""
    whole, folder = tmp_path / "whole", tmp_path / "run"
    assert work(whole, case) == 0
    stops = STOPS[1::2] if case["network"] == "mobilenet" else STOPS
    codes = [work(folder, case, stop) for stop in stops]
    assert work(folder, case) == 0

    assert codes == [143 if how == "term" else -9 for how, _, _ in stops]
    assert essence(folder) == essence(whole)
    assert not list(folder.glob(".dlkit-tmp-*"))
    assert not RunDir(folder).last_corrupt.exists()


def first_with(**values: Any) -> str:
    return next(name for name, case in CASES.items() if case.items() >= values.items())


# One with dropout, batch norm and batches accumulated.
QUICK = first_with(network="mlp-dropout-norm", accumulate=3)


@pytest.mark.slow
def test_a_run_stopped_everywhere_has_the_bits_of_the_unbroken_one(work: Work, tmp_path: Path) -> None:
    check(work, CASES[QUICK], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CASES if name != QUICK])
def test_all_others_too(name: str, work: Work, tmp_path: Path) -> None:
    check(work, CASES[name], tmp_path)
