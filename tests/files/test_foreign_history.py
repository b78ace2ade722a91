"""Histories that other programs wrote."""

import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refusals import assert_refused, assert_reports

from dlkit.errors import DataError
from dlkit.files.foreign_history import ForeignHistory, is_history, parse_any_history, runs_of
from dlkit.files.history import History, read_rows
from dlkit.plotting.history.curves import plot_history

Columns = dict[str, list[float | None]]


def parse(folder: Path, *lines: str) -> History:
    path = folder / "log.csv"
    path.write_text("\n".join(lines) + "\n")
    return parse_any_history(path, *read_rows(path))


KERAS = ["epoch,accuracy,learning_rate,loss,val_accuracy,val_loss", "0,.5,.1,2,.4,3", "1,.6,.1,1,.5,2"]
OF_KERAS: Columns = {
    "epoch": [0, 1],
    "train_accuracy": [0.5, 0.6],
    "lr": [0.1, 0.1],
    "train_loss": [2, 1],
    "val_accuracy": [0.4, 0.5],
    "val_loss": [3, 2],
}
LOGS: dict[str, tuple[list[str], Columns]] = {
    "keras": (KERAS, OF_KERAS),
    "tabs": ([line.replace(",", "\t") for line in KERAS], OF_KERAS),
    "semicolons and decimal commas": (
        [line.replace(",", ";").replace(".", ",") for line in KERAS],
        OF_KERAS,
    ),
    "pandas": (
        [",loss,val_loss", "0,2,3", "1,1,2"],
        {"epoch": [0, 1], "train_loss": [2, 1], "val_loss": [3, 2]},
    ),
    "lightning": (
        [
            "epoch,lr-Adam,step,train_loss_epoch,train_loss_step,val_loss",
            "0,.1,9,,5,",
            "0,.1,19,,4,",
            "0,,20,,,3",
            "0,,20,2,,",
            "1,.1,29,,3,",
            "1,,40,,,2.5",
            "1,,40,1,,",
        ],
        {
            "epoch": [0, 1],
            "lr": [0.1, 0.1],
            "step": [20, 40],
            "train_loss": [2, 1],
            "val_loss": [3, 2.5],
        },
    ),
    "lightning by step": (
        ["epoch,step,train_loss,val_loss", "0,9,5,", "0,19,3,", "0,20,,3", "1,29,1,", "1,40,,2"],
        {"epoch": [0, 1], "step": [20, 40], "train_loss": [4, 1], "val_loss": [3, 2]},
    ),
    "fastai": (
        ["epoch,train_loss,valid_loss,accuracy,time", "0,2,3,.4,00:12", "1,1,2,.5,00:11"],
        {"epoch": [0, 1], "train_loss": [2, 1], "val_loss": [3, 2], "accuracy": [0.4, 0.5]},
    ),
    "timm": (
        ["epoch,train_loss,eval_loss,eval_top1", "0,2,3,40", "1,1,2,50"],
        {"epoch": [0, 1], "train_loss": [2, 1], "val_loss": [3, 2], "val_top1": [40, 50]},
    ),
    "ultralytics": (
        ["  epoch,  train/box_loss,  val/box_loss,  lr/pg0", "  0,  2,  3,  .1", "  1,  1,  2,  .1"],
        {"epoch": [0, 1], "train_box_loss": [2, 1], "val_box_loss": [3, 2], "lr": [0.1, 0.1]},
    ),
    "classic torch log": (
        ["Learning Rate\tTrain Loss\tValid Loss\tValid Acc.\t", ".1\t2\t3\t40\t", ".1\t1\t2\t50\t"],
        {"epoch": [1, 2], "lr": [0.1, 0.1], "train_loss": [2, 1], "val_loss": [3, 2], "val_acc": [40, 50]},
    ),
    "xgboost": (
        ["train-rmse-mean,test-rmse-mean", "2,3", "1,2"],
        {"epoch": [1, 2], "train_rmse_mean": [2, 1], "val_rmse_mean": [3, 2]},
    ),
    "wandb": (
        ["Step,sun-3 - train/loss,sun-3 - train/loss__MIN,sun-3 - val/loss", "0,2,2,3", "10,1,1,2"],
        {"epoch": [1, 2], "step": [0, 10], "train_loss": [2, 1], "val_loss": [3, 2]},
    ),
    "several rates": (
        ["epoch,train/loss,val/loss,lr/pg0,lr/pg1", "1,2,3,.1,.2"],
        {"epoch": [1], "train_loss": [2], "val_loss": [3], "lr": [0.1], "lr_pg1": [0.2]},
    ),
    "keras without validation": (
        ["epoch,accuracy,loss", "0,.5,2"],
        {"epoch": [0], "accuracy": [0.5], "train_loss": [2]},
    ),
    "wandb over the steps of lightning": (
        [
            '"trainer/global_step","sun-3 - train/loss","sun-3 - train/loss__MIN","sun-3 - train/loss__MAX"',
            '"9","2","2","2"',
        ],
        {"epoch": [1], "step": [9], "train_loss": [2]},
    ),
    "wandb without a split": (
        ["Step,sun-3 - reward,sun-3 - reward__MIN,sun-3 - reward__MAX", "9,2,2,2"],
        {"epoch": [1], "step": [9], "reward": [2]},
    ),
    "blank around the split": (
        ["epoch,loss - train,loss - val,train - accuracy,val - accuracy", "1,2,3,4,5"],
        {"epoch": [1], "train_loss": [2], "val_loss": [3], "train_accuracy": [4], "val_accuracy": [5]},
    ),
    "tensorboard": (
        ["Wall time,Step,Value", "1700000000.5,0,2", "1700000001.5,10,1"],
        {"epoch": [1, 2], "wall_time": [1700000000.5, 1700000001.5], "step": [0, 10], "value": [2, 1]},
    ),
    "split last": (
        ["Epoch,loss_train,loss_val", "1,2,3"],
        {"epoch": [1], "train_loss": [2], "val_loss": [3]},
    ),
    "test beside val": (
        ["epoch,train_loss,val_loss,test_loss", "1,2,3,4"],
        {"epoch": [1], "train_loss": [2], "val_loss": [3], "test_loss": [4]},
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_columns_of_other_programs_are_understood(name: str, tmp_path: Path) -> None:
    lines, expected = LOGS[name]

    history = parse(tmp_path, *lines)

    assert dict(history.columns) == expected
    assert isinstance(history, ForeignHistory)
    assert is_history(read_rows(tmp_path / "log.csv")[0])


@pytest.mark.parametrize(
    "header", [["a", "b", "y"], ["target", "pred"], ["x", "y", "value"], ["train_id", "a"], [""]], ids=str
)
def test_other_tables_are_no_histories(header: list[str]) -> None:
    assert not is_history(header)


def test_what_was_decided_is_reported(tmp_path: Path) -> None:
    def notes(*lines: str) -> str:
        history = parse(tmp_path, *lines)
        assert isinstance(history, ForeignHistory)
        return "\n".join((*history.notes, history.uncounted))

    assert "loss as train_loss" in notes(*KERAS)
    assert "not numeric: time" in notes(*LOGS["fastai"][0])
    assert "7 rows are joined to 2 epochs" in notes(*LOGS["lightning"][0])
    assert "counted from 1" in notes(*LOGS["xgboost"][0])
    assert "begin again 1 time" in notes(KERAS[0], *KERAS[1:], *KERAS[1:])
    assert "all rows are of epoch 0" in notes("epoch,step,train_loss,val_loss", "0,1,2,", "0,2,,3")
    assert "left out, since another column stands for it: train_loss_step" in notes(*LOGS["lightning"][0])
    assert "ranges" in notes(*LOGS["wandb"][0])
    assert notes("epoch,train_loss,val_loss", "0,1,2") == ""


def test_a_loss_that_is_nan_stays_a_gap(tmp_path: Path) -> None:
    history = parse(tmp_path, "epoch,loss,val_loss", "0,1,2", "1,nan,inf", "2,1,2")

    assert [math.isnan(history.columns[name][1] or 0) for name in ("train_loss", "val_loss")] == [True, True]


def test_sparse_rows_are_drawn_as_lines(tmp_path: Path) -> None:
    rows = [
        f"0,{step},{'' if step % 20 == 0 else step},{step if step % 20 == 0 else ''}"
        for step in range(0, 90, 10)
    ]
    history = parse(tmp_path, "epoch,step,train_loss,val_loss", *rows)

    figure = plot_history([history], [""], x="step")

    lines = {tuple(line.get_xdata()): tuple(line.get_ydata()) for axes in figure.axes for line in axes.lines}
    assert lines[(10, 30, 50, 70)] == (10, 30, 50, 70)
    assert lines[(0, 20, 40, 60, 80)] == (0, 20, 40, 60, 80)


def test_keras_curves_are_two_lines(tmp_path: Path, dlkit: Callable[..., Any]) -> None:
    (tmp_path / "keras.tsv").write_text("\n".join(line.replace(",", "\t") for line in KERAS) + "\n")

    result = dlkit("plot", tmp_path / "keras.tsv", "-o", "keras.svg")

    assert (result.code, result.stdout) == (0, "keras.svg\n")
    assert "loss as train_loss" in result.stderr
    drawn = Path("keras.svg").read_text()
    assert ">train<" in drawn
    assert "lowest val loss" in drawn or "best epoch 1" in drawn


TWO_RUNS = [
    "Step,sun-3 - train_loss,sun-3 - train_loss__MIN,sun-3 - train_loss__MAX,sea-7 - train_loss,sea-7 - val_loss",
    "0,4,4,4,5,",
    "10,3,3,3,,",
    "20,2,2,2,4,6",
]


def runs(folder: Path, *lines: str) -> dict[str, Columns]:
    return {
        run.run: dict(run.columns)
        for run in runs_of(parse(folder, *lines))
        if isinstance(run, ForeignHistory)
    }


def test_runs_in_the_columns_of_a_file_are_told_apart(tmp_path: Path) -> None:
    assert runs(tmp_path, *TWO_RUNS) == {
        "sun-3": {"epoch": [1, 2, 3], "step": [0, 10, 20], "train_loss": [4, 3, 2]},
        "sea-7": {"epoch": [1, 2], "step": [0, 20], "train_loss": [5, 4], "val_loss": [None, 6]},
    }


BY_ROWS = {
    "texts": (["run,epoch,loss,val_loss", "a,0,1,2", "a,1,1,2", "b,0,3,4", "b,1,3,4"], ["a", "b"]),
    "folds": (["epoch,fold,loss,val_loss", "0,1,1,2", "0,2,1,2", "1,1,3,4", "1,2,3,4"], ["fold 1", "fold 2"]),
    "two columns": (
        ["model,seed,step,train_loss", "m,0,1,2", "m,0,2,2", "m,1,1,2", "m,1,2,2"],
        ["seed 0", "seed 1"],
    ),
    "one run": (["version,epoch,loss,val_loss", "1,0,1,2", "1,1,1,2"], [""]),
    "epochs go on": (["name,epoch,loss,val_loss", "a,0,1,2", "a,1,1,2", "b,2,3,4", "b,3,3,4"], [""]),
    "a name a row": (["name,epoch,loss,val_loss", "a,0,1,2", "b,0,3,4"], [""]),
}


@pytest.mark.parametrize("case", BY_ROWS)
def test_runs_in_the_rows_of_a_file_are_told_apart(case: str, tmp_path: Path) -> None:
    lines, names = BY_ROWS[case]

    assert list(runs(tmp_path, *lines)) == names


def test_each_run_of_a_file_is_a_curve(tmp_path: Path, dlkit: Callable[..., Any], monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    Path("w.csv").write_text("\n".join(TWO_RUNS) + "\n")

    result = dlkit("plot", "w.csv", "-o", "w.svg")

    assert result.code == 0
    assert_reports(
        DataError(result.stderr), "holds 2 runs: sun-3, sea-7", "ranges: columns that end in __MIN or __MAX"
    )
    drawn = Path("w.svg").read_text()
    assert ">sun-3<" in drawn
    assert ">sea-7, 6 in step 20<" in drawn
    assert ">step<" in drawn
    assert "-x step" not in dlkit("plot", "w.csv", "-x", "step").stderr
    assert "-x step" in dlkit("plot", "w.csv", "-x", "epoch").stderr


def test_a_file_with_times_alone_is_drawn_over_them(
    tmp_path: Path, dlkit: Callable[..., Any], monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("Relative Time (Process),a - reward,a - reward__MIN\n0.5,1,1\n1.5,2,2\n")

    result = dlkit("plot", "t.csv", "-o", "t.svg")

    assert result.code == 0
    assert "counted from 1" not in result.stderr
    assert ">time (s)<" in Path("t.svg").read_text()


def test_a_run_of_a_file_is_chosen_by_its_column(
    tmp_path: Path, dlkit: Callable[..., Any], monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("w.csv").write_text("\n".join(TWO_RUNS) + "\n")

    assert dlkit("plot", "w.csv", "-y", "sea-7 - train_loss", "-o", "one.svg").code == 0
    assert dlkit("plot", "w.csv", "-y", "loss", "--label", "a,b", "-o", "two.svg").code == 0

    one, two = Path("one.svg").read_text(), Path("two.svg").read_text()
    assert ("sun-3" in one, "sea-7" in one) == (False, True)
    assert ">a<" in two
    assert_refused(dlkit("plot", "w.csv", "--label", "a,b,c"), 2, "--label a,b,c names 3 of 2 runs")
    assert_refused(dlkit("plot", "w.csv", "--join"), 2, "w.csv holds 2")


def test_a_history_of_several_runs_is_examined_one_at_a_time(
    tmp_path: Path, dlkit: Callable[..., Any], monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("w.csv").write_text("\n".join(TWO_RUNS) + "\n")

    assert_refused(dlkit("inspect", "history", "w.csv"), 2, "2 runs: sun-3, sea-7", "--run sun-3")
    assert dlkit("inspect", "history", "w.csv", "--run", "sea-7").code == 0
    assert_refused(dlkit("inspect", "history", "w.csv", "--run", "sea"), 2, "--run sea is not in", "sea-7?")
    Path("k.csv").write_text("\n".join(KERAS) + "\n")
    assert_refused(dlkit("inspect", "history", "k.csv", "--run", "a"), 2, "one run", "leave it out")


def test_columns_that_are_not_drawn_are_named(
    tmp_path: Path, dlkit: Callable[..., Any], monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("f.csv").write_text("\n".join(LOGS["fastai"][0]) + "\n")
    Path("y.csv").write_text("epoch,train/loss,val/loss,metrics/mAP_0.5,metrics/recall\n1,2,3,.4,.5\n")

    assert "f.csv: not drawn: accuracy; -y accuracy draws it" in dlkit("plot", "f.csv").stderr
    assert "not drawn" not in dlkit("plot", "f.csv", "-y", "accuracy").stderr
    assert "-y metrics_map_0_5,metrics_recall draws the first two" in dlkit("plot", "y.csv").stderr
    assert dlkit("plot", "y.csv", "-y", "metrics/mAP_0.5").code == 0


def test_columns_with_brackets_and_rates_of_groups_are_named_as_a_shell_takes_them(
    tmp_path: Path, dlkit: Callable[..., Any], monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    names = "epoch,train/box_loss,val/box_loss,metrics/recall(B),metrics/mAP50(B),lr/pg0,lr/pg1"
    Path("y.csv").write_text(f"{names}\n1,2,3,.4,.5,.1,.1\n2,1,2,.5,.6,.2,.2\n")

    said = dlkit("plot", "y.csv").stderr.partition("not drawn: ")[2]
    shown, _, option = said.partition("; -y ")

    assert {"lr", "lr_pg1", "metrics_recall(b)"} <= set(shown.split(", "))
    assert dlkit("plot", "y.csv", "-y", *shlex.split(option.partition(" draws")[0])).code == 0
    assert option.startswith("'metrics_recall(b),metrics_map50(b)' draws")


FAULTS = {
    "text": (["epoch,loss,val_loss", "0,1,2", "1,oops,3"], "line 3", "loss", "oops"),
    "only epochs": (["epoch,accuracy,time", "1,2,3"], "no column train_loss, val_loss", "accuracy"),
    "no rows": (["epoch,loss,val_loss"], "no epochs yet"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_is_no_history_is_refused(case: str, tmp_path: Path) -> None:
    lines, *parts = FAULTS[case]

    with pytest.raises(DataError) as caught:
        parse(tmp_path, *lines)

    assert_reports(caught.value, *parts)


def test_a_download_of_tensorboard_is_drawn(tmp_path: Path, dlkit: Callable[..., Any]) -> None:
    (tmp_path / "tb.csv").write_text("Wall time,Step,Value\n1.5,0,2\n2.5,10,1\n")

    result = dlkit("plot", tmp_path / "tb.csv", "-x", "step", "-o", "tb.svg")

    assert (result.code, result.stdout) == (0, "tb.svg\n")
    assert "value" in Path("tb.svg").read_text()
    assert "Wall time" not in result.stderr


def test_a_table_that_is_no_history_is_refused_by_plot(home: Path, dlkit: Callable[..., Any]) -> None:
    Path("t.tsv").write_text("a\tb\n1\t2\n")

    assert_refused(dlkit("plot", "t.tsv"), 3, "t.tsv", "history")
