"""Tables as they are read: kinds, gaps and places; the prepared file of a large one."""

import bz2
import gzip
import io
import lzma
import math
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from dlkit.data.home import data_home
from dlkit.data.preparing import report, watched
from dlkit.data.tables.reading import table_file
from dlkit.data.tables.reading.files import delimited
from dlkit.data.tables.reading.options import TableOptions
from dlkit.data.tables.reading.table_file import read_table
from dlkit.data.tables.reading.values import columns
from dlkit.data.tables.table import Stray, Table, table_of
from dlkit.errors import DataError


def table(text: str, kinds: dict[str, str] | None = None, **options: Any) -> Table:
    return read_table("-", stdin=io.BytesIO(text.encode()), kinds=kinds, options=TableOptions(**options))


def told(act: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(DataError) as caught:
        act()
    return caught.value.message, caught.value.hint


KINDS: dict[str, tuple[list[str], str, list[str | None]]] = {
    "whole": (["1", "2", ""], "number", ["1", "2", None]),
    "fractions": (["1.5", "-2e3", "inf"], "number", ["1.5", "-2000", "inf"]),
    "missing-words": (["1", "NA", "null"], "number", ["1", None, None]),
    "empty": (["", "NA", ""], "number", [None, None, None]),
    "truths": (["true", "FALSE", ""], "boolean", ["true", "false", None]),
    "iso-dates": (
        ["2020-01-02", "1969-12-31T23:00:00", ""],
        "date",
        ["2020-01-02", "1969-12-31T23:00:00", None],
    ),
    "zones": (["2020-01-02T00:00:00+01:00"] * 3, "date", ["2020-01-01T23:00:00"] * 3),
    "german-dates": (["31.12.2020", "1.2.2021", ""], "date", ["2020-12-31", "2021-02-01", None]),
    "day-first": (["31/12/2020", "01/02/2021", ""], "date", ["2020-12-31", "2021-02-01", None]),
    "day-or-month": (["01/02/2020", "03/04/2021", ""], "text", ["01/02/2020", "03/04/2021", None]),
    "text": (["a", "NA", "None"], "text", ["a", "NA", "None"]),
    "text-with-null": (["x", "null", ""], "text", ["x", "null", None]),
    "numbers-among-text": (["a", "007", "1"], "text", ["a", "007", "1"]),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_kind_of_a_column_is_told_by_what_stands_in_it(name: str) -> None:
    fields, kind, texts = KINDS[name]

    found = table("a,b\n" + "".join(f"{field},1\n" for field in fields))

    assert found.columns["a"].kind == kind
    assert found.texts("a").tolist() == texts
    assert found.missing("a").tolist() == [text is None for text in texts]


def test_a_known_kind_wins_over_what_stands_there() -> None:
    found = table("zip,n\n00501,1\n10001,2\n", kinds={"zip": "text", "gone": "number"})

    assert found.texts("zip").tolist() == ["00501", "10001"]


@pytest.mark.parametrize(
    ("kind", "field", "what"),
    [("number", "x", "no number"), ("boolean", "yes", "neither true nor false"), ("date", "soon", "no date")],
)
def test_what_is_not_of_a_known_kind_is_an_error(kind: str, field: str, what: str) -> None:
    good = {"number": "1", "boolean": "true", "date": "2020-01-01"}[kind]

    message, hint = told(lambda: table(f"a,b\n{good},1\n{field},1\n", kinds={"a": kind}))

    assert message == f"standard input line 3: column a has '{field}', which is {what}"
    assert hint == f"the column held {kind}s when the network was trained"


def test_a_stray_text_among_numbers_is_remembered_with_its_line() -> None:
    found = table("a,b\n" + "1,1\n" * 20 + "x,1\n" + "1,1\n" * 5)

    assert found.columns["a"].kind == "text"
    assert found.columns["a"].stray == Stray(22, "x")
    assert told(lambda: found.numbers("a")) == (
        "standard input line 22: column a has 'x' among numbers",
        "--missing x if it stands for a missing value; otherwise correct it; --kinds a=text takes the column as texts",
    )


@pytest.mark.parametrize(
    ("fields", "options", "numbers"),
    [
        (["1,5", "2"], {}, [1.5, 2]),
        (["1.234,5", "1.234"], {}, [1234.5, 1234]),
        (["1 234,5", "NA"], {}, [1234.5, math.nan]),
        (["1,234.5", "0.25"], {}, [1234.5, 0.25]),
        (["1,234", "2"], {"decimal": ","}, [1.234, 2]),
        (["1,234", "2"], {"thousands": ","}, [1234, 2]),
        (["1.234", "2"], {"thousands": "."}, [1234, 2]),
        (["1'234,5", "-2e1"], {"decimal": ",", "thousands": "'"}, [1234.5, -20]),
    ],
)
def test_numbers_are_read_by_their_marks(
    fields: list[str], options: dict[str, str], numbers: list[float]
) -> None:
    found = table("a;b\n" + "".join(f"{field};{place}\n" for place, field in enumerate(fields)), **options)

    assert found.columns["a"].kind == "number"
    assert found.numbers("a").tolist() == pytest.approx(numbers, nan_ok=True)
    assert [note for note in found.notes if "--decimal" in note] == ([] if options else [found.notes[-1]])


@pytest.mark.parametrize(
    ("fields", "options", "stray"),
    [(["1,234", "2"], {}, "1,234"), (["1,5", "1.5", "2,5"], {"decimal": ","}, "1.5")],
    ids=["ambiguous", "other mark"],
)
def test_marks_that_do_not_show_or_do_not_fit_are_an_error(
    fields: list[str], options: dict[str, str], stray: str
) -> None:
    found = table("a;b\n" + "".join(f"{field};1\n" for field in fields), **options)

    with pytest.raises(DataError) as caught:
        found.numbers("a")
    assert "column a" in caught.value.message
    assert stray in caught.value.message


def test_marks_of_the_first_rows_hold_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_SAMPLE_ROWS", 5)

    found = table("a;b\n" + "1,5;1\n" * 9 + "2.5;1\n")

    assert found.columns["a"].stray == Stray(11, "2.5", "marks")


def test_a_text_that_comes_late_turns_the_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_SAMPLE_ROWS", 5)

    found = table("a,b,c,d\n" + "1,true,2020-01-01,\n" * 9 + "x,maybe,soon,y\n")

    assert [column.kind for column in found.columns.values()] == ["text"] * 4
    strays = [found.columns[name].stray for name in "abcd"]
    assert strays == [Stray(11, "x"), Stray(11, "maybe"), Stray(11, "soon"), None]
    assert found.texts("b").tolist() == ["true"] * 9 + ["maybe"]


def test_a_column_with_too_many_texts_keeps_their_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MAX_CATEGORIES", 3)

    found = table("a,b\nu,1\nv,1\nw,1\nx,1\nu,1\n,1\n")

    codes = found.codes("a")
    assert found.columns["a"].hashed
    assert codes[0] == codes[4]
    assert len(set(codes.tolist())) == 5
    assert codes[5] == -1
    assert told(lambda: found.texts("a")) == (
        "standard input: column a has too many different texts to keep",
        "it can group or identify rows, not be read",
    )


def test_a_row_is_told_by_its_line() -> None:
    odd = table('a,b\n1,"x\ny"\n\n3,z\n')

    assert [odd.line(row) for row in (0, 1)] == [2, 5]
    assert odd.place(1, "b") == "standard input line 5, column b"
    assert table("a\n1\n").lines is None


def test_other_delimiters_are_said() -> None:
    assert table("a;b\n1;2\n").notes == ("standard input has semicolons between its columns",)
    assert table("a,b\n1,2\n").notes == ()


def test_no_rows_are_an_error() -> None:
    assert told(lambda: table("a,b\n")) == (
        "standard input has a line of column names and no rows",
        "export the table again, with its rows",
    )


def test_a_column_that_is_not_there_is_told_with_those_that_are() -> None:
    found = table("price,rooms\n1,2\n")

    assert told(lambda: found.column("prise", "--target")) == (
        "--target prise: standard input has no such column",
        "did you mean price?",
    )
    assert told(lambda: found.column("zebra")) == (
        "standard input has no column zebra",
        "it has price, rooms",
    )


def test_a_text_column_gives_no_numbers() -> None:
    message, _ = told(lambda: table("a,b\nu,1\nv,2\n").numbers("a"))

    assert message == "standard input: column a is text, e.g. 'u'; numbers are needed here"


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("t.xlsx", "{0}/t.xlsx does not end in .csv, .tsv, .parquet", "name the file by its content"),
        ("hous.csv", "cannot read {0}/hous.csv: no such file or directory", "did you mean house.csv?"),
        ("no/t.csv", "cannot read {0}/no/t.csv: no such file or directory", "check the path"),
        ("houses.csv", "cannot read {0}/houses.csv: is a directory", "did you mean house.csv?"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str, message: str, hint: str) -> None:
    (tmp_path / "house.csv").write_text("a\n1\n")
    (tmp_path / "houses.csv").mkdir()

    found = told(lambda: read_table(str(tmp_path / name)))

    assert found == (message.format(tmp_path), hint.format(tmp_path))


def test_parquet_gives_what_csv_gives(tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": [1, 2, None], "t": ["x", None, "NA"], "b": [True, None, False]})
    frame["d"] = pd.to_datetime(["2020-01-02", None, "2021-01-01"])
    frame.to_parquet(tmp_path / "t.parquet")
    csv = table("n,t,b,d\n1,x,true,2020-01-02\n2,,,\n,NA,false,2021-01-01\n")

    found = read_table(str(tmp_path / "t.parquet"))

    for name in found.names:
        assert found.columns[name].kind == csv.columns[name].kind
        assert found.texts(name).tolist() == csv.texts(name).tolist()
    assert found.place(1, "n").endswith("t.parquet row 1, column n")


@pytest.mark.parametrize(
    ("value", "dtype"),
    [("16777217", "float64"), ("1000.001", "float32"), ("1600000000.5", "float64"), ("1e300", "float64")],
)
def test_numbers_of_a_large_table_are_kept_in_as_many_bits_as_they_need(
    home: Path, monkeypatch: pytest.MonkeyPatch, value: str, dtype: str
) -> None:
    monkeypatch.setattr(table_file, "PREPARED_FROM_BYTES", 1)
    other = {"1600000000.5": "1600000900.5"}.get(value, "3")
    (home / "t.csv").write_text(f"a\n{value}\n{other}\n")

    found = read_table("t.csv")

    assert found.values["a"].dtype == dtype
    assert found.numbers("a")[0] == pytest.approx(float(value), rel=1e-6 if dtype == "float32" else 0)


LARGE = "n,t,b,d,s\n" + "".join(
    f'{i / 7:.4f},c{i % 5},true,2020-01-{i % 28 + 1:02},"a\nb"\n' for i in range(50)
)


@pytest.fixture
def large(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table that counts as large, read in blocks of a few rows."""
    monkeypatch.setattr(table_file, "PREPARED_FROM_BYTES", 1)
    monkeypatch.setattr("dlkit.data.tables.reading.files.delimited.BLOCK_BYTES", 300)
    path = home / "large.csv"
    path.write_text(LARGE)
    return path


def prepared() -> list[Path]:
    return sorted((data_home() / "prepared" / "tables").glob("large-*.safetensors"))


def test_a_large_table_is_prepared_once_and_mapped_after_that(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = table(LARGE)
    first = read_table(str(large))
    seen = prepared()
    monkeypatch.setattr(table_file, "DelimitedFile", None)

    second = read_table(str(large))

    assert len(seen) == 1
    assert prepared() == seen
    for found in (first, second):
        assert found.fingerprint == in_memory.fingerprint
        assert len(found) == 50
        assert [found.line(row) for row in (0, 1, 49)] == [in_memory.line(row) for row in (0, 1, 49)]
        for name in found.names:
            assert found.columns[name].kind == in_memory.columns[name].kind
            assert found.texts(name).tolist() == in_memory.texts(name).tolist()


def test_a_table_that_changed_is_prepared_anew(large: Path) -> None:
    before = read_table(str(large))
    large.write_text(LARGE.replace("c4", "c5"))
    os.utime(large, (1, 1))

    after = read_table(str(large))

    assert "c5" in after.texts("t").tolist()
    assert after.fingerprint != before.fingerprint
    assert len(prepared()) == 1


def test_a_touched_table_is_not_prepared_anew(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_table(str(large))
    os.utime(large, (1, 1))
    monkeypatch.setattr(table_file, "DelimitedFile", None)

    assert len(read_table(str(large))) == 50


def test_a_damaged_prepared_file_is_made_anew(large: Path) -> None:
    read_table(str(large))
    (path,) = prepared()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    assert read_table(str(large)).texts("t").tolist() == table(LARGE).texts("t").tolist()


def test_kinds_of_a_trained_network_leave_the_prepared_file_of_others_alone(large: Path) -> None:
    read_table(str(large))

    asked = read_table(str(large), kinds={"n": "text"})

    assert asked.columns["n"].kind == "text"
    assert read_table(str(large)).columns["n"].kind == "number"
    assert read_table(str(large), kinds={"n": "text"}).columns["n"].kind == "text"


def test_a_fault_in_a_large_table_leaves_nothing_behind(large: Path) -> None:
    large.write_text(LARGE + "1,2\n")

    message, _ = told(lambda: read_table(str(large)))

    assert message == f"{large} line 102 has 2 fields; the header has 5 columns"
    assert prepared() == []


def test_preparing_is_told_to_who_looks(large: Path) -> None:
    heard: list[tuple[str, int, int]] = []

    with watched(lambda *what: heard.append(what)):
        read_table(str(large), progress=report("large"))
    read_table(str(large), progress=report("large"))

    size = large.stat().st_size
    assert heard[-1] == ("large", size, size)
    assert [done for _, done, _ in heard] == sorted(done for _, done, _ in heard)


def test_a_named_pipe_is_read(home: Path) -> None:
    import threading

    pipe = home / "pipe.csv"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("a,b\n1,x\n",))
    writer.start()

    found = read_table(str(pipe))

    writer.join()
    assert found.texts("b").tolist() == ["x"]


def test_a_table_can_be_made_of_arrays() -> None:
    made = table_of("x", {"n": np.array([1.0, np.nan]), "t": np.array(["a", None], dtype=object)})

    assert made.texts("n").tolist() == ["1", None]
    assert made.texts("t").tolist() == ["a", None]
    assert len(made) == 2


ROWS = 'a,b\n1,x\n2,"y\nz"\n'
PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: pa.compress(data, "zstd", asbytes=True),
    ".zip": lambda data: zipped({"t.csv": data}),
}


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", PACK)
def test_a_compressed_table_is_the_table_in_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t.csv{suffix}"
    path.write_bytes(PACK[suffix](ROWS.encode()))

    found = read_table(str(path))

    assert found.texts("b").tolist() == ["x", "y\nz"]
    assert found.fingerprint == table(ROWS).fingerprint


@pytest.mark.parametrize("suffix", PACK)
def test_a_compressed_table_that_is_cut_off_is_an_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t.csv{suffix}"
    path.write_bytes(PACK[suffix](b"".join(b"%d,%d\n" % (i, i * i) for i in range(5000)))[:-40])

    with pytest.raises(DataError) as caught:
        read_table(str(path))

    assert str(path) in caught.value.message


def test_a_zip_of_two_files_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "t.csv.zip").write_bytes(zipped({"a.csv": b"a\n1\n", "b.csv": b"a\n1\n"}))

    with pytest.raises(DataError, match="2 files"):
        read_table(str(tmp_path / "t.csv.zip"))


def test_a_large_compressed_table_is_prepared(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_file, "PREPARED_FROM_BYTES", 1)
    (home / "large.csv.gz").write_bytes(gzip.compress(LARGE.encode()))
    first = read_table("large.csv.gz")
    monkeypatch.setattr(table_file, "DelimitedFile", None)

    assert read_table("large.csv.gz").texts("t").tolist() == first.texts("t").tolist()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_at_the_beginning_tells_the_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("größe\tb\n1\tgrün\n".encode(encoding))

    found = read_table(str(path))

    assert found.names == ("größe", "b")
    assert found.texts("b").tolist() == ["grün"]


def test_a_column_may_turn_more_than_once(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_SAMPLE_ROWS", 2)
    monkeypatch.setattr(columns, "MAX_CATEGORIES", 3)
    large.write_text("a,b\n" + "1,1\n" * 99 + "16777217,2\n" * 99 + "x,3\ny,3\nz,3\n")

    found = read_table(str(large))

    assert found.columns["a"].hashed
    assert found.columns["a"].stray == Stray(200, "x", "word", ("y", "z"))
    assert len(np.unique(found.codes("a"))) == 5
    assert found.numbers("b").tolist() == [1.0] * 99 + [2.0] * 99 + [3.0] * 3
