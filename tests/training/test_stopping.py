"""Which epoch is the best, and when there is nothing left to gain."""

from pathlib import Path

import pytest
from runs import configure, drive, essence, history, resume

from dlkit.files.checkpoint import load_checkpoint
from dlkit.files.history import read_history
from dlkit.training.run import start_run
from dlkit.training.stopping import EarlyStopping

FALLING, RISING = False, True
SEQUENCES = {
    "stops-after-two-that-are-no-better": (2, 0.0, FALLING, [5, 4, 4, 4.5, 3], 4),
    "begins-to-count-again-with-a-better-one": (2, 0.0, FALLING, [5, 6, 4, 5, 3, 3, 3], 7),
    "one-is-enough": (1, 0.0, FALLING, [5, 4, 4], 3),
    "an-equal-one-is-no-better": (1, 0.0, FALLING, [5, 5], 2),
    "goes-on-while-it-falls": (1, 0.0, FALLING, [5, 4, 3, 2], None),
    "never-without-patience": (None, 0.0, FALLING, [5, 6, 7, 8], None),
    "a-little-better-is-not-enough": (2, 0.5, FALLING, [5, 4.8, 4.6, 4], 3),
    "exactly-the-delta-is-not-enough": (1, 0.5, FALLING, [5, 4.5], 2),
    "little-by-little-counts-from-the-best": (3, 0.5, FALLING, [5, 4.8, 4.6, 4.4, 4.2, 4, 3.9], None),
    "rises": (2, 0.0, RISING, [0.1, 0.2, 0.2, 0.1, 0.3], 4),
    "rises-by-more-than-the-delta": (2, 0.05, RISING, [0.1, 0.14, 0.16, 0.18, 0.2], 5),
}


@pytest.mark.parametrize(
    ("patience", "min_delta", "higher", "values", "stops_after"), SEQUENCES.values(), ids=SEQUENCES
)
def test_stops_after_the_right_epoch(
    patience: int | None, min_delta: float, higher: bool, values: list[float], stops_after: int | None
) -> None:
    stopping = EarlyStopping(patience, min_delta, higher)

    stopped = []
    for epoch, value in enumerate(values, 1):
        stopping.observe(value)
        stopped += [epoch] if stopping.should_stop else []

    assert (stopped[0] if stopped else None) == stops_after


def test_what_was_counted_continues_where_it_stood() -> None:
    whole = EarlyStopping(9)
    for value in (5, 4, 6, 7):
        whole.observe(value)

    again = EarlyStopping(3, best=whole.best, bad_epochs=whole.bad_epochs)
    assert not again.should_stop
    again.observe(8)

    assert again.should_stop


STANDS_STILL = {"lr": 1e-30, "patience": 2, "epochs": 9}


def test_a_run_that_gets_no_better_stops_and_says_why(tmp_path: Path) -> None:
    run = start_run(configure(**STANDS_STILL), tmp_path / "run")

    assert drive(run) is None

    assert len(history(run.dir.path)) == 3, "the first is the best, two more are no better"
    assert run.best["epoch"] == 1
    assert "2 epochs (--patience)" in run.done_reason
    assert run.ended_early


def test_a_delta_that_no_epoch_reaches_stops_a_run_that_gets_better(tmp_path: Path) -> None:
    run = start_run(configure(patience=3, min_delta=10.0, epochs=9), tmp_path / "run")
    drive(run)

    assert len(history(run.dir.path)) == 4
    assert run.best["epoch"] == 4, "best is the best whatever the delta"
    for part in ("10", "3 epochs", "--patience"):
        assert part in run.done_reason


def test_a_run_that_gets_better_is_not_stopped(tmp_path: Path) -> None:
    run = start_run(configure(patience=1), tmp_path / "run")
    drive(run)

    assert len(history(run.dir.path)) == 3
    assert not run.ended_early
    assert "57 steps (--epochs)" in run.done_reason


def test_a_run_that_stopped_early_is_done_until_it_gets_more_patience(tmp_path: Path) -> None:
    folder, whole = tmp_path / "run", tmp_path / "whole"
    drive(start_run(configure(**STANDS_STILL), folder))
    before = essence(folder)

    for typed in ({}, {"epochs": 20}, {"patience": 1}):
        run = resume(folder, **typed)
        assert "val_loss" in run.notes[-1]
        assert "--patience" in run.notes[-1]
        assert list(run) == []
        assert not run.ended_early
    assert essence(folder) == before

    drive(resume(folder, patience=4))
    drive(start_run(configure(**{**STANDS_STILL, "patience": 4}), whole))

    assert len(history(folder)) == 5
    assert essence(folder, settings=False) == essence(whole, settings=False)


@pytest.mark.parametrize("stop", [7, 19, 38, 45])
@pytest.mark.quick(1)
def test_patience_is_counted_over_a_stop(stop: int, tmp_path: Path) -> None:
    folder, whole = tmp_path / "run", tmp_path / "whole"
    drive(start_run(configure(**STANDS_STILL), whole))

    drive(start_run(configure(**STANDS_STILL), folder), stop)
    drive(resume(folder))

    assert essence(folder) == essence(whole)


NOISY = {"lr": 0.7, "epochs": 6, "limit": 40}


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy", "train_loss", "train_accuracy"])
def test_best_is_the_first_best_epoch_of_what_is_monitored(monitor: str, tmp_path: Path) -> None:
    run = start_run(configure(**NOISY, monitor=monitor), tmp_path / "run")
    drive(run)

    values = read_history(run.dir.history).columns[monitor]
    best = (max if "accuracy" in monitor else min)(values)
    assert run.best["epoch"] == values.index(best) + 1
    assert load_checkpoint(run.dir.best).metadata["progress"]["best"][monitor] == best


def test_what_is_monitored_makes_a_difference_here(tmp_path: Path) -> None:
    run = start_run(configure(**NOISY), tmp_path / "run")
    drive(run)

    columns = read_history(run.dir.history).columns
    loss, accuracy = columns["val_loss"], columns["val_accuracy"]
    assert loss.index(min(loss)) != accuracy.index(max(accuracy))


def test_patience_looks_at_what_is_monitored(tmp_path: Path) -> None:
    for monitor in ("val_loss", "val_accuracy"):
        run = start_run(configure(**{**NOISY, "epochs": 12}, monitor=monitor, patience=2), tmp_path / monitor)
        drive(run)
        values = read_history(run.dir.history).columns[monitor]
        signed = [-value if "accuracy" in monitor else value for value in values]

        better = [min(signed[:epoch]) > signed[epoch] for epoch in range(1, len(signed))]
        assert not any(better[-2:]), "the last two were no better"
        assert all(any(better[place : place + 2]) for place in range(len(better) - 2)), "and never two before"
