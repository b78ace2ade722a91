"""Rows that hold totals or means of others, which are no samples."""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dlkit.data.findings import some_of
from dlkit.data.tables.oddities.roles import FEWEST_ROWS
from dlkit.data.tables.reading.files.commands import from_to
from dlkit.data.tables.table import Column, Table, blocks_of, in_shell
from dlkit.errors import printable

_TOTAL = re.compile(
    r"(?P<part>(grand|sub|sous|zwischen)[ -]?)?(totals?|sums?|summen?|gesamt(ergebnis)?|insgesamt|somme|totaux|suma|"
    r"soma|totale|means?|averages?|avg|mittelwerte?|mittel|durchschnitt|moyennes?|m[eé]dias?|promedio|gemiddelde|"
    r"s\.?d\.?|std|итого|всего|合计|总计|小计)\b\W*(?P<of>.{0,40})",
    re.IGNORECASE,
)
_TOTAL_OF = re.compile(
    r"(?P<of>.+?)\W+(totals?|average|ergebnis)", re.IGNORECASE
)  # as a spreadsheet writes them
_BESIDE = frozenset(("min", "max", "minimum", "maximum", "median", "count", "25%", "50%", "75%"))
_OF_ALL = frozenset(("general", "général", "générale", "geral", "all", "overall", "of all", "insgesamt"))
_FEW_TOTALS, _SHOWN_LINES = 0.1, 40


class Totals(NamedTuple):
    """Rows that hold totals or means of others.

    Args:
        rows: Their numbers; empty where there are none.
        shown: What shows it, in words.
        column: The column that calls them so; empty where their numbers show it.
    """

    rows: list[int]
    shown: str
    column: str = ""


def totals_in(table: Table, names: Sequence[str]) -> Totals:
    """Return the rows that hold totals or means of others.

    Args:
        table: The table.
        names: The columns whose sums are looked at.
    """
    if len(table) < FEWEST_ROWS:
        return Totals([], "")
    for name in table.names:
        column = table.column(name)
        if column.kind == "text" and not column.hashed and (called := _called_totals(column)):
            rows = np.flatnonzero(np.isin(table.codes(name), called))
            if 0 < len(rows) <= _FEW_TOTALS * len(table):
                shown = printable(str(table.texts(name, rows[:1])[0]), 40)
                found = Totals(rows.tolist(), f"called '{shown}' in column {printable(name)}", name)
                return Totals([], "") if column.given else found
    shown = _sums_at_the_end(table, names)
    return Totals([len(table) - 1], shown) if shown else Totals([], "")


def _called_totals(column: Column) -> list[int]:
    """Return the places of the texts that are headings of totals, with those of minimum and the like beside them."""
    others = None if column.stray else {text.strip().casefold() for text in column.categories}
    called = [place for place, text in enumerate(column.categories) if is_total(text, others)]
    beside = [place for place, text in enumerate(column.categories) if text.strip().casefold() in _BESIDE]
    return called and called + beside


def without_totals(table: Table, targets: Sequence[str]) -> Table:
    """Return a table whose rows of totals have no target, so that they are in no split and are not scored.

    Args:
        table: The table.
        targets: The columns to predict.
    """
    rows = totals_in(table, table.names).rows
    values = dict(table.values)
    for name in targets if rows else ():
        values[name] = np.array(table.values[name])
        values[name][rows] = -1 if table.column(name).kind == "text" else np.nan
    return replace(table, values=values) if rows else table


def note_of_totals(table: Table) -> str:
    """Return one line about rows of totals, which are left out; empty where there are none."""
    found = totals_in(table, table.names)
    lines = some_of([f"{table.line(row):,}" for row in found.rows])
    kept = f"; {kept_totals(found)}" if found.column else ""
    return (
        f"rows of totals or means of others are left out, {found.shown}: line {lines}{kept}" if lines else ""
    )


def kept_totals(found: Totals) -> str:
    """Return what keeps rows that are called totals."""
    return f"--kinds {in_shell(f'{printable(found.column)}=text')} keeps them as rows like others"


def is_total(text: str, others: Collection[str] | None = None) -> bool:
    """Return whether a text is a heading of totals or means.

    Args:
        text: The text.
        others: What may be totalled, in small letters: the texts of the column, of which it may be a title like others;
            None takes anything.
    """
    match = _TOTAL.fullmatch(text.strip())
    if match and (others is None or match["part"] or not match["of"]):
        return True
    match = match or _TOTAL_OF.fullmatch(text.strip())
    of = match["of"].strip(" :()").casefold() if match else ""
    return bool(of) and others is not None and (of.isdecimal() or of in _OF_ALL or of in others)


def without_rows(table: Table, rows: Sequence[int]) -> str:
    """Return what takes some rows out of a table: the command, where they stand in few lines of a file."""
    if not table.in_lines or len(rows) > _SHOWN_LINES:
        return "take them out"
    lines = ";".join(f"{table.line(row)}d" for row in rows)
    return f"sed '{lines}' {from_to(table.source)} takes them out"


def _sums_at_the_end(table: Table, names: Sequence[str]) -> str:
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
    return f"the {'sums' if sums >= means else 'means'} of all others in {most} columns"
