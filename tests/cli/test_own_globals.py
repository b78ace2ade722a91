"""Code of the user's own that changes what it shares with dlkit: folder, device, parameters."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

NET = """
import os
import sys
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, in_features, num_classes):
        super().__init__()
        self.fc = nn.Linear(in_features, num_classes)

    def forward(self, x):
        {}
        return self.fc(x.flatten(1))
"""
SETTINGS = (
    *("--data", "digits", "--limit", "40", "--batch-size", "8", "--epochs", "2"),
    *("--device", "cpu", "--no-plot", "--out", "run"),
)


@pytest.fixture
def train(dlkit: Callable[..., Any], home: Path) -> Callable[[str], Any]:
    def run(line: str) -> Any:
        (home / "net.py").write_text(NET.format(line))
        return dlkit("train", "net.py:Net", *SETTINGS)

    return run


@pytest.fixture
def device_restored() -> Iterator[None]:
    yield
    torch.set_default_device(None)


def test_a_network_that_changes_the_folder_moves_no_file(
    train: Callable[[str], Any], dlkit: Callable[..., Any], home: Path
) -> None:
    elsewhere = home.parent / "elsewhere"
    elsewhere.mkdir()

    assert train(f"os.chdir({str(elsewhere)!r})").code == 0
    assert dlkit("eval", "run", "--model", "net.py:Net", "--predict", "p.csv").code == 0
    assert dlkit("inspect", "acts", "run", "--model", "net.py:Net", "-o", "acts.csv").code == 0

    assert {"run", "p.csv", "acts.csv"} <= {path.name for path in home.iterdir()}
    assert Path.cwd() == home
    assert not list(elsewhere.iterdir())


def test_a_parameter_made_in_training_is_named_once(train: Callable[[str], Any]) -> None:
    result = train("self.fc.weight = nn.Parameter(self.fc.weight.detach().clone())")

    assert result.code == 0
    (line,) = [line for line in result.stderr.splitlines() if "self.fc.weight" in line]
    assert "optimizer" in line


@pytest.mark.usefixtures("device_restored")
def test_a_default_device_is_named_where_it_makes_something_fail(train: Callable[[str], Any]) -> None:
    result = train("self.training and torch.set_default_device('meta')")

    assert (result.code, result.stdout) == (1, "")
    assert "torch.set_default_device" in result.stderr
    assert "unexpected" not in result.stderr


def test_data_that_change_what_numpy_does_about_underflow_are_read(
    dlkit: Callable[..., Any], home: Path
) -> None:
    (home / "tiny.py").write_text(
        "import numpy as np\n\ndef make():\n    np.seterr(all='raise')\n"
        "    return np.random.randn(60, 3) * 1e-300, np.arange(60) % 2\n"
    )
    before = np.geterr()

    assert dlkit("data", "check", "tiny.py:make").code in (0, 3)
    assert np.geterr() == before
