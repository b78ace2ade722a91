"""dlkit inspect runs, and --resume without a name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from refusals import assert_refused

from dlkit.cli.help import _with_value
from dlkit.files.run_lock import hold_lock

Dlkit = Callable[..., Any]


@pytest.fixture
def three_runs(dlkit: Dlkit, home: Path) -> Path:
    """Two runs that are done, and one that vanished before its second epoch."""
    for lr in ("0.01", "0.1"):
        dlkit("train", "mlp", "--epochs", "2", "--lr", lr)
    dlkit("train", "mlp", "--epochs", "2", "--max-steps", "23", "--lr", "0.05")
    lock = Path("runs/mlp-digits-003/run.lock")
    lock.write_text(lock.read_text().partition(",")[0])
    return Path("runs")


def rows(dlkit: Dlkit, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(dlkit("inspect", "runs", *words, "--json").stdout)
    return found


def test_each_run_has_a_row(three_runs: Path, dlkit: Dlkit) -> None:
    first, second, third = rows(dlkit)

    assert [row["run"] for row in (first, second, third)] == [
        f"runs/mlp-digits-00{place}" for place in (1, 2, 3)
    ]
    assert [row["state"] for row in (first, second, third)] == ["done", "done", "vanished"]
    assert (first["epoch"], first["epochs"], third["epoch"]) == (2, 2, 1)
    assert first["settings"].startswith("lr 0.01")
    assert first["metric"] == "accuracy"
    header, *lines = Path("runs/mlp-digits-001/history.csv").read_text().splitlines()
    best = dict(zip(header.split(","), lines[-1].split(","), strict=True))
    assert first["best_epoch"] == int(best["epoch"])
    assert (first["val_loss"], first["value"]) == (float(best["val_loss"]), float(best["val_accuracy"]))


def test_rows_are_sorted_by_a_column(three_runs: Path, dlkit: Dlkit) -> None:
    losses = [row["val_loss"] for row in rows(dlkit, "--sort", "val_loss")]

    assert losses == sorted(losses)
    assert_refused(dlkit("inspect", "runs", "--sort", "val_lss"), 2, "--sort val_lss", "val_loss")


def test_a_run_in_training_is_running(three_runs: Path, dlkit: Dlkit) -> None:
    with hold_lock(three_runs / "mlp-digits-002" / "run.lock"):
        states = {row["run"]: row["state"] for row in rows(dlkit)}

    assert states["runs/mlp-digits-002"] == "running"


def test_resume_without_a_name_takes_the_newest_unfinished_run(three_runs: Path, dlkit: Dlkit) -> None:
    result = dlkit("train", "--resume", "--max-steps", "46")

    assert result.code == 0, result.stderr
    assert result.stdout == "runs/mlp-digits-003/best.safetensors\n"
    assert "resuming runs/mlp-digits-003 after epoch 1, step 23" in result.stderr
    assert_refused(dlkit("train", "--resume"), 4, "no unfinished run in runs", "dlkit inspect runs")


def test_a_folder_without_runs_is_empty_or_refused(dlkit: Dlkit, home: Path) -> None:
    assert_refused(dlkit("inspect", "runs"), 4, "no folder at runs", "dlkit train")
    assert_refused(dlkit("train", "--resume"), 4, "no folder at runs", "dlkit train")
    Path("runs").mkdir()
    assert dlkit("inspect", "runs").stdout.startswith("run\t")


def test_what_a_resumed_run_changes_is_reported_and_kept(dlkit: Dlkit, home: Path) -> None:
    dlkit("train", "mlp", "--epochs", "1", "--out", "r")

    result = dlkit("train", "--resume", "r", "--epochs", "2", "--lr", "0.1")

    assert "lr 0.01 -> 0.1 from step 24" in result.stderr
    shown = dlkit("inspect", "show", "r/last.safetensors").stdout
    assert "changed\tepochs 1 -> 2 from step 24; lr 0.01 -> 0.1 from step 24\n" in shown


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--resume"], ["--resume", "runs"]),
        (["--resume", "--lr", "1"], ["--resume", "runs", "--lr", "1"]),
        (["--resume", "r"], ["--resume", "r"]),
        (["mlp"], ["mlp"]),
    ],
)
def test_a_name_is_filled_in(words: list[str], meant: list[str]) -> None:
    assert _with_value(words) == meant
