"""What is wrong with a delimited file that the reader refuses: line, cause and fix."""

import contextlib
import csv
import io
import tempfile
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO, cast

from dlkit.data.tables.reading.files.commands import by_sed, from_to
from dlkit.data.tables.reading.files.header import MAX_RECORD_BYTES, Header, fault_in, text_fault
from dlkit.errors import DataError

_POINTS = "write numbers with a decimal point, 1.5 not 1,5"
_END = "\0end"
_FEWEST_ROWS = 3
_BYTES_A_FIELD = 64


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
    rows, last, lengths = 0, 0, Counter[int]()
    try:
        for line, record in records(file, source, header):
            rows += bool(record)
            if len(record) not in (0, columns):
                lengths[len(record)] += 1
                ragged.append((line, record))
            elif record:
                last = line
    except DataError as err:
        return err
    if not ragged:
        return None
    usual, count = lengths.most_common(1)[0]
    if count > rows / 2 and rows >= _FEWEST_ROWS and usual > columns:
        return _all_longer(source, header, *next((line, rec) for line, rec in ragged if len(rec) == usual))
    first, record = ragged[0]
    return _ragged(
        source, header, first, len(record), len(ragged), below=last < first and 2 * len(ragged) < rows
    )


def records(file: BinaryIO, source: str, header: Header) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows as Python's csv module reads them, each with the line it begins in; a blank line is empty.

    Raises:
        DataError: A quote is never closed, or a field has no end.
    """
    file.seek(header.end)

    def lines() -> Iterator[str]:
        place = header.end
        for line in file:
            if place == header.stop:
                break
            place += len(line)
            text = line.decode()
            yield text if text.endswith("\n") else f"{text}\n"
        yield _END  # part of the last field if its quote is left open

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
        raise fault_in(source, line, 'opens a quote (") that is never closed', "close it, or remove it")


def plain_rows(file: BinaryIO, header: Header) -> int:
    """Return how many rows there are if tabs alone tell the fields of each line, as where a quote is a token of a text.

    Args:
        file: Can be read from its beginning.
        header: As it was read.

    Returns:
        0 where some line has more or fewer fields than there are names.
    """
    columns, rows = len(header.names), 0
    if header.delimiter != "\t" or columns == 1:
        return 0
    for row in _plain_records(file, header):
        if len(row) not in (0, columns):
            return 0
        rows += bool(row)
    return rows


@contextlib.contextmanager
def rewritten(file: BinaryIO, source: str, header: Header, *, plain: bool) -> Iterator[BinaryIO]:
    """Return a copy of a file, line for line, with the records quoted as Python's csv module does it.

    Args:
        file: Can be read from its beginning.
        source: What it is called in messages.
        header: As it was read.
        plain: Its quotes are ordinary characters.
    """
    with tempfile.TemporaryFile() as clean:
        file.seek(0)
        clean.write(file.read(header.end))
        text = io.TextIOWrapper(clean, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, delimiter=header.delimiter, lineterminator="\n")
        found = _plain_records(file, header) if plain else (row for _, row in records(file, source, header))
        writer.writerows(found)
        text.detach()
        yield cast("BinaryIO", clean)


def _plain_records(file: BinaryIO, header: Header) -> Iterator[list[str]]:
    """Yield the fields of each line, whose quotes are ordinary characters; a blank line is empty."""
    file.seek(header.end)
    place = header.end
    for line in file:
        if place == header.stop:
            break
        place += len(line)
        text = line.decode(errors="replace").rstrip("\r\n")
        yield text.split(header.delimiter) if text else []


def _text_faults(file: BinaryIO, source: str, header: Header) -> Iterator[DataError]:
    """Yield the lines that are no text, or have no end."""
    number, offset, quoted, returned = header.lines + 1, header.end, False, None
    file.seek(offset)
    longest = max(MAX_RECORD_BYTES, _BYTES_A_FIELD * len(header.names))
    while line := file.readline(longest + 1):
        quoted = quoted or b'"' in line
        if len(line) > longest:
            yield _endless(source, number, quoted=b'"' in line)
        if fault := text_fault(line, source, number, offset):
            yield fault
        if returned is None and (place := line.rstrip(b"\r\n").find(b"\r")) >= 0:
            what = f"has a lone carriage return at byte {offset + place:,}"
            returned = fault_in(source, number, what, "quote the field, or remove it")
        number += 1
        offset += len(line)
    if returned is not None and not quoted:
        yield returned


def _ragged(source: str, header: Header, line: int, found: int, count: int, *, below: bool) -> DataError:
    """Return the error of some rows with more or fewer fields than there are names.

    Args:
        source: What the file is called.
        header: The names.
        line: Of the first such row.
        found: How many fields it has.
        count: How many such rows there are.
        below: They stand below all others.
    """
    wanted = len(header.names)
    others = f"; more such lines follow: {count - 1:,}" if count > 1 else ""
    hint = (
        _quoted(header.delimiter)
        if found > wanted
        else "write missing values as empty fields: a,,c"
        + f"; to remove lines below the table: head -n {line - 1} {from_to(source)}" * below
    )
    columns = "column" if wanted == 1 else "columns"
    fields = "field" if found == 1 else "fields"
    return fault_in(
        source, line, f"has {found:,} {fields}; the header has {wanted:,} {columns}{others}", hint
    )


def _all_longer(source: str, header: Header, line: int, record: list[str]) -> DataError:
    """Return the error of a first line that has fewer fields than nearly all others, by the first of those."""
    columns, found, sign = len(header.names), len(record), header.delimiter
    first = header.lines
    what = f"has {columns:,} {'field' if columns == 1 else 'fields'}, and the rows below have {found:,}"
    if not any(field[:1].isdigit() for field in record):
        return fault_in(
            source,
            first,
            what,
            f"are the names in line {line}? tail -n +{line} {from_to(source)}",
        )
    if found > columns + 1:
        hint = _quoted(sign)
    elif not record[-1]:
        command = by_sed(source, "2,$s/", sign, r"\r*$//")
        hint = f"rows end in {_shown(sign)}: {command} removes it"
    else:
        named = (
            f"if rows begin with their name or number, as R writes them: {by_sed(source, '1s/^/', sign, '/')}"
        )
        hint = named + (f"; or {_POINTS}" if sign == "," else "")
    return fault_in(source, first, what, hint)


def _quoted(sign: str) -> str:
    """Return what keeps a sign between fields out of them."""
    return "quote fields that hold the delimiter" + (
        f", and {_POINTS}" if sign == "," else f", {_shown(sign)}"
    )


def _shown(sign: str) -> str:
    return "a tab" if sign == "\t" else f"'{sign}'"


def _endless(source: str, line: int, *, quoted: bool) -> DataError:
    why = 'a quote (") that is opened in it may never be closed' if quoted else "it has no line ends"
    what = f"does not end within {MAX_RECORD_BYTES // 2**20} MiB: {why}"
    return fault_in(source, line, what, "fix that line")
