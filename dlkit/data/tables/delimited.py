"""The records of a delimited text file, block by block, each fault found with its line and byte."""

import contextlib
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from dlkit.errors import DataError, printable

BLOCK_BYTES = 4 * 2**20
MAX_RECORD_BYTES = 16 * 2**20
DELIMITERS = (",", ";", "\t", "|")

_NEWLINE, _RETURN, _QUOTE, _SPACE = b'\n\r" '
_BOM = b"\xef\xbb\xbf"
_OTHER_FILES = {
    b"PK\x03\x04": "an Excel or zip file",
    b"PAR1": "a parquet file",
    b"\x1f\x8b": "a gzip file",
    b"<!DOCTYPE": "a web page",
    b"<html": "a web page",
    b"\x89HDF": "an HDF5 file",
    b"%PDF": "a PDF",
}


@dataclass(frozen=True)
class Block:
    """Whole records that follow one another in the file.

    Args:
        data: Their bytes, UTF-8.
        lines: Number of the line that each record begins in, from 1, shape (N,), int64; blank lines are no records.
    """

    data: bytes
    lines: np.ndarray


@dataclass(frozen=True)
class Header:
    """The first record: names of the columns and how they are set apart."""

    names: tuple[str, ...]
    delimiter: str


class Delimited:
    """A delimited text file, read from its beginning.

    Args:
        file: Open for reading bytes, at its beginning.
        name: What the file is called in messages.
        delimiter: What stands between fields; None finds it in the header.
    """

    def __init__(self, file: BinaryIO, name: str, delimiter: str | None = None) -> None:
        self._file = file
        self._name = printable(name, 200)
        self._rest = self._without_mark(file.read(BLOCK_BYTES))
        self._offset = file.tell() - len(self._rest)  # of the first byte of rest
        self._line = 1
        self.header = self._read_header(delimiter)

    def blocks(self) -> Iterator[Block]:
        """Give the records behind the header.

        Raises:
            DataError: A record is ragged, endless or no UTF-8 text; told with its line and byte.
        """
        more, grow = True, False
        while more or self._rest:
            piece = self._file.read(BLOCK_BYTES) if grow or len(self._rest) < BLOCK_BYTES else b""
            more = bool(piece) if grow or len(self._rest) < BLOCK_BYTES else more
            data, grow = self._rest + piece, False
            self._check_text(data, whole=not more)
            ends, fields, lines = self._records(data, whole=not more)
            if not more and data and (not len(ends) or ends[-1] != len(data)):
                ends, fields, lines = self._records(data + b"\n", whole=True)
                self._check_closed(data, ends)
            elif not len(ends):
                self._keep(data)
                grow = True
                continue
            cut = min(int(ends[-1]), len(data))
            yield from self._block(data[:cut], fields, lines)
            self._rest = data[cut:]
            self._offset += cut
            self._line += data.count(b"\n", 0, cut)

    def fault(self, line: int, what: str, hint: str = "") -> DataError:
        """Make the error that says what is wrong in a line."""
        return DataError(f"{self._name} line {line:,} {what}", hint)

    def _block(self, data: bytes, fields: np.ndarray, lines: np.ndarray) -> Iterator[Block]:
        kept = fields > 0
        wrong = np.flatnonzero(kept & (fields != len(self.header.names)))
        if len(wrong):
            raise self._ragged(int(lines[wrong[0]]), int(fields[wrong[0]]), len(wrong))
        if kept.any():
            yield Block(data, lines[kept])

    def _ragged(self, line: int, found: int, count: int) -> DataError:
        wanted = len(self.header.names)
        others = f"; more such lines follow: {count - 1:,}" if count > 1 else ""
        cure = (
            "quote fields that hold the delimiter, and write numbers with a decimal point, 1.5 not 1,5"
            if found > wanted
            else "write a value that is missing as an empty field: a,,c"
        )
        columns = "column" if wanted == 1 else "columns"
        fields = "field" if found == 1 else "fields"
        return self.fault(line, f"has {found:,} {fields}; the header has {wanted:,} {columns}{others}", cure)

    def _keep(self, data: bytes) -> None:
        """Go on reading a record that has no end yet, unless it is too long to be one."""
        self._rest = data
        if len(data) > MAX_RECORD_BYTES:
            quote = data.find(b'"')
            why = (
                'a quote (") that is opened in it may never be closed'
                if quote >= 0
                else "it has no line ends"
            )
            raise self.fault(
                self._line, f"does not end within {MAX_RECORD_BYTES // 2**20} MiB: {why}", "mend that line"
            )

    def _check_closed(self, data: bytes, ends: np.ndarray) -> None:
        if not len(ends) or ends[-1] != len(data) + 1:
            done = int(ends[-1]) if len(ends) else 0
            line = self._line + data.count(b"\n", 0, done)
            raise self.fault(line, 'opens a quote (") that is never closed', "close it, or take it away")

    def _without_mark(self, data: bytes) -> bytes:
        """Take the mark of UTF-8 away; refuse what is no text."""
        if not data:
            raise DataError(f"{self._name} is empty", "a table begins with a line of column names")
        if encoding := _wide_encoding(data[:4]):
            raise DataError(
                f"{self._name} is {encoding} text, seen in its first bytes; dlkit reads UTF-8",
                f"iconv -f {encoding} -t UTF-8 {self._name} > utf8.csv",
            )
        for magic, kind in _OTHER_FILES.items():
            if data.lstrip()[: len(magic)].lower() == magic.lower():
                raise DataError(f"{self._name} is {kind}, not a table of text", "export it as CSV")
        return data.removeprefix(_BOM)

    def _check_text(self, data: bytes, *, whole: bool) -> None:
        zero = data.find(b"\0")
        if zero >= 0:
            line = self._line + data.count(b"\n", 0, zero)
            raise self.fault(
                line,
                f"has a NUL at byte {self._offset + zero:,}: this is no text",
                "export the table as CSV anew",
            )
        if data.isascii():
            return
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as err:
            if not whole and err.end == len(data) and err.reason == "unexpected end of data":
                return
            line = self._line + data.count(b"\n", 0, err.start)
            raise self.fault(
                line,
                f"is not UTF-8: byte {self._offset + err.start:,} is 0x{data[err.start]:02x}",
                "if the file is Latin-1: iconv -f LATIN1 -t UTF-8 old.csv > new.csv; "
                "if encodings are mixed, mend that line",
            ) from None

    def _read_header(self, delimiter: str | None) -> Header:
        while b"\n" not in self._rest and (piece := self._file.read(BLOCK_BYTES)):
            self._keep(self._rest + piece)
        line = self._first_record()
        self._check_text(line, whole=True)
        text = line.decode().rstrip("\r\n")
        if "\n" not in text and "\r" in text:
            raise self.fault(
                1,
                "ends with a carriage return alone",
                "tr '\\r' '\\n' < old.csv > new.csv mends the line ends",
            )
        if not text.strip():
            raise self.fault(1, "is blank; it has to hold the column names", "write them there")
        if delimiter is None:
            delimiter = max(DELIMITERS, key=lambda sign: len(_split(text, sign)))
        names = tuple(name.strip() for name in _split(text, delimiter))
        self._check_names(names)
        self._rest = self._rest[len(line) :]
        self._offset += len(line)
        self._line += line.count(b"\n")
        return Header(names, delimiter)

    def _first_record(self) -> bytes:
        end = self._rest.find(b"\n")
        while end >= 0 and self._rest.count(b'"', 0, end) % 2:
            end = self._rest.find(b"\n", end + 1)
        return self._rest if end < 0 else self._rest[: end + 1]

    def _check_names(self, names: tuple[str, ...]) -> None:
        seen: dict[str, int] = {}
        for place, name in enumerate(names, 1):
            if name in seen and name:
                raise self.fault(
                    1,
                    f"names columns {seen[name]} and {place} both {printable(name)}",
                    "give every column a name of its own",
                )
            if not name and place > 1:
                raise self.fault(
                    1,
                    f"has no name for column {place} of {len(names)}",
                    "name it, or take the last delimiter away",
                )
            seen[name] = place
        if all(_is_number(name) for name in names):
            raise self.fault(
                1,
                f"holds numbers, {printable(', '.join(names[:3]))}; it has to hold the column names",
                "put a line of names on top",
            )

    def _records(self, data: bytes, *, whole: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Find where records end, how many fields each has (0 for a blank line) and the line each begins in."""
        array = np.frombuffer(data, np.uint8)
        newlines = np.flatnonzero(array == _NEWLINE)
        if b'"' in data:
            if _has_stray_quotes(array, self.header.delimiter):
                ends, fields, first = self._records_slowly(data, newlines, whole=whole)
                return ends, fields, first + self._line
            inside = (np.cumsum(array == _QUOTE, dtype=np.int32) & 1).astype(bool)
            ends = newlines[~inside[newlines]]
            found = np.flatnonzero((array == ord(self.header.delimiter)) & ~inside)
        else:
            ends = newlines
            found = np.flatnonzero(array == ord(self.header.delimiter))
        self._check_returns(data, array)
        fields = np.diff(np.searchsorted(found, ends), prepend=0) + 1
        starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else np.empty(0, np.int64)
        length = ends - starts
        blank = (length == 0) | ((length == 1) & (array[starts] == _RETURN))
        fields[blank] = 0
        return ends + 1, fields, np.searchsorted(newlines, starts) + self._line

    def _records_slowly(
        self, data: bytes, newlines: np.ndarray, *, whole: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Find records as Python's csv module does: for quotes that stand within a field."""
        text = data[: int(newlines[-1]) + 1] if len(newlines) else b""
        lines = io.StringIO(text.decode("utf-8"), newline="")
        before, first, fields, last = 0, [], [], []
        with _long_fields():
            reader = csv.reader(lines, delimiter=self.header.delimiter, skipinitialspace=True)
            for record in reader:
                first.append(before)
                fields.append(len(record))
                before = reader.line_num
                last.append(before - 1)
        if not whole:  # the last one may go on behind this block
            first, fields, last = first[:-1], fields[:-1], last[:-1]
        ends = newlines[np.array(last, np.int64)] + 1
        return ends, np.array(fields, np.int64), np.array(first, np.int64)

    def _check_returns(self, data: bytes, array: np.ndarray) -> None:
        """Refuse a carriage return inside a line, which other readers take for a line end."""
        if b"\r" not in data:
            return
        places = np.flatnonzero(array == _RETURN)
        alone = places[array[np.minimum(places + 1, len(array) - 1)] != _NEWLINE]
        alone = alone[alone < len(array) - 1]
        if len(alone) and b'"' not in data:
            line = self._line + data.count(b"\n", 0, int(alone[0]))
            raise self.fault(
                line,
                f"has a carriage return alone at byte {self._offset + int(alone[0]):,}",
                "quote the field, or take it away",
            )


@contextlib.contextmanager
def _long_fields() -> Iterator[None]:
    """Let csv read fields as long as a record may be; its limit is one for the whole process."""
    before = csv.field_size_limit(MAX_RECORD_BYTES)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _split(line: str, delimiter: str) -> list[str]:
    with _long_fields():
        reader = csv.reader(io.StringIO(line, newline=""), delimiter=delimiter, skipinitialspace=True)
        return next(reader, [""])


def _wide_encoding(start: bytes) -> str:
    """Name the encoding of text of two or four bytes a letter, by its mark or by its zeros; empty for any other."""
    if start in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return "UTF-32"
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "UTF-16"
    zeros = [byte == 0 for byte in start]
    if zeros == [False, True, False, True]:
        return "UTF-16LE"
    return "UTF-16BE" if zeros == [True, False, True, False] else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.lower() not in ("nan", "inf", "infinity")


def _has_stray_quotes(array: np.ndarray, delimiter: str) -> bool:
    """Tell whether a quote stands within a field, where it is a letter like any other."""
    quotes = np.flatnonzero(array == _QUOTE)
    opening, closing = quotes[::2], quotes[1::2]
    edge = np.zeros(256, dtype=bool)
    edge[[_NEWLINE, _RETURN, _QUOTE, ord(delimiter)]] = True
    before = edge.copy()
    before[_SPACE] = True
    stray = ~before[array[opening[opening > 0] - 1]]
    after = closing[closing < len(array) - 1] + 1
    return bool(stray.any() or (~edge[array[after]]).any())
