"""Columns and rows that are there for another purpose than to be learned from: weights, row numbers, totals."""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dlkit.data.findings import some_of
from dlkit.data.tables.reading.files.header import from_to
from dlkit.data.tables.table import Column, Table, blocks_of, in_shell
from dlkit.errors import DataError, printable

FEWEST_ROWS = 20
_ID_NAME = re.compile(
    r"(?i:(^|[_ .-])(id|uid|udi|uuid|guid|key|index|idx|row|rows?_?(id|names?|num(ber)?)|nr|no|num|number|lfd[._ ]?nr|"
    r"lfdn|seqn?|instant|record))\.?$|[a-z]I[Dd]$|^#$"
)
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
_GROUP_NAME = re.compile(
    r"(^|[_ .-])(id|uid|tag|patient|subj|subject|participant|person|proband|animal|cow|mouse|user|customer|client|"
    r"donor|pupil|student|athlete|player|household|family|specimen|device|machine|sensor|speaker|author|site|plot|"
    r"station|location|well|batch|lot|session|recording|school|hospital|centre|center)s?"
    r"([_ .-]?(id|nr|no|number|code|tag|name)|#)?$",
    re.IGNORECASE,
)
_FEWEST_GROUPS, _ROWS_A_GROUP = 8, 2
_STAMP = re.compile(
    r"(unix|posix|epoch)?[_ .-]?(time[_ .-]?stamp|datetime|epoch|unix)([_ .-]?(m?s|utc))?", re.IGNORECASE
)
_FEWEST_STEPS, _MOSTLY_ONE_WAY = 10, 0.95


def weights_in(table: Table, names: Sequence[str]) -> list[str]:
    """Return those of some columns whose names and values say that they weigh the rows, as in a survey."""
    likely = [name for name in names if "w" in name or "W" in name]
    return [name for name in likely if table.column(name).kind == "number" and _weighs(table, name)]


def weights_error(table: Table, name: str, others: Sequence[str]) -> DataError:
    """Return the error of a column that weighs the rows, which no network does.

    Args:
        table: The table.
        name: The column.
        others: The other columns to learn from.
    """
    values = table.numbers(name)
    low, high = np.nanmin(values), np.nanmax(values)
    out = f"--features {in_shell(*others)}" if len(others) <= _SHOWN else "--features with all other columns"
    shown = printable(name)
    return DataError(
        f"{table.source}: column {shown} ({low:g} to {high:g}) seems to weigh the rows; all rows count alike here, and "
        "it would be learned from",
        f"{out} leaves it out; --kinds {in_shell(f'{shown}=number')} takes it as a number to learn from",
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


def keys_in(table: Table, names: Sequence[str]) -> list[str]:
    """Return those of some columns of numbers that are keys of the rows by name and values."""
    found = []
    for name in names:
        column = table.column(name)
        if column.kind == "number" and _ID_NAME.search(name) and not table.missing(name).any():
            values = table.numbers(name)
            if names_rows(column, values, len(np.unique(values))):
                found.append(name)
    return found


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


def groups_in(table: Table, names: Sequence[str]) -> list[tuple[str, int]]:
    """Return the columns that name what several rows are of, as patients, and how many of those there are."""
    found = []
    for name in names:
        column = table.column(name)
        if not _GROUP_NAME.search(name) or column.hashed or column.kind not in ("text", "number"):
            continue
        given = table.codes(name) if column.kind == "text" else table.numbers(name)
        given = given[given != -1] if column.kind == "text" else given[~np.isnan(given)]
        different = len(np.unique(given))
        if different >= _FEWEST_GROUPS and _ROWS_A_GROUP * different <= len(given):
            found.append((name, different))
    return found


def times_in(table: Table, names: Sequence[str]) -> list[str]:
    """Return the first column of dates, or of time stamps by name, in whose order the rows stand.

    Parts may begin anew.
    """
    for name in names:
        column = table.column(name)
        stamp = column.kind == "number" and _STAMP.fullmatch(name)
        if (column.kind != "date" and not stamp) or len(table) < FEWEST_ROWS:
            continue
        values = table.numbers(name)
        steps = np.diff(values[~np.isnan(values)])
        steps = steps[steps != 0]
        forward = int((steps > 0).sum())
        if len(steps) >= _FEWEST_STEPS and max(forward, len(steps) - forward) >= _MOSTLY_ONE_WAY * len(steps):
            return [name]
    return []


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
