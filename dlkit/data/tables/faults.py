"""The header of a delimited file, and what is wrong with a file that the reader refuses: line, cause and fix."""

import contextlib
import csv
import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from dlkit.errors import DataError, printable

MAX_RECORD_BYTES = 4 * 2**20
DELIMITERS = (",", ";", "\t", "|")

_BOM = b"\xef\xbb\xbf"
_END = "\0end"
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
    """The first record: names of the columns, what stands between them, and where the rows begin."""

    names: tuple[str, ...]
    delimiter: str
    end: int
    lines: int


def read_header(file: BinaryIO, source: str, delimiter: str | None = None) -> Header:
    """Read the names of the columns, and leave the file at the first row.

    Args:
        file: At its beginning.
        source: What it is called in messages.
        delimiter: What stands between fields; None finds it.

    Raises:
        DataError: It is empty, no text, or begins with no line of names.
    """
    start = file.read(4096)
    _check_start(start, source)
    skipped = len(_BOM) if start.startswith(_BOM) else 0
    file.seek(skipped)
    record = b""
    while not record or record.count(b'"') % 2:
        line = file.readline(MAX_RECORD_BYTES)
        if not line or len(record) > MAX_RECORD_BYTES:
            break
        record += line
    if fault := _text_fault(record, source, 1, skipped):
        raise fault
    text = record.decode().rstrip("\r\n")
    if "\r" in text.split("\n", maxsplit=1)[0].split('"', maxsplit=1)[0]:
        raise fault_in(source, 1, "ends with a carriage return alone", "tr '\\r' '\\n' < old.csv > new.csv")
    if not text.strip():
        raise fault_in(source, 1, "is blank; it has to hold the column names", "write them there")
    if delimiter is None:
        delimiter = max(DELIMITERS, key=lambda sign: len(_split(text, sign)))
    names = tuple(name.strip() for name in _split(text, delimiter))
    _check_names(names, source)
    return Header(names, delimiter, file.tell(), record.count(b"\n"))


def find_fault(file: BinaryIO, source: str, header: Header) -> DataError | None:
    """Look for the first fault in the rows of a file; None where each row can be read.

    Args:
        file: Can be read from its beginning.
        source: What it is called in messages.
        header: As it was read.
    """
    if fault := next(_text_faults(file, source, header), None):
        return fault
    columns, ragged = len(header.names), []
    try:
        for line, record in records(file, source, header):
            if len(record) not in (0, columns):
                ragged.append((line, len(record)))
    except DataError as err:
        return err
    return _ragged(source, header, *ragged[0], len(ragged)) if ragged else None


def records(file: BinaryIO, source: str, header: Header) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows as Python's csv module reads them, each with the line it begins in; a blank line is empty.

    Raises:
        DataError: A quote is never closed, or a field has no end.
    """
    file.seek(header.end)

    def lines() -> Iterator[str]:
        last = "\n"
        for line in file:
            last = line.decode()
            yield last
        yield _END if last.endswith("\n") else f"\n{_END}"  # part of the last field if its quote is left open

    line = header.lines + 1
    before = csv.field_size_limit(MAX_RECORD_BYTES)  # a limit for the whole process
    try:
        reader = csv.reader(lines(), delimiter=header.delimiter, skipinitialspace=True)
        record = [_END]
        for record in reader:
            if not record or not record[-1].endswith(_END):
                yield line, record
                line = header.lines + 1 + reader.line_num
    except csv.Error:
        raise _endless(source, line, quoted=True) from None
    finally:
        csv.field_size_limit(before)
    if record != [_END]:
        raise fault_in(source, line, 'opens a quote (") that is never closed', "close it, or take it away")


@contextlib.contextmanager
def rewritten(file: BinaryIO, source: str, header: Header) -> Iterator[BinaryIO]:
    """Return a copy of a file, line for line, with the records quoted as Python's csv module does it."""
    with tempfile.TemporaryFile() as clean:
        file.seek(0)
        clean.write(file.read(header.end))
        text = io.TextIOWrapper(clean, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, delimiter=header.delimiter, lineterminator="\n")
        writer.writerows(record for _, record in records(file, source, header))
        text.detach()
        yield cast("BinaryIO", clean)


def fault_in(source: str, line: int, what: str, hint: str = "") -> DataError:
    """Return the error of what is wrong in a line."""
    return DataError(f"{source} line {line:,} {what}", hint)


def wide_encoding(start: bytes) -> str:
    """Return the encoding of text of two or four bytes a letter, by its mark or its zeros; empty for any other."""
    if start[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return "UTF-32"
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "UTF-16"
    zeros = [byte == 0 for byte in start[:4]]
    if zeros == [False, True, False, True]:
        return "UTF-16LE"
    return "UTF-16BE" if zeros == [True, False, True, False] else ""


def _check_start(start: bytes, source: str) -> None:
    if not start:
        raise DataError(f"{source} is empty", "a table begins with a line of column names")
    if encoding := wide_encoding(start):
        raise DataError(
            f"{source} is {encoding} text without a mark that says so, seen in its first bytes",
            f"iconv -f {encoding} -t UTF-8 {source} > utf8.csv",
        )
    for magic, (kind, hint) in _OTHER_FILES.items():
        if start.lstrip()[: len(magic)].lower() == magic.lower():
            raise DataError(f"{source} is {kind}, not a table of text", hint)


def _check_names(names: tuple[str, ...], source: str) -> None:
    seen: dict[str, int] = {}
    for place, name in enumerate(names, 1):
        if name in seen and name:
            raise fault_in(
                source,
                1,
                f"names columns {seen[name]} and {place} both {printable(name)}",
                "give every column a name of its own",
            )
        if not name and place > 1:
            raise fault_in(
                source,
                1,
                f"has no name for column {place} of {len(names)}",
                "name it, or take the last delimiter away",
            )
        seen[name] = place
    if all(_is_number(name) for name in names):
        raise fault_in(
            source,
            1,
            f"holds numbers, {printable(', '.join(names[:3]))}; it has to hold the column names",
            "put a line of names on top",
        )


def _text_faults(file: BinaryIO, source: str, header: Header) -> Iterator[DataError]:
    """Yield the lines that are no text, or have no end."""
    number, offset, quoted, returned = header.lines + 1, header.end, False, None
    file.seek(offset)
    while line := file.readline(MAX_RECORD_BYTES + 1):
        quoted = quoted or b'"' in line
        if len(line) > MAX_RECORD_BYTES:
            yield _endless(source, number, quoted=b'"' in line)
        if fault := _text_fault(line, source, number, offset):
            yield fault
        if returned is None and (place := line.rstrip(b"\r\n").find(b"\r")) >= 0:
            what = f"has a carriage return alone at byte {offset + place:,}"
            returned = fault_in(source, number, what, "quote the field, or take it away")
        number += 1
        offset += len(line)
    if returned is not None and not quoted:
        yield returned


def _text_fault(data: bytes, source: str, line: int, offset: int) -> DataError | None:
    zero = data.find(b"\0")
    if zero >= 0:
        what = f"has a NUL at byte {offset + zero:,}: this is no text"
        return fault_in(source, line, what, "export the table as CSV again")
    try:
        data.decode()
    except UnicodeDecodeError as err:
        return fault_in(
            source,
            line,
            f"is not UTF-8: byte {offset + err.start:,} is 0x{data[err.start]:02x}",
            "if the file is Latin-1: iconv -f LATIN1 -t UTF-8 old.csv > new.csv; if encodings are mixed, fix that line",
        )
    return None


def _ragged(source: str, header: Header, line: int, found: int, count: int) -> DataError:
    wanted = len(header.names)
    others = f"; more such lines follow: {count - 1:,}" if count > 1 else ""
    hint = (
        "quote fields that hold the delimiter, and write numbers with a decimal point, 1.5 not 1,5"
        if found > wanted
        else "write a value that is missing as an empty field: a,,c"
    )
    columns = "column" if wanted == 1 else "columns"
    fields = "field" if found == 1 else "fields"
    return fault_in(
        source, line, f"has {found:,} {fields}; the header has {wanted:,} {columns}{others}", hint
    )


def _endless(source: str, line: int, *, quoted: bool) -> DataError:
    why = 'a quote (") that is opened in it may never be closed' if quoted else "it has no line ends"
    what = f"does not end within {MAX_RECORD_BYTES // 2**20} MiB: {why}"
    return fault_in(source, line, what, "fix that line")


def _split(line: str, delimiter: str) -> list[str]:
    return next(csv.reader(io.StringIO(line, newline=""), delimiter=delimiter, skipinitialspace=True), [""])


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.lower() not in ("nan", "inf", "infinity")
