"""What is learned of the columns of a table from its training rows."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from dlkit.data.tables.column_code import CYCLES, YEAR, ColumnCode, shown_text
from dlkit.data.tables.encoding import Encoding, check_finite, overflows, too_large
from dlkit.data.tables.positions import position_in, told_by
from dlkit.data.tables.table import Column, Table, blocks_of, in_shell
from dlkit.errors import DataError, printable

ONE_HOT_UP_TO = 32
MAX_EMBEDDED = 10_000
_ID_SHARE = 0.9
_ID_ROWS = 20
_SKEWED = 2.0
_DIFFERENT = "has a different text"


def learn_columns(
    table: Table,
    rows: np.ndarray,
    names: Sequence[str],
    *,
    chosen: bool = False,
    embed: bool = False,
    may_be_none: bool = False,
) -> Encoding:
    """Learn from the training rows how columns become inputs.

    Args:
        table: The table.
        rows: The training rows, shape (N,).
        names: The columns that may be used.
        chosen: The user named them: none that could be used is left out.
        embed: The network embeds codes; otherwise a text column with many categories becomes a feature for each
            of its most frequent ones.
        may_be_none: There are inputs of another kind, so that no column has to be left.

    Raises:
        DataError: A column that is named or made of numbers cannot be read; or no column is left.
    """
    columns = [table.column(name, "--features" if chosen else "") for name in names]
    learned: dict[str, ColumnCode | str] = _learn_plain(table, columns, rows)
    for column in columns:
        if column.name not in learned:
            learned[column.name] = _learn(table, column, rows, chosen=chosen, embed=embed)
    codes = [code for name in names if not isinstance(code := learned[name], str)]
    left_out = {name: code for name in names if isinstance(code := learned[name], str)}
    if not codes and not may_be_none:
        why = "; ".join(f"{printable(name)} {reason}" for name, reason in left_out.items())
        raise DataError(
            f"{table.source} has no column to learn from{': ' if why else ''}{why}",
            _without_columns(left_out),
        )
    return Encoding(tuple(codes), left_out)


def _without_columns(left_out: Mapping[str, str]) -> str:
    """Return what to do where no column is left, by why each was left out."""
    names = [printable(name) for name, why in left_out.items() if why.startswith(_DIFFERENT)]
    if names:
        return f"--features {in_shell(*names)} takes such texts all the same; better are columns that tell the target"
    return "add columns that tell something of the target"


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
    fitted = _fit([column], given[None] / YEAR if column.kind == "date" else given[None])[0]
    cycles = _cycles_of(given) if column.kind == "date" else ()
    return replace(fitted, indicator=missing, cycles=cycles)


def _learn_plain(table: Table, columns: Sequence[Column], rows: np.ndarray) -> dict[str, ColumnCode | str]:
    """Learn the columns of numbers without gaps, many at a time where there are few rows."""
    numbers = [column for column in columns if column.kind == "number"]
    learned: dict[str, ColumnCode | str] = {}
    for block in blocks_of(numbers, len(rows)):
        values = table.stack([column.name for column in block], rows)
        with np.errstate(over="ignore", invalid="ignore"):
            plain = np.isfinite(values.std(1)) & (values.min(1) < values.max(1))
        chosen = list(itertools.compress(block, plain))
        learned |= {code.name: code for code in _fit(chosen, values[plain])}
    return learned


def _fit(columns: Sequence[Column], given: np.ndarray) -> list[ColumnCode]:
    """Return the codes of columns of numbers.

    Args:
        columns: C columns.
        given: Their values, shape (C, N), none missing, not all alike, of a finite standard deviation.
    """
    numbers = np.array([column.kind == "number" for column in columns], dtype=bool)
    scales = np.where(numbers, _log_scales(given), 0.0)
    logged = np.flatnonzero(scales)
    scaled = given
    if len(logged):
        scaled = given.copy()
        scaled[logged] = np.log1p(given[logged] / scales[logged, None])
    stds = scaled.std(1)
    stds[~(np.isfinite(stds) & (stds > 0))] = 1.0
    learned = zip(
        scaled.mean(1).tolist(),
        stds.tolist(),
        scales.tolist(),
        np.median(given, axis=1).tolist(),
        strict=True,
    )
    return [
        ColumnCode(
            name=column.name, kind=column.kind, mean=mean, std=std, log=log, fill=fill, unit=column.unit
        )
        for column, (mean, std, log, fill) in zip(columns, learned, strict=True)
    ]


def _check_spread(table: Table, name: str, rows: np.ndarray, values: np.ndarray) -> None:
    """Refuse numbers so large that their standard deviation overflows."""
    if overflows(values):
        largest = int(np.nanargmax(np.abs(values)))
        raise too_large(table, name, int(rows[largest]), values[largest])


def _log_scales(given: np.ndarray) -> np.ndarray:
    """Return the units in which strongly skewed columns without negative values are taken as logarithms; else 0.

    Args:
        given: Shape (C, N).
    """
    scales = np.zeros(len(given))
    skews = _skews(given)
    skewed = np.flatnonzero((given.min(1) >= 0) & (skews > _SKEWED))
    if len(skewed):
        units = np.array([np.median(row[row > 0]) for row in given[skewed]])
        better = np.abs(_skews(np.log1p(given[skewed] / units[:, None]))) < skews[skewed]
        scales[skewed] = np.where(better, units, 0.0)
    return scales


def _skews(values: np.ndarray) -> np.ndarray:
    """Return the third standardised moment of each row, shape (C,)."""
    centred = values - values.mean(1, keepdims=True)
    stds = np.sqrt(np.square(centred).mean(1, keepdims=True))
    skews: np.ndarray = ((centred / np.where(stds > 0, stds, 1.0)) ** 3).mean(1)
    return skews


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
    if not chosen and (position := position_in(table, column)) is not None:
        if others := told_by(table):
            return f"is a position, which {others} tell as well"
        raise position.error(table.source)
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
        return f"{_DIFFERENT} in nearly every row, e.g. '{shown_text(column.categories[given[0]])}'{as_date(column)}"
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


def as_date(column: Column) -> str:
    """Return how a column of texts that begin with a date is read as dates; empty for another one."""
    from dlkit.data.tables.reading.values.dates import forms_at_start  # loads pyarrow

    if column.given or not forms_at_start(column.categories[:_ID_ROWS]):
        return ""
    return f", but --kinds {in_shell(f'{printable(column.name)}=date')} reads the date in front"


def _most_frequent(seen: np.ndarray, counts: np.ndarray, limit: int) -> np.ndarray:
    return seen[np.argsort(-counts[seen], kind="stable")][:limit]
