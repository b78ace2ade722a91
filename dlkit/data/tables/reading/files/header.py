"""The first line of a delimited file: names of the columns, or values; and what is no table of text at all."""

import csv
import io
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from dlkit.data.tables.reading.files.commands import from_to, other_file
from dlkit.data.tables.reading.files.encodings import convert_by_hand, wide_encoding
from dlkit.data.tables.reading.files.fields import are_values, delimiter_of, is_number, split_line
from dlkit.data.tables.reading.files.header_lines import join_names
from dlkit.data.tables.reading.files.surroundings import lines_above
from dlkit.errors import DataError, printable

MAX_RECORD_BYTES = 4 * 2**20

_BOM = b"\xef\xbb\xbf"
_ROWS_SEEN = 200
_BYTES_SEEN = 2**18
_MOST_TITLES = 12
_SHOWN_NAMES = 6
_OTHER_FILES = {
    b"PK\x03\x04": ("an Excel or zip file", "export it as CSV; a zipped CSV is read under the name .csv.zip"),
    b"PAR1": ("a parquet file", "name it .parquet"),
    b"\x1f\x8b": ("a gzip file", "name it .csv.gz"),
    b"<!DOCTYPE": ("a web page", "export it as CSV"),
    b"<html": ("a web page", "export it as CSV"),
    b"\x89HDF": ("an HDF5 file", "export it as CSV"),
    b"%PDF": ("a PDF", "export it as CSV"),
}


@dataclass(frozen=True)
class Header:
    """What stands before the rows, and how those are separated.

    Args:
        names: Of the columns.
        delimiter: What stands between fields.
        end: Where the rows begin, in bytes.
        lines: How many lines stand before the rows.
        comments: How many of them begin with # and are skipped.
        titles: How many of them stand above the names, as titles do, and are skipped.
        below: How many lines below the rows are skipped.
        stop: Where those begin, in bytes; None where there are none.
        joined: The names stand in several lines.
    """

    names: tuple[str, ...]
    delimiter: str
    end: int
    lines: int
    comments: int = 0
    titles: int = 0
    below: int = 0
    stop: int | None = None
    joined: bool = False


def read_header(
    file: BinaryIO, source: str, delimiter: str | None = None, *, named: bool | None = None
) -> Header:
    """Read the names of the columns, and leave the file at the first row.

    Args:
        file: At its beginning.
        source: What it is called in messages.
        delimiter: What stands between fields; None finds it.
        named: Whether the first line has the names; None looks, False calls the columns c0, c1, ...

    Raises:
        DataError: It is empty, no text, or begins with no line of names.
    """
    start = file.read(4096)
    _check_start(start, source)
    file.seek(len(_BOM) if start.startswith(_BOM) else 0)
    comments, line, begin, record = _first_record(file)
    titles, top = 0, begin
    if named is not False:
        titles, begin, record = _below_titles(file, begin, record, delimiter)
        line += titles
    if fault := text_fault(record, source, line, begin):
        raise fault
    if len(record) >= MAX_RECORD_BYTES:
        raise fault_in(
            source,
            line,
            f"is longer than {MAX_RECORD_BYTES / 2**20:.0f} MiB: it has no end, or names too many columns",
            "keep fewer columns, or save so many numbers as an array (.npy), which has no names",
        )
    text = record.decode().rstrip("\r\n")
    if "\r" in text.split("\n", maxsplit=1)[0].split('"', maxsplit=1)[0]:
        raise fault_in(
            source,
            line,
            "ends with a lone carriage return",
            f"tr '\\r' '\\n' < {from_to(source)}",
        )
    if not text.strip():
        raise fault_in(source, line, "is blank; it must have the column names", "write them there")
    delimiter = delimiter or delimiter_of(text)
    names = tuple(name.strip() for name in split_line(text, delimiter))
    if named is False:
        file.seek(begin)
        numbered = tuple(f"c{place}" for place in range(len(names)))
        return Header(numbered, delimiter, begin, line - 1, comments)
    end = file.tell()
    rows = next_rows(file, delimiter)
    plain, (names, below) = names, join_names(names, rows, _last_fields(file, top, begin, delimiter))
    joined = names != plain
    titles -= joined and titles > 0
    file.seek(end)
    end += sum(len(file.readline()) for _ in range(below))
    rows = rows[below:]
    if len(names) == 1 and rows and all(len(row) == 1 for row in rows if row):
        _refuse_quoted_lines(names[0], [row[0] for row in rows if row], source, line)
    if names_numbers(names, rows):  # where they come again among the rows, these are none
        rows = [row for row in rows if [field.strip() for field in row] != [*names]]
    if named is None and are_values(names, rows):
        shown = printable(", ".join(names[:3]), 60) + (", ..." if len(names) > 3 else "")
        raise fault_in(
            source,
            line,
            f"looks like values, not like names of columns: {shown}",
            f"--no-header reads it as a row, and --target and --features name the columns {_numbered(names)}; --header "
            "reads it as names",
        )
    names = _with_empty_columns(names, rows)
    try:
        _check_names(names, source, line, delimiter)
    except DataError as err:
        file.seek(end)
        raise DataError(err.message, _names_below(file, delimiter, source, line) or err.hint) from err
    file.seek(end)
    lines = line - 1 + record.count(b"\n") + below
    return Header(names, delimiter, end, lines, comments, titles, joined=joined)


def _with_empty_columns(names: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Return names with pandas' own for empty columns at the end: each line ends with one or more delimiters."""
    named = len(names)
    while named > 1 and not names[named - 1]:
        named -= 1
    if any(field.strip() for row in rows if len(row) == len(names) for field in row[named:]):
        return tuple(names)
    return (*names[:named], *(f"Unnamed: {place}" for place in range(named, len(names))))


def _below_titles(file: BinaryIO, begin: int, record: bytes, delimiter: str | None) -> tuple[int, int, bytes]:
    """Return how many titles stand above the names, and place and bytes of the record of names; leave the file below.

    Args:
        file: At the end of the record.
        begin: Where the first record begins.
        record: Its bytes.
        delimiter: What stands between fields; None finds it.
    """
    end = file.tell()
    file.seek(begin)
    titles, size = lines_above(file.read(_BYTES_SEEN), delimiter)
    file.seek(begin + size if titles else end)
    return titles, begin + size, read_record(file) if titles else record


def _last_fields(file: BinaryIO, begin: int, end: int, delimiter: str) -> list[str]:
    """Return the fields of the last line between two places of a file; none where there is no line."""
    file.seek(begin)
    lines = file.read(end - begin).decode(errors="replace").splitlines()
    return split_line(lines[-1], delimiter) if lines else []


def _refuse_quoted_lines(name: str, fields: Sequence[str], source: str, line: int) -> None:
    """Refuse lines that are each in quotes as a whole, as a spreadsheet writes them that took them for one column."""
    sign = delimiter_of(name)
    count = len(split_line(name, sign))
    if count > 1 and all(len(split_line(field, sign)) == count for field in fields):
        raise fault_in(
            source,
            line,
            f"is in quotes as a whole, as are the others: {printable(name, 60)}",
            f'sed -E \'s/^"(.*)"\\r?$/\\1/; s/""/"/g\' {from_to(source)} takes the quotes out',
        )


def _numbered(names: Sequence[str]) -> str:
    """Return how columns without names are called, each with its first value."""
    shown = [f"c{place} ({printable(name, 20)})" for place, name in enumerate(names)]
    return ", ".join(shown if len(shown) <= _SHOWN_NAMES else [*shown[:3], "...", shown[-1]])


def names_numbers(names: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Return whether one of the names, which is no number, stands above a column of numbers."""
    columns = list(zip(*(row for row in rows if len(row) == len(names)), strict=True))
    return any(
        not is_number(name) and sum(map(is_number, column)) > len(column) / 2
        for name, column in zip(names, columns, strict=False)
    )


def is_ragged(file: BinaryIO, header: Header) -> bool:
    """Return whether most of the next rows have more or fewer fields than there are names.

    Args:
        file: At the first row.
        header: The names.
    """
    rows = [row for row in next_rows(file, header.delimiter) if row]
    return sum(len(row) != len(header.names) for row in rows) > len(rows) / 2


def fault_in(source: str, line: int, what: str, hint: str = "") -> DataError:
    """Return the error of what is wrong in a line."""
    return DataError(f"{source} line {line:,} {what}", hint)


def text_fault(data: bytes, source: str, line: int, offset: int) -> DataError | None:
    """Return the error of a line that is no text; None if it is.

    Args:
        data: Its bytes.
        source: What the file is called.
        line: Its number.
        offset: Where in the file it begins.
    """
    zero = data.find(b"\0")
    if zero >= 0:
        what = f"has a NUL at byte {offset + zero:,}, so it is not text"
        return fault_in(source, line, what, "export the table as CSV again")
    try:
        data.decode()
    except UnicodeDecodeError as err:
        return fault_in(
            source,
            line,
            f"is not UTF-8: byte {offset + err.start:,} is 0x{data[err.start]:02x}",
            f"{convert_by_hand(data, source)}; if encodings are mixed, fix that line",
        )
    return None


def _first_record(file: BinaryIO) -> tuple[int, int, int, bytes]:
    """Return how many lines of comments are skipped, and line, place and bytes of the first record after them.

    A last comment with as many fields as the next line is the line of names, as numpy writes it.
    """
    skipped: list[tuple[int, bytes]] = []
    begin = file.tell()
    while (line := file.readline(MAX_RECORD_BYTES)).startswith(b"#"):
        skipped.append((begin, line))
        begin = file.tell()
    if skipped and _names_columns(skipped, line):
        begin, record = skipped.pop()
        file.seek(begin + len(record))
        return len(skipped), len(skipped) + 1, begin, record.lstrip(b"# ")
    file.seek(begin)
    return len(skipped), len(skipped) + 1, begin, read_record(file)


def read_record(file: BinaryIO) -> bytes:
    """Return the bytes of the next record."""
    record = b""
    while not record or record.count(b'"') % 2:
        line = file.readline(MAX_RECORD_BYTES)
        if not line or len(record) > MAX_RECORD_BYTES:
            break
        record += line
    return record


def _names_columns(comments: list[tuple[int, bytes]], line: bytes) -> bool:
    """Return whether the last of some comments has names for the fields of the next line."""
    row, last = (data.decode(errors="replace").rstrip("\r\n") for data in (line, comments[-1][1]))
    delimiter = delimiter_of(row)
    fields = split_line(row, delimiter)
    alike = len(fields) == len(split_line(last, delimiter)) and (len(fields) > 1 or len(comments) == 1)
    return alike and (any(map(is_number, fields)) or not row)


def next_rows(file: BinaryIO, delimiter: str) -> list[list[str]]:
    """Return the fields of the next lines of a file; none where quotes do not close."""
    lines = file.readlines(_BYTES_SEEN)[:_ROWS_SEEN]
    text = b"".join(lines).decode(errors="replace").replace("\0", "")
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True))
    except csv.Error:
        return []


def _check_start(start: bytes, source: str) -> None:
    if not start:
        raise DataError(f"{source} is empty", "a table begins with a line of column names")
    if encoding := wide_encoding(start):
        raise DataError(
            f"{source} is {encoding} text without a byte-order mark, judging by its first bytes",
            f"iconv -f {encoding} -t UTF-8 {shlex.quote(source)} > utf8.csv",
        )
    for magic, (kind, hint) in _OTHER_FILES.items():
        if start.lstrip()[: len(magic)].lower() == magic.lower():
            raise DataError(f"{source} is {kind}, not a table of text", hint)


def _check_names(names: tuple[str, ...], source: str, line: int, delimiter: str) -> None:
    seen: dict[str, int] = {}
    for place, name in enumerate(names, 1):
        if name in seen and name:
            distinct = shlex.quote(_written(_distinct(names), delimiter))
            raise fault_in(
                source,
                line,
                f"names columns {seen[name]} and {place} both {printable(name)}",
                f"(echo {distinct}; tail -n +{line + 1} {shlex.quote(source)}) > {other_file(source)} "
                "gives every column its own name",
            )
        if not name and place > 1:
            raise fault_in(
                source,
                line,
                f"has no name for column {place} of {len(names)}",
                "name it, or remove the last delimiter of each line: "
                f"sed -E 's/[,;\\t]\\r?$//' {from_to(source)}",
            )
        seen[name] = place


def _distinct(names: Sequence[str]) -> list[str]:
    """Return names with a number behind those that come again: a, a 2."""
    distinct: list[str] = []
    for name in names:
        number = 2
        other = name
        while other in distinct:
            other, number = f"{name} {number}", number + 1
        distinct.append(other)
    return distinct


def _written(names: Sequence[str], delimiter: str) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator="").writerow(names)
    return buffer.getvalue()


def _names_below(file: BinaryIO, delimiter: str, source: str, line: int) -> str:
    """Return the command that cuts the lines above the names, where those stand a few lines below; empty for none."""
    for number, row in enumerate(next_rows(file, delimiter)[:_MOST_TITLES], line + 1):
        if len(row) > 1 and all(field.strip() for field in row) and not any(map(is_number, row)):
            return f"are the names in line {number}? tail -n +{number} {from_to(source)}"
    return ""
