"""What is learned of the columns of a table from its training rows."""

import math
from collections.abc import Sequence

import numpy as np

from dlkit.data.tables.encoding import (
    CYCLES,
    YEAR,
    ColumnCode,
    Encoding,
    check_finite,
    overflows,
    shown_text,
    too_large,
)
from dlkit.data.tables.table import Column, Table
from dlkit.errors import DataError, printable

ONE_HOT_UP_TO = 32
MAX_EMBEDDED = 10_000
_ID_SHARE = 0.9
_ID_ROWS = 20
_SKEWED = 2.0


def learn_columns(
    table: Table, rows: np.ndarray, names: Sequence[str], *, chosen: bool = False, embed: bool = False
) -> Encoding:
    """Learn from the training rows how columns become inputs.

    Args:
        table: The table.
        rows: The training rows, shape (N,).
        names: The columns that may be used.
        chosen: The user named them: none that could be used is left out.
        embed: The network embeds codes; otherwise a text column with many categories becomes a feature for each
            of its most frequent ones.

    Raises:
        DataError: A column that is named or made of numbers cannot be read; or no column is left.
    """
    codes: list[ColumnCode] = []
    left_out: dict[str, str] = {}
    for name in names:
        column = table.column(name, "--features" if chosen else "")
        code = _learn(table, column, rows, chosen=chosen, embed=embed)
        if isinstance(code, str):
            left_out[name] = code
        else:
            codes.append(code)
    if not codes:
        why = "; ".join(f"{printable(name)} {reason}" for name, reason in left_out.items())
        raise DataError(
            f"{table.source} has no column to learn from{': ' if why else ''}{why}",
            "name the columns to use with --features A,B",
        )
    return Encoding(tuple(codes), left_out)


def _learn(table: Table, column: Column, rows: np.ndarray, *, chosen: bool, embed: bool) -> ColumnCode | str:
    """Learn one column; a text says why it is of no use."""
    if column.kind == "text":
        return _learn_text(table, column, rows, chosen=chosen, embed=embed)
    values = table.numbers(column.name, rows)
    check_finite(table, column.name, rows, values)
    given = values[~np.isnan(values)]
    if not len(given):
        return "is empty in the training rows"
    missing = len(given) < len(values)
    if given.min() == given.max() and not missing:
        return f"is {table.texts(column.name, rows[:1])[0]} in all training rows"
    _check_spread(table, column.name, rows, values)
    if column.kind == "date":
        given = given / YEAR
    scale = _log_scale(given) if column.kind == "number" else 0.0
    scaled = np.log1p(given / scale) if scale else given
    std = float(scaled.std())
    return ColumnCode(
        name=column.name,
        kind=column.kind,
        mean=float(scaled.mean()),
        std=std if std > 0 and math.isfinite(std) else 1.0,
        log=scale,
        fill=float(np.median(given)),
        indicator=missing,
        cycles=_cycles_of(given * YEAR) if column.kind == "date" else (),
        unit=column.unit,
    )


def _check_spread(table: Table, name: str, rows: np.ndarray, values: np.ndarray) -> None:
    """Refuse numbers so large that their standard deviation overflows."""
    if overflows(values):
        largest = int(np.nanargmax(np.abs(values)))
        raise too_large(table, name, int(rows[largest]), values[largest])


def _log_scale(given: np.ndarray) -> float:
    """Return the unit in which a strongly skewed column without negative values is taken as a logarithm; else 0."""
    if given.min() < 0 or _skew(given) <= _SKEWED:
        return 0.0
    positive = given[given > 0]
    scale = float(np.median(positive))
    return scale if abs(_skew(np.log1p(given / scale))) < _skew(given) else 0.0


def _skew(values: np.ndarray) -> float:
    """Return the third standardised moment."""
    centred = values - values.mean()
    std = float(np.sqrt(np.mean(centred**2)))
    return float(np.mean((centred / std) ** 3)) if std > 0 else 0.0


def _cycles_of(seconds: np.ndarray) -> tuple[str, ...]:
    """Return the periods of time that the dates spread over; a single phase tells nothing."""
    found = []
    for name, (period, offset) in CYCLES.items():
        phases = np.floor(((seconds - offset) % period) / period * 8)
        if len(np.unique(phases)) > 1 and seconds.max() - seconds.min() >= period / 2:
            found.append(name)
    return tuple(found)


def _learn_text(
    table: Table, column: Column, rows: np.ndarray, *, chosen: bool, embed: bool
) -> ColumnCode | str:
    if column.stray is not None and not chosen:
        raise column.stray.error(table.source, column.name)
    codes = table.codes(column.name, rows)
    given = codes[codes >= 0]
    if column.hashed:
        if chosen:
            table.texts(column.name)
        return "has too many different texts"
    counts = np.bincount(given, minlength=len(column.categories))
    seen = np.flatnonzero(counts)
    missing = len(given) < len(codes)
    if not len(seen) or (len(seen) == 1 and not missing):
        return (
            f"is {shown_text(column.categories[seen[0]])} in all training rows"
            if len(seen)
            else "is empty in the training rows"
        )
    if not chosen and len(given) >= _ID_ROWS and len(seen) > _ID_SHARE * len(given):
        return f"has another text in nearly every row, e.g. '{shown_text(column.categories[given[0]])}'"
    if embed and len(seen) > ONE_HOT_UP_TO:
        repeated = seen[counts[seen] > 1]  # those seen once train the code of all others
        kept = _most_frequent(repeated, counts, MAX_EMBEDDED)
    else:
        kept = _most_frequent(seen, counts, ONE_HOT_UP_TO)
    texts: list[str | None] = sorted(column.categories[code] for code in kept)
    return ColumnCode(
        name=column.name,
        kind="text",
        categories=(*texts, *([None] if missing else [])),
        embedded=embed and len(seen) > ONE_HOT_UP_TO,
    )


def _most_frequent(seen: np.ndarray, counts: np.ndarray, limit: int) -> np.ndarray:
    return seen[np.argsort(-counts[seen], kind="stable")][:limit]
