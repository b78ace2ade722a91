"""Columns and rows that are there for another purpose than to be learned from: weights, row numbers, totals."""

import re
import shlex
from collections.abc import Sequence

import numpy as np

from dlkit.data.tables.table import Column, Table, blocks_of
from dlkit.errors import DataError, printable

FEWEST_ROWS = 20
_ID_NAME = re.compile(r"(^|[_ ])(id|uuid|guid|key|index|row|nr|no|number)$", re.IGNORECASE)
_MOSTLY = 0.9
_SHOWN = 8
_WEIGHTS = re.compile(
    r"(sampl(e|ing)|case|survey|design|row|person|house(hold)?|hh|per|post.?strat\w*|calibrat\w+|expansion|freq\w*|"
    r"importance|prob\w*|inv\w*.?prob\w*|replicate|final|fn?l|pop\w*|analy\w+|obs\w*|instance|[pfai])[_ .-]?"
    r"(weights?|wgh?t|wt)([_ .-]?\d+)?|weights|weighting|wgt|ipt?w|wt(mec|int)\w+",
    re.IGNORECASE,
)
_MAYBE_WEIGHTS = re.compile(r"weight|wt|w", re.IGNORECASE)
_FEW_WEIGHTS, _ROWS_A_WEIGHT = 20, 10
_TOTAL = re.compile(
    r"(grand |sub)?(totals?|sums?|summen?|gesamt\w*|somme|totaux|suma|totale|means?|averages?|mittelwerte?|moyenne)\W*",
    re.IGNORECASE,
)


def weights_in(table: Table, names: Sequence[str]) -> list[str]:
    """Return those of some columns whose names and values say that they weigh the rows, as in a survey."""
    return [name for name in names if table.column(name).kind == "number" and _weighs(table, name)]


def weights_error(table: Table, name: str, others: Sequence[str]) -> DataError:
    """Return the error of a column that weighs the rows, which no network does.

    Args:
        table: The table.
        name: The column.
        others: The other columns to learn from.
    """
    values = table.numbers(name)
    low, high = np.nanmin(values), np.nanmax(values)
    listed = ",".join(others)
    out = (
        f"--features {shlex.quote(listed)}" if len(others) <= _SHOWN else "--features with all other columns"
    )
    shown = printable(name)
    return DataError(
        f"{table.source}: column {shown} ({low:g} to {high:g}) seems to weigh the rows; all rows count alike here, and "
        "it would be learned from",
        f"{out} leaves it out; --kinds {shlex.quote(f'{shown}=number')} takes it as a number to learn from",
    )


def names_rows(column: Column, given: np.ndarray, different: int) -> bool:
    """Return whether a column is a counter, a key, or a text that hardly ever comes twice.

    Args:
        column: The column.
        given: Its values, none missing.
        different: How many of them differ.
    """
    if len(given) < FEWEST_ROWS:
        return False
    if column.kind == "text":
        return different > _MOSTLY * len(given)
    if column.kind != "number" or different < len(given) or (given != np.floor(given)).any():
        return False
    counts = given.max() - given.min() + 1 == len(given)
    return bool(counts) or _ID_NAME.search(column.name) is not None


def total_at_the_end(table: Table, names: Sequence[str]) -> str:
    """Return what shows that the last row holds sums or means of the others; empty where nothing does."""
    if len(table) < FEWEST_ROWS:
        return ""
    last = np.array([len(table) - 1])
    for name in table.names:
        column = table.column(name)
        if column.kind == "text" and not column.hashed:
            text = table.texts(name, last)[0]
            if text and _TOTAL.fullmatch(text) and (table.codes(name) == table.codes(name, last)).sum() == 1:
                return f"is called '{printable(text, 40)}' in column {printable(name)}"
    columns = sums = means = 0
    for block in blocks_of([name for name in names if table.column(name).kind == "number"], len(table)):
        values = table.stack(block)
        values = values[np.isfinite(values).all(1) & (values.min(1) < values.max(1))]
        columns += len(values)
        with np.errstate(over="ignore", invalid="ignore"):
            before = values[:, :-1].sum(1)
            sums += int(np.isclose(before, values[:, -1], rtol=1e-3, atol=0).sum())
            means += int(np.isclose(before / (len(table) - 1), values[:, -1], rtol=1e-6, atol=0).sum())
    most = max(sums, means)
    if most < max(2, columns / 2):
        return ""
    return f"holds the {'sums' if sums >= means else 'means'} of all others in {most} columns"


def _weighs(table: Table, name: str) -> bool:
    if not _WEIGHTS.fullmatch(name) and not _MAYBE_WEIGHTS.fullmatch(name):
        return False
    values = table.numbers(name)
    values = values[np.isfinite(values)]
    if not len(values) or values.min() < 0 or values.min() == values.max():
        return False
    if _WEIGHTS.fullmatch(name):
        return True
    different = len(np.unique(values))
    few = different <= min(_FEW_WEIGHTS, len(values) / _ROWS_A_WEIGHT) and bool((values % 1).any())
    return values.min() > 0 and (few or abs(values.mean() - 1) < 0.005)
