"""What `data show` reports of a table: of each column its kind, gaps, different values and range."""

from typing import Any

import numpy as np

from dlkit.data.tables.table import Table
from dlkit.errors import printable

COLUMNS = ("column", "kind", "missing", "different", "lowest", "median", "highest", "most_frequent")


def table_facts(table: Table) -> dict[str, Any]:
    """Return what holds of the whole table, by name."""
    return {
        "name": table.source,
        "rows": len(table),
        "columns": len(table.columns),
        "fingerprint": table.fingerprint,
    }


def column_facts(table: Table) -> list[tuple[str | int, ...]]:
    """Return one row a column: lowest, median and highest number or date, or the most frequent text."""
    return [(name, *_facts(table, name)) for name in table.names]


def _facts(table: Table, name: str) -> tuple[str | int, ...]:
    column = table.columns[name]
    missing = int(table.missing(name).sum())
    if column.kind == "text":
        codes = table.codes(name)
        given = codes[codes >= 0]
        different = len(np.unique(given))
        if column.hashed or not len(given):
            return column.kind, missing, different, "", "", "", ""
        return (
            column.kind,
            missing,
            different,
            "",
            "",
            "",
            printable(column.categories[np.bincount(given).argmax()]),
        )
    values = table.numbers(name)
    present = np.flatnonzero(~np.isnan(values))
    if not len(present):
        return column.kind, missing, 0, "", "", "", ""
    order = present[np.argsort(values[present], kind="stable")]
    shown = table.texts(name, order[[0, (len(order) - 1) // 2, -1]])
    return column.kind, missing, len(np.unique(values[present])), *map(str, shown), ""
