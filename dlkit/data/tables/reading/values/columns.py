"""The texts of a column, batch by batch, as the arrays they become: numbers, booleans, dates or codes of texts."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from dlkit.data.tables.reading.values.around import is_grouped, may_be_missing, shape_of
from dlkit.data.tables.reading.values.arrow import as_array, coded
from dlkit.data.tables.reading.values.dates import ISO, as_seconds, begins_with_date
from dlkit.data.tables.reading.values.numbers import Written
from dlkit.data.tables.table import Column, Stray
from dlkit.errors import DataError, printable

MAX_CATEGORIES = 100_000
TRUTHS = {"true": 1.0, "True": 1.0, "TRUE": 1.0, "false": 0.0, "False": 0.0, "FALSE": 0.0}

_MAX_EXACT_FLOAT32 = 2**24
MAX_WORDS = 3  # so many words among numbers stand for missing values; more are texts
MOST_OTHERS = 12
PADDED = re.compile(r"0\d+")
EXPONENT = re.compile(r"\d+[eE]([0-3]?\d|4[0-8])")  # a plate has up to 48 columns of wells


@dataclass(frozen=True)
class Odd:
    """The first text of a column that keeps it from being what it seems to be.

    Args:
        row: Where it stands.
        text: What stands there.
        fault: `word` for no number, `comma` for marks that may mean either, `marks` for others than the column has,
            `units`, `censored`, `date` for no date among dates, `forms` for dates of several forms, `exponent` for 1E5
            among digits, `order` for a date with day and month in either order, `code` for letters and digits
            together, or `many` for words too many to name.
        more: Further such texts.
        rows: In how many rows they stand, once all were seen; 0 where that was not counted.
    """

    row: int
    text: str
    fault: str = "word"
    more: tuple[str, ...] = ()
    rows: int = 0


@dataclass
class ColumnReader:
    """Turns the texts of a column, batch by batch, into numbers or codes.

    Args:
        written: How its numbers are written.
        forms: The forms its dates may have: the first is taken, the others fit as well so far.
        codes: Numbers that stand for a missing value.
        exact: Its numbers are kept in float64.
        hashed: Its texts are kept as hashes.
        digits: All of its numbers so far are made of digits alone: one that begins with 0, or 1E5, makes it a text.
        odd: What keeps it from being what it seems to be.
        forced: The kind was asked for by the network, or by `--kinds`, and what does not fit it is an error.
        empty: Nothing had been seen in it when its kind was judged.
        padded: It is text because its digits begin with 0.
        mixed: It is text because its few numbers have several units.
        categories: The texts seen so far, and their codes.
        emptied: How often each value of `--missing` has come so far.
        limits: How many limits as `<0.05` have come so far.
    """

    name: str
    kind: str
    written: Written = field(default_factory=Written)
    forms: tuple[str, ...] = (ISO,)
    codes: Mapping[str, float] = field(default_factory=dict)
    exact: bool = False
    hashed: bool = False
    digits: bool = False
    odd: Odd | None = None
    forced: str = ""
    empty: bool = False
    padded: bool = False
    mixed: bool = False
    categories: dict[str, int] = field(default_factory=dict)
    emptied: dict[str, int] = field(default_factory=dict)
    limits: int = 0

    def convert(self, values: pa.Array, first: int) -> "np.ndarray | ColumnReader":
        """Return the values of some rows, shape (N,); or the reader of another kind that the column needs.

        Args:
            values: Texts, plain or dictionary-encoded, null where the field is empty; or numbers.
            first: The number of the first of these rows.
        """
        if self.kind == "number":
            return self._numbers(values, first)
        if pa.types.is_floating(values.type):
            return as_array(values)
        texts, codes = coded(values)
        self._count_texts(texts, codes)
        if self.kind == "text":
            return self._hashes(texts, codes) if self.hashed else self._codes(texts, codes)
        missing = self.written.is_missing(texts) | np.array(
            [text in self.codes for text in texts], dtype=bool
        )
        if self.kind == "date" and (other := self._other_form(texts, missing)):
            return other
        found = _truths(texts) if self.kind == "boolean" else as_seconds(texts, self.forms[0])
        found = np.where(missing, np.nan, found)
        strange = np.isnan(found) & ~missing
        if strange.any():
            row, text = first_of(strange, texts, codes)
            return self._as_text(Odd(first + row, text))
        rows: np.ndarray = np.append(found, np.nan)[codes]
        return rows if self.exact or self.kind == "date" else rows.astype(np.float32)

    @property
    def absent(self) -> frozenset[str]:
        """The texts that stand for a missing value because the user says so."""
        return self.written.typed | self.codes.keys()

    @property
    def order(self) -> str:
        """What comes first in its dates where that was a choice, `%d` or `%m`, and where its years of two digits begin.

        For example `%d@1913`; empty where neither was a choice.
        """
        form, at, century = self.forms[0].partition("@")
        first = form[:2] if form[:2] in ("%d", "%m") and "%b" not in form else ""
        return first + at + century if self.kind == "date" else ""

    def column(self, stray: Stray | None) -> Column:
        """Return the column that was read.

        Args:
            stray: What is odd about it, with its line.
        """
        return Column(
            self.name,
            self.kind,
            tuple(self.categories),
            self.hashed,
            stray if self.kind == "text" else None,
            self.written.unit if self.kind == "number" else self.order,
        )

    def undecided(self) -> "ColumnReader | None":
        """Return a reader as text where the rows have not decided whether day or month comes first."""
        if self.kind != "date" or len(self.forms) < 2:
            return None
        return ColumnReader(self.name, "text", self.written, odd=self.odd)

    def _other_form(self, texts: Sequence[str], missing: np.ndarray) -> "ColumnReader | None":
        """Drop the forms that do not fit; return a reader by another one if the first is among them."""
        if len(self.forms) < 2:
            return None
        given = [text for text, absent in zip(texts, missing, strict=True) if not absent]
        fitting = tuple(form for form in self.forms if not np.isnan(as_seconds(given, form)).any())
        if not fitting or fitting[0] == self.forms[0]:
            self.forms = fitting or self.forms[:1]
            return None
        return replace(self, forms=fitting, emptied={})

    def _numbers(self, values: pa.Array, first: int) -> "np.ndarray | ColumnReader":
        numbers = values if pa.types.is_floating(values.type) else self.written.read(values)
        if numbers is None:
            if self.digits and first_padded(values) is not None:
                return self._by_digits()
            texts, codes = coded(values)
            strange = np.isnan(self.written.read_each(texts)) & ~self.written.is_missing(texts)
            row, text = first_of(strange, texts, codes)
            return self._as_text(
                Odd(first + row, text, fault_of(text, self.written), others_of(texts, strange, text))
            )
        if self.digits and not pa.types.is_floating(values.type):
            if first_padded(values) is not None:
                return self._by_digits()
            if (place := first_exponent(values)) is not None:
                return self._as_text(Odd(first + place, values[place].as_py().strip(), "exponent"))
        if self.written.censored and not pa.types.is_floating(values.type):
            self.limits += self.written.count_limits(values)
        array = self._emptied(as_array(numbers), values)
        if self.exact:
            return array
        if _needs_float64(array):
            return replace(self, exact=True, emptied={}, limits=0)
        with np.errstate(over="ignore"):
            return array.astype(np.float32)

    def _emptied(self, numbers: np.ndarray, values: pa.Array) -> np.ndarray:
        """Return numbers, NaN where one is a code for a missing value, and count those."""
        for typed, code in self.codes.items():
            found = numbers == code
            if found.any():
                self.emptied[typed] = self.emptied.get(typed, 0) + int(found.sum())
                numbers = np.where(found, np.nan, numbers)
        words = self.written.typed
        if words and not pa.types.is_floating(values.type):
            self._count_texts(*coded(values), words)
        return numbers

    def _count_texts(
        self, texts: Sequence[str], codes: np.ndarray, words: frozenset[str] | None = None
    ) -> None:
        words = self.absent if words is None else words
        for place, text in enumerate(texts if words else ()):
            if text.strip() in words:
                self.emptied[text.strip()] = self.emptied.get(text.strip(), 0) + int((codes == place).sum())

    def _codes(self, texts: Sequence[str], codes: np.ndarray) -> "np.ndarray | ColumnReader":
        known, absent = self.categories, self.absent | {""}
        own = np.array(
            [*(known.setdefault(text, len(known)) if text not in absent else -1 for text in texts), -1],
            dtype=np.int32,
        )
        if len(known) > MAX_CATEGORIES:
            return replace(self, hashed=True, categories={}, emptied={})
        rows: np.ndarray = own[codes]
        return rows

    def _hashes(self, texts: Sequence[str], codes: np.ndarray) -> np.ndarray:
        from pandas.util import hash_array  # splits by --group depend on the order of these hashes

        hashes = hash_array(np.array([*texts, ""], dtype=object), categorize=False)[:-1] >> np.uint64(1)
        signed = hashes.astype(np.int64)
        if absent := self.absent:
            signed[[text in absent for text in texts]] = -1
        rows: np.ndarray = np.append(signed, -1)[codes]
        return rows

    def _by_digits(self) -> "ColumnReader":
        """Return a reader as text, since digits begin with 0."""
        return ColumnReader(self.name, "text", self.written, codes=self.codes, padded=True)

    def _as_text(self, odd: Odd) -> "ColumnReader":
        if self.forced:
            return replace(self, odd=odd)
        return ColumnReader(
            self.name, "text", self.written, codes=self.codes, odd=None if self.empty else odd
        )


def not_of_kind(place: str, reader: ColumnReader) -> DataError:
    """Return the error of a value that is not of the kind that was asked for; it stands at a place."""
    assert reader.odd is not None, "a value is odd"
    words = {"number": "no number", "boolean": "neither true nor false", "date": "no date", "text": "no text"}
    name, value = printable(reader.name), reader.odd.text
    return DataError(
        f"{place}: column {name} has '{printable(value, 40)}', which is {words[reader.kind]}",
        f"the column held {reader.kind}s when the network was trained"
        if reader.forced == "network"
        else f"leave {name}={reader.kind} out of --kinds"
        + (
            f", or --missing {shlex.quote(printable(value, 40))} if it stands for a missing value"
            if may_be_missing(value) and not begins_with_date(value)
            else ", or correct it"
        ),
    )


def first_padded(values: pa.Array) -> int | None:
    """Return the first row whose text is made of digits and begins with 0, as 01001; None where there is none."""
    _, offsets, data = values.buffers()
    if data is None:
        return None
    starts = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
    letters = np.frombuffer(data, np.uint8)
    lengths = np.diff(starts)
    rows = np.flatnonzero(lengths > 1)
    first = starts[:-1][rows]
    rows = rows[
        (letters[first] == ord("0")) & (letters[first + 1] >= ord("0")) & (letters[first + 1] <= ord("9"))
    ]
    return next((int(row) for row in rows if PADDED.fullmatch(values[int(row)].as_py())), None)


def first_exponent(values: pa.Array) -> int | None:
    """Return the first row whose text is digits around an E, as 1E5; None where there is none."""
    _, offsets, data = values.buffers()
    if data is None:
        return None
    starts = np.frombuffer(offsets, np.int32)[[values.offset, values.offset + len(values)]]
    letters = np.frombuffer(data, np.uint8)[starts[0] : starts[1]]
    if not ((letters | 0x20) == ord("e")).any():
        return None
    return next(
        (row for row, text in enumerate(values.to_pylist()) if EXPONENT.fullmatch((text or "").strip())), None
    )


def fault_of(text: str, written: Written) -> str:
    """Return what is at fault with a text among numbers."""
    shape = shape_of(text)
    if shape is None:
        return "word"
    if shape.before not in ("", written.before) or shape.after not in ("", written.after):
        return "units"
    if shape.limit and not written.censored:
        return "censored"
    return "marks" if not written.marks.plain else "comma" if is_grouped(shape.number) else "word"


def others_of(texts: Sequence[str], strange: np.ndarray, text: str) -> tuple[str, ...]:
    """Return further strange texts, if they are few."""
    others = [texts[place] for place in np.flatnonzero(strange).tolist() if texts[place] != text]
    return tuple(others) if len(others) < MOST_OTHERS else ()


def _truths(texts: Sequence[str]) -> np.ndarray:
    return np.array([TRUTHS.get(text, np.nan) for text in texts], dtype=float)


def first_of(chosen: np.ndarray, texts: Sequence[str], codes: np.ndarray) -> tuple[int, str]:
    """Return the first row that has one of the chosen texts, bool of shape (K,), and that text."""
    row = int(np.flatnonzero(np.append(chosen, False)[codes])[0])
    return row, texts[codes[row]]


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
