"""A table: named columns of numbers, booleans, dates and texts, read from a file or from standard input."""

import csv
import io
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from dlkit.data.tables.reading.files.commands import PLAIN, by_pandas, from_to
from dlkit.errors import DataError, did_you_mean, printable

Progress = Callable[[int, int], None]
T = TypeVar("T")

_CELLS_AT_ONCE = 2**20
_WITH_POINTS = r"d = d.replace(r'^([-+]?[0-9]+),([0-9]+)$', r'\1.\2', regex=True)"
_INDEX = re.compile(r"Unnamed: \d+(\.\d+)*(_level_\d+)?|__index_level_\d+__")


@dataclass(frozen=True)
class Stray:
    """The first text in a column that keeps it from being numbers or dates.

    Args:
        line: Where it stands.
        value: What stands there.
        fault: What is at fault with it; see `columns.Odd`.
        more: Further such texts, if they are few; the units, with how many rows have each.
        rows: In how many rows they stand; 0 where that was not counted.
        dialect: How pandas reads the file: arguments of `read_csv`.
    """

    line: int
    value: str
    fault: str = "word"
    more: tuple[str, ...] = ()
    rows: int = 0
    dialect: str = field(default=PLAIN, compare=False)

    @property
    def words(self) -> tuple[str, ...]:
        """Those of its texts that may stand for a missing value: among numbers, one in another form does not."""
        if self.fault == "date":
            return (self.value, *self.more)
        if self.fault in ("units", "code"):
            return ()
        from dlkit.data.tables.reading.values.around import shape_of  # loads pyarrow

        texts = (self.value,) * (self.fault == "word") + self.more
        return tuple(text for text in texts if shape_of(text) is None)

    def of_target(self) -> "Stray":
        """Return the same in a column to predict, in which letters and digits are no codes of places or wells."""
        return replace(self, fault="word") if self.fault == "code" else self

    def error(self, source: str, name: str, *, target: bool = False, typed: Sequence[str] = ()) -> DataError:
        """Return the error of a column that cannot be read as what it seems to be.

        Args:
            source: What the table is called.
            name: The column.
            target: It is to be predicted, so it cannot be left out.
            typed: Its words as --missing takes them, where that is not the words alone.
        """
        if target and self.fault == "code":
            return self.of_target().error(source, name, target=True, typed=typed)
        value, column = printable(self.value, 40), printable(name)
        words = as_typed([printable(word, 200 if typed else 40) for word in typed or self.words])
        as_text = f"--kinds {in_shell(f'{column}=text')} takes the column as texts"
        what, hint = {
            "word": (
                "among numbers",
                f"--missing {shlex.quote(words)} if it stands for a missing value; otherwise correct it"
                if words
                else "correct it",
            ),
            "code": (
                "among numbers",
                f"--kinds {in_shell(f'{column}=text')} takes such values as codes; or correct them",
            ),
            "many": (
                "and more than a dozen other texts among numbers",
                f"--kinds {in_shell(f'{column}=text')} takes the column as texts; or correct them",
            ),
            "date": (
                "among dates" + f", as {self.rows - 1:,} more rows do" * (self.rows > 1 and not self.more),
                f"--missing {shlex.quote(words)} if it stands for a missing value; otherwise correct it"
                + f", or take out the row: sed {self.line}d {from_to(source)}" * (self.rows < 2),
            ),
            "forms": (
                "among dates of another form",
                f"write all in one form, as 2024-12-31; {as_text}",
            ),
            "comma": (
                ", which has a comma or thousands separators",
                f"{_marks_of(self.value)} decides how it is read; or write 1234.5",
            ),
            "marks": (
                ", which has other separators than the rest",
                f"{by_pandas(source, self.dialect, _WITH_POINTS)} writes decimal commas as points; "
                "without --decimal and --thousands each column is read by its own numbers where they are clear",
            ),
            "units": (
                "among numbers of another unit" + (f": {', '.join(self.more)}" if self.more else ""),
                f"write all in one unit; {as_text}",
            ),
            "censored": (
                ", which is a limit, among numbers",
                "--censored half, value or drop: it becomes half the limit, the limit, or missing"
                + (f"; with it --missing {shlex.quote(words)}, if that is missing" if words else ""),
            ),
            "exponent": (
                ", which may be a number, or a name as that of a well",
                f"--kinds {in_shell(f'{column}=text')} or {in_shell(f'{column}=number')} decides",
            ),
            "order": (
                ", in which day and month may be swapped, as in all rows",
                "--dayfirst or --monthfirst decides",
            ),
            "other order": (
                ", which is not a date in the requested order",
                "leave out --dayfirst or --monthfirst",
            ),
        }[self.fault]
        if self.fault in ("word", "date") and not target:
            hint += f"; {as_text}"
        joint = "" if what.startswith(",") else " "
        return DataError(f"{source} line {self.line:,}: column {column} has '{value}'{joint}{what}", hint)


@dataclass(slots=True)  # frozen would take three times as long, for 100,000 columns
class Column:
    """What one column holds.

    Args:
        name: As in the header.
        kind: `number`, `boolean` (0 and 1), `date` (seconds since 1970, UTC) or `text`.
        categories: The texts that its codes stand for; empty if it is no text column, or a hashed one.
        hashed: It has so many texts that only their hashes are kept: they can be compared, not read.
        stray: The first text that keeps it from being numbers or dates, so that it is a text column.
        unit: What stood around its numbers, as `%` or `months`; in dates what came first where that was a choice, `%d`
            or `%m`.
        given: Its kind is what the user says, by `--kinds`.
    """

    name: str
    kind: str
    categories: tuple[str, ...] = field(default=(), repr=False)
    hashed: bool = False
    stray: Stray | None = None
    unit: str = ""
    given: bool = False


@dataclass(frozen=True)
class Table:
    """The columns of a table, each of N values.

    Args:
        source: What it was read from, as typed, for messages.
        columns: By name, in the order of the file.
        values: Numbers or codes by column, shape (N,) each; may be mapped from a file.
        fingerprint: SHA-256 over the content of the file.
        lines: The line that each row begins in, shape (N,); None where they follow one another.
        notes: What reading it had to decide, in words, for the user.
        in_lines: Rows stand in lines of text; otherwise messages count them from 0.
        first_line: The line that row 0 begins in.
        dialect: How pandas reads the file: arguments of `read_csv`, for commands in hints.
        hashes: What `hash_compared` has computed.
    """

    source: str
    columns: Mapping[str, Column]
    values: Mapping[str, np.ndarray] = field(repr=False)
    fingerprint: str
    lines: np.ndarray | None = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    in_lines: bool = True
    first_line: int = 2
    dialect: str = PLAIN
    hashes: dict[tuple[str, ...], np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in the order of the file."""
        return tuple(self.columns)

    def column(self, name: str, option: str = "") -> Column:
        """Return a column.

        Args:
            name: As in the header.
            option: The option it was typed behind, for the message.

        Raises:
            DataError: There is none of that name.
        """
        if name not in self.columns:
            typed = f"{option} {printable(name)}: {self.source} has no such column" if option else ""
            shown = ", ".join(map(printable, self.names[:12])) + (", ..." if len(self.names) > 12 else "")
            raise DataError(
                typed or f"{self.source} has no column {printable(name)}",
                did_you_mean(name, self.names) or f"it has {shown}",
            )
        return self.columns[name]

    def numbers(self, name: str, rows: np.ndarray | None = None) -> np.ndarray:
        """Return a column as float64, shape (N,): numbers, 0 and 1, or seconds since 1970; NaN where missing.

        Args:
            name: A column of numbers, booleans or dates.
            rows: Which rows, in which order; None takes all.

        Raises:
            DataError: It is a text column, or there is none of that name.
        """
        column = self.column(name)
        if column.kind == "text":
            if column.stray is not None:
                raise column.stray.error(self.source, name)
            raise DataError(
                f"{self.source}: column {printable(name)} is text, e.g. '{self._example(column)}'; "
                "numbers are needed here"
            )
        return self._stored(column, rows).astype(np.float64)

    def stack(self, names: Sequence[str], rows: np.ndarray | None = None) -> np.ndarray:
        """Return columns of numbers, booleans or dates as float64, shape (C, N): `numbers` of each, faster where many.

        Args:
            names: C columns, none of texts.
            rows: Which rows, in which order; None takes all.
        """
        stacked = np.array([self.values[name] for name in names], dtype=np.float64)
        return stacked if rows is None else np.take(stacked, rows, axis=1)

    def codes(self, name: str, rows: np.ndarray | None = None) -> np.ndarray:
        """Return a text column as int64, shape (N,): places in its categories, or hashes; -1 where missing."""
        column = self.column(name)
        assert column.kind == "text", f"{name} is no text column"
        return self._stored(column, rows).astype(np.int64)

    def texts(self, name: str, rows: np.ndarray | None = None) -> np.ndarray:
        """Return any column as texts, shape (N,), dtype object; None where missing.

        Whole numbers come without a decimal point, dates in ISO form, booleans as true and false.

        Raises:
            DataError: It has so many texts that only their hashes are kept.
        """
        column = self.column(name)
        if column.hashed:
            raise DataError(
                f"{self.source}: column {printable(name)} has too many different texts to keep",
                "it can group or identify rows, not be read",
            )
        stored = self._stored(column, rows)
        if column.kind == "text":
            named: np.ndarray = np.array([*column.categories, None], dtype=object)
            return np.asarray(named[stored])
        values, places = np.unique(stored, return_inverse=True)
        texts: np.ndarray = np.array([_as_text(column.kind, value) for value in values], dtype=object)
        return texts[places]

    def missing(self, name: str, rows: np.ndarray | None = None) -> np.ndarray:
        """Return where a column has no value, shape (N,), bool."""
        column = self.column(name)
        stored = self._stored(column, rows)
        absent: np.ndarray = stored == -1 if column.kind == "text" else np.isnan(stored)
        return absent

    def line(self, row: int) -> int:
        """Return the line of the file that a row begins in, from 1."""
        return int(self.lines[row]) if self.lines is not None else int(row) + self.first_line

    def place(self, row: int, name: str = "") -> str:
        """Return the place of a row, or of a value in it, for messages."""
        column = f", column {printable(name)}" if name else ""
        where = f"line {self.line(row):,}" if self.in_lines else f"row {row:,}"
        return f"{self.source} {where}{column}"

    def _stored(self, column: Column, rows: np.ndarray | None) -> np.ndarray:
        values = self.values[column.name]
        return values if rows is None else np.asarray(values[rows])

    def _example(self, column: Column) -> str:
        return printable(column.categories[0], 40) if column.categories else "..."


def _marks_of(number: str) -> str:
    """Return the option that reads a number with a comma, or with points between thousands."""
    if number.count(".") > 1:
        return "--decimal , --thousands ."
    _, _, last = number.rpartition(",")
    if "." in last or number.count(",") > 1:
        return "--thousands ,"
    return (
        "--decimal , or --thousands ,"
        if re.fullmatch(r"\d{3}\D*", last) and "." not in number
        else "--decimal ,"
    )


def as_typed(values: Sequence[str]) -> str:
    """Return values as an option takes them: with commas between, quoted where one has a comma itself."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(values)
    return buffer.getvalue()


def in_shell(*values: str) -> str:
    """Return values as they are typed in a shell behind an option that takes several."""
    return shlex.quote(as_typed(values))


def is_index(name: str) -> bool:
    """Return whether a column seems to number the rows: pandas writes one so, and reads one without a name so."""
    return not name or (name[0] in "U_" and _INDEX.fullmatch(name) is not None)


def blocks_of(columns: Sequence[T], rows: int) -> Iterator[Sequence[T]]:
    """Yield columns in blocks that are computed at once: many where there are few rows, one where there are many."""
    size = max(1, _CELLS_AT_ONCE // max(rows, 1))
    for start in range(0, len(columns), size):
        yield columns[start : start + size]


def table_of(
    source: str, columns: Mapping[str, Sequence[object] | np.ndarray], fingerprint: str = ""
) -> Table:
    """Return a table of arrays in memory: float64 for numbers, objects for texts (None where missing)."""
    arrays: dict[str, np.ndarray] = {}
    described = {}
    for name, values in columns.items():
        array = np.asarray(values)
        if array.dtype.kind in "fiub":
            described[name] = Column(name, "number")
            arrays[name] = array.astype(np.float64)
            continue
        texts = tuple(dict.fromkeys(str(value) for value in array if value is not None))
        place = {text: code for code, text in enumerate(texts)}
        described[name] = Column(name, "text", texts)
        arrays[name] = np.array([-1 if v is None else place[str(v)] for v in array], dtype=np.int32)
    return Table(source, described, arrays, fingerprint)


def _as_text(kind: str, value: np.floating) -> str | None:
    if np.isnan(value):
        return None
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "date":
        stamp = np.datetime64(round(float(value) * 1e6), "us").astype("datetime64[s]")
        return str(stamp).removesuffix("T00:00:00")
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else str(value)
