"""Which columns of a history stand in which panel, and what of them can be drawn; no matplotlib needed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

from dlkit.errors import ConfigError, DataError, did_you_mean, printable
from dlkit.files.foreign_history import ForeignHistory
from dlkit.files.history import OWN_COLUMNS, History

X_COLUMNS = ("epoch", "step", "seconds")
_SPLITS = ("train", "val")
NOT_MEASURED = (*X_COLUMNS, "wall_time", "timestamp")
SELDOM_DRAWN = (*OWN_COLUMNS, *NOT_MEASURED)
_FARTHEST = 1e100


@dataclass(frozen=True)
class Panel:
    """One panel: what it is called and the columns in it, those of train before those of val.

    Args:
        name: `loss`, a metric, or a column that no split has, e.g. `lr`.
        columns: Names in history.csv.
    """

    name: str
    columns: tuple[str, ...]

    def only_val(self) -> "Panel":
        """Return the panel without what was measured in training, unless there is nothing else."""
        val = tuple(column for column in self.columns if split_and_name(column)[0] != "train")
        return Panel(self.name, val or self.columns)


def choose_panels(
    histories: Sequence[History], columns: Sequence[str] | None = None, *, log_y: bool = False
) -> list[Panel]:
    """Sort columns into panels: without a choice the loss and the metrics, each with train and val in one.

    Args:
        histories: What will be drawn.
        columns: Column names, or `loss` for both `train_loss` and `val_loss`; None takes the usual ones.
        log_y: The axes will be logarithmic: all of them when columns are chosen, else that of the loss.

    Raises:
        ConfigError: A column that no history has, or nothing above 0 for a logarithmic axis.
        DataError: There is no number in the columns.
    """
    known = list(dict.fromkeys(name for history in histories for name in history.columns))
    chosen = _usual(histories) if columns is None else _chosen(columns, known)
    groups: dict[str, list[str]] = {}
    for name in chosen:
        if columns is not None or any(finite_values(history, name) for history in histories):
            groups.setdefault(split_and_name(name)[1], []).append(name)
    panels = [Panel(name, tuple(sorted(set(group), key=known.index))) for name, group in groups.items()]
    if not panels:
        raise DataError(
            f"there is no number to draw in {', '.join(chosen)}", "-y takes other columns of the history"
        )
    for panel in panels:
        _check_numbers(panel, histories, logarithmic=is_log(panel, columns, log_y=log_y))
    return panels


def check_x(histories: Sequence[History], files: Sequence[str], x: str) -> None:
    """Check that every history can be drawn over a column.

    Raises:
        ConfigError: One has no numbers there.
    """
    for history, file in zip(histories, files, strict=True):
        if not finite_values(history, x):
            raise ConfigError(f"-x {x}: {file} has no number in that column", "-x epoch always works")


def find_lacking(
    histories: Sequence[History], files: Sequence[str], panels: Sequence[Panel]
) -> list[tuple[str, str]]:
    """Return the file and the column wherever one of several histories has nothing to draw."""
    columns = [column for panel in panels for column in panel.columns]
    return [
        (file, column)
        for history, file in zip(histories, files, strict=True)
        for column in columns
        if not finite_values(history, column)
    ]


def count_not_positive(
    histories: Sequence[History], panels: Sequence[Panel], columns: Sequence[str] | None, *, log_y: bool
) -> int:
    """Count the numbers that logarithmic axes cannot show."""
    logarithmic = [panel for panel in panels if is_log(panel, columns, log_y=log_y)]
    names = [column for panel in logarithmic for column in panel.columns]
    return sum(
        value <= 0 for history in histories for name in names for value in finite_values(history, name)
    )


def is_log(panel: Panel, columns: Sequence[str] | None, *, log_y: bool) -> bool:
    """Return whether --log-y means this panel: every one that was chosen with -y, else the loss alone."""
    return log_y and (columns is not None or panel.name == "loss")


def split_and_name(column: str) -> tuple[str, str]:
    """Take a column's name apart: `val_loss` is `val` and `loss`; `lr` belongs to no split."""
    split, underscore, name = column.partition("_")
    return (split, name) if underscore and name and split in _SPLITS else ("", column)


def name_splits(histories: Sequence[History]) -> dict[str, str]:
    """Return what train and val are called in a legend; what others measured of training is not known."""
    foreign = any(isinstance(history, ForeignHistory) for history in histories)
    return {"train": "train" if foreign else "train (mean during the epoch)", "val": "val"}


def numbers(history: History, column: str) -> list[float]:
    """Return a column as it can be drawn: NaN in the gaps, which also infinities and numbers beyond 1e100 are."""
    values = history.columns.get(column, [None] * len(history))
    return [math.nan if value is None else _within_reach(value) for value in values]


def points(history: History, places: Sequence[float], column: str) -> tuple[list[float], list[float]]:
    """Return where a line of a column goes: places on the x axis and numbers, NaN in the gaps.

    Args:
        history: The run.
        places: Of all rows on the x axis.
        column: What is drawn.
    """
    values = numbers(history, column)
    if isinstance(history, ForeignHistory):
        measured = [value is not None for value in history.columns.get(column, [])]
        return list(compress(places, measured)), list(compress(values, measured))
    return list(places), values


def finite_values(history: History, column: str) -> list[float]:
    """Return the numbers of a column without the gaps; empty when the history has no such column."""
    return [value for value in numbers(history, column) if math.isfinite(value)]


def smoothed(values: Sequence[float], window: int) -> list[float]:
    """Return the running mean centred on each value; gaps (NaN) stay gaps and count in no mean.

    Args:
        values: One number a row.
        window: Rows in a mean; fewer at the two ends. Of an even number one more lies before than after.
    """
    if window == 1:
        return list(values)
    before, after = window // 2, (window - 1) // 2
    means = []
    for row, value in enumerate(values):
        near = [other for other in values[max(0, row - before) : row + after + 1] if math.isfinite(other)]
        means.append(math.fsum(near) / len(near) if math.isfinite(value) else math.nan)
    return means


def _within_reach(value: float) -> float:
    if not abs(value) <= _FARTHEST:
        return math.nan
    return value if abs(value) >= 1 / _FARTHEST else 0.0


def _usual(histories: Sequence[History]) -> list[str]:
    parts = [split_and_name(column) for history in histories for column in history.columns]
    metrics = dict.fromkeys(name for split, name in parts if split)
    if not metrics:  # a download of TensorBoard, or an export of Weights & Biases
        return [name for _, name in parts if name not in NOT_MEASURED]
    return [f"{split}_{name}" for name in ("loss", *(m for m in metrics if m != "loss")) for split in _SPLITS]


def _chosen(columns: Sequence[str], known: Sequence[str]) -> list[str]:
    chosen: list[str] = []
    faults = []
    for name in columns:
        both = [f"{split}_{name}" for split in _SPLITS if f"{split}_{name}" in known]
        if name not in known and not both:
            shown = ", ".join(map(printable, known))
            faults.append(
                ConfigError(
                    f"-y {name} is not a column of the history; choose from {shown}",
                    did_you_mean(name, known),
                )
            )
        chosen += [name] if name in known else both
    if faults:
        raise ConfigError.of(faults)
    return chosen


def _check_numbers(panel: Panel, histories: Sequence[History], *, logarithmic: bool) -> None:
    pairs = [(history, column) for history in histories for column in panel.columns]
    values = [value for history, column in pairs for value in finite_values(history, column)]
    names = ", ".join(panel.columns)
    if not values:
        raise DataError(f"there is no number to draw in {names}", "it was not measured in this run")
    if logarithmic and max(values) <= 0:
        raise ConfigError(f"--log-y needs values above 0; {names} has none", "leave --log-y out")
