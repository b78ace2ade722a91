"""Numbers that look like codes for a missing value: -999, 99 or 1e30, far from the rest of their column."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dlkit.data.tables.oddities.apart import lowest_apart, may_lie_apart
from dlkit.data.tables.table import Table, as_typed, blocks_of
from dlkit.errors import counted, printable

_REPEATED = re.compile(r"([5-9])\1{1,5}0*")
_REPEATED_BUT_LAST = re.compile(r"9{1,5}[678]")
_OTHERS = frozenset((999.25, 32767.0, 32768.0, 65535.0, 2147483647.0, 2147483648.0))
_BEGINNINGS = (55, 66, 77, 88, 96, 97, 98, 99, 32, 65, 21)
_SMALL = (-1.0, -2.0, -7.0, -8.0, -9.0)
_TWO_CODES, _FEW_CODES, _THREE = (9.0, 77.0, 88.0, 99.0, 999.0), 0.3, 3
_HUGE = 1e20
_FEWEST_OTHERS = 3
_FEWEST_PRICES = 2
_FEWEST_BELOW = 3  # rows of a code that is the only negative number
_STEPS, _SHARE = 10, 0.2
_FEWEST_WARNED, _TIMES_WARNED = 3, 3  # rows of a code, and ranges of its column away from it
_SHOWN = 8
_LONGEST = 2000  # letters of an option
_MOST_STRANGERS = 3
_ONE_DIGIT, _LONG_HOLE, _EXPECTED = (7.0, 8.0, 9.0), 4, 5.0
_SURE_AT_TWO = 7  # rows of a lone code, of which 3**-7 would lie there by chance
_FEW_OF_ONE = 0.1
_WORDS = frozenset(("NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "<NA>", "?", "None", ".", ".."))


@dataclass(frozen=True)
class Suspect:
    """A number that looks like a code for a missing value.

    Args:
        column: Where it stands.
        code: The number as it would be typed.
        count: In how many rows.
        low: The lowest of the other numbers.
        high: The highest of them.
        typed: What --missing takes: the code, with the column where other columns have it as a value.
    """

    column: str
    code: str
    count: int
    low: float
    high: float
    typed: str = ""


def find_suspects(column: str, values: np.ndarray, known: frozenset[float] = frozenset()) -> list[Suspect]:
    """Return the numbers in a column that are usual codes and further from the others than those are from each other.

    A negative number that comes again and again below the rest is one too, whatever it is.

    Args:
        column: Its name.
        values: Shape (N,), NaN where missing.
        known: Codes of other columns.
    """
    different, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    if beside := _beside_two(different, counts):
        low, high = sorted({*different.tolist()} - {beside})
        return [Suspect(column, f"{beside:.10g}", int(counts[different == beside][0]), low, high)]
    small = _small_codes(different, counts) | _behind_a_scale(different, counts)
    small[:1] |= lowest_apart(different, counts, known)
    codes = np.array(small)
    likely = np.flatnonzero(_may_be_codes(different))
    codes[likely] |= np.array([_is_code(value) for value in different[likely].tolist()], dtype=bool)
    if codes.any():
        codes &= ~_prices(different)
    others = _together(different, np.flatnonzero(~codes), np.flatnonzero(codes))
    if len(others) < (2 if small.any() else _FEWEST_OTHERS):
        return []
    low, high = different[others[0]], different[others[-1]]
    small |= codes & _family(different, counts, others)
    found = []
    with np.errstate(over="ignore"):
        for place in np.flatnonzero(codes):
            code, count = float(different[place]), int(counts[place])
            far = max(low - code, code - high) > high - low or (code < 0 <= low and count >= _FEWEST_BELOW)
            if small[place] or (far and (count > 1 or code < 0 or code >= _HUGE)):
                found.append(Suspect(column, f"{code:.10g}", count, float(low), float(high)))
    return found


def suspects_of(table: Table, names: list[str]) -> list[Suspect]:
    """Return the suspects in some columns of a table, those of numbers."""
    found: list[Suspect] = []
    lowest: dict[str, float] = {}
    numeric = [name for name in names if table.columns[name].kind == "number"] if len(table) else []
    for block in blocks_of(numeric, len(table)):
        values = table.stack(block)
        ends = np.stack([np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1)])
        lowest |= dict(zip(block, ends[0].tolist(), strict=True))
        apart = may_lie_apart(values, ends[0])
        for place in np.flatnonzero(_may_be_codes(ends).any(0) | apart).tolist():
            if apart[place] or any(
                _is_code(end) or end in (*_SMALL, 8.0) or abs(end) in _TWO_CODES
                for end in ends[:, place].tolist()
            ):
                found += find_suspects(block[place], values[place])
    known = frozenset(float(each.code) for each in found)
    seen = {each.column for each in found}
    for name in [name for name, low in lowest.items() if low in known and name not in seen]:
        found += find_suspects(name, table.numbers(name), known)
    order = {name: number for number, name in enumerate(numeric)}
    found.sort(key=lambda each: order[each.column])
    plain = {code: _is_code_alone(table, code, found) for code in {each.code for each in found}}
    return [
        replace(each, typed=each.code if plain[each.code] else as_typed([f"{each.column}={each.code}"]))
        for each in found
    ]


def _is_code_alone(table: Table, code: str, found: list[Suspect]) -> bool:
    """Return whether a code, as -999, is no value in any column, so that --missing takes it without a column."""
    number = float(code)
    if -100 < number < _HUGE:
        return False
    suspected = {each.column for each in found if each.code == code}
    others = (
        name for name, column in table.columns.items() if column.kind == "number" and name not in suspected
    )
    return not any((table.numbers(name) == number).any() for name in others)


def note_of_suspects(suspects: list[Suspect]) -> str:
    """Return one line about all suspects, a warning where one is far beyond its column; empty where there are none."""
    if not suspects:
        return ""
    columns: dict[str, list[Suspect]] = {}
    for each in suspects:
        columns.setdefault(each.column, []).append(each)
    shown = [
        f"{printable(name)} has {', '.join(each.code for each in found)} in "
        f"{counted(sum(each.count for each in found), 'row')}"
        for name, found in columns.items()
    ]
    more = f" and {len(shown) - _SHOWN:,} more" if len(shown) > _SHOWN else ""
    warning = "warning: " * any(map(_is_far, suspects))
    return (
        f"{warning}this looks like a code for a missing value, far from the rest: {', '.join(shown[:_SHOWN])}{more}; "
        f"{missing_option(suspects)} takes it as missing"
    )


def _is_far(suspect: Suspect) -> bool:
    """Return whether a code comes again, so far away that it decides the scale of its column."""
    code = float(suspect.code)
    beyond = max(suspect.low - code, code - suspect.high)
    return suspect.count >= _FEWEST_WARNED and beyond >= _TIMES_WARNED * (suspect.high - suspect.low) > 0


def words_of_missing(table: Table, names: Sequence[str]) -> list[Suspect]:
    """Return texts such as NA and ? that may stand for a missing value, in columns of other texts, and how many."""
    found = []
    for name in names:
        column = table.columns[name]
        places = [place for place, text in enumerate(column.categories) if text.strip() in _WORDS]
        codes = table.codes(name) if places and column.kind == "text" and not column.given else np.zeros(0)
        for place in places if len(codes) else ():
            word, count = column.categories[place].strip(), int((codes == place).sum())
            found.append(Suspect(name, word, count, 0, 0, as_typed([f"{name}={word}"])))
    return found


def note_of_words(words: Sequence[Suspect]) -> str:
    """Return one line about the words of `words_of_missing`; empty where there are none."""
    if not words:
        return ""
    shown = [
        f"{printable(each.column)} has {each.code} in {counted(each.count, 'row')}" for each in words[:_SHOWN]
    ]
    more = f" and {len(words) - _SHOWN:,} more" if len(words) > _SHOWN else ""
    return (
        f"kept as a text or class of its own, though it may stand for a missing value: {', '.join(shown)}{more}; "
        f"{missing_option(words)} takes it as missing"
    )


def missing_option(suspects: Sequence[Suspect]) -> str:
    """Return the option that takes suspects as missing."""
    codes = list(dict.fromkeys(each.typed for each in suspects))
    while len(codes) > 1 and len(",".join(codes)) > _LONGEST:  # the rest is found with those out of the way
        codes = codes[: len(codes) // 2]
    return f"--missing {shlex.quote(printable(','.join(codes), 2 * _LONGEST))}"


def _may_be_codes(values: np.ndarray) -> np.ndarray:
    """Return which numbers begin as a code does, bool: with two digits of one."""
    size = np.abs(values)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        digits = np.floor(size / 10.0 ** (np.floor(np.log10(size)) - 1) + 1e-6)
    return np.asarray(np.isin(digits, _BEGINNINGS) | np.isin(values, (*_SMALL, 8.0, 9.0)) | (size >= _HUGE))


def _prices(different: np.ndarray) -> np.ndarray:
    """Return which numbers have decimals that many others have too, as 9.99 among 0.99 and 4.99, bool."""
    cents, places, counts = np.unique(np.round(different % 1, 4), return_inverse=True, return_counts=True)
    often = (cents > 0) & (counts > np.maximum(_FEWEST_PRICES, _FEW_CODES * len(different)))
    return np.asarray(often[places])


def _small_codes(different: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return which numbers are -1, -9 or the like, the only negative ones, and far below the rest by its steps, bool.

    Args:
        different: All numbers of a column, ascending, each once.
        counts: How often each comes.
    """
    none = np.zeros(len(different), dtype=bool)
    below = int((different < 0).sum())
    others = different[below:]
    if not below or len(others) < _FEWEST_OTHERS or not np.isin(different[:below], _SMALL).all():
        return none
    gap = others[0] - different[below - 1]
    far = gap >= _STEPS * np.median(np.diff(others)) and gap >= _SHARE * (others[-1] - others[0])
    if far:
        none[:below] = counts[:below] > 1
    return none


def _together(different: np.ndarray, others: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the places of the values that lie together, without few among codes, further away than those span.

    Args:
        different: All numbers of a column, ascending, each once.
        others: The places of those that are no codes, ascending.
        codes: The places of those that may be, ascending.
    """
    for side in (1, -1):
        values, coded = side * different[others][::side], np.sort(side * different[codes])
        gaps = np.flatnonzero(np.diff(values) > values[:-1] - values[:1])
        gaps = gaps[gaps >= _FEWEST_OTHERS - 1]
        if len(gaps):
            kept = int(gaps[0]) + 1
            beyond = int((coded > values[kept - 1]).sum())
            if len(values) - kept <= min(_MOST_STRANGERS, beyond):
                others = others[:kept] if side > 0 else others[len(others) - kept :]
    return others


def _behind_a_scale(different: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return which numbers are 7, 8 or 9 behind the answers 1 to 5 or the like, bool: refused, unknown, no answer.

    Between them a number is left out that many rows should have, by how often the last two answers come, or they come
    more often than that. A lone 8 or 9 has two numbers or more left out before it, and so many rows that counts, of
    which fewer are larger, would hardly ever have them all there.

    Args:
        different: All numbers of a column, ascending, each once.
        counts: How often each comes.
    """
    none = np.zeros(len(different), dtype=bool)
    if (
        len(different) > len(_ONE_DIGIT) + _ONE_DIGIT[0]
        or len(different) < _THREE
        or different[0] not in (0, 1)
    ):
        return none
    hole = int((np.diff(different) == 1).argmin())
    scale, codes = different[: hole + 1], different[hole + 1 :]
    if hole < 1 or not np.isin(codes, _ONE_DIGIT).all() or codes[0] - scale[-1] < 2:
        return none
    expected = counts[hole] * min(1.0, counts[hole] / counts[hole - 1])
    found, total, steps = counts[hole + 1 :], counts.sum(), codes[0] - scale[-1]
    if len(codes) == 1 and (
        codes[0] == _ONE_DIGIT[0]
        or steps < _LONG_HOLE - 1
        or (steps < _LONG_HOLE and found[0] < _SURE_AT_TWO)
    ):
        return none
    seen = expected >= _EXPECTED or found.sum() >= max(_EXPECTED, 2 * expected)
    few = (found > 1).all() and (found <= _FEW_OF_ONE * total).all()
    none[hole + 1 :] = bool(seen and few)
    return none


def _family(different: np.ndarray, counts: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return which numbers are of several codes, as 97, 98 and 99, behind a gap of many steps, bool.

    All of them come more often than the last of the others, and nothing else stands there.

    Args:
        different: All numbers of a column, ascending, each once.
        counts: How often each comes.
        others: The places of those that are no codes, ascending.
    """
    none = np.zeros(len(different), dtype=bool)
    first = int(others[-1]) + 1
    codes, values = different[first:], different[others]
    if len(codes) < 2 or len(values) < _FEWEST_OTHERS:
        return none
    gap = codes[0] - values[-1]
    far = gap >= _STEPS * np.median(np.diff(values)) and gap >= _SHARE * (values[-1] - values[0])
    often = (counts[first:] > 1).all() and counts[first:].sum() > counts[others[-len(codes) :]].sum()
    none[first:] = bool(far and often)
    return none


def _beside_two(different: np.ndarray, counts: np.ndarray) -> float:
    """Return the code beside 0 and 1, or 1 and 2, as of no and yes: 9, 99 or -9; 0 where there is none.

    Args:
        different: All numbers of a column, ascending, each once.
        counts: How often each comes.
    """
    for place in (-1, 0) if len(different) == _THREE else ():
        few = 1 < counts[place] <= _FEW_CODES * counts.sum()
        pair = np.delete(different, place).tolist()
        if few and abs(different[place]) in _TWO_CODES and pair in ([0, 1], [1, 2]):
            return float(different[place])
    return 0.0


def _is_code(value: float) -> bool:
    if abs(value) >= _HUGE:
        return bool(np.isfinite(value))
    text = f"{abs(value):.7g}"
    return (
        abs(float(text)) in _OTHERS
        or _REPEATED.fullmatch(text.replace(".", "")) is not None
        or _REPEATED_BUT_LAST.fullmatch(text) is not None
    )
