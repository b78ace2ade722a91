"""Code of the user's own that changes what it shares with dlkit: streams, folder, device, modules, parameters."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlkit.settings.spec import parse_code
from dlkit.user_code import changed_globals, load_code

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


def test_a_closed_stdout_is_not_stderr_nor_the_result(
    train: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(2, "w", buffering=1, closefd=False) as stderr:  # as in a process of its own
        monkeypatch.setattr(sys, "stderr", stderr)
        result = train("sys.stdout.close()")

    assert (result.code, result.stdout) == (0, "run/best.safetensors\n")
    assert "best epoch" in result.stderr


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


def test_a_blocked_import_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.py").write_text("Net = 1\n")
    code = parse_code(f"{tmp_path / 'net.py'}:Net")
    assert code is not None
    load_code(code, "MODEL")
    monkeypatch.setitem(sys.modules, "blocked", None)

    with pytest.raises(ModuleNotFoundError) as caught:
        import blocked  # type: ignore[import-not-found]  # noqa: F401

    assert "blocked" in changed_globals(caught.value)[0]
    assert changed_globals(ModuleNotFoundError("no such", name="none_such")) == ("", "")
    assert changed_globals(ValueError("x")) == ("", "")
