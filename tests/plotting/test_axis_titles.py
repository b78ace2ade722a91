"""What the axes of a run's curves say: the kind of loss, and the unit of metrics that have one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlkit.plotting.history.axis_titles import axis_titles, read_axis_titles

Dlkit = Callable[..., Any]
NUMBERS = {"task": "regression", "target_scaling": {"mean": [0]}, "target_names": ["price"], "units": "US$"}
CLASSES = {"task": "classification", "target_scaling": None, "target_names": [], "units": ""}


@pytest.mark.parametrize(
    ("description", "loss", "title"),
    [
        (CLASSES, "auto", "cross-entropy"),
        (CLASSES, "mse", "mean squared error"),
        (NUMBERS, "auto", "mean squared error\nof scaled targets"),
        (NUMBERS, "huber", "Huber loss\nof scaled targets"),
        ({**NUMBERS, "target_scaling": None}, "l1", "mean absolute error"),
    ],
)
def test_the_loss_is_named_by_its_kind(description: dict[str, Any], loss: str, title: str) -> None:
    assert axis_titles(description, loss)["loss"] == title


def test_metrics_have_the_targets_name_and_unit() -> None:
    assert axis_titles(NUMBERS, "auto")["mae"] == "MAE\n(price, US$)"
    assert axis_titles({**NUMBERS, "units": ""}, "auto")["rmse"] == "RMSE\n(price)"
    assert axis_titles({**NUMBERS, "units": "price"}, "auto")["rmse"] == "RMSE\n(price)"
    assert axis_titles({**NUMBERS, "target_names": ["a", "b"]}, "auto")["mae"] == "MAE"


def test_runs_share_the_titles_that_they_agree_on(dlkit: Dlkit, tmp_path: Path) -> None:
    for name, loss in (("a", "cross-entropy"), ("b", "mse")):
        dlkit("train", "mlp", "--epochs", "1", "--loss", loss, "--out", tmp_path / name)
    first, second = (tmp_path / name / "history.csv" for name in "ab")

    assert read_axis_titles([first])["loss"] == "cross-entropy"
    assert "loss" not in read_axis_titles([first, second])
    assert read_axis_titles([tmp_path / "nothing" / "history.csv"]) == {}
