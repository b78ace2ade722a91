"""How the numbers of a column are written: marks, units, factors and limits of detection; and texts read by it."""

import contextlib
import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dlkit.data.tables.reading.values.arrow import as_array, strings
from dlkit.data.tables.reading.values.parts import no_number, numbers_of_parts

# What stands for a missing number in the wild; in a text column only the empty field is missing, for "NA", "None"
# and "null" are labels there.
MISSING = (
    frozenset(
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
    )
    | {
        "?",
        "-",
        "--",
        "\u2013",
        "\u2014",
        ".",
        "..",
        "...",
        "\u2026",
        ":",
        "\\N",
        "(null)",
        "n.a.",
        "N.A.",
        "#NULL!",
    }
    | {
        "#VALUE!",
        "#DIV/0!",
        "#REF!",
        "#NUM!",
    }
)
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

PLAIN = {"\u2212": "-", "\u00a0": " ", "\u202f": " ", "\u2019": "'", "\u02bc": "'"} | {
    "\u2032": "'",  # minutes and seconds of a degree
    "\u2033": '"',
}
ERROR = r"\s*((±|\+/-|\+-).*|[*†‡]+)$"  # what stands behind a mean, and marks of footnotes
IN_BRACKETS = r"(\d)\s?(?:\(\d[\d.,]*\s?%?\)|(?:\[\w{1,3}\])+)$"  # 20.12(3), 12.5 (0.4), 1,234[5]
LAB_FLAGS = "HH?|LL?|AA?|N"  # of laboratories: high, low, abnormal, normal
FLAGS = rf"\s+([a-z]{{1,2}}|{LAB_FLAGS})(\s*[*†‡]+)?$"
BRACKETS = r"^([^\d(]*)\((.*)\)$"
BEHIND = r"^(\d[\d.,']*)-( ?[$€£]?)$"  # a minus sign behind its number, as SAP writes it
CURRENCY = r"[$€£¥₹₩₽]|US\$|R\$|USD|EUR|GBP|CHF|JPY|CNY|INR|BRL|AUD|CAD|SEK|NOK|DKK|PLN|Rs\.?"
_DASHES = "[-\u2013\u2014]+"
ZEROS = {
    rf"^({CURRENCY})\s*{_DASHES}$": r"\1 0",
    rf"^{_DASHES}\s*({CURRENCY})$": r"0 \1",
}  # as accountants write 0
LIMIT = r"^\s*[<>≤≥]|\d\+(\s|$)"  # <0.05, or 10+ years
NO_CENTS = "(\\d)[.,][-\u2013\u2014]+$"  # what Swiss prices have instead of .00


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


@dataclass(frozen=True)
class Written:
    """How the numbers of a column are written.

    Args:
        marks: Before decimals and between thousands.
        before: The currency before each number, as `$`.
        after: The unit behind each number, as `%` or `months`; may be missing, but for a percent sign.
        factors: Numbers may be followed by k, M or bn, which multiply them.
        brackets: Numbers in brackets are negative, as accountants write them.
        zeros: A dash beside the currency, as in `$-`, is 0, as accountants write it.
        errors: Behind a number ± and its error, an error in brackets, or the mark of a footnote, may stand; left out.
        flags: Behind a number a letter or two may stand after a space, as offices of statistics and
            laboratories mark it (`p`, `HH`), left out.
        clock: How parts with colons between, ages, or degrees are read, in words; empty where there are none.
        censored: What becomes of `<0.05`: `half`, `value` or `drop`; empty takes it for no number.
        typed: Words that stand for a missing value because the user says so.
    """

    marks: Marks = Marks()
    before: str = ""
    after: str = ""
    factors: bool = False
    brackets: bool = False
    zeros: bool = False
    errors: bool = False
    flags: bool = False
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
        return ", ".join(filter(None, (self.before, self.after, self.form)))

    @property
    def form(self) -> str:
        """How the numbers are written beside their unit, in words; empty where they are plain."""
        factors, brackets = "k, M, bn" * self.factors, "(1) and 1- as -1" * self.brackets
        zeros = f"{self.before or self.after}- as 0" * self.zeros
        errors = "± and what follows, (3), [1] or marks as * behind a number left out" * self.errors
        flags = "letters behind left out" * self.flags
        return ", ".join(filter(None, (factors, brackets, zeros, errors, flags, self.clock)))

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
        """Count the texts that are limits, as `<0.05` or `10+`."""
        found = pc.sum(pc.match_substring_regex(texts, LIMIT)).as_py()
        return int(found or 0)

    def _bare(self, texts: pa.Array) -> pa.Array:
        """Return texts with a decimal point and nothing else, null where missing, a word where there is no number."""
        absent = pc.is_in(texts, value_set=strings(sorted(self.missing)))
        texts = pc.if_else(absent, pa.nulls(len(texts), pa.string()), texts)
        if not self.unit and self.marks.plain and not self.censored:
            return texts
        if self.clock:
            return numbers_of_parts(texts, self.clock)
        if self.flags:
            texts = pc.replace_substring_regex(texts, FLAGS, "")
        if self.errors:
            texts = pc.replace_substring_regex(texts, ERROR, "")
            texts = pc.replace_substring_regex(texts, IN_BRACKETS, r"\1")
        for zero, plain in ZEROS.items() if self.before or self.after else ():
            texts = pc.replace_substring_regex(texts, zero, plain)
        if self.brackets:
            texts = pc.replace_substring_regex(texts, BRACKETS, r"-\1\2")
            texts = pc.replace_substring_regex(texts, BEHIND, r"-\1\2")
        bare = pc.replace_substring_regex(texts, self._pattern, r"\1\2\3")
        bare = pc.replace_substring(bare, self.marks.thousands, "") if self.marks.thousands else bare
        bare = pc.replace_substring(bare, self.marks.decimal, ".")
        return pc.if_else(pc.match_substring_regex(texts, self._pattern), bare, no_number())

    @functools.cached_property
    def _pattern(self) -> str:
        limit = r"(?:[<>]=?|≤|≥)?\s*" if self.censored else ""
        before = rf"(?:{re.escape(self.before)}\s*)?" if self.before else ""
        after = rf"\s*{_unit_pattern(self.after)}" if self.after else ""
        after = f"(?:{after})?" if after and self.after != "%" else after
        after = rf"(?:\s*(?:{'|'.join(FACTORS)}))?" if self.factors else after
        plus = r"\+?" if self.censored else ""
        return rf"^{limit}([+-])?\s*{before}([+-])?({self.marks.pattern}){plus}{after}$"

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
            limits = pc.match_substring_regex(texts, LIMIT)
            numbers = pc.if_else(limits, pa.nulls(len(numbers), pa.float64()), numbers)
        return numbers


def _tidy(texts: pa.Array) -> pa.Array:
    """Return texts without spaces around, with plain signs, apostrophes and spaces, and without a dash for no cents."""
    texts = pc.utf8_trim_whitespace(texts)
    for odd, plain in PLAIN.items():
        texts = pc.replace_substring(texts, odd, plain)
    return pc.replace_substring_regex(texts, NO_CENTS, r"\1")


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
