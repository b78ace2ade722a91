"""What stands around a table in its file: lines above the names, lines below the rows, blanks between fields."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from typing import BinaryIO

from dlkit.data.tables.reading.files.fields import (
    DELIMITERS,
    are_values,
    delimiter_of,
    do_count,
    is_number,
    split_line,
)

_TAIL_BYTES = 2**16
_ROWS_SEEN, _FEWEST_ROWS = 60, 4
_MOST_TITLES = 20
_MOST_VARIABLES = 500
_PREAMBLES = {"TOA5", "TOACI1"}  # the first line of a data logger's file; the second has the names
_USUAL = 0.8
_BLANKS = re.compile(r'"([^"]*)"|(\S+)')
_FEWEST_BLANKS = 3
_PHRASE = re.compile(r"[^\W\d_]{2,}.*[\s:]")


def is_blank_separated(data: bytes) -> bool:
    """Return whether blanks alone stand between the fields of lines, mostly numbers, as in older collections of data.

    Args:
        data: The beginning of the file.
    """
    lines = [
        line
        for line in data.decode("latin-1").split("\n")[:_ROWS_SEEN][:-1]
        if line.strip() and line[0] != "#"
    ]
    if len(lines) < _FEWEST_ROWS:
        return False
    rows = [blank_separated(line) for line in lines]
    usual, count = Counter(map(len, rows)).most_common(1)[0]
    fields = [field for row in rows[1:] for field in row]
    numbers = sum(is_number(field.strip()) for field in fields)
    bare = [re.sub(r'[ \t]+"[^"]*"', "", line.strip()) for line in lines]
    others = max(len(split_line(line, sign)) for line in bare for sign in DELIMITERS if sign != "\t")
    tabs = max(line.count("\t") + 1 for line in bare)  # a few may stand among the blanks
    alike = usual >= _FEWEST_BLANKS and count >= _USUAL * len(rows)
    return alike and 2 * numbers > len(fields) and others == 1 and 2 * tabs <= usual


def geo_eas_names(data: bytes) -> list[str]:
    """Return the names in a file of GEO-EAS or GSLIB: a title, how many there are, one a line; none in other files.

    Args:
        data: The beginning of the file.
    """
    lines = data.decode("utf-8", "replace").splitlines()[:-1]
    count = next(iter(lines[1].split()), "") if len(lines) > 1 else ""
    if not count.isdecimal() or not 2 <= int(count) <= _MOST_VARIABLES:
        return []
    begin = 2 + int(count)
    names = [line.strip() for line in lines[2:begin]]
    rows = [split_values(line) for line in lines[begin : begin + _ROWS_SEEN] if line.strip()]
    fields = [field for row in rows for field in row]
    numbers = sum(map(is_number, fields))
    fits = (
        len(rows) >= _FEWEST_ROWS
        and all(len(row) == int(count) for row in rows)
        and 2 * numbers > len(fields)
    )
    return names if fits and not any(not name or is_number(name) for name in names) else []


def split_values(line: str) -> list[str]:
    """Return the fields of a line that blanks or commas stand between."""
    return re.split(r"\s*,\s*|\s+", line.strip())


def blank_separated(line: str) -> list[str]:
    """Return the fields of a line that blanks stand between, those in quotes as one."""
    return [quoted or plain for quoted, plain in _BLANKS.findall(line)]


def lines_above(data: bytes, delimiter: str | None) -> tuple[int, int]:
    """Return how many lines stand above the names of the columns, as titles do, and how many bytes those have.

    They have fewer fields than the rows, or half of them empty, or are a data logger's, and the line below them has a
    name for each field.

    Args:
        data: The beginning of the file.
        delimiter: What stands between fields; None finds it.
    """
    lines = [f"{line}\n" for line in data.decode("latin-1").split("\n")[:_ROWS_SEEN]][:-1]
    if len(lines) < _FEWEST_ROWS:
        return 0, 0
    delimiter = delimiter or delimiter_of(lines[-1])
    starts, rows = _records(lines, delimiter)
    later = [len(row) for row in rows[len(rows) // 2 :] if any(row)]
    usual, count = Counter(later).most_common(1)[0] if later else (0, 0)
    if usual < 2 or count < _USUAL * len(later):
        return 0, 0
    for place, row in enumerate(rows[: _MOST_TITLES + 1]):
        filled = sum(bool(field.strip()) for field in row)
        if len(row) == usual and 2 * filled > usual and row[0] not in _PREAMBLES:
            named = place > 0 and filled >= usual - 1 and _are_names(row, usual, rows[place + 1 :])
            above = starts[place] if named else 0
            return above, sum(len(line.encode("latin-1")) for line in lines[:above])
    return 0, 0


def lines_below(file: BinaryIO, columns: int, delimiter: str, begin: int) -> tuple[int, int]:
    """Return how many lines of notes stand below the rows, and where they begin in bytes.

    A note is a phrase alone in its line; below the first, lines that are empty or have few fields belong to it.

    Args:
        file: Can be read from anywhere.
        columns: The number of columns.
        delimiter: What stands between fields.
        begin: Where the rows begin in bytes.
    """
    size = file.seek(0, 2)
    start = max(begin, size - _TAIL_BYTES)
    file.seek(start)
    lines = file.read().splitlines(keepends=True)[start > begin :]
    below: list[tuple[bytes, list[str]]] = []
    for line in reversed(lines):
        text = line.decode(errors="replace").rstrip("\r\n")
        filled = [field.strip() for field in split_line(text, delimiter) if field.strip()]
        short = len(split_line(text, delimiter)) != columns and 3 * len(filled) <= max(columns, 3)
        if columns == 1 or text.count('"') % 2 or (filled and not short):
            break
        below.insert(0, (line, filled))
    while below and not (len(below[0][1]) == 1 and _PHRASE.search(below[0][1][0])):
        del below[0]
    return len(below), size - sum(len(line) for line, _ in below)


def _records(lines: Sequence[str], delimiter: str) -> tuple[list[int], list[list[str]]]:
    """Return where each record begins, in lines, and its fields."""
    starts, rows = [0], []
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    try:
        for row in reader:
            rows.append(row)
            starts.append(reader.line_num)
    except csv.Error:
        return [0], []
    return starts, rows


def _are_names(row: Sequence[str], usual: int, below: Sequence[Sequence[str]]) -> bool:
    """Return whether a row names the columns of those below it."""
    names = [name.strip() for name in row]
    rows = [other for other in below if len(other) == usual]
    numbers = [float(name) for name in names if is_number(name)]
    return (
        len(names) == usual
        and len(rows) > 0
        and len(numbers) < len(names)
        and (not numbers or do_count(numbers))
        and any(is_number(field.strip().replace(",", ".")) for other in rows for field in other)
        and not are_values(names, rows)
    )
