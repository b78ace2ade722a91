"""Rows as they stand in the file, to find the same row again: in another split, or in another table."""

import itertools
from collections.abc import Sequence

import numpy as np

from dlkit.data.row_hashes import hash_rows, words_of
from dlkit.data.tables.table import Table, blocks_of, is_index


def compared(table: Table, names: Sequence[str]) -> list[str]:
    """Return the columns of those named that say something of a row, without those that number the rows."""
    counting = _counters(table, names)
    return [name for name in names if name not in counting and not is_index(name)] or list(names)


def shared_columns(table: Table, other: Table, targets: Sequence[str]) -> list[str]:
    """Return the columns of two tables that can be compared: those of one kind that are no target."""
    both = [name for name in other.names if name in table.columns and name not in targets]
    kinds = {name: (table.column(name).kind == "text", other.column(name).kind == "text") for name in both}
    return compared(other, [name for name, (here, there) in kinds.items() if here == there])


def hash_compared(table: Table, names: Sequence[str]) -> np.ndarray:
    """Return `hash_raw` of the columns that are `compared`, shape (N,), which a table keeps."""
    key = tuple(names)
    if key not in table.hashes:
        table.hashes[key] = hash_raw(table, compared(table, names))
    return table.hashes[key]


def hash_raw(table: Table, names: Sequence[str], rows: np.ndarray | None = None) -> np.ndarray:
    """Return a number for each row of a table, shape (N,), equal where all named columns are, in any table.

    Args:
        table: The table.
        names: Columns of it.
        rows: Which rows, in which order; None takes all.
    """
    words = np.empty((len(table) if rows is None else len(rows), len(names)), dtype=np.uint64)
    numbers = []
    for place, name in enumerate(names):
        if table.column(name).kind == "text":
            words[:, place] = words_of(_values(table, name, rows))
        else:
            numbers.append(place)
    for block in blocks_of(numbers, len(table)):
        words[:, block] = words_of(table.stack([names[place] for place in block], rows)).T
    return hash_rows(words)


def not_empty(table: Table, names: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """Return those of some rows, shape (N,), that have a value in any of the columns."""
    empty = np.ones(len(rows), dtype=bool)
    for name in names:
        if empty.any():
            empty[empty] = table.missing(name)[rows[empty]]
    return rows[~empty]


def found_again(table: Table, other: Table, names: Sequence[str], rows: np.ndarray) -> np.ndarray:
    """Return which rows of a table, shape (N,), bool, stand among some rows of another.

    Column by column the other's rows are kept that have any of the values here, so that few are left to compare.

    Args:
        table: The table.
        other: Another, with the same columns.
        names: The columns that must be equal.
        rows: Rows of the other that count.
    """
    for name in names:
        if len(rows):  # few are left after the first columns
            rows = rows[np.isin(words_of(_values(other, name, rows)), words_of(_values(table, name, None)))]
    if not len(rows):
        return np.zeros(len(table), dtype=bool)
    return np.isin(hash_raw(table, names), hash_raw(other, names, rows))


def _values(table: Table, name: str, rows: np.ndarray | None) -> np.ndarray:
    """Return numbers of a column, NaN where missing, or hashes of its texts, alike in all tables."""
    column = table.column(name)
    if column.kind != "text":
        return table.numbers(name, rows)
    codes = table.codes(name, rows)
    if column.hashed:
        return codes
    from pandas.util import hash_array

    texts = hash_array(np.array([*column.categories, ""], dtype=object), categorize=False) >> np.uint64(1)
    hashes: np.ndarray = texts.astype(np.int64)
    hashes[-1] = -1
    found: np.ndarray = hashes[codes]
    return found


def _counters(table: Table, names: Sequence[str]) -> set[str]:
    """Return the columns that count the rows, as an index does."""
    numbers = [name for name in names if table.column(name).kind == "number"]
    found: set[str] = set()
    for block in blocks_of(numbers, len(table)):
        values = table.stack(block)
        with np.errstate(over="ignore", invalid="ignore"):
            spans = values.max(1) - values.min(1) + 1
        counting = itertools.compress(
            zip(block, values, strict=True), (spans == len(table)) & (len(table) > 1)
        )
        found |= {name for name, column in counting if len(np.unique(column)) == len(table)}
    return found
