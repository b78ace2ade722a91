"""The line of names that comes again among the rows, as where files were joined one below the other."""

import contextlib
import itertools
import re
import tempfile
from collections.abc import Iterator, Sequence
from typing import BinaryIO, cast

from dlkit.data.tables.reading.files.fields import split_line
from dlkit.data.tables.reading.files.header import Header, names_numbers, next_rows
from dlkit.errors import first_of

_ABOVE = re.compile(rb"(?:(?:#[^\n]*|[ \t]*\r?)\n)*\Z")  # comments and blank lines, as of an annotated export
_MOST_ABOVE = 4096
_BLOCK = 2**24


@contextlib.contextmanager
def without_repeats(file: BinaryIO, source: str, header: Header) -> Iterator[tuple[BinaryIO, str, list[int]]]:
    """Return a file with blank lines where the line of names comes again, what is to be reported, and which lines.

    Comments directly above such a line belong to it. All lines keep their numbers.

    Args:
        file: Can be read from anywhere, and has a file number.
        source: What it is called in messages.
        header: As it was read.

    Returns:
        The lines are counted from 0.
    """
    places = list(_places(file, header))
    if not places:
        yield file, "", []
        return
    with tempfile.TemporaryFile() as copy:
        file.seek(0)
        numbers: list[int] = []
        blank: list[int] = []
        line = 0
        for start, end in places:
            kept = file.read(start - file.tell())
            copy.write(kept)
            cut = file.read(end - start)
            copy.write(b"\n" * cut.count(b"\n"))
            line += kept.count(b"\n")
            blank += range(line, line + cut.count(b"\n") + 1)
            line = blank[-1]
            numbers.append(line + 1)
        while piece := file.read(2**20):
            copy.write(piece)
        copy.flush()
        shown = ", ".join(f"{number:,}" for number in numbers[:5]) + ", ..." * (len(numbers) > 5)
        names = first_of(list(filter(None, header.names)))
        yield (
            cast("BinaryIO", copy),
            f"{source}: the names of the columns come again, in line {shown}, and are no rows: {names}",
            blank,
        )


def _places(file: BinaryIO, header: Header) -> Iterator[tuple[int, int]]:
    """Yield from where to where lines are no rows, in bytes; the end is before the line's own."""
    file.seek(0)
    above = list(itertools.islice(file, header.lines))
    line = above[-1].removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n") if above else b""
    file.seek(header.end)
    if not _is_head(line, header, next_rows(file, header.delimiter)):
        return
    wanted, size = b"\n" + line, file.seek(0, 2)
    for start in range(header.end - 1, size, _BLOCK):  # not all of a large file at once
        file.seek(start)
        data = file.read(_BLOCK + len(wanted) + 1)  # and what follows a line that begins in the block
        place = data.find(wanted)
        while 0 <= place < _BLOCK:
            end = place + len(wanted)
            if data[end : end + 1] in (b"\n", b"\r", b"") and start + end <= (header.stop or size):
                yield start + place + 1 - _comments_above(file, start + place + 1, header.end), start + end
            place = data.find(wanted, end)


def _comments_above(file: BinaryIO, place: int, first: int) -> int:
    """Return how many bytes of comments and blank lines stand directly above a line."""
    begin = max(first, place - _MOST_ABOVE)
    file.seek(begin)
    found = _ABOVE.search(file.read(place - begin))
    return len(found[0]) if found else 0


def _is_head(line: bytes, header: Header, rows: Sequence[Sequence[str]]) -> bool:
    """Return whether a line has the names of the columns, and cannot be a row: one of them is above numbers."""
    fields = [field.strip() for field in split_line(line.decode(errors="replace"), header.delimiter)]
    named = len(fields) == len(header.names) > 1 and all(
        not field or field == name for field, name in zip(fields, header.names, strict=True)
    )
    return named and names_numbers(fields, rows)
