"""Columns of a few whole numbers that are codes by their names, as of regions, and are read as numbers."""

import re
from collections.abc import Sequence

import numpy as np

from dlkit.data.findings import Finding
from dlkit.data.tables.oddities.roles import FEWEST_ROWS, groups_in
from dlkit.data.tables.table import Table, in_shell
from dlkit.errors import printable

_NAME = re.compile(
    r"(?i:(.*[\W_])?(code?|cod|cd|kod|codigo|código|id|zip|zip_?code|plz|post_?code|postal|fips|nuts\d?|insee|naics|sic|"
    r"nace|naf|isco|isic|icd|soc|occ(upation)?|industry|branch|branche|sector|reg(ion)?|dep|dept|department|departement|"
    r"département|state|county|country|cntry|land|bundesland|kreis|gemeinde|canton|kanton|commune|municip\w*|province|"
    r"prov|district|zone|type|typ|kind|category|cat|kategorie|genre|breed|species|strain|brand|make|vendor|supplier|shop)"
    r"([\W_]*(code?|cd|id|nr|no|num))?)|\w*[a-z](Code|ID|Id)"
)
_FEWEST, _MOST, _ROWS_A_CODE = 5, 200, 4
_SEEN = 10_000


def codes_in(table: Table, names: Sequence[str]) -> list[tuple[str, int]]:
    """Return the columns of numbers that are codes by name and values, and how many different ones they have.

    Whole numbers, none negative, that come again; 0 and 1, or grades up to four, are as good as numbers.

    Args:
        table: The table.
        names: The columns to look at.
    """
    likely = [name for name in names if _NAME.fullmatch(name.strip())]
    groups = {name for name, _ in groups_in(table, likely)}
    found = []
    for name in likely:
        column = table.column(name)
        if column.kind != "number" or column.given or name in groups or len(table) < FEWEST_ROWS:
            continue
        values = table.numbers(name)
        if len(np.unique(values[:_SEEN])) > _MOST + 1:
            continue
        different = np.unique(values[~np.isnan(values)])
        whole = len(different) > 0 and different[0] >= 0 and bool((different % 1 == 0).all())
        if whole and _FEWEST <= len(different) <= min(_MOST, len(table) / _ROWS_A_CODE):
            found.append((name, len(different)))
    return found


def note_of_codes(table: Table, names: Sequence[str]) -> str:
    """Return one line about codes that are read as numbers; empty where there are none."""
    found = codes_in(table, names)
    shown = ", ".join(f"{printable(name)} ({count:,} different)" for name, count in found)
    return (
        f"whole numbers named like codes are read as numbers: {shown}; {_as_text(found)} takes them as categories"
        if found
        else ""
    )


def find_codes(table: Table, names: Sequence[str]) -> list[Finding]:
    """Find codes that are read as numbers."""
    return [
        Finding(
            level="warning",
            rule="codes",
            where=f"column {printable(name)}",
            count=count,
            message=f"{count:,} different whole numbers under the name of a code, read as a number",
            cure=f"{_as_text([(name, count)])} takes them as categories",
        )
        for name, count in codes_in(table, names)
    ]


def _as_text(found: Sequence[tuple[str, int]]) -> str:
    return f"--kinds {in_shell(*(f'{printable(name)}=text' for name, _ in found))}"
