"""Code of the user's own that ends the command, or Python itself, is never taken for success."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refusals import faults

NET = """import ctypes, os, sys
import torch
from torch import nn


class Mine(BaseException):
    pass


class Net(nn.Module):
    def __init__(self, in_features, num_classes):
        super().__init__()
        self.a = nn.Linear(in_features, num_classes)
        self.steps = 0

    def forward(self, x):
        self.steps += self.training
        if self.steps > 7 and self.training and not os.path.exists("mended"):
            {}
        return self.a(x.flatten(1))
"""
LINE = 19
SETTINGS = (
    *("--data", "digits", "--limit", "40", "--batch-size", "8", "--epochs", "2"),
    *("--device", "cpu", "--no-plot", "--out", "run"),
)


@pytest.mark.parametrize(
    "raised",
    [
        "sys.exit()",
        "sys.exit(3)",
        "raise GeneratorExit",
        "raise Mine",
        "raise StopIteration",
        "raise BrokenPipeError",
        "raise BrokenPipeError(32, 'Broken pipe')",
    ],
)
def test_what_ends_the_command_is_an_error_with_its_line(
    raised: str, dlkit: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NET.format(raised))

    result = dlkit("train", "net.py:Net", *SETTINGS)

    assert (result.code, result.stdout) == (1, "")
    ((message, _),) = faults(result.stderr)
    assert f"net.py line {LINE}, in forward" in message


@pytest.mark.slow
@pytest.mark.parametrize(("ended", "code"), [("os._exit(0)", 0), ("ctypes.string_at(0)", -11)])
def test_what_ends_python_is_reported_by_the_next_resume(ended: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET.format(ended))

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "dlkit", "train", "net.py:Net", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    first = run(*SETTINGS)
    (tmp_path / "mended").touch()
    second = run("--resume", "run")
    third = run("--resume", "run")

    assert (first.returncode, first.stdout) == (code, "")
    assert (second.returncode, second.stdout) == (0, "run/best.safetensors\n")
    assert "without a message" in second.stderr
    assert "without a message" not in third.stderr
