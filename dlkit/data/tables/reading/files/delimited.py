"""A delimited file as batches of columns, read by Arrow."""

import contextlib
import hashlib
import itertools
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow import csv as arrow_csv

from dlkit.data.tables.reading.files.faults import find_fault, plain_rows, records
from dlkit.data.tables.reading.files.header import Header, read_header, read_record
from dlkit.data.tables.reading.files.opening import BY_LINES
from dlkit.data.tables.reading.files.surroundings import lines_below
from dlkit.data.tables.reading.values.columns import ColumnReader
from dlkit.errors import DataError, counted, printable

BLOCK_BYTES = 4 * 2**20
_SAMPLE_ROWS = 5_000
_DELIMITER_WORDS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_SPACED_QUOTE = re.compile(rb'[,;|\t] +"[^"]')

Batch = Mapping[str, pa.Array]


class NotForArrowError(Exception):
    """Arrow cannot read a file that Python's csv module can.

    Args:
        why: In words.
        plain: Its quotes are ordinary characters.
    """

    def __init__(self, why: str, *, plain: bool = False) -> None:
        super().__init__(why)
        self.plain = plain


class DelimitedFile:
    """A delimited text file.

    Args:
        file: Can be read more than once, and has a file number.
        source: What it is called in messages.
        delimiter: What stands between fields; None finds it in the header.
        named: Whether its first line has the names of the columns; None looks.
        notes: What was reported of the file that `rewritten` wrote this one from; None for a file as it was given.
        blank: Lines, counted from 0, that were blanked since they are no rows.

    Raises:
        DataError: It is empty, no text, or begins with no line of names.
    """

    place = "line"

    def __init__(
        self,
        file: BinaryIO,
        source: str,
        delimiter: str | None,
        *,
        named: bool | None = None,
        notes: Sequence[str] | None = None,
        blank: Sequence[int] = (),
    ) -> None:
        self._file, self._source, self._clean = file, source, notes is not None
        file.seek(0)
        header = read_header(file, source, delimiter, named=named)
        below, stop = lines_below(file, len(header.names), header.delimiter, header.end)
        self.header = replace(header, below=below, stop=stop if below else None)
        self.first_line = self.header.lines + 1
        self._blank = blank
        self._breaks = 0  # line breaks inside of records that are skipped
        self._tap: _Tap | None = None
        self.most_rows = file.seek(0, 2) // len(self.header.names) + 1
        found = _DELIMITER_WORDS.get(self.header.delimiter) if delimiter is None else None
        self.notes = list(notes or ())
        if notes is None:
            self.notes += [f"{source} has {found} between its columns"] if found else []
            self.notes += _skipped(file, source, self.header)

    def skip(self, records: int) -> None:
        """Begin the rows some records later, which hold the units of the columns or texts of questions."""
        self._file.seek(self.header.end)
        units = [read_record(self._file) for _ in range(records)]
        shown = " / ".join(printable(" ".join(unit.decode(errors="replace").split()), 60) for unit in units)
        lines = sum(unit.count(b"\n") for unit in units)
        last = self.first_line + lines - 1
        self._breaks += lines - records
        what = (
            f"lines {self.first_line:,} to {last:,} hold names or units, no values, and are"
            if lines > 1
            else f"line {last:,} holds units, no values, and is"
        )
        self.notes.append(f"{self._source} {what} skipped: {shown}")
        self.header = replace(self.header, end=self._file.tell(), lines=self.header.lines + lines)
        self.first_line += lines

    def sample(self) -> Batch:
        """Return the texts of the first rows.

        Raises:
            DataError: There are none, or they cannot be read.
        """
        end, stop = self.header.end, self.header.stop
        size = 2 * BLOCK_BYTES if stop is None else min(2 * BLOCK_BYTES, stop - end)
        data = os.pread(self._file.fileno(), size, end)
        if not data.strip(b"\r\n"):
            raise self._without_rows()
        with self._refusals():
            first = next(iter(self._open(pa.BufferReader(data), {})))
        return self._named(first.slice(0, _SAMPLE_ROWS))

    def batches(self, readers: Mapping[str, ColumnReader]) -> Iterator[tuple[int, Batch]]:
        """Yield the texts of some columns, null where a field is empty, and how many bytes are read.

        Raises:
            DataError: The file is at fault; the message has the line.
            NotForArrowError: The file has to be `rewritten` first.
        """
        tap = _Tap(self._file, self.header.end, self.header.stop)
        last = None
        with self._refusals():
            for last in self._open(pa.PythonFile(tap, mode="r"), readers):
                if tap.nul:
                    raise pa.ArrowInvalid("a NUL")
                if tap.spaced and not self._clean:
                    raise NotForArrowError("spaces before a quote")
                yield tap.position, self._named(last)
        if self._tap is None:
            self._tap = tap
            field = str(last.column(last.num_columns - 1)[-1]) if last is not None else ""
            if field.endswith("\n") and (
                fault := self._fault()
            ):  # it may end so because its quote is left open
                raise fault

    def fingerprint(self) -> str:
        """Return the SHA-256 over the content, which has been read by now."""
        assert self._tap is not None, "the first columns were read"
        digest = self._tap.digest.copy()
        if (stop := self.header.stop) is not None:
            digest.update(os.pread(self._file.fileno(), self._file.seek(0, 2) - stop, stop))
        return digest.hexdigest()

    def lines(self, rows: int) -> np.ndarray | None:
        """Return the line that each row begins in, shape (N,); None where they follow one another.

        Raises:
            DataError: There are more or fewer records than rows.
        """
        if self._tap and self._tap.newlines == rows:
            return None
        self._refuse_plain_quotes(rows)
        found = np.fromiter((line for line, _ in self._records()), np.int64)
        if len(found) != rows:
            raise DataError(
                f"{self._source} can be read in two ways: as {len(found):,} records or as {rows:,}",
                "quote fields that hold line ends, and give each line the same line end",
            )
        return None if np.array_equal(found, np.arange(self.first_line, self.first_line + rows)) else found

    def line_of(self, row: int) -> int:
        """Return the line that a row begins in."""
        return next(itertools.islice(self._records(), row, None))[0]

    def dialect(self, way: str = "") -> str:
        """Return how pandas reads the file: arguments of `read_csv`.

        Args:
            way: What is known of it from how it was opened: its encoding, or that blanks stand between its fields.
        """
        above = self.header.comments + self.header.titles
        start = self.first_line - 1 - self._breaks
        names = f"header=None, skiprows={self._skipped(start)}, names={list(self.header.names)!r}"
        plain = self.first_line == above + 2 and not self.header.joined and way != BY_LINES
        parts = ["" if way.startswith("sep") else f"sep={self.header.delimiter!r}", way]
        parts += [
            f"skiprows={self._skipped(above)}" * (above > 0 or len(self._blank) > 0) if plain else names
        ]
        parts += [f"skipfooter={self.header.below}, engine='python'" * (self.header.below > 0)]
        return ", ".join(filter(None, parts))

    def _skipped(self, first: int) -> int | list[int]:
        return [*range(first), *self._blank] if self._blank else first

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        return ((line, record) for line, record in records(self._file, self._source, self.header) if record)

    def _open(self, stream: Any, readers: Mapping[str, ColumnReader]) -> Any:
        texts, coded = pa.string(), pa.dictionary(pa.int32(), pa.string())
        numbers = {name: str(place) for place, name in enumerate(self.header.names)}
        types = {
            number: coded if name in readers and readers[name].kind != "number" else texts
            for name, number in numbers.items()
        }
        return arrow_csv.open_csv(
            stream,
            arrow_csv.ReadOptions(column_names=list(types), block_size=BLOCK_BYTES),
            arrow_csv.ParseOptions(delimiter=self.header.delimiter, newlines_in_values=True),
            arrow_csv.ConvertOptions(
                column_types=types,
                include_columns=[numbers[name] for name in readers],
                null_values=[""],
                strings_can_be_null=True,
            ),
        )

    def _named(self, batch: Any) -> Batch:
        return {self.header.names[int(number)]: batch.column(number) for number in batch.schema.names}

    def _without_rows(self) -> DataError:
        return DataError(
            f"{self._source} has a line of column names and no rows", "export the table again, with its rows"
        )

    def _fault(self) -> DataError | None:
        fault = find_fault(self._file, self._source, self.header)
        if fault:
            self._refuse_plain_quotes(0)
        return fault

    def _refuse_plain_quotes(self, rows: int) -> None:
        """Refuse more lines than rows where tabs alone tell the fields: quotes swallowed some."""
        if not self._clean and plain_rows(self._file, self.header) > rows:
            self.notes.append(
                f"{self._source}: quotes are read as ordinary characters, since they do not close and every line has "
                f"{len(self.header.names)} fields"
            )
            raise NotForArrowError("quotes", plain=True)

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        """Turn what Arrow says into what is wrong with the file."""
        try:
            yield
        except pa.ArrowInvalid as err:
            if fault := self._fault():
                raise fault from err
            if not self._clean:
                raise NotForArrowError(str(err)) from err
            why = printable(str(err), 120)
            raise DataError(f"{self._source} cannot be read: {why}", "export the table as CSV again") from err


def _skipped(file: BinaryIO, source: str, header: Header) -> Iterator[str]:
    """Yield which lines above and below the rows are skipped."""
    file.seek(0)
    if any(line.strip(b"# \r\n") for line in itertools.islice(file, header.comments)):
        yield f"{source}: {counted(header.comments, 'line')} of comments at the beginning skipped"
    if header.joined:
        yield f"{source}: names of columns that stand in several lines are joined: {_some_names(header.names)}"
    if header.titles:
        file.seek(0)
        lines = itertools.islice(file, header.comments, header.comments + header.titles)
        texts = (line.decode("utf-8-sig", "replace").strip(" \r\n,;\t|") for line in lines)
        shown = next((f": {printable(text, 60)}" for text in texts if text), ", without a text")
        yield f"{source}: {counted(header.titles, 'line')} above the column names skipped{shown}"
    if header.stop is not None:
        file.seek(header.stop)
        shown = next(
            (text for line in file if (text := line.decode(errors="replace").strip(" \r\n,;\t|"))), ""
        )
        yield f"{source}: {counted(header.below, 'line')} below the rows skipped: {printable(shown, 60)}"


def _some_names(names: Sequence[str]) -> str:
    shown = [name for name in names if name]
    return printable(", ".join(shown[:6]), 100) + (", ..." if len(shown) > 6 else "")


class _Tap:
    """Hands a file to Arrow, and looks at the bytes on their way: they are read once.

    Args:
        file: Is read by its number, so that its place stays what it is.
        position: Where to begin; the digest is over all of the file up to where it ends.
        stop: Where to end; None for the end of the file.
    """

    closed = False

    def __init__(self, file: BinaryIO, position: int, stop: int | None = None) -> None:
        self.position, self._stop = position, stop
        self._number = file.fileno()
        self.digest = hashlib.sha256(os.pread(self._number, position, 0))
        self.newlines = 0
        self._last = b"\n"
        self.spaced = self.nul = False

    def read(self, count: int) -> bytes:
        """Read bytes; the last line ends in a newline whatever the file has."""
        count = count if self._stop is None else min(count, self._stop - self.position)
        data = os.pread(self._number, count, self.position)
        if not data:
            data = b"" if self._last == b"\n" else b"\n"
            self.newlines += len(data)
            self._last = b"\n"
            return data
        self.position += len(data)
        self.digest.update(data)
        self.newlines += data.count(b"\n")
        self.nul = self.nul or b"\0" in data
        self.spaced = self.spaced or (b' "' in data and _SPACED_QUOTE.search(data) is not None)
        self._last = data[-1:]
        return data

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def close(self) -> None:
        """Leave the file open: it is read again."""
