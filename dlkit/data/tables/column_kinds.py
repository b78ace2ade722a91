"""What kind of column each is, judged by the texts that stand in it: number, boolean, date or text."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dlkit.errors import DataError, printable


@dataclass(frozen=True)
class Coded:
    """Texts of some rows.

    Args:
        texts: The different ones, in the order they appear, shape (K,), dtype object.
        codes: Which of them each row has, shape (N,), int64; -1 where the field is empty.
    """

    texts: np.ndarray
    codes: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Coded":
        """Find the different texts among values, shape (N,), dtype object, NaN where one is missing."""
        codes, texts = pd.factorize(values)
        return cls(texts, codes)

    def first(self, chosen: np.ndarray) -> tuple[int, str]:
        """Give the first row that has one of the chosen texts, bool of shape (K,), and that text."""
        row = int(np.flatnonzero(np.append(chosen, False)[self.codes])[0])
        return row, str(self.texts[self.codes[row]])


KINDS = ("number", "boolean", "date", "text")

# What stands for a missing number in the wild; in a text column only the empty field is missing, for "NA", "None"
# and "null" are labels there.
MISSING_NUMBERS = frozenset(
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
        "?",
        "-",
        ".",
    )
)
TRUTHS = {"true": 1.0, "True": 1.0, "TRUE": 1.0, "false": 0.0, "False": 0.0, "FALSE": 0.0}
STRAY_SHARE = 0.1

# The forms a date is recognised in; the last two only where the days decide which of them it is.
_DATE_FORMS = (
    (r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?", "ISO8601"),
    (r"\d{4}/\d{1,2}/\d{1,2}", "%Y/%m/%d"),
    (r"\d{1,2}\.\d{1,2}\.\d{4}", "%d.%m.%Y"),
    (r"\d{1,2}/\d{1,2}/\d{4}", "%d/%m/%Y"),
    (r"\d{1,2}/\d{1,2}/\d{4}", "%m/%d/%Y"),
)
_GROUPED = re.compile(r"[+-]?\d{1,3}([.,' ]\d{3})*,\d+|[+-]?\d{1,3}([,' ]\d{3})+(\.\d+)?|[+-]?\d+,\d+")


@dataclass(frozen=True)
class Stray:
    """The first text in a column that is otherwise made of numbers.

    Args:
        line: Where it stands.
        value: What stands there.
        decimal_comma: The column's numbers are written with a comma, or with marks between thousands.
    """

    line: int
    value: str
    decimal_comma: bool = False

    def error(self, source: str, name: str) -> DataError:
        """Say that the column cannot be read as numbers, and what to do."""
        value = printable(self.value, 40)
        if self.decimal_comma:
            return DataError(
                f"{source} line {self.line:,}: column {name} has '{value}', a number with a comma",
                "write numbers with a decimal point and nothing between thousands: 1234.5",
            )
        return DataError(
            f"{source} line {self.line:,}: column {name} has '{value}' among numbers",
            "mend it, empty the field if the value is missing, or leave the column out with --features",
        )


@dataclass(frozen=True)
class Judgement:
    """Kind of a column, the form of its dates, and the first text among its numbers."""

    kind: str
    date_form: str = ""
    stray: Stray | None = None
    empty: bool = False


def judge(values: Coded, lines: np.ndarray) -> Judgement:
    """Tell what kind of column these texts are from.

    Args:
        values: The texts of some rows.
        lines: The line each row begins in, shape (N,).
    """
    texts = values.texts
    counts = np.bincount(values.codes[values.codes >= 0], minlength=len(texts))
    given = ~are_missing(texts)
    if not counts[given].sum():
        return Judgement("number", empty=True)
    numeric = ~given | ~np.isnan(as_numbers(texts))
    if numeric.all():
        return Judgement("number")
    if all(text in TRUTHS for text in texts[given]):
        return Judgement("boolean")
    if form := _date_form([str(text) for text in texts[given]]):
        return Judgement("date", date_form=form)
    total = counts[given].sum()
    if counts[given & numeric].sum() >= (1 - STRAY_SHARE) * total:
        return Judgement("text", stray=_first(values, ~numeric, lines))
    grouped = np.array([bool(_GROUPED.fullmatch(str(text))) for text in texts])
    if counts[given & (grouped | numeric)].sum() >= (1 - STRAY_SHARE) * total and grouped.any():
        return Judgement("text", stray=_first(values, grouped & ~numeric, lines, decimal_comma=True))
    return Judgement("text")


def as_numbers(texts: np.ndarray) -> np.ndarray:
    """Read texts as float64; NaN where one is missing or no number."""
    given = np.fromiter(
        (text not in MISSING_NUMBERS and text not in TRUTHS for text in texts), dtype=bool, count=len(texts)
    )
    numbers = np.full(len(texts), np.nan)
    if given.any():
        numbers[given] = pd.to_numeric(pd.Series(texts[given], dtype=object), errors="coerce").to_numpy(float)
    return numbers


def as_truths(texts: np.ndarray) -> np.ndarray:
    """Read texts as 1 and 0, float64; NaN where one is neither."""
    return np.array([TRUTHS.get(str(text), np.nan) for text in texts], dtype=float)


def are_missing(texts: np.ndarray) -> np.ndarray:
    """Tell which texts stand for a missing number, truth or date."""
    return np.fromiter((text in MISSING_NUMBERS for text in texts), dtype=bool, count=len(texts))


def as_seconds(texts: np.ndarray, form: str) -> np.ndarray:
    """Read dates as seconds since 1970 (UTC where no zone is named), float64; NaN where one is no date."""
    stamps = pd.to_datetime(
        pd.Series(texts, dtype=object), format=form, errors="coerce", utc=True
    ).dt.as_unit("us")
    micros = stamps.astype("int64").to_numpy()
    seconds: np.ndarray = np.where(stamps.isna(), np.nan, micros / 1e6)
    return seconds


def _date_form(texts: Sequence[str]) -> str:
    """Give the one form in which all texts are dates; empty where none fits or day and month may be swapped."""
    fitting = []
    for pattern, form in _DATE_FORMS:
        if re.fullmatch(pattern, texts[0]) and all(re.fullmatch(pattern, text) for text in texts):
            seconds = as_seconds(np.array(texts, dtype=object), form)
            if not np.isnan(seconds).any():
                fitting.append(form)
    return fitting[0] if len(fitting) == 1 else ""


def _first(values: Coded, strange: np.ndarray, lines: np.ndarray, *, decimal_comma: bool = False) -> Stray:
    row, text = values.first(strange)
    return Stray(int(lines[row]), text, decimal_comma)


def check_kinds(kinds: Mapping[str, str]) -> None:
    """Hold the kinds that a caller asks for to those there are."""
    assert set(kinds.values()) <= set(KINDS), f"kinds are {KINDS}"
