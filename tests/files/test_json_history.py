"""Histories in JSON, and those of other programs read by inspect history."""

import json
from pathlib import Path
from typing import Any

import pytest

from dlkit.errors import DataError
from dlkit.files.foreign_history import parse_any_history
from dlkit.files.history import read_rows

KERAS = {"loss": [1.0, 0.5, 0.1, 0.05, 0.02, 0.01], "val_loss": [1.1, 0.7, 0.6, 0.8, 1.0, 1.3]}
ROWS = [
    {"epoch": 1, "step": 10, "loss": 0.9},
    {"epoch": 1, "step": 10, "eval_loss": 1.0},
    {"epoch": 2, "step": 20, "loss": 0.4},
    {"epoch": 2, "step": 20, "eval_loss": 0.6, "eval_accuracy": None},
]


@pytest.mark.parametrize(
    ("content", "train", "val"),
    [
        (KERAS, KERAS["loss"], KERAS["val_loss"]),
        ({"history": KERAS, "params": {"epochs": 6}}, KERAS["loss"], KERAS["val_loss"]),
        ({"log_history": ROWS, "best_metric": None}, [0.9, 0.4], [1.0, 0.6]),
        (ROWS, [0.9, 0.4], [1.0, 0.6]),
    ],
    ids=["keras", "whole", "trainer", "rows"],
)
def test_losses_are_read(tmp_path: Path, content: Any, train: list[float], val: list[float]) -> None:
    path = tmp_path / "history.json"
    path.write_text(json.dumps(content))

    history = parse_any_history(path, *read_rows(path))

    assert history.columns["train_loss"] == train
    assert history.columns["val_loss"] == val


@pytest.mark.parametrize(
    "text", ["{", "{}", "[]", "[1]", '{"a": 1}', '{"a": [1], "b": [1, 2]}', "[" * 100_000]
)
def test_other_json_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "history.json").write_text(text)

    with pytest.raises(DataError) as caught:
        read_rows(tmp_path / "history.json")

    assert "val_loss" in caught.value.hint


def test_keras_histories_are_drawn_and_diagnosed(dlkit: Any, home: Path) -> None:
    (home / "history.json").write_text(json.dumps(KERAS))
    lines = ["loss,val_loss", *(f"{a},{b}" for a, b in zip(*KERAS.values(), strict=True))]
    (home / "log.csv").write_text("\n".join(lines) + "\n")

    drawn = dlkit("plot", "history.json", "--out", "a.png")
    found = [dlkit("inspect", "history", name, "--json") for name in ("history.json", "log.csv")]

    assert drawn.code == 0
    assert "incomplete" not in drawn.stderr
    assert (home / "a.png").stat().st_size > 0
    for each in found:
        assert "overfit" in [finding["rule"] for finding in json.loads(each.stdout)["findings"]]
