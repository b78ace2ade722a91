"""Numbers that look like codes for a missing value: -999, 99 or 1e30, far from the rest of their column."""

import re
from dataclasses import dataclass

import numpy as np

from dlkit.data.tables.table import Table
from dlkit.errors import printable

_REPEATED = re.compile(r"(7{2,6}|8{2,6}|9{2,6})0*")
_OTHERS = frozenset((97.0, 98.0, 997.0, 998.0, 999.25, 32767.0, 32768.0, 65535.0, 2147483647.0, 2147483648.0))
_HUGE = 1e20
_FEWEST_OTHERS = 3
_SHOWN = 8


@dataclass(frozen=True)
class Suspect:
    """A number that looks like a code for a missing value.

    Args:
        column: Where it stands.
        code: The number as it would be typed.
        count: In how many rows.
        low: The lowest of the other numbers.
        high: The highest of them.
    """

    column: str
    code: str
    count: int
    low: float
    high: float


def find_suspects(column: str, values: np.ndarray) -> list[Suspect]:
    """Return the numbers in a column that are usual codes and further from the others than those are from each other.

    Args:
        column: Its name.
        values: Shape (N,), NaN where missing.
    """
    with np.errstate(invalid="ignore"):
        low, high = np.nanmin(values), np.nanmax(values)
    if not (_is_code(low) or _is_code(high)):
        return []
    different, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    codes = np.array([_is_code(value) for value in different], dtype=bool)
    others = np.flatnonzero(~codes)
    if len(others) < _FEWEST_OTHERS:
        return []
    low, high = different[others[0]], different[others[-1]]
    found = []
    with np.errstate(over="ignore"):
        for place in np.flatnonzero(codes):
            code, count = float(different[place]), int(counts[place])
            far = max(low - code, code - high) > high - low
            if far and (count > 1 or code < 0 or code >= _HUGE):
                found.append(Suspect(column, f"{code:.10g}", count, float(low), float(high)))
    return found


def suspects_of(table: Table, names: list[str]) -> list[Suspect]:
    """Return the suspects in some columns of a table, those of numbers."""
    numeric = [name for name in names if table.columns[name].kind == "number" and len(table)]
    return [
        suspect
        for name in numeric
        if not table.missing(name).all()
        for suspect in find_suspects(name, table.numbers(name))
    ]


def note_of_suspects(suspects: list[Suspect]) -> str:
    """Return one line about all suspects; empty where there are none."""
    if not suspects:
        return ""
    shown = [f"{printable(each.column)} has {each.code} in {each.count:,} rows" for each in suspects[:_SHOWN]]
    more = f" and {len(suspects) - _SHOWN:,} more" if len(suspects) > _SHOWN else ""
    codes = ",".join(dict.fromkeys(each.code for each in suspects))
    return (
        f"this looks like a code for a missing value, far from the rest: {', '.join(shown)}{more}; --missing {codes} "
        "takes it as missing"
    )


def _is_code(value: float) -> bool:
    if abs(value) >= _HUGE:
        return bool(np.isfinite(value))
    text = f"{abs(value):.7g}"
    return abs(float(text)) in _OTHERS or _REPEATED.fullmatch(text.replace(".", "")) is not None
