"""Built-in networks on their own data are trained without a warning."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize(
    "words",
    [
        ["mlp", "--epochs", "10"],
        ["cnn", "--epochs", "6"],
        ["spatial", "--data", "spatial:n=600", "--epochs", "6"],
        ["pbpk", "--data", "pbpk:n=300", "--epochs", "6"],
    ],
    ids=lambda words: words[0],
)
@pytest.mark.slow
def test_nothing_is_found(words: list[str], dlkit: Callable[..., Any], tmp_path: Path) -> None:
    trained = dlkit("train", *words, "--out", tmp_path / "run")
    found = json.loads(dlkit("inspect", "run", tmp_path / "run", "--json").stdout)

    assert "warning: " not in trained.stderr
    assert [one["message"] for one in found["findings"] if one["level"] == "warning"] == []
