"""The records of a delimited file, and every fault of one told with its place."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlkit.data.tables import delimited
from dlkit.data.tables.delimited import Delimited
from dlkit.errors import DataError


def read(
    content: bytes | str, delimiter: str | None = None
) -> tuple[Delimited, list[tuple[bytes, list[int]]]]:
    data = content.encode() if isinstance(content, str) else content
    file = Delimited(io.BytesIO(data), "x.csv", delimiter)
    return file, [(block.data, block.lines.tolist()) for block in file.blocks()]


GOOD = {
    "plain": ("a,b\n1,2\n3,4\n", [2, 3]),
    "no-newline-at-the-end": ("a,b\n1,2\n3,4", [2, 3]),
    "windows": ("a,b\r\n1,2\r\n3,4\r\n", [2, 3]),
    "blank-lines": ("a,b\n1,2\n\n3,4\n\n", [2, 4]),
    "line-end-in-a-field": ('a,b\n"x\ny",2\n3,4\n', [2, 4]),
    "quote-in-a-field": ('a,b\n5" pipe,2\n3,"4"\n', [2, 3]),
    "quoted-quote": ('a,b\n"5"" pipe",2\n3,4\n', [2, 3]),
    "mark-of-utf-8": ("\ufeffa,b\n1,é\n", [2]),
    "one-column": ("a\n1\n2\n", [2, 3]),
    "quoted-names": ('"a\nb",c\n1,2\n', [3]),
    "rows-numbered": (",a\n0,1\n", [2]),
}


@pytest.mark.parametrize("name", GOOD)
def test_records_and_their_lines_are_found(name: str) -> None:
    content, lines = GOOD[name]

    _, blocks = read(content)

    assert [line for _, found in blocks for line in found] == lines


@pytest.mark.parametrize(("sign", "header"), [(",", "a,b"), (";", "a;b"), ("\t", "a\tb"), ("|", "a|b")])
def test_the_delimiter_is_told_by_the_header(sign: str, header: str) -> None:
    file, _ = read(f"{header}\n1{sign}2\n")

    assert file.header.delimiter == sign
    assert file.header.names == ("a", "b")


BAD: dict[str, tuple[bytes, str, str]] = {
    "empty": (b"", "x.csv is empty", "a table begins with a line of column names"),
    "blank-first-line": (
        b"\n1\n",
        "x.csv line 1 is blank; it has to hold the column names",
        "write them there",
    ),
    "no-names": (
        b"1,2\n3,4\n",
        "x.csv line 1 holds numbers, 1, 2; it has to hold the column names",
        "put a line of names on top",
    ),
    "same-name-twice": (
        b"a,b,a\n",
        "x.csv line 1 names columns 1 and 3 both a",
        "give every column a name of its own",
    ),
    "no-name": (
        b"a,,b\n",
        "x.csv line 1 has no name for column 2 of 3",
        "name it, or take the last delimiter away",
    ),
    "too-few-fields": (
        b"a,b\n1,2\n3\n4\n",
        "x.csv line 3 has 1 field; the header has 2 columns; more such lines follow: 1",
        "write a value that is missing as an empty field: a,,c",
    ),
    "too-many-fields": (
        b"a,b\n1,5,2\n",
        "x.csv line 2 has 3 fields; the header has 2 columns",
        "quote fields that hold the delimiter, and write numbers with a decimal point, 1.5 not 1,5",
    ),
    "latin-1": (
        "a,b\n1,2\n1,é\n".encode("latin-1"),
        "x.csv line 3 is not UTF-8: byte 10 is 0xe9",
        "if the file is Latin-1: iconv -f LATIN1 -t UTF-8 old.csv > new.csv; if encodings are mixed, mend that line",
    ),
    "utf-16": (
        "a,b\n1,2\n".encode("utf-16"),
        "x.csv is UTF-16 text, seen in its first bytes; dlkit reads UTF-8",
        "iconv -f UTF-16 -t UTF-8 x.csv > utf8.csv",
    ),
    "utf-16-without-a-mark": (
        "a,b\n1,2\n".encode("utf-16-be"),
        "x.csv is UTF-16BE text, seen in its first bytes; dlkit reads UTF-8",
        "iconv -f UTF-16BE -t UTF-8 x.csv > utf8.csv",
    ),
    "utf-32": (
        "a,b\n1,2\n".encode("utf-32"),
        "x.csv is UTF-32 text, seen in its first bytes; dlkit reads UTF-8",
        "iconv -f UTF-32 -t UTF-8 x.csv > utf8.csv",
    ),
    "nul": (
        b"a,b\n1,\0\n",
        "x.csv line 2 has a NUL at byte 6: this is no text",
        "export the table as CSV anew",
    ),
    "old-mac": (
        b"a,b\r1,2\r",
        "x.csv line 1 ends with a carriage return alone",
        "tr '\\r' '\\n' < old.csv > new.csv mends the line ends",
    ),
    "return-in-a-line": (
        b"a,b\n1\r2,3\n",
        "x.csv line 2 has a carriage return alone at byte 5",
        "quote the field, or take it away",
    ),
    "quote-left-open": (
        b'a,b\n1,2\n1,"2\n3,4\n',
        'x.csv line 3 opens a quote (") that is never closed',
        "close it, or take it away",
    ),
    "excel": (b"PK\x03\x04zip", "x.csv is an Excel or zip file, not a table of text", "export it as CSV"),
    "web-page": (b"  <!doctype html>", "x.csv is a web page, not a table of text", "export it as CSV"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_fault_is_told_with_its_place_and_a_cure(name: str) -> None:
    content, message, hint = BAD[name]

    with pytest.raises(DataError) as caught:
        read(content)

    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize(
    ("field", "why"),
    [
        (b"x" * 5_000, "it has no line ends"),
        (b'"' + b"x\n" * 3_000, 'a quote (") that is opened in it may never be closed'),
    ],
    ids=["endless", "quoted"],
)
def test_a_field_without_end_is_told_before_it_fills_the_memory(
    field: bytes, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 512)
    monkeypatch.setattr(delimited, "MAX_RECORD_BYTES", 2**20 // 512)

    with pytest.raises(DataError) as caught:
        read(b"a,b\n1,2\n3," + field)

    assert caught.value.message == f"x.csv line 3 does not end within 0 MiB: {why}"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(*[st.text(alphabet='ab,"\n é', max_size=8)] * 2), min_size=1, max_size=12),
    st.integers(1, 40),
)
def test_records_are_those_that_python_finds_whatever_the_block(
    rows: list[tuple[str, str]], block: int
) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerows([("x", "y"), *rows])
    content = buffer.getvalue().encode()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "BLOCK_BYTES", block)
        _, blocks = read(content)

    joined = b"".join(data for data, _ in blocks).decode()
    assert list(csv.reader(io.StringIO(joined, newline=""))) == [list(row) for row in rows]
    lines = [line for _, found in blocks for line in found]
    before = ["".join(f'"{field}",' for field in row) for row in [("x", "y"), *rows]]
    assert lines == [
        1 + sum(text.count("\n") + 1 for text in before[:place]) for place in range(1, len(before))
    ]
