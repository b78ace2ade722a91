"""Logs with a metric in each row, as MLflow, Comet and TensorBoard write them, are histories like others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlkit.files.foreign_history import parse_any_history, runs_of
from dlkit.files.history import read_rows

Run = Callable[..., Any]
LOSS = [1.0, 0.5, 0.25]


def lines(*made: tuple[str, float]) -> str:
    """Three steps of each: a row with blanks for the value and the step, and what is added to the value."""
    return "".join(
        row.format(value=value + more, step=step) + "\n"
        for row, more in made
        for step, value in enumerate(LOSS)
    )


LOGS = {
    "mlflow": (
        "key,value,timestamp,step\n"
        + lines(("loss,{value},17,{step}", 0), ("val_loss,{value},17,{step}", 1)),
        {"step": [0, 1, 2], "train_loss": LOSS, "val_loss": [2, 1.5, 1.25]},
    ),
    "comet": (
        "metricName,metricValue,step,epoch,runContext\n"
        + lines(("loss,{value},{step},{step},train", 0), ("loss,{value},{step},{step},validate", 1)),
        {"epoch": [0, 1, 2], "train_loss": LOSS, "val_loss": [2, 1.5, 1.25]},
    ),
    "tensorboard": (
        ",run,tag,step,value,wall_time\n"
        + lines(
            ("0,x/train,epoch_loss,{step},{value},9", 0), ("0,x/validation,epoch_loss,{step},{value},9", 1)
        ),
        {"step": [0, 1, 2], "train_loss": LOSS, "val_loss": [2, 1.5, 1.25]},
    ),
    "at other steps": (
        "key,value,step\n" + lines(("train_loss,{value},{step}", 0)) + "val_loss,3,1.5\nval_loss,2,2\n",
        {
            "step": [0, 1, 1.5, 2],
            "train_loss": [1.0, 0.5, None, 0.25],
            "val_loss": [None, None, 3, 2],
        },
    ),
    "metrics of no split": (
        "key,value,step\n" + lines(("rmse,{value},{step}", 0), ("r2,{value},{step}", 1)),
        {"step": [0, 1, 2], "rmse": LOSS, "r2": [2, 1.5, 1.25]},
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_a_metric_a_row_becomes_a_column(name: str, tmp_path: Path) -> None:
    text, columns = LOGS[name]
    path = tmp_path / "t.csv"
    path.write_text(text)

    found = parse_any_history(path, *read_rows(path))

    assert {column: list(found.columns[column]) for column in columns} == columns


def test_the_runs_of_a_log_are_told_apart_and_drawn(dlkit: Run, home: Path) -> None:
    rows = [
        (f"{run},{key},{{value}},{{step}}", more)
        for more, run in enumerate("ab")
        for key in ("loss", "val_loss")
    ]
    Path("t.csv").write_text("run_id,key,value,step\n" + lines(*rows))

    drawn = dlkit("plot", "t.csv")
    read = runs_of(parse_any_history(Path("t.csv"), *read_rows(Path("t.csv"))))

    assert drawn.code == 0
    assert "t.csv holds 2 runs: a, b" in drawn.stderr
    assert "a metric in each row: train_loss, val_loss" in drawn.stderr
    assert [run.columns["val_loss"] for run in read] == [LOSS, [2, 1.5, 1.25]]
