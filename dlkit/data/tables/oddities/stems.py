"""Texts that name each row by what it is of and a number, as phon_R01_S07_3: rows of one thing among others."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dlkit.data.tables.oddities.roles import FEWEST_ROWS, names_rows
from dlkit.data.tables.reading.files.commands import by_pandas
from dlkit.data.tables.table import Table, in_shell
from dlkit.errors import counted, printable

_LAST = "[ ]*[-_./:#]+[ ]*[A-Za-z]{0,3}[0-9]+(?:[.][A-Za-z][A-Za-z0-9]*)?"
_FEWEST_STEMS, _ROWS_A_STEM, _MOSTLY = 8, 2, 0.9
_BEHIND = " group"


@dataclass(frozen=True)
class Stems:
    """What a column of texts has in front of their last number.

    Args:
        column: Its name.
        count: How many different ones there are.
        stem: One of them.
        rows: How many rows that one has.
    """

    column: str
    count: int
    stem: str
    rows: int

    def shown(self, rows: int) -> str:
        """Return in words what stands in the column of a table of so many rows."""
        return (
            f"{self.count:,} different texts before their last number in {rows:,} rows, e.g. "
            f"'{printable(self.stem, 40)}' in {counted(self.rows, 'row')}"
        )

    def command(self, table: Table) -> str:
        """Return what to do to keep the rows of one together."""
        code = f"c = sys.argv[3]; d[c + '{_BEHIND}'] = d[c].str.strip().str.replace(r'{_LAST}\\Z', '', regex=True)"
        name = printable(self.column)
        return (
            f"{by_pandas(table.source, table.dialect, code, self.column)} makes a column of them, and with it --group "
            f"{in_shell(name + _BEHIND)} keeps rows of one together, for scores on new ones"
        )


def stems_in(table: Table, names: Sequence[str]) -> list[Stems]:
    """Return the columns of texts, different in nearly every row, of which all but a last number comes again.

    The numbers come again too, as those of visits and recordings do; those of orders and bills never do. What stands in
    front of them has a digit itself: names of months and streets have none.

    Args:
        table: The table.
        names: The columns to look at.
    """
    found = []
    for name in names:
        column = table.column(name)
        if column.kind != "text" or column.hashed or len(table) < FEWEST_ROWS:
            continue
        codes = table.codes(name)
        codes = codes[codes >= 0]
        if not names_rows(column, codes, len(column.categories)):
            continue
        stems, rows, numbers = _parts(column.categories)
        numbered = sum(map(bool, map(re.compile(r"\d").search, stems))) > _MOSTLY * len(stems)
        again = numbered and _ROWS_A_STEM * max(len(stems), numbers) <= rows.sum() >= _MOSTLY * len(
            column.categories
        )
        if again and len(stems) >= _FEWEST_STEMS:
            most = int(rows.argmax())
            found.append(Stems(name, len(stems), stems[most], int(rows[most])))
    return found


def _parts(texts: Sequence[str]) -> tuple[list[str], np.ndarray, int]:
    """Return what stands before the last numbers of texts, how often each comes, and how many different numbers."""
    import pyarrow.compute as pc

    from dlkit.data.tables.reading.values.arrow import coded, strings

    parts = pc.drop_null(pc.extract_regex(strings(texts), rf"^(?P<stem>.*?)(?P<last>{_LAST})\s*$"))
    if not len(parts):
        return [], np.zeros(0, dtype=np.int64), 0
    stems, codes = coded(pc.struct_field(parts, "stem"))
    return stems, np.bincount(codes, minlength=len(stems)), len(pc.unique(pc.struct_field(parts, "last")))
