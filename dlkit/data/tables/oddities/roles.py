"""Columns that are there for another purpose than to be learned from: weights, numbers of cases, row numbers."""

import re
from collections.abc import Sequence

import numpy as np

from dlkit.data.tables.raw_rows import hash_raw
from dlkit.data.tables.reading.files.commands import by_pandas
from dlkit.data.tables.table import Column, Table, in_shell
from dlkit.errors import DataError, printable

FEWEST_ROWS = 20
_ID_NAME = re.compile(
    r"(?i:(^|[_ .-])(id|uid|udi|uuid|guid|key|index|idx|row|rows?_?(id|names?|num(ber)?)|nr|no|num|number|lfd[._ ]?nr|"
    r"lfdn|seqn?|instant|record))\.?$|[a-z](I[Dd]|Number|Nr)$|^#$"
)
_MOSTLY = 0.9
_LONGEST = 1000  # letters of an option
_WEIGHTS = re.compile(
    r"(sampl(e|ing)|case|survey|design|row|person|house(hold)?|hh|per|post.?strat\w*|calibrat\w+|expansion|freq\w*|"
    r"importance|prob\w*|inv\w*.?prob\w*|replicate|final|fn?l|pop\w*|analy\w+|obs\w*|instance|[pfai])[_ .-]?"
    r"(weights?|wgh?t|wt)([_ .-]?\d+)?|weights|weighting|wgt|ipt?w|wt(mec|int)\w+",
    re.IGNORECASE,
)
_MAYBE_WEIGHTS = re.compile(r"weight|wt|w", re.IGNORECASE)
_FEW_WEIGHTS, _ROWS_A_WEIGHT = 20, 10
_CASES = re.compile(
    r"n|(n|num|number|no)?[_ .]?(of[_ .])?(freq(s|uency|uencies)?|counts?|cases|obs(ervations)?|people|persons)|anzahl|"
    r"h(ä|ae)ufigkeit(en)?|effectifs?|frecuencia|frequência",
    re.IGNORECASE,
)
_FEWEST_CELLS, _MOST_LEVELS = 8, 20
_GROUP_NAME = re.compile(
    r"(^|[_ .-])(id|uid|tag|patient|subj|subject|participant|person|proband|animal|cow|mouse|user|customer|client|"
    r"donor|pupil|student|athlete|player|household|family|specimen|device|machine|sensor|speaker|author|site|plot|"
    r"station|location|well|batch|lot|session|recording|school|hospital|centre|center|series|sequence|seq|trial|track|trip|episode)s?"
    r"([_ .-]?(id|nr|no|number|code|tag|name)|#)?$",
    re.IGNORECASE,
)
_FEWEST_GROUPS, _ROWS_A_GROUP = 8, 2
_MANY_TEXTS, _ROWS_A_TEXT = 32, 5
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
    shown, out = printable(name), f"--features {in_shell(*map(printable, others))}"
    if len(out) > _LONGEST:
        out = by_pandas(table.source, table.dialect, "d = d.drop(columns=sys.argv[3])", name)
    return DataError(
        f"{table.source}: column {shown} ({low:g} to {high:g}) seems to weigh the rows; all rows count alike here, and "
        "it would be learned from",
        f"{out} leaves it out; --kinds {in_shell(f'{shown}=number')} takes it as a number to learn from",
    )


def cases_in(table: Table, features: Sequence[str], targets: Sequence[str]) -> str:
    """Return the column that counts the cases of each row, as in a table of frequencies; empty where there is none.

    All other columns are of few values, and no two rows are alike in them.

    Args:
        table: The table.
        features: The columns to learn from.
        targets: The columns to predict, of classes.
    """
    for name in features:
        column = table.column(name)
        if column.kind == "number" and not column.given and _CASES.fullmatch(name.strip()):
            counts = table.numbers(name)
            others = [other for other in (*features, *targets) if other != name]
            counted = bool((counts >= 0).all() and (counts % 1 == 0).all() and counts.max() > 1)
            alike = all(_is_level(table, other) for other in others)
            if counted and alike and len(others) > 1 and len(table) >= _FEWEST_CELLS:
                return name * (len(np.unique(hash_raw(table, others))) == len(table))
    return ""


def cases_error(table: Table, name: str) -> DataError:
    """Return the error of a column that counts the cases of each row."""
    code = "d = d.loc[d.index.repeat(pd.to_numeric(d[sys.argv[3]]))].drop(columns=sys.argv[3])"
    shown = printable(name)
    return DataError(
        f"{table.source}: column {shown} seems to count the cases of each row, and every row counts once here",
        f"{by_pandas(table.source, table.dialect, code, name)} writes a row for each case; --kinds "
        f"{in_shell(f'{shown}=number')} takes it as a number to learn from",
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


def has_few_rows_each(column: Column, given: np.ndarray, different: int) -> bool:
    """Return whether a column has many different texts and few rows of each, as names of samples and of places.

    Args:
        column: The column.
        given: Its codes, none missing.
        different: How many of them differ.
    """
    many = column.kind == "text" and not column.given and different > _MANY_TEXTS
    return many and len(given) < _ROWS_A_TEXT * different


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


def groups_in(table: Table, names: Sequence[str]) -> list[tuple[str, int]]:
    """Return the columns that name what several rows are of, as patients, and how many of those there are."""
    found = []
    for name in names:
        column = table.column(name)
        if not _GROUP_NAME.search(name) or column.hashed or column.kind not in ("text", "number"):
            continue
        given = table.codes(name) if column.kind == "text" else table.numbers(name)
        given = given[given != -1] if column.kind == "text" else given[~np.isnan(given)]
        if column.kind == "number" and (given % 1 != 0).any():
            continue
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


def _is_level(table: Table, name: str) -> bool:
    column = table.column(name)
    if column.kind == "number":
        return len(np.unique(table.numbers(name))) <= _MOST_LEVELS
    return column.kind == "boolean" or (column.kind == "text" and len(column.categories) <= _MOST_LEVELS)
