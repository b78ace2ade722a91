"""Rows of regions among those of their districts, which their codes show: 01 begins 01001, and has larger numbers."""

import re

import numpy as np

from dlkit.data.tables.table import Column, Table, blocks_of

_MOST_ROWS, _FEWEST_CODES, _LONGEST = 20_000, 20, 20
_FEWEST_ABOVE, _MOST_ABOVE, _ALIKE = 2, 0.3, 0.9
_IN_ORDER = 0.7  # rank correlation of numbers with the codes of a counter
_APART = 10
_ZEROS = "000"
_BY_CHANCE = 1e4


def rows_above(table: Table) -> tuple[str, list[int]]:
    """Return a column of codes, and the rows whose codes begin those of others and whose numbers are beyond all theirs.

    Rows of codes of another kind are among them, as DE for the country, where their numbers are beyond those of all
    districts.

    Args:
        table: The table.

    Returns:
        The name of the column and the rows; empty ones where there are none.
    """
    if not _FEWEST_CODES <= len(table) <= _MOST_ROWS:
        return "", []
    for name, column in table.columns.items():
        codes = _codes(table, column)
        levels = None if codes is None else _levels(codes) or _levels(_without_zeros(codes))
        if levels is None:
            continue
        codes, above, below = levels
        values = _beyond(table, name, codes, above, below)
        if values is not None:
            tops = ~below & ~above & (values > np.nanmax(values[below]))
            return name, np.flatnonzero(above | tops).tolist()
    return "", []


def _codes(table: Table, column: Column) -> np.ndarray | None:
    """Return what may be codes of two lengths, shape (N,), dtype str; None for anything else.

    Numbers have lost the zeros that they began with; they get them back where few low ones lie apart from the others.
    """
    if column.kind == "text" and not column.hashed and len(column.categories) >= _FEWEST_CODES:
        if max(map(len, column.categories)) > _LONGEST:
            return None
        named: np.ndarray = np.array([*map(str.strip, column.categories), ""])
        return np.asarray(named[table.codes(column.name)])
    values = table.numbers(column.name) if column.kind == "number" else np.full(1, np.nan)
    if not ((values > 0) & (values < 2**53)).all() or (values != np.floor(values)).any():
        return None
    ordered = np.unique(values)
    step = int((ordered[1:] / ordered[:-1])[1:].argmax()) + 1 if len(ordered) >= _FEWEST_CODES else 0
    if not step or ordered[step + 1] < _APART * ordered[step]:
        return None
    short, long = (len(str(int(ordered[place]))) for place in (step, -1))
    texts = values.astype(np.int64).astype(str)
    return np.where(values <= ordered[step], np.char.zfill(texts, short), np.char.zfill(texts, long))


def _without_zeros(codes: np.ndarray) -> np.ndarray:
    """Return codes without three zeros at their end, as that of a state among its counties has them: 01000."""
    return np.array([code.removesuffix(_ZEROS) for code in codes.tolist()])


def _levels(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return codes with the rows whose code begins others, bool, and those of the others; None where they are no codes.

    The others are nearly all of one length, and have a digit.
    """
    different, places = np.unique(codes, return_inverse=True)
    lengths = np.char.str_len(different)
    above = np.zeros(len(different), dtype=bool)
    for length in np.unique(lengths[lengths > 0])[:-1].tolist():
        heads = different[lengths > length].astype(f"U{length}")
        above |= (lengths == length) & np.isin(different, heads)
    if not _FEWEST_ABOVE <= above.sum() <= _MOST_ABOVE * len(different):
        return None
    usual = np.bincount(lengths[~above]).argmax()
    below = ~above & (lengths == usual)
    if below.sum() < _ALIKE * (~above).sum() or (lengths[above] >= usual).any():
        return None
    if not all(re.search(r"\d", code) and not re.search(r"\s", code) for code in different[below]):
        return None
    return codes, above[places], below[places]


def _beyond(
    table: Table, name: str, codes: np.ndarray, above: np.ndarray, below: np.ndarray
) -> np.ndarray | None:
    """Return a column of numbers in which all rows above are as large as any below them, which is no chance.

    Numbers that fall with the codes are no sign: of a counter, A1 begins A10 to A19, and came earlier.
    """
    names = [other for other in table.names if other != name and table.column(other).kind == "number"]
    children = np.flatnonzero(below)
    children = children[np.argsort(codes[children], kind="stable")]
    for block in blocks_of(names, len(table)):
        values = table.stack(block)
        fine, score = np.ones(len(block), dtype=bool), np.zeros(len(block))
        for length in np.unique(np.char.str_len(codes[above])).tolist():
            parents = np.flatnonzero(above & (np.char.str_len(codes) == length))
            of, place = np.unique(codes[parents], return_inverse=True)
            heads = codes[children].astype(f"U{length}")
            found = np.searchsorted(of, heads).clip(max=len(of) - 1)
            own = of[found] == heads
            most = np.full((len(of), len(block)), -np.inf)
            np.fmax.at(most, found[own], values[:, children[own]].T)
            most, mine = most.T[:, place], values[:, parents]
            fine &= ((mine >= most) | np.isnan(mine)).all(1)
            score += ((mine > most) * np.log1p(np.bincount(found[own], minlength=len(of))[place])).sum(1)
        for each in np.flatnonzero(fine & (score >= np.log(_BY_CHANCE))):
            ranks = values[each, children].argsort().argsort()
            if abs(np.corrcoef(ranks, np.arange(len(ranks)))[0, 1]) < _IN_ORDER:
                return np.asarray(values[each])
    return None
