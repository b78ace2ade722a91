"""Few targets so far from the rest that they decide what is learned: a wrong unit, or a row of another kind."""

from collections.abc import Sequence

import numpy as np

from dlkit.data.findings import some_of
from dlkit.data.tables.oddities.totals import without_rows
from dlkit.data.tables.table import Table
from dlkit.errors import printable

_FEWEST_ROWS, _FEW_FAR, _GAP, _TIMES = 30, 0.01, 4, 20
_SEEN = 10_000


def far_away(table: Table, name: str, aside: Sequence[int]) -> list[int]:
    """Return the rows with few targets far away.

    From the nearest of them to the median it is four times as far as from any other row, and twenty times the usual
    distance. Of many rows, 10,000 tell the median and what is usual.

    Args:
        table: The table.
        name: The column to predict, of numbers.
        aside: Rows that training leaves out anyway.
    """
    values = table.numbers(name)
    values[list(aside)] = np.nan
    rows = np.flatnonzero(np.isfinite(values))
    if len(rows) < _FEWEST_ROWS:
        return []
    some = values[rows[:: -(-len(rows) // _SEEN)]]
    middle = np.median(some)
    usual = np.median(np.abs(some - middle))
    distances = np.abs(values[rows] - middle)
    if distances.max() < _TIMES * usual:
        return []
    most = max(1, int(_FEW_FAR * len(rows)))
    order = np.argpartition(-distances, most)[: most + 1]
    order = order[np.argsort(-distances[order], kind="stable")]
    far = distances[order]
    gaps = np.flatnonzero((far[:-1] >= _GAP * far[1:]) & (far[:-1] >= _TIMES * usual) & (far[1:] > 0))
    return np.sort(rows[order[: int(gaps[-1]) + 1]]).tolist() if len(gaps) else []


def shown_far(table: Table, name: str, found: Sequence[int]) -> str:
    """Return what targets far away are, beside all others."""
    values = table.numbers(name)
    rest = np.delete(values, found)
    return (
        f"{printable(name)} is {values[found[0]]:g} there, and {np.nanmin(rest):g} to {np.nanmax(rest):g} in all "
        "other rows: such targets decide what is learned"
    )


def cure_of_far(table: Table, found: Sequence[int]) -> str:
    """Return what to do about targets far away."""
    return f"a wrong unit, a sum, or a code for a missing value? Correct it, or {without_rows(table, found)}"


def note_of_far(table: Table, name: str, aside: Sequence[int]) -> str:
    """Return one line about few targets far away; empty where there are none."""
    found = far_away(table, name, aside)
    lines = some_of([f"{table.line(row):,}" for row in found])
    return f"line {lines}: {shown_far(table, name, found)}; {cure_of_far(table, found)}" if found else ""
