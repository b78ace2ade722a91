"""Rows of a delimited file, and each fault of one with its place."""

import csv
import hashlib
import io
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlkit.data.tables.reading.files import delimited, faults
from dlkit.data.tables.reading.table_file import read_table
from dlkit.data.tables.table import Table
from dlkit.errors import DataError


def read(content: bytes | str) -> Table:
    return read_table("-", stdin=io.BytesIO(content.encode() if isinstance(content, str) else content))


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

    found = read(content)

    assert [found.line(row) for row in range(len(found))] == lines


@pytest.mark.parametrize(("sign", "header"), [(",", "a,b"), (";", "a;b"), ("\t", "a\tb"), ("|", "a|b")])
def test_the_delimiter_is_told_by_the_header(sign: str, header: str) -> None:
    found = read(f"{header}\n1{sign}2\n")

    assert found.names == ("a", "b")
    assert found.texts("b").tolist() == ["2"]


BAD: dict[str, tuple[bytes, list[str]]] = {
    "empty": (b"", ["is empty"]),
    "blank-first-line": (b"\n1\n", ["line 1", "blank"]),
    "no-names": (b"1,2\n3,4\n", ["line 1", "values", "1, 2", "--no-header", "--header"]),
    "same-name-twice": (b"a,b,a\n", ["line 1", "columns 1 and 3", "both a"]),
    "no-name": (b"a,,b\n", ["line 1", "column 2 of 3"]),
    "too-few-fields": (b"a,b\n1,2\n3\n4\n", ["line 3", "1 field;", "2 columns", "more", ": 1", "a,,c"]),
    "too-few-fields-and-no-newline": (b"a,b\n1,2\n3", ["line 3", "1 field;", "2 columns", "a,,c"]),
    "too-many-fields": (b"a,b\n1,5,2\n", ["line 2", "3 fields;", "2 columns", "1.5 not 1,5"]),
    "mixed": (
        "a,b\né,2\n".encode() + "1,é\n".encode("latin-1"),
        ["line 3", "UTF-8", "byte 11", "0xe9", "iconv -f WINDOWS-1252"],
    ),
    "chinese": ("a,北京\n1,2\n".encode("gb18030"), ["line 1", "byte 2", "0xb1", "GB18030"]),
    "utf-16-without-a-mark": ("a,b\n1,2\n".encode("utf-16-be"), ["UTF-16BE", "iconv -f UTF-16BE -t UTF-8"]),
    "half-a-letter": ("a,b\n1,2\n".encode("utf-16")[:-1], ["UTF-16"]),
    "nul": (b"a,b\n1,\0\n", ["line 2", "NUL", "byte 6"]),
    "old-mac": (b"a,b\r1,2\r", ["line 1", "carriage return", "tr '\\r' '\\n'"]),
    "return-in-a-line": (b"a,b\n1\r2,3\n", ["line 2", "carriage return", "byte 5"]),
    "quote-left-open": (b'a,b\n1,2\n1,"2\n3,4\n', ["line 3", "quote", "never closed"]),
    "quote-left-open-at-the-end": (b'a,b\n1,2\n1,"2', ["line 3", "quote", "never closed"]),
    "excel": (b"PK\x03\x04zip", ["Excel or zip", ".csv.zip"]),
    "gzip": (b"\x1f\x8bzip", ["gzip", ".csv.gz"]),
    "web-page": (b"  <!doctype html>", ["web page"]),
}


@pytest.mark.parametrize("name", BAD)
def test_a_fault_is_an_error_with_its_place(name: str) -> None:
    content, words = BAD[name]

    with pytest.raises(DataError) as caught:
        read(content)

    assert caught.value.exit_code == 3
    assert [word for word in words if word not in f"{caught.value.message} {caught.value.hint}"] == []


def test_spaces_before_a_quote_are_no_text() -> None:
    found = read('a, b\n1, "x, y"\n\n2,"z "\n')

    assert found.texts("b").tolist() == ["x, y", "z "]
    assert found.line(1) == 4
    assert found.fingerprint == hashlib.sha256(b'a, b\n1, "x, y"\n\n2,"z "\n').hexdigest()


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
    monkeypatch.setattr(faults, "MAX_RECORD_BYTES", 2**20 // 512)

    with pytest.raises(DataError) as caught:
        read(b"a,b\n1,2\n3," + field)

    assert caught.value.message == f"standard input line 3 does not end within 0 MiB: {why}"


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(*[st.text(alphabet='ab,"\n é', max_size=8)] * 2), min_size=1, max_size=12),
    st.integers(60, 200),
)
@pytest.mark.slow
def test_texts_are_those_that_python_finds_whatever_the_block(
    rows: list[tuple[str, str]], block: int
) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([("x", "y"), *rows])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "BLOCK_BYTES", block)
        found = read_table(
            "-", kinds={"x": "text", "y": "text"}, stdin=io.BytesIO(buffer.getvalue().encode())
        )

    for place, name in enumerate(found.names):
        assert found.texts(name).tolist() == [row[place].lstrip(" ") or None for row in rows]
    ends = [sum(field.count("\n") for field in row) + 1 for row in rows]
    assert [found.line(row) for row in range(len(rows))] == [2 + sum(ends[:row]) for row in range(len(rows))]


@pytest.mark.parametrize("tokens", [['"', "was", "the"], ['"', "a", '"'], ['"a', "b", "c"]])
def test_quotes_that_do_not_close_between_tabs_are_characters(tokens: list[str]) -> None:
    rows = [f"{token}\t{length}\tX" for length, token in enumerate(tokens * 5)]
    text = "\n".join(["form\tlength\ttag", *rows]) + "\n"

    found = read(text)

    assert found.texts("form").tolist() == tokens * 5
    assert found.numbers("length").tolist() == list(range(15))
    assert found.line(14) == 16
    assert any("quotes" in note for note in found.notes)


def test_quotes_around_line_ends_between_tabs_stay_quotes() -> None:
    found = read('form\tlength\n"a\nb"\t3\nc\t1\n')

    assert found.texts("form").tolist() == ["a\nb", "c"]


@pytest.mark.parametrize("sign", ["\t", ";", ",", "|"])
@pytest.mark.parametrize("more", ["", "{0}"], ids=["row names", "end"])
@pytest.mark.quick(2)
def test_commands_with_the_sign_between_fields_survive_printing(
    dlkit: Callable[..., Any], home: Path, sign: str, more: str
) -> None:
    rows = [f"{i}{{0}}{i % 7}{{0}}3{more}" if more else f"r{i}{{0}}{i}{{0}}{i % 7}{{0}}3" for i in range(40)]
    Path("t.csv").write_text("\n".join(["a{0}b{0}c", *rows, ""]).format(sign))
    ask = ("train", "mlp", "--epochs", "1", "--out", "run", "--target", "b", "--data")

    hint = dlkit(*ask, "t.csv").stderr.partition("hint: ")[2]
    shown = hint.expandtabs()
    command = shown[shown.index("sed ") :].partition(" removes it")[0].partition("; or")[0].strip()
    subprocess.run(["bash", "-c", command], check=True)

    assert "\r" not in hint.rstrip("\r\n")
    assert ("1.5 not 1,5" in hint) == (sign == "," and not more)
    assert read_table("new.csv").numbers("b")[:3].tolist() == [0, 1, 2]
    assert dlkit(*ask, "new.csv").code == 0


def test_a_short_line_above_rows_is_not_cut_off_with_them() -> None:
    with pytest.raises(DataError) as above:
        read("a,b,c\n1,2\n" + "3,4,5\n" * 9)
    with pytest.raises(DataError) as below:
        read("a,b,c\n" + "3,4,5\n" * 9 + "1,2\n")

    assert "head -n" not in above.value.hint
    assert "head -n 10 " in below.value.hint
