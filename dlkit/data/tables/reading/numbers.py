"""How the numbers of a column are written: marks, units, factors and limits of detection; and texts read by it."""

import contextlib
import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dlkit.data.tables.reading.arrow import as_array, strings

# What stands for a missing number in the wild; in a text column only the empty field is missing, for "NA", "None"
# and "null" are labels there.
MISSING = frozenset(
    (
        "",
        "NA",
        "N/A",
        "n/a",
        "#N/A",
        "NaN",
        "nan",
        "NAN",
        "-nan",
        "NULL",
        "null",
        "Null",
        "None",
        "none",
        "<NA>",
    )
) | {"?", "-", "--", "\u2013", "\u2014", ".", "#VALUE!", "#DIV/0!", "#REF!", "#NUM!"}
FACTORS = {
    "k": 1e3,
    "K": 1e3,
    "M": 1e6,
    "Mio": 1e6,
    "mn": 1e6,
    "million": 1e6,
    "B": 1e9,
    "bn": 1e9,
    "billion": 1e9,
}

_NO_NUMBER = "no number"
_FEW_TEXTS = 20
_FEW_NUMBERS = 5
_MAX_UNITS = 5
_CURRENCY = r"[$€£¥₹₩₽]|US\$|R\$|USD|EUR|GBP|CHF|JPY|CNY|INR|BRL|AUD|CAD|SEK|NOK|DKK|PLN|Rs\.?"
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
    rf"(?P<limit>[<>]=?|≤|≥)?\s*(?P<sign>[+\-\u2212])?\s*(?:(?P<before>{_CURRENCY})\s*)?(?P<sign2>[+\-\u2212])?"
    rf"(?P<number>{_NUMBER})(?P<space>\s*)(?P<after>[%‰$€£¥₹₩₽]|°\s?[CFK]?|(?:per cent|sq\.? ?ft|{_UNIT})"
    rf"(?: {_UNIT})?)?"
)
_BRACKETS = re.compile(rf"\((?:(?:{_CURRENCY})\s*)?{_NUMBER}\)")
_CLOCK = re.compile(r"[+-]?\d+:[0-5]\d(:[0-5]\d(\.\d+)?)?")
_CLOCK_PARTS = r"^(?P<sign>[+-]?)(?P<first>\d+):(?P<second>\d+)(?::(?P<third>[\d.]+))?$"
_PLAIN = {"\u2212": "-", "\u00a0": " ", "\u202f": " ", "\u2019": "'", "\u02bc": "'"}
_ERROR = r"\s*((±|\+/-|\+-).*|[*†‡]+)$"  # what stands behind a mean, and marks of footnotes
_NO_CENTS = "(\\d)[.,][-\u2013\u2014]+$"  # what Swiss prices have instead of .00
_GROUPED = re.compile(r"\d{1,3}([.,' ]\d{3})*,\d+|\d{1,3}([,' ]\d{3})+(\.\d+)?|\d+,\d+")


@dataclass(frozen=True)
class Marks:
    """What stands before decimals and between thousands.

    Args:
        decimal: What stands before the decimals.
        thousands: What may stand between thousands; empty where nothing does.
    """

    decimal: str = "."
    thousands: str = ""

    @property
    def plain(self) -> bool:
        """Whether numbers are written as 1234.5."""
        return self == Marks()

    @property
    def pattern(self) -> str:
        """A regular expression for a number written so, without a sign."""
        mark = re.escape(self.thousands)
        whole = rf"(?:\d+|[1-9]\d{{0,2}}(?:{mark}\d{{3}})+)" if mark else r"\d+"
        point = re.escape(self.decimal)
        return rf"(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?"

    def fits(self, text: str) -> bool:
        """Return whether a text is a number written so."""
        return re.fullmatch(rf"[+-]?{self.pattern}", text) is not None


_MARKS = tuple(
    Marks(decimal, mark) for decimal, other in ((",", "."), (".", ",")) for mark in (other, " ", "'")
)


@dataclass(frozen=True)
class Written:
    """How the numbers of a column are written.

    Args:
        marks: Before decimals and between thousands.
        before: The currency before each number, as `$`.
        after: The unit behind each number, as `%` or `months`; may be missing, but for a percent sign.
        factors: Numbers may be followed by k, M or bn, which multiply them.
        brackets: Numbers in brackets are negative, as accountants write them.
        errors: Behind a number ± and its error, or the mark of a footnote, may stand, which are left out.
        clock: How parts with colons between are read, in words; empty where there are none.
        censored: What becomes of `<0.05`: `half`, `value` or `drop`; empty takes it for no number.
        typed: Words that stand for a missing value because the user says so.
    """

    marks: Marks = Marks()
    before: str = ""
    after: str = ""
    factors: bool = False
    brackets: bool = False
    errors: bool = False
    clock: str = ""
    censored: str = ""
    typed: frozenset[str] = frozenset()

    @property
    def missing(self) -> frozenset[str]:
        """All texts that stand for a missing number."""
        return MISSING | self.typed

    @functools.cached_property
    def unit(self) -> str:
        """What stands before and behind the numbers, in words; empty where nothing does."""
        factors, brackets = "k, M, bn" * self.factors, "(1) as -1" * self.brackets
        errors = "± and what follows, or marks as *, left out" * self.errors
        return ", ".join(filter(None, (self.before, self.after, factors, brackets, errors, self.clock)))

    def read(self, texts: pa.Array) -> pa.Array | None:
        """Return texts as float64, null where one is missing; None where one is no number."""
        if not self.unit and self.marks.plain:
            with contextlib.suppress(
                pa.ArrowInvalid
            ):  # words for missing values, spaces, or what is no number
                return texts.cast(pa.float64())
        texts = _tidy(texts)
        try:
            numbers = self._bare(texts).cast(pa.float64())
        except pa.ArrowInvalid:
            return None
        return self._multiplied(texts, numbers)

    def read_each(self, texts: Sequence[str]) -> np.ndarray:
        """Return texts as float64, each by itself; NaN where one is missing or no number."""
        tidy = _tidy(strings(texts))
        numbers = np.array([_number(text) for text in self._bare(tidy).to_pylist()], dtype=float)
        if not self.factors and not self.censored:
            return numbers
        from_numbers = pa.Array.from_buffers(
            pa.float64(), len(numbers), [None, pa.py_buffer(numbers.tobytes())]
        )
        return np.array(as_array(self._multiplied(tidy, from_numbers)))

    def is_missing(self, texts: Sequence[str]) -> np.ndarray:
        """Return which texts stand for a missing number, shape (N,), bool."""
        return np.array([text.strip() in self.missing for text in texts], dtype=bool)

    def count_limits(self, texts: pa.Array) -> int:
        """Count the texts that are limits, as `<0.05`."""
        found = pc.sum(pc.match_substring_regex(texts, r"^\s*[<>≤≥]")).as_py()
        return int(found or 0)

    def _bare(self, texts: pa.Array) -> pa.Array:
        """Return texts with a decimal point and nothing else, null where missing, a word where there is no number."""
        absent = pc.is_in(texts, value_set=strings(sorted(self.missing)))
        texts = pc.if_else(absent, pa.nulls(len(texts), pa.string()), texts)
        if not self.unit and self.marks.plain and not self.censored:
            return texts
        if self.clock:
            return _clock_numbers(texts)
        if self.errors:
            texts = pc.replace_substring_regex(texts, _ERROR, "")
        if self.brackets:
            texts = pc.replace_substring_regex(texts, r"^\((.*)\)$", r"-\1")
        bare = pc.replace_substring_regex(texts, self._pattern, r"\1\2\3")
        bare = pc.replace_substring(bare, self.marks.thousands, "") if self.marks.thousands else bare
        bare = pc.replace_substring(bare, self.marks.decimal, ".")
        return pc.if_else(pc.match_substring_regex(texts, self._pattern), bare, strings([_NO_NUMBER])[0])

    @functools.cached_property
    def _pattern(self) -> str:
        limit = r"(?:[<>]=?|≤|≥)?\s*" if self.censored else ""
        before = rf"(?:{re.escape(self.before)}\s*)?" if self.before else ""
        after = rf"\s*{_unit_pattern(self.after)}" if self.after else ""
        after = f"(?:{after})?" if after and self.after != "%" else after
        after = rf"(?:\s*(?:{'|'.join(FACTORS)}))?" if self.factors else after
        return rf"^{limit}([+-])?\s*{before}([+-])?({self.marks.pattern}){after}$"

    def _multiplied(self, texts: pa.Array, numbers: pa.Array) -> pa.Array:
        """Multiply numbers by the factors behind them, and limits by what is wanted of them."""
        if self.factors:
            for mark, factor in FACTORS.items():
                behind = pc.match_substring_regex(texts, rf"\d[.,]?\s*{mark}$")
                numbers = pc.if_else(behind, pc.multiply(numbers, factor), numbers)
        if self.censored == "half":
            numbers = pc.if_else(
                pc.match_substring_regex(texts, r"^[<≤]"), pc.multiply(numbers, 0.5), numbers
            )
        if self.censored == "drop":
            limits = pc.match_substring_regex(texts, r"^[<>≤≥]")
            numbers = pc.if_else(limits, pa.nulls(len(numbers), pa.float64()), numbers)
        return numbers


@dataclass(frozen=True)
class Shape:
    """A text that holds a number: the number as written, and what stands around it."""

    number: str
    limit: str = ""
    before: str = ""
    after: str = ""
    brackets: bool = False
    error: bool = False


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
    bare = re.sub(_ERROR, "", text)
    error, text = bare != text, _tidied(bare)
    brackets = _BRACKETS.fullmatch(text) is not None
    match = _SHAPE.fullmatch(f"-{text[1:-1]}" if brackets else text)
    if match is None or (match["sign"] and match["sign2"]):
        return None
    after = match["after"] or ""
    attached = after and not match["space"] and after[0].isalpha()
    if attached and not (
        _SHORT_UNITS.fullmatch(after)
        or after in FACTORS
        or "/" in after
        or (len(after) > 2 and after.islower())
    ):
        return None
    if _NO_UNITS.fullmatch(after):
        return None
    sign = (match["sign"] or match["sign2"] or "").replace("\u2212", "-")
    number = match["number"].replace("\u00a0", " ").replace("\u202f", " ")
    return Shape(sign + number, match["limit"] or "", match["before"] or "", _one(after), brackets, error)


def look_around(texts: Sequence[str], counts: np.ndarray, written: Written, *, share: float) -> Around | None:
    """Find out what stands around the numbers of a column; None where most texts hold something else.

    Args:
        texts: Different texts, none missing, shape (K,).
        counts: How often each comes, shape (K,).
        written: How numbers are written as far as that is known.
        share: The share of the texts that must be numbers.
    """
    if all(map(_CLOCK.fullmatch, texts)) and len({text.count(":") for text in texts}) == 1:
        clock = "h:mm:ss as hours" if texts[0].count(":") > 1 else "1:30 as 1.5"
        return Around(replace(written, clock=clock), np.ones(len(texts), dtype=bool))
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
    if len(befores) > 1 or len(units) > 1 or (units == {"%"} and "" in afters):
        if len(befores) + len(units) > _MAX_UNITS:
            return None
        return Around(None, fits, "few units" if few else "units", numbers)
    known = replace(written, before="".join(befores), after="".join(units), factors=factors)
    known = replace(
        known, brackets=any(shape.brackets for shape in found), errors=any(shape.error for shape in found)
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
    return fitting[0] if len(decimals) == 1 else None


def _tidy(texts: pa.Array) -> pa.Array:
    """Return texts without spaces around, with plain signs, apostrophes and spaces, and without a dash for no cents."""
    texts = pc.utf8_trim_whitespace(texts)
    for odd, plain in _PLAIN.items():
        texts = pc.replace_substring(texts, odd, plain)
    return pc.replace_substring_regex(texts, _NO_CENTS, r"\1")


def _tidied(text: str) -> str:
    """Return one text as `_tidy` does."""
    for odd, plain in _PLAIN.items():
        text = text.replace(odd, plain)
    return re.sub(_NO_CENTS, r"\1", text)


def _clock_numbers(texts: pa.Array) -> pa.Array:
    """Return parts with colons between, each a sixtieth of the one before, in the unit of the first, as texts."""
    parts = pc.extract_regex(texts, _CLOCK_PARTS)
    first, second, third = (
        pc.replace_substring_regex(pc.struct_field(parts, name), "^$", "0").cast(pa.float64())
        for name in ("first", "second", "third")
    )
    number = pc.add(first, pc.divide(pc.add(second, pc.divide(third, 60.0)), 60.0))
    number = pc.if_else(pc.equal(pc.struct_field(parts, "sign"), "-"), pc.negate(number), number).cast(
        pa.string()
    )
    strange = pc.and_(pc.is_valid(texts), pc.is_null(number))
    return pc.if_else(strange, strings([_NO_NUMBER])[0], number)


def _one(unit: str) -> str:
    """Return a unit without what differs within a column: one month, two months."""
    unit = " ".join(unit.split()).removesuffix(".")
    return unit[:-1] if len(unit) > 3 and unit.endswith("s") and unit.isalpha() else unit


def _unit_pattern(unit: str) -> str:
    plural = "s?" if len(unit) > 2 and unit.isalpha() else ""
    return rf"{re.escape(unit)}{plural}\.?"


def _number(text: str | None) -> float:
    if text is None or "_" in text or not text.isascii():
        return np.nan
    try:
        return float(text)
    except ValueError:
        return np.nan
