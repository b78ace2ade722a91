"""The script for a machine with a GPU runs on one without."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from dlkit.training.memory import Pieces

SCRIPT = Path(__file__).resolve().parent / "benchmarks" / "gpu.sh"
CHECKS = (
    "tests",
    "mnist",
    "resnet18-fp32",
    "resnet18-tf32",
    "resnet18-bf16",
    "precision",
    "resume",
    "out-of-memory",
)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [SCRIPT, *words], capture_output=True, text=True, timeout=300, env=environment, check=False
    )


@pytest.mark.slow
def test_without_a_device_it_says_what_it_would_do_in_eight_minutes() -> None:
    result = run()

    assert result.returncode == 0, result.stderr
    *table, line = result.stdout.splitlines()
    found = json.loads(line)
    assert found["device"] is None
    assert set(CHECKS) <= set(found["checks"])
    assert [row.split()[0] for row in table[1:]] == found["checks"]
    assert found["seconds_at_most"] <= 480
    assert sum(int(row.split()[1]) for row in table[1:]) == found["seconds_at_most"]
    assert run("--only", "resume,memory").returncode == 2


@pytest.mark.slow
def test_a_check_runs_on_the_cpu_too() -> None:
    result = run("--device", "cpu", "--only", "resume")

    assert result.returncode == 0, result.stdout + result.stderr
    (check,) = json.loads(result.stdout.splitlines()[-1])["checks"]
    assert (check["check"], check["same_bits"]) == ("resume", True)


def test_pieces_are_found_in_what_a_run_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    found = importlib.import_module("gpu").PIECES
    pieces = Pieces(nn.Identity(), torch.device("cpu"))

    def attempt() -> None:
        if pieces.split("train", 64) == [(0, 64)]:
            raise torch.OutOfMemoryError("CUDA out of memory")

    pieces.retry("train", torch.zeros(64, 1), 64, attempt)
    (message,) = pieces.pop_messages()
    assert found.search(message)[1] == "32"
