"""Rows that are equal because few different ones are possible, and no copies."""

from collections.abc import Sequence

import numpy as np

from dlkit.data.tables.raw_rows import compared
from dlkit.data.tables.table import Table

FEW_POSSIBLE = (
    "few different rows are possible in such columns, so equal ones need not be copies: nothing to do"
)
_FEW_VALUES = 30
_SHARE, _SHARE_OF_FEW = 0.1, 0.01
_SEEN = 200_000


def alike_by_chance(table: Table, names: Sequence[str], count: int, distinct: np.ndarray) -> bool:
    """Return whether a good part of some equal rows is to be expected of columns of few values.

    As many pairs are expected as if the columns were independent; since they are not, a tenth of the rows is enough, or
    a hundredth where no column has more than 30 different values.

    Args:
        table: The table.
        names: The columns in which the rows are equal.
        count: How many rows are equal to another one.
        distinct: Rows of which no two are equal, shape (M,): copies say nothing of chance.
    """
    chance, few, rows = 1.0, True, distinct[:_SEEN]
    for name in compared(table, names):
        column = table.column(name)
        values = table.codes(name, rows) if column.kind == "text" else table.numbers(name, rows)
        _, counts = np.unique(values, return_counts=True)
        few = few and len(counts) <= _FEW_VALUES
        chance *= float((counts * (counts - 1.0)).sum()) / max(len(rows) * (len(rows) - 1.0), 1.0)
    pairs = chance * len(table) ** 2 / 2
    return pairs >= count * (_SHARE_OF_FEW if few else _SHARE)
