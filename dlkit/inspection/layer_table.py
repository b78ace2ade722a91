"""The table of an inspection: one row per layer, in the order of the model unless sorted."""

import fnmatch
from collections.abc import Mapping, Sequence

from dlkit.errors import ConfigError, did_you_mean
from dlkit.files.csv_text import csv_text

Cell = str | int | float | None
Row = Mapping[str, Cell]

_STATISTICS = ("layer", "shape", "norm", "mean", "std", "min", "max", "zeros", "non_finite")
_SPREAD = ("stable_rank", "q05", "median", "q95")
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "weights": (*_STATISTICS, *_SPREAD),
    "grads": (*_STATISTICS, "grad_to_weight", *_SPREAD),
    "acts": (*_STATISTICS, "dead", "saturated", *_SPREAD),
    "updates": ("layer", "sampled", "first", "min", "median", "max", "max_step", "last"),
    "diff": ("layer", "change", "shape", "norm_a", "norm_b", "distance", "relative", "cosine"),
    "check": ("layer", "shape", "autograd", "difference", "error", "verdict"),
    "nan": (
        "layer",
        "type",
        "largest_input",
        "largest_output",
        "non_finite",
        "largest_gradient",
        "non_finite_gradient",
    ),
    "model": ("layer", "type", "output", "parameters", "flops"),
}
_MAX_NAMES = 20


def check_column(kind: str, column: str | None) -> None:
    """Check that a table can be sorted by a column.

    Args:
        kind: The table, a key of `COLUMNS`.
        column: As typed; None keeps the order of the model.

    Raises:
        ConfigError: The table has no such column.
    """
    columns = COLUMNS[kind]
    if column is not None and column not in columns:
        raise ConfigError(
            f"--sort {column} is not a column; choose from {', '.join(columns)}",
            did_you_mean(column, columns),
        )


def in_order(kind: str, row: Row) -> Row:
    """Return a row with its cells in the order of the table's columns."""
    return {column: row[column] for column in COLUMNS[kind]}


def select_layers(names: Sequence[str], pattern: str | None) -> list[str]:
    """Return the layers whose names match a shell pattern, in their original order.

    Args:
        names: All layers.
        pattern: For example `hidden.*.weight`; None takes all.

    Raises:
        ConfigError: No layer matches.
    """
    if pattern is None:
        return list(names)
    found = [name for name in names if fnmatch.fnmatchcase(name, pattern)]
    if not found:
        more = f", and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
        raise ConfigError(
            f"--layers {pattern} matches no layer", f"the layers are {', '.join(names[:_MAX_NAMES])}{more}"
        )
    return found


def arrange(rows: Sequence[Row], column: str | None, top: int | None) -> list[Row]:
    """Sort rows and keep the first.

    Args:
        rows: In the order of the model.
        column: The column to sort by: numbers largest first, missing values last, names from a to z.
        top: Number of rows to keep; None keeps all.
    """
    arranged = list(rows) if column is None else sorted(rows, key=lambda row: _sort_key(row[column]))
    return arranged[:top]


def to_csv(columns: Sequence[str], rows: Sequence[Row]) -> bytes:
    """Return rows as CSV, with numbers in full and empty cells for missing values."""
    return csv_text([columns, *([row[column] for column in columns] for row in rows)]).encode()


def _sort_key(cell: Cell) -> tuple[int, float, str]:
    if isinstance(cell, str):
        return 0, 0.0, cell
    return (1, 0.0, "") if cell is None else (0, -cell, "")
