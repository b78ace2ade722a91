"""What kind of column its texts make, number, boolean, date or text, and the arrays they become."""

import contextlib
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dlkit.errors import DataError, printable

MAX_CATEGORIES = 100_000
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
    )
) | {"-", "."}
TRUTHS = {"true": 1.0, "True": 1.0, "TRUE": 1.0, "false": 0.0, "False": 0.0, "FALSE": 0.0}
STRAY_SHARE = 0.1

_MAX_EXACT_FLOAT32 = 2**24
_ISO = "ISO8601"
# The forms a date is recognised in; the last two only where the days decide which of them it is.
_DATE_FORMS = (
    (r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?", _ISO),
    (r"\d{4}/\d{1,2}/\d{1,2}", "%Y/%m/%d"),
    (r"\d{1,2}\.\d{1,2}\.\d{4}", "%d.%m.%Y"),
    (r"\d{1,2}/\d{1,2}/\d{4}", "%d/%m/%Y"),
    (r"\d{1,2}/\d{1,2}/\d{4}", "%m/%d/%Y"),
)
_GROUPED = re.compile(r"[+-]?\d{1,3}([.,' ]\d{3})*,\d+|[+-]?\d{1,3}([,' ]\d{3})+(\.\d+)?|[+-]?\d+,\d+")


@dataclass(frozen=True)
class Marks:
    """How numbers are written.

    Args:
        decimal: What stands before the decimals.
        thousands: What may stand between thousands; empty where nothing does.
    """

    decimal: str = "."
    thousands: str = ""

    @property
    def plain(self) -> bool:
        """Whether they are written as 1234.5."""
        return self == Marks()

    @property
    def pattern(self) -> str:
        """A regular expression for a number written so."""
        mark = re.escape(self.thousands)
        whole = rf"(\d+|[1-9]\d{{0,2}}({mark}\d{{3}})+)" if mark else r"\d+"
        return rf"^[+-]?({whole}({re.escape(self.decimal)}\d*)?|{re.escape(self.decimal)}\d+)([eE][+-]?\d+)?$"

    def rewrite(self, texts: pa.Array) -> pa.Array:
        """Return texts with a decimal point and nothing between thousands, and a word for what is no number."""
        bare = pc.replace_substring(texts, self.thousands, "") if self.thousands else texts
        bare = pc.replace_substring(bare, self.decimal, ".")
        return pc.if_else(pc.match_substring_regex(texts, self.pattern), bare, _strings(["no number"])[0])


@dataclass
class ColumnReader:
    """Turns the texts of a column, batch by batch, into numbers or codes.

    Args:
        exact: Its numbers are kept in float64.
        hashed: Its texts are kept as hashes.
        stray: Row and text of the first among its numbers that is none.
        decimal_comma: That text is a number with a comma.
        forced: The kind was asked for, and what does not fit it is an error.
        empty: Nothing had been seen in it when its kind was judged.
        categories: The texts seen so far, and their codes.
    """

    name: str
    kind: str
    date_form: str = _ISO
    marks: Marks = Marks()
    exact: bool = False
    hashed: bool = False
    stray: tuple[int, str] | None = None
    decimal_comma: bool = False
    forced: bool = False
    empty: bool = False
    categories: dict[str, int] = field(default_factory=dict)

    def convert(self, values: pa.Array, first: int) -> "np.ndarray | ColumnReader":
        """Return the values of some rows, shape (N,); or the reader of another kind that the column needs.

        Args:
            values: Texts, plain or dictionary-encoded, null where the field is empty; or numbers.
            first: The number of the first of these rows.
        """
        if self.kind == "number":
            return self._numbers(values, first)
        if pa.types.is_floating(values.type):
            return _array(values)
        texts, codes = _coded(values)
        if self.kind == "text":
            return self._hashes(texts, codes) if self.hashed else self._codes(texts, codes)
        found = _truths(texts) if self.kind == "boolean" else as_seconds(texts, self.date_form)
        strange = np.isnan(found) & ~_missing(texts)
        if strange.any():
            row, text = _first(strange, texts, codes)
            return self._as_text(first + row, text)
        rows: np.ndarray = np.append(found, np.nan)[codes]
        return rows if self.exact or self.kind == "date" else rows.astype(np.float32)

    def _numbers(self, values: pa.Array, first: int) -> "np.ndarray | ColumnReader":
        numbers = values if pa.types.is_floating(values.type) else cast_numbers(values, self.marks)
        if numbers is None:
            texts, codes = _coded(values)
            strange = np.isnan(as_numbers(texts, self.marks)) & ~_missing(texts)
            row, text = _first(strange, texts, codes)
            return self._as_text(first + row, text)
        array = _array(numbers)
        if self.exact:
            return array
        if _needs_float64(array):
            return replace(self, exact=True)
        with np.errstate(over="ignore"):
            return array.astype(np.float32)

    def _codes(self, texts: Sequence[str], codes: np.ndarray) -> "np.ndarray | ColumnReader":
        known = self.categories
        own = np.array(
            [*(known.setdefault(text, len(known)) if text else -1 for text in texts), -1], dtype=np.int32
        )
        if len(known) > MAX_CATEGORIES:
            return replace(self, hashed=True, categories={})
        rows: np.ndarray = own[codes]
        return rows

    def _hashes(self, texts: Sequence[str], codes: np.ndarray) -> np.ndarray:
        from pandas.util import hash_array  # splits by --group depend on the order of these hashes

        hashes = hash_array(np.array([*texts, ""], dtype=object), categorize=False)[:-1] >> np.uint64(1)
        rows: np.ndarray = np.append(hashes.astype(np.int64), -1)[codes]
        return rows

    def _as_text(self, row: int, text: str) -> "ColumnReader":
        if self.forced:
            return replace(self, stray=(row, text))
        return ColumnReader(self.name, "text", stray=None if self.empty else (row, text))


def judge(name: str, values: pa.Array, marks: Marks | None = None) -> ColumnReader:
    """Return how a column is to be read, by the texts of its first rows.

    Args:
        name: Of the column.
        values: The texts, null where the field is empty.
        marks: How numbers are written; None takes 1234.5.
    """
    marks = marks or Marks()
    texts, codes = _coded(values)
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    missing = _missing(texts)
    total = counts[~missing].sum()
    if not total:
        return ColumnReader(name, "number", marks=marks, empty=True)
    numeric = missing | ~np.isnan(as_numbers(texts, marks))
    if numeric.all():
        return ColumnReader(name, "number", marks=marks)
    given = [text for text, absent in zip(texts, missing, strict=True) if not absent]
    if all(text in TRUTHS for text in given):
        return ColumnReader(name, "boolean")
    if form := _date_form(given):
        return ColumnReader(name, "date", form)
    if counts[~missing & numeric].sum() >= (1 - STRAY_SHARE) * total:
        return ColumnReader(name, "text", stray=_first(~numeric, texts, codes))
    grouped = np.array([bool(_GROUPED.fullmatch(text)) for text in texts])
    if counts[~missing & (grouped | numeric)].sum() >= (1 - STRAY_SHARE) * total and grouped.any():
        return ColumnReader(name, "text", stray=_first(grouped & ~numeric, texts, codes), decimal_comma=True)
    return ColumnReader(name, "text")


def recognise_marks(columns: Iterable[pa.Array]) -> Marks | None:
    """Return how the numbers of a table are written where it shows: a decimal comma, or marks between thousands.

    Args:
        columns: Texts of the columns that are numbers, or numbers with a comma.
    """
    given = [text.strip() for column in columns for text in pc.unique(column.drop_null()).to_pylist()]
    given = [text for text in given if text not in MISSING_NUMBERS]
    fitting = [marks for marks in _WRITTEN if all(re.match(marks.pattern, text) for text in given)]
    decimals = {marks.decimal for marks in fitting}
    return fitting[0] if len(decimals) == 1 else None


_WRITTEN = tuple(
    Marks(decimal, mark) for decimal, other in ((",", "."), (".", ",")) for mark in (other, " ", "'")
)


def plan_columns(
    sample: Mapping[str, pa.Array], kinds: Mapping[str, str], *, exact: bool, marks: Marks | None
) -> dict[str, ColumnReader]:
    """Return how each column is to be read, judged by the first rows.

    Args:
        sample: The texts of the first rows, by column.
        kinds: Kinds that are known already.
        exact: Keep all numbers in float64.
        marks: How numbers are written; None recognises it.
    """
    readers = {name: judge(name, values, marks) for name, values in sample.items()}
    if marks is None and any(reader.decimal_comma for reader in readers.values()):
        written = [name for name, each in readers.items() if each.kind == "number" or each.decimal_comma]
        if marks := recognise_marks(sample[name] for name in written):
            readers |= {name: judge(name, sample[name], marks) for name in written}
    for name, reader in readers.items():
        reader.exact = exact
        if name in kinds:
            reader.kind, reader.stray, reader.forced, reader.marks = kinds[name], None, True, marks or Marks()
    return readers


def not_of_kind(place: str, reader: ColumnReader, value: str) -> DataError:
    """Return the error of a value that is not of the kind that was asked for; it stands at a place."""
    words = {"number": "no number", "boolean": "neither true nor false", "date": "no date"}
    return DataError(
        f"{place}: column {printable(reader.name)} has '{printable(value, 40)}', which is {words[reader.kind]}",
        f"the column held {reader.kind}s when the network was trained",
    )


def cast_numbers(texts: pa.Array, marks: Marks) -> pa.Array | None:
    """Return texts as float64, null where one is missing; None where one is no number."""
    if marks.plain:
        with contextlib.suppress(pa.ArrowInvalid):  # words for missing values, spaces, or what is no number
            return texts.cast(pa.float64())
    texts = pc.utf8_trim_whitespace(texts)
    texts = pc.if_else(
        pc.is_in(texts, value_set=_strings(sorted(MISSING_NUMBERS))), pa.nulls(len(texts), pa.string()), texts
    )
    try:
        return (texts if marks.plain else marks.rewrite(texts)).cast(pa.float64())
    except pa.ArrowInvalid:
        return None


def as_numbers(texts: Sequence[str], marks: Marks) -> np.ndarray:
    """Return texts as float64, each by itself; NaN where one is missing or no number."""
    plain = texts if marks.plain else marks.rewrite(_strings(texts)).to_pylist()
    return np.array([_number(text) for text in plain], dtype=float)


def as_seconds(texts: Sequence[str], form: str) -> np.ndarray:
    """Return dates as seconds since 1970 (UTC where no zone is named), float64; NaN where one is no date."""
    if form == _ISO:
        array = _strings(texts)
        for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
            with contextlib.suppress(
                pa.ArrowInvalid
            ):  # some have a zone and some have none, or one is no date
                micros = _array(array.cast(kind).cast(pa.int64()))
                return micros / 1e6
    return np.array([_seconds(text, form) for text in texts], dtype=float)


@functools.lru_cache(maxsize=2**16)
def _seconds(text: str, form: str) -> float:
    try:
        if form == _ISO:
            stamp = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
        else:
            stamp = datetime.strptime(text, form)
    except ValueError:
        return np.nan
    return (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()


def _number(text: str) -> float:
    text = text.strip()
    if text in MISSING_NUMBERS or "_" in text or not text.isascii():
        return np.nan
    try:
        return float(text)
    except ValueError:
        return np.nan


def _truths(texts: Sequence[str]) -> np.ndarray:
    return np.array([TRUTHS.get(text, np.nan) for text in texts], dtype=float)


def _date_form(texts: Sequence[str]) -> str:
    """Return the one form in which all texts are dates; empty where none fits or day and month may be swapped."""
    fitting = [
        form
        for pattern, form in _DATE_FORMS
        if all(re.fullmatch(pattern, text) for text in texts) and not np.isnan(as_seconds(texts, form)).any()
    ]
    return fitting[0] if len(fitting) == 1 else ""


def _coded(values: pa.Array) -> tuple[list[str], np.ndarray]:
    """Return the different texts, shape (K,), and which of them each row has, shape (N,), -1 where it is empty."""
    coded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    texts = [text.lstrip(" ") for text in coded.dictionary.to_pylist()]
    return texts, _array(coded.indices, -1)


def _strings(texts: Sequence[str]) -> pa.Array:
    """Return an Arrow array of texts; `pyarrow.array` and `scalar` would import pandas, which takes half a second."""
    data = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, data)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(data), pa.py_buffer(offsets), pa.py_buffer(b"".join(data)))


def _missing(texts: Sequence[str]) -> np.ndarray:
    return np.array([text.strip() in MISSING_NUMBERS for text in texts], dtype=bool)


def _first(chosen: np.ndarray, texts: Sequence[str], codes: np.ndarray) -> tuple[int, str]:
    """Return the first row that has one of the chosen texts, bool of shape (K,), and that text."""
    row = int(np.flatnonzero(np.append(chosen, False)[codes])[0])
    return row, texts[codes[row]]


def _array(values: Any, missing: float = np.nan) -> np.ndarray:
    """Return an Arrow array of numbers as numpy's, filled where null; its own `to_numpy` would import pandas."""
    valid, data = values.buffers()
    here = slice(values.offset, values.offset + len(values))
    array: np.ndarray = np.frombuffer(data, np.dtype(str(values.type)))[here]
    if not values.null_count:
        return array
    present = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")[here]
    return np.where(present, array, np.array(missing, array.dtype))


def _needs_float64(numbers: np.ndarray) -> bool:
    """Return whether float32 would change whole numbers, or blur what differs only in the last places."""
    finite = numbers[np.isfinite(numbers)]
    if not len(finite):
        return False
    largest = float(np.abs(finite).max())
    if largest >= _MAX_EXACT_FLOAT32 and bool((finite == np.round(finite)).all()):
        return True
    spread = float(finite.max() - finite.min())
    return largest > float(np.finfo(np.float32).max) or 0 < spread < largest * 1e-4
