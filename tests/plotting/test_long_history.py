import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dlkit.files.history import History, read_history
from dlkit.plotting.history.long import read_large, thinned
from dlkit.plotting.kinds import read_input

ROWS = 60_000


def write_long(path: Path) -> Path:
    """Write a history above the size from which files are read in one go, with gaps, NaN and infinities."""
    values = np.random.default_rng(0)
    loss = 1 / np.arange(1, ROWS + 1) + values.normal(0, 0.1, ROWS) ** 2
    frame = pd.DataFrame({"epoch": np.arange(1, ROWS + 1), "step": np.arange(1, ROWS + 1) * 7})
    for name in ("seconds", "lr", "train_loss", "val_loss", "train_accuracy", "val_accuracy"):
        frame[name] = loss + values.random(ROWS)
    for name in ("grad_norm", "update_ratio", "samples_per_second", "memory_mib"):
        frame[name] = values.random(ROWS)
    frame.loc[10:20, "val_loss"] = np.nan
    text = frame.astype(object).where(frame.notna(), "")
    text.loc[30, "val_loss"], text.loc[31, "val_loss"] = "nan", "inf"
    text.to_csv(path, index=False, lineterminator="\n")
    return path


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_long(tmp_path_factory.mktemp("long") / "history.csv")


def drawn(history: History, name: str) -> list[float]:
    return [math.nan if value is None else value for value in history.columns[name]]


@pytest.mark.slow
def test_read_large_reads_what_the_careful_reader_does(long: Path) -> None:
    fast, slow = read_large(long), read_history(long)

    assert fast is not None
    assert list(fast.columns) == list(slow.columns)
    for name in slow.columns:
        np.testing.assert_array_equal(drawn(fast, name), drawn(slow, name))


def test_read_large_leaves_out_a_line_that_is_being_written(long: Path, tmp_path: Path) -> None:
    cut = tmp_path / "history.csv"
    cut.write_bytes(long.read_bytes() + b"60001,7,1.0")

    found = read_large(cut)

    assert found is not None
    assert len(found) == ROWS


@pytest.mark.parametrize("change", [("0.", "x.", 1), ("\n", "\n1,2\n", 2), ("epoch", "Epoch", 1)])
def test_read_large_leaves_faults_and_foreign_files_to_the_careful_reader(
    long: Path, tmp_path: Path, change: tuple[str, str, int]
) -> None:
    other = tmp_path / "history.csv"
    other.write_text(long.read_text().replace(*change))

    assert read_large(other) is None


def test_read_input_takes_a_large_history_for_curves(long: Path) -> None:
    kind, history = read_input(long)

    assert (kind.name, len(history)) == ("curves", ROWS)


@pytest.mark.slow
def test_thinned_keeps_ends_best_row_and_the_extremes_of_every_stretch(long: Path) -> None:
    history = read_history(long)

    found = thinned(history)

    assert len(found) < 40_000
    epochs = [int(epoch or 0) for epoch in found.columns["epoch"]]
    assert epochs == sorted(set(epochs))
    assert (epochs[0], epochs[-1]) == (1, ROWS)
    best, before = found.best_row(), history.best_row()
    assert best is not None
    assert before is not None
    assert epochs[best] == before + 1
    full = pd.Series(drawn(history, "train_loss")).groupby(np.arange(ROWS) // 500)
    kept = pd.Series(drawn(found, "train_loss")).groupby((np.array(epochs) - 1) // 500)
    pd.testing.assert_frame_equal(kept.agg(["min", "max"]), full.agg(["min", "max"]))


def test_thinned_leaves_what_a_figure_can_show_as_it_is(long: Path) -> None:
    history = History({"epoch": [1.0, 2.0], "val_loss": [0.5, None]})

    assert thinned(history) is history
