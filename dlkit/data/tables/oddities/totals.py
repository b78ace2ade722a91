"""Rows that hold totals or means of others, which are no samples."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dlkit.data.findings import some_of
from dlkit.data.tables.oddities.levels import rows_above
from dlkit.data.tables.oddities.roles import FEWEST_ROWS
from dlkit.data.tables.reading.files.commands import by_pandas, from_to
from dlkit.data.tables.table import Column, Table, blocks_of, in_shell
from dlkit.errors import counted, printable

_TOTAL = re.compile(
    r"(?P<part>(grand|sub|sous|zwischen)[ -]?)?(totals?|sums?|summen?|gesamt(ergebnis)?|insgesamt|somme|totaux|suma|"
    r"soma|totale|means?|averages?|avg|mittelwerte?|mittel|durchschnitt|moyennes?|m[eé]dias?|promedio|gemiddelde|"
    r"итого|всего|合计|总计|小计)\b\W*(?P<of>.{0,40})",
    re.IGNORECASE,
)
_TOTAL_OF = re.compile(
    r"(?P<of>.+?)\W+(totals?|average|ergebnis)", re.IGNORECASE
)  # as a spreadsheet writes them
_BESIDE = frozenset(
    ("min", "max", "minimum", "maximum", "median", "count", "25%", "50%", "75%", "sd", "s.d.", "std")
)
_AVERAGE = re.compile("m|av|promedio|durchschnitt|gemiddelde", re.IGNORECASE)  # how a word for a mean begins
_OF_ALL = frozenset(("general", "général", "générale", "geral", "all", "overall", "of all", "insgesamt"))
_FEW_TOTALS, _MANY_TOTALS, _SHOWN_LINES = 0.1, 0.6, 40
_EXACTLY = 1e-4
_MOST_WITHOUT_TEXT, _ABOUT, _BEYOND = 3, 0.02, 10


class Totals(NamedTuple):
    """Rows that hold totals or means of others.

    Args:
        rows: Their numbers; empty where there are none.
        shown: What shows it, in words.
        column: The column that calls them so, or has their codes; empty where their numbers show it.
        kept: They are learned from nevertheless: the user says so, or only their name is that of totals.
    """

    rows: list[int]
    shown: str
    column: str = ""
    kept: bool = False

    @property
    def left_out(self) -> list[int]:
        """The rows that are left out."""
        return [] if self.kept else self.rows


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
            few = len(rows) <= _FEW_TOTALS * len(table)
            word = str(table.texts(name, rows[:1])[0]) if len(rows) else ""
            many = len(rows) <= _MANY_TOTALS * len(table) and not _AVERAGE.match(word.strip())
            if word and not column.given and (few or many):
                shown = printable(word, 40)
                kept = not few and not _are_sums(table, rows)
                return Totals(rows.tolist(), f"called '{shown}' in column {printable(name)}", name, kept)
            if few:
                return Totals([], "")
    name, above = rows_above(table)
    if above:
        shown = printable(str(table.texts(name, np.array(above[-1:]))[0]), 40)
        what = f"whose codes in column {printable(name)} begin those of others, e.g. '{shown}'"
        return Totals(above, what, name, table.column(name).given)
    return _beside_no_text(table, names) or _sums_anywhere(table, names)


def _are_sums(table: Table, rows: np.ndarray) -> bool:
    """Return whether a column of numbers has the same sum in some rows as in all others."""
    names = [name for name in table.names if table.column(name).kind == "number"]
    for block in blocks_of(names, len(table)):
        numbers = table.stack(block)
        with np.errstate(over="ignore", invalid="ignore"):
            whole, found = np.nansum(numbers, axis=1), np.nansum(numbers[:, rows], axis=1)
            if ((found != 0) & np.isclose(whole - found, found, rtol=_EXACTLY, atol=0)).any():
                return True
    return False


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
    rows = totals_in(table, table.names).left_out
    values = dict(table.values)
    for name in targets if rows else ():
        values[name] = np.array(table.values[name])
        values[name][rows] = -1 if table.column(name).kind == "text" else np.nan
    return replace(table, values=values) if rows else table


def note_of_totals(table: Table) -> str:
    """Return one line about rows of totals, which are left out unless they are kept; empty where there are none."""
    found = totals_in(table, table.names)
    if not found.rows:
        return ""
    lines = some_of([f"{table.line(row):,}" for row in found.rows])
    if found.kept:
        out = without_totals_of(table, found)
        return f"rows that may hold totals or means of others are kept, {found.shown}: line {lines}; {out}"
    kept = f"; {kept_totals(table, found)}" if found.column else ""
    return f"rows of totals or means of others are left out, {found.shown}: line {lines}{kept}"


def kept_totals(table: Table, found: Totals) -> str:
    """Return what keeps rows that a column shows to be totals."""
    kind = table.column(found.column).kind
    return f"--kinds {in_shell(f'{printable(found.column)}={kind}')} keeps them as rows like others"


def without_totals_of(table: Table, found: Totals) -> str:
    """Return what takes totals out of a table: by their lines where those are few, else by what their column has."""
    if len(found.rows) <= _SHOWN_LINES or not found.column:
        return without_rows(table, found.rows)
    texts = list(dict.fromkeys(map(str, table.texts(found.column, np.array(found.rows)))))
    if not table.in_lines or len(texts) > _SHOWN_LINES:
        return "take them out"
    code = "c, *v = sys.argv[3:]; d = d[~d[c].str.strip().isin([t.strip() for t in v])]"
    return f"{by_pandas(table.source, table.dialect, code, found.column, *texts)} takes them out"


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


def _beside_no_text(table: Table, names: Sequence[str]) -> Totals | None:
    """Find few rows without a text, of a table whose others have all of them, that hold sums or numbers far beyond."""
    empty: np.ndarray | None = None
    for name in table.names:
        if table.column(name).kind in ("text", "date"):
            missing = table.missing(name)
            empty = missing if empty is None else empty & missing
            if not empty.any() or missing.sum() > _FEW_TOTALS * len(table):
                return None
    rows = np.zeros(0, int) if empty is None else np.flatnonzero(empty)
    if not 0 < len(rows) <= _MOST_WITHOUT_TEXT:
        return None
    columns = sums = beyond = 0
    for block in blocks_of([name for name in names if table.column(name).kind == "number"], len(table)):
        numbers = table.stack(block)
        found = np.nanmax(np.abs(numbers[:, rows]), axis=1, initial=0.0)
        rest = np.abs(numbers)
        rest[:, rows] = np.nan
        given = np.isfinite(rest).any(1) & (found > 0)
        columns += int(given.sum())
        with np.errstate(over="ignore", invalid="ignore"):
            sums += int((given & np.isclose(np.nansum(rest, axis=1), found, rtol=_ABOUT, atol=0)).sum())
            beyond += int((given & (found > _BEYOND * np.nanmax(rest, axis=1, initial=0.0))).sum())
    if not columns or (sums == 0 and 2 * beyond <= columns):
        return None
    what = f"the sums of all others in {counted(sums, 'column')}" if sums else "far beyond all others"
    return Totals(rows.tolist(), f"without a text, and {what}")


def _sums_anywhere(table: Table, names: Sequence[str]) -> Totals:
    """Find a row that holds the sums of all others, wherever it stands, or their means at the end."""
    columns = means = 0
    places: Counter[int] = Counter()
    for block in blocks_of([name for name in names if table.column(name).kind == "number"], len(table)):
        values = table.stack(block)
        low, high = values.min(1), values.max(1)
        chosen = np.isfinite(low) & np.isfinite(high) & (low < high)
        values, high = values[chosen], high[chosen]
        columns += len(values)
        with np.errstate(over="ignore", invalid="ignore"):
            whole = values.sum(1)
            places.update(values[np.isclose(whole - high, high, rtol=1e-3, atol=0)].argmax(1).tolist())
            before = whole - values[:, -1]
            means += int(np.isclose(before / (len(table) - 1), values[:, -1], rtol=1e-6, atol=0).sum())
    row, sums = max(places.items(), key=lambda each: each[1], default=(0, 0))
    most = max(sums, means)
    if most < max(2, columns / 2):
        return Totals([], "")
    row = row if sums >= means else len(table) - 1
    return Totals([row], f"the {'sums' if sums >= means else 'means'} of all others in {most} columns")
