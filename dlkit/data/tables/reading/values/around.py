"""What stands around the numbers of a column, by the texts of its first rows: signs, units, factors and limits."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dlkit.data.tables.reading.values.numbers import (
    BEHIND,
    BRACKETS,
    CURRENCY,
    ERROR,
    FACTORS,
    IN_BRACKETS,
    LAB_FLAGS,
    NO_CENTS,
    PLAIN,
    ZEROS,
    Marks,
    Written,
)
from dlkit.data.tables.reading.values.parts import AGES, CLOCKS, DEGREES, are_degrees

_FEW_TEXTS = 20
_FEW_NUMBERS = 5
_MAX_UNITS = 5
# Units that may follow a number without a space; others have to be words of three small letters or more.
_SHORT_UNITS = re.compile(
    "[mckn]?m[23]?|[µμ]m|k?g|[mnµμ]g|u[mg]|t|[mdc]?[lL]|hr?s?|sec|m?s|mins?|d|yrs?|mo|ha|px|mph|km?ph|kmh|rpm|cc|b?hp|"
    "[kM]?Wh?|m?V|mA|[kMG]?Hz|[KMGT]B|lbs?|oz|[fF]t|in|yd|mi|[CFK]|bar|[hk]?Pa|mmHg|dB|pp[mb]|bps?|x|k?cal|k?J|mol|"
    "[mµn]M|rad|deg|kr|zł|Kč|sq.?ft"
)
_NO_UNITS = re.compile("[ap]m|st|nd|rd|th|(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec).*", re.IGNORECASE)
_UNIT = r"[^\W\d_]+[23²³]?(?:[/^·.*][^\W_]+)*\.?"
_NUMBER = r"(?:\d(?:[\d.,' \u00a0\u202f]*\d)?|[.,]\d+)(?:[eE][+-]?\d+)?"
_SHAPE = re.compile(
    rf"(?P<limit>[<>]=?|≤|≥)?\s*(?P<sign>[+\-\u2212])?\s*(?:(?P<before>{CURRENCY})\s*)?(?P<sign2>[+\-\u2212])?"
    rf"(?P<number>{_NUMBER})(?P<more>\+)?(?P<space>\s*)(?P<after>[%‰$€£¥₹₩₽]|°\s?[CFK]?|(?:per cent|sq\.? ?ft|{_UNIT})"
    rf"(?: {_UNIT})?)?"
)
_BRACKETS = re.compile(rf"(?:{CURRENCY})?\s*\((?:(?:{CURRENCY})\s*)?{_NUMBER}\)")
_FLAG = re.compile("[bcdefnprsuz]{1,2}")  # of Eurostat: provisional, estimated, a break in the series
_LAB_FLAG = re.compile(LAB_FLAGS)
_VERSION = re.compile(r"\d+(\.\d+){2,}")
_THOUSANDS = re.compile(r"\d{1,3}(\.\d{3})+")
_CODE = re.compile(r"(?=\w*\d)\w*[^\W\d_]\w*(-\w+)*")
_CLOCK = re.compile(r"[+-]?\d+:[0-5]\d(:[0-5]\d(\.\d+)?)?")
_AGE = re.compile(r"\d{3}[YMWD]")
_GROUPED = re.compile(r"\d{1,3}([.,' ]\d{3})*,\d+|\d{1,3}([,' ]\d{3})+(\.\d+)?|\d+,\d+|\d{1,3}(\.\d{3}){2,}")
_MARKS = tuple(
    Marks(decimal, mark) for decimal, other in ((",", "."), (".", ",")) for mark in (other, " ", "'")
)


@dataclass(frozen=True)
class Shape:
    """A text that holds a number: the number as written, and what stands around it."""

    number: str
    limit: str = ""
    before: str = ""
    after: str = ""
    brackets: bool = False
    error: bool = False
    zero: bool = False


@dataclass(frozen=True)
class Around:
    """What stands around the numbers of a column, as its texts have it.

    Args:
        written: How they are written; None where they do not agree.
        fits: Which texts are numbers written so, shape (K,), bool.
        fault: `units` where they do not agree, `few units` where few texts do not, `censored` where some are limits;
            empty where they are numbers.
        numbers: The numbers alone, with their marks.
    """

    written: Written | None
    fits: np.ndarray
    fault: str = ""
    numbers: tuple[str, ...] = field(default=(), repr=False)


def shape_of(text: str) -> Shape | None:
    """Return the number that a text holds with what stands around it; None where it holds something else."""
    text = text.strip()
    bare = re.sub(IN_BRACKETS, r"\1", re.sub(ERROR, "", text))
    error, text = bare != text, _tidied(bare)
    dash, text = text, _with_zero(text)
    bare = re.sub(BEHIND, r"-\1\2", re.sub(BRACKETS, r"-\1\2", text) if _BRACKETS.fullmatch(text) else text)
    brackets, match = bare != text, _SHAPE.fullmatch(bare)
    if match is None or (match["sign"] and match["sign2"]):
        return None
    if _VERSION.fullmatch(match["number"]) and not _THOUSANDS.fullmatch(match["number"]):
        return None  # an address or a version, as 10.0.0.1
    after = match["after"] or ""
    attached = after and not match["space"] and after[0].isalpha()
    if attached and not (
        _SHORT_UNITS.fullmatch(after)
        or after in FACTORS
        or "/" in after
        or (len(after) > 2 and after.islower())
        or after[0] > "\u3000"  # no spaces are usual in front of Chinese and Japanese units
    ):
        return None
    if _NO_UNITS.fullmatch(after):
        return None
    sign = (match["sign"] or match["sign2"] or "").replace("\u2212", "-")
    number = match["number"].replace("\u00a0", " ").replace("\u202f", " ")
    limit = match["limit"] or "≥" * bool(match["more"])
    return Shape(sign + number, limit, match["before"] or "", _one(after), brackets, error, text != dash)


def is_code(text: str) -> bool:
    """Return whether letters and digits stand together in a text that is no number, as in 2A032."""
    return _CODE.fullmatch(text.strip()) is not None and shape_of(text) is None


def may_be_missing(text: str) -> bool:
    """Return whether a text may stand for a missing value: it is no number in another form, and no code."""
    return shape_of(text) is None and not is_code(text)


def look_around(texts: Sequence[str], counts: np.ndarray, written: Written, *, share: float) -> Around | None:
    """Find out what stands around the numbers of a column; None where most texts hold something else.

    Args:
        texts: Different texts, none missing, shape (K,).
        counts: How often each comes, shape (K,).
        written: How numbers are written as far as that is known.
        share: The share of the texts that must be numbers.
    """
    clocks = np.array([_CLOCK.fullmatch(text.strip()) is not None for text in texts], dtype=bool)
    if counts[clocks].sum() >= share * counts.sum():
        colons = {text.count(":") for text, is_clock in zip(texts, clocks, strict=True) if is_clock}
        return Around(replace(written, clock=CLOCKS[tuple(sorted(colons))]), clocks)
    ages = np.array([_AGE.fullmatch(text.strip()) is not None for text in texts], dtype=bool)
    shows = any("Y" in text or text.startswith("0") for text in texts)  # 127M alone may be millions
    if shows and counts[ages].sum() >= share * counts.sum():
        return Around(replace(written, clock=AGES), ages)
    degrees = np.array(are_degrees([_tidied(text) for text in texts]), dtype=bool)
    if counts[degrees].sum() >= share * counts.sum():
        return Around(replace(written, clock=DEGREES), degrees)
    shapes = [shape_of(text) for text in texts]
    fits = np.array([shape is not None for shape in shapes], dtype=bool)
    if counts[fits].sum() < share * counts.sum():
        return None
    found = [shape for shape in shapes if shape is not None]
    numbers = tuple(shape.number for shape in found)
    few = len({(shape.number, shape.limit, shape.after) for shape in found}) <= _FEW_TEXTS
    befores = {shape.before for shape in found} - {""}
    afters = {shape.after for shape in found}
    factors = bool(afters & FACTORS.keys()) and afters <= {"", *FACTORS}
    units = set() if factors else afters - {""}
    flags = len(units) > 1 and "" in afters and all(map(_FLAG.fullmatch, units))
    flags |= bool(units - {"L"}) and len(afters) > 1 and all(map(_LAB_FLAG.fullmatch, units))
    units = set() if flags else units
    if len(befores) > 1 or len(units) > 1 or (units == {"%"} and "" in afters):
        if len(befores) + len(units) > _MAX_UNITS:
            return None
        return Around(None, fits, "few units" if few else "units", numbers)
    known = replace(written, before="".join(befores), after="".join(units), factors=factors)
    known = replace(
        known,
        flags=flags,
        brackets=any(shape.brackets for shape in found),
        zeros=any(shape.zero for shape in found),
        errors=any(shape.error for shape in found),
    )
    limits = any(shape.limit for shape in found)
    if limits and not written.censored:
        plain = {shape.number for shape in found if not shape.limit}
        return Around(known, fits, "censored", numbers) if len(plain) > _FEW_NUMBERS else None
    return Around(known, fits, "", numbers)


def is_grouped(number: str) -> bool:
    """Return whether a number has a comma, or marks between thousands."""
    return _GROUPED.fullmatch(number.lstrip("+-")) is not None


def recognise_marks(
    columns: Iterable[Sequence[str]], decimal: str | None = None, thousands: str | None = None
) -> Marks | None:
    """Return how the numbers of a table are written where it shows: a decimal comma, or marks between thousands.

    Args:
        columns: Numbers of each column as they are written.
        decimal: What stands before decimals, if that was given.
        thousands: What stands between thousands, likewise.
    """
    given = [text for column in columns for text in column]
    fitting = [
        marks
        for marks in _MARKS
        if decimal in (None, marks.decimal)
        and thousands in (None, marks.thousands)
        and all(map(marks.fits, given))
    ]
    decimals = {marks.decimal for marks in fitting}
    if len(decimals) == 1 or (fitting and not any(sign in text for sign in ",." for text in given)):
        return fitting[0]
    return None


def _tidied(text: str) -> str:
    """Return one text as `_tidy` does."""
    for odd, plain in PLAIN.items():
        text = text.replace(odd, plain)
    return re.sub(NO_CENTS, r"\1", text)


def _with_zero(text: str) -> str:
    """Return `$ 0` for a dash beside a currency, and another text as it is."""
    for zero, plain in ZEROS.items():
        text = re.sub(zero, plain, text)
    return text


def _one(unit: str) -> str:
    """Return a unit without what differs within a column: one month, two months."""
    unit = " ".join(unit.split()).removesuffix(".")
    return unit[:-1] if len(unit) > 3 and unit.endswith("s") and unit.isalpha() else unit
