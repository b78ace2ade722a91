"""Columns of numbers that pile up at an end: values that were cut off there."""

from collections.abc import Collection, Iterator

import numpy as np

from dlkit.data.findings import Finding
from dlkit.data.tables.table import Table
from dlkit.errors import counted, printable

_FEWEST_VALUES = 30
FEWEST_AT_END = 10
_NEXT = 5
_TIMES = 5


def find_limits(
    table: Table, name: str, codes: Collection[tuple[str, float]] = (), *, target: bool
) -> Iterator[Finding]:
    """Find an end of a column at which at least 10 rows stand, five times as many as at any of the next five values.

    Zero as the least value is what many amounts begin with, and reported of a target alone. A value further from the
    others than they are from one another is a code, not an end; so is what is among the given codes of columns.
    """
    if table.column(name).kind != "number":
        return
    values = table.numbers(name)
    different, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    if len(different) < _FEWEST_VALUES:
        return
    for end, step in (("maximum", -1), ("minimum", 1)):
        value, *next_values = different[::step][: _NEXT + 1]
        count, *next_counts = counts[::step][: _NEXT + 1]
        rest = different[1:] if step == 1 else different[:-1]
        if count < max(FEWEST_AT_END, _TIMES * max(next_counts)):
            continue
        if (
            (name, value) in codes
            or abs(value - next_values[0]) > rest[-1] - rest[0]
            or (end == "minimum" and value == 0 and not target)
        ):
            continue
        yield Finding(
            level="warning",
            rule="piled-up",
            where=f"{'target' if target else 'column'} {printable(name)}",
            count=int(count),
            message=(
                f"{counted(int(count), 'row')} at {value:g}, its {end} ({count / len(table):.1%}), and at most "
                f"{max(next_counts):,} at any value next to it"
            ),
            cure=_cure(end, value, target=target),
        )


def _cure(end: str, value: float, *, target: bool) -> str:
    if target and value == 0:
        return (
            "most errors may lie in the others: --loss log1p weighs large numbers less; or drop the rows at 0"
        )
    beyond = "above" if end == "maximum" else "below"
    what = f"values {beyond} seem to have been written as {value:g}"
    if target:
        return f"{what}: drop those rows, or read scores and predictions there as a bound"
    return f"{what}: nothing to do, unless those rows matter"
