"""What stands around a table in its file: an encoding other than UTF-8, lines above the names, lines below the rows."""

import codecs
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

ENCODING_BYTES = 8 * 2**20
_TAIL_BYTES = 2**16
_ROWS_SEEN, _FEWEST_ROWS = 60, 4
_MOST_TITLES = 20
_PREAMBLES = {"TOA5", "TOACI1"}  # the first line of a data logger's file; the second has the names
_USUAL = 0.8
_CONTROL = re.compile(rb"[\0-\x08\x0e-\x1f]")
_BLANKS = re.compile(r'"([^"]*)"|(\S+)')
_FEWEST_BLANKS = 3
_MIXED = re.compile(rb"[\xc3\xc5][\x80-\xbf]|\xe2\x80[\x90-\xa6]")
_PAIRED = re.compile(rb"[\x80-\xff]{2,}")
_IN_A_WORD = re.compile(r"[a-z](?:[\u201a-\u203a\u0192\u02c6\u02dc][a-z]|[\u0152\u0160\u0178\u017d])")
_KANA = re.compile(r"[\u3041-\u30ff]{2}")
_PHRASE = re.compile(r"[^\W\d_]{2,}.*[\s:]")


def foreign_encoding(file: BinaryIO) -> tuple[str, str]:
    """Return the encoding of text that is not UTF-8, and a word that shows it; empty where it is, or is uncertain.

    Western letters stand alone among plain ones: that is Windows-1252, unless signs would stand within words. Japanese
    is known by its syllables. A file with UTF-8 in other places is a mixture, which nothing reads.

    Args:
        file: Is read from its beginning, 8 MiB at most, and left there.
    """
    file.seek(0)
    data = file.read(ENCODING_BYTES)
    file.seek(0)
    if data.isascii() or _CONTROL.search(data) or _is_text(data, "utf-8"):
        return "", ""
    high = len(data.translate(None, bytes(range(128))))
    paired = sum(map(len, _PAIRED.findall(data)))
    if paired < high / 2 and not _MIXED.search(data):
        text = _is_text(data, "windows-1252")
        return ("Windows-1252", _example(text)) if text and not _IN_A_WORD.search(text) else ("", "")
    if (text := _is_text(data, "cp932")) and _KANA.search(text):
        return "CP932", _example(text)
    return "", ""


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


def _is_text(data: bytes, encoding: str) -> str:
    """Return bytes decoded, but for a letter cut at their end; empty where they are not of an encoding."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(data)
    except UnicodeDecodeError:
        return ""


def _example(text: str) -> str:
    match = re.search(r"\w*[^\W\x00-\x7f]\w*", text) or re.search(r"\S*[^\x00-\x7f]\S*", text)
    return match[0] if match else ""


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
