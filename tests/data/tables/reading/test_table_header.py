"""The first line of a table: names, or values that a wrong reader would take for names; and what stands before it."""

import hashlib
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from refusals import assert_reports

from dlkit.data.tables.reading.files import repeats
from dlkit.data.tables.reading.files.commands import from_to, other_file
from dlkit.data.tables.reading.files.header import are_values
from dlkit.data.tables.reading.options import TableOptions
from dlkit.data.tables.reading.table_file import peek_names, read_table
from dlkit.data.tables.table import Table
from dlkit.data.tables.targets import target_names
from dlkit.errors import DataError

RANDOM = np.random.default_rng(0)


def read(text: str, header: bool | None = None) -> Table:
    return read_table("-", stdin=io.BytesIO(text.encode()), options=TableOptions(header=header))


def frame(rows: int = 40) -> pd.DataFrame:
    values = RANDOM.normal(size=(rows, 3)).round(2)
    return pd.DataFrame(values, columns=list("abc")).assign(
        n=RANDOM.integers(0, 5, rows), y=RANDOM.choice(["active", "inactive"], rows)
    )


NO_NAMES = {
    "mixed": lambda: frame().to_csv(index=False, header=False),
    "numbers": lambda: frame().drop(columns="y").to_csv(index=False, header=False),
    "integers": lambda: frame()[["n"]].assign(m=frame().n, k=frame().n).to_csv(index=False, header=False),
    "numbered": lambda: frame().to_csv(header=False),
    "texts": lambda: frame()[["y"]].assign(z=frame().y).to_csv(index=False, header=False),
    "semicolons": lambda: frame().to_csv(index=False, header=False, sep=";", decimal=","),
    "twice the same number": lambda: (
        "3,-0.5,3,x\n" + frame()[["n", "a", "n", "y"]].to_csv(index=False, header=False)
    ),
}


@pytest.mark.parametrize("name", NO_NAMES)
def test_a_first_line_of_values_is_refused_and_read_with_no_header(name: str) -> None:
    text = NO_NAMES[name]()
    sign, decimal = (";", ",") if name == "semicolons" else (",", ".")
    wanted = pd.read_csv(io.StringIO(text), header=None, sep=sign, decimal=decimal)

    with pytest.raises(DataError) as caught:
        read(text)
    found = read(text, header=False)

    assert_reports(caught.value, "line 1", "values", "--no-header", "--header")
    assert caught.value.exit_code == 3
    assert found.names == tuple(f"c{place}" for place in range(wanted.shape[1]))
    assert len(found) == len(wanted)
    assert found.line(0) == 1
    for place, column in enumerate(found.names):
        if found.columns[column].kind == "number":
            np.testing.assert_allclose(found.numbers(column), wanted[place])
        else:
            assert found.texts(column).tolist() == wanted[place].tolist()


NAMES = {
    "words": ["a", "b", "c", "n", "y"],
    "years": ["country", "1990", "1991", "1992", "y"],
    "places": ["0", "1", "2", "3", "y"],
    "wavelengths": ["400.5", "410.5", "420.5", "430.5", "y"],
    "identifiers": ["7157", "672", "1017", "5728", "y"],
    "one year": ["country", "b", "c", "2020", "y"],
}


@pytest.mark.parametrize("name", NAMES)
def test_names_that_are_numbers_are_names(name: str) -> None:
    text = frame().set_axis(NAMES[name], axis=1).to_csv(index=False)

    assert read(text).names == tuple(NAMES[name])


def test_names_of_pandas_and_numpy_are_names() -> None:
    values = pd.DataFrame(RANDOM.normal(size=(20, 4)))
    text = io.StringIO()
    np.savetxt(text, values, delimiter=",", header="a,b,c,d")

    assert read(values.to_csv(index=False)).names == ("0", "1", "2", "3")
    assert read(values.to_csv()).names == ("", "0", "1", "2", "3")
    found = read(text.getvalue())
    assert found.names == ("a", "b", "c", "d")
    np.testing.assert_allclose(found.numbers("d"), values[3])
    assert found.line(0) == 2


@pytest.mark.parametrize(
    ("names", "rows", "values"),
    [
        (["x", "y"], [], False),
        (["1", "2"], [], True),
        (["bob", "34"], [["ann", "30"], ["eve", "40"]], True),
        (["name", "age"], [["ann", "30"], ["eve", "40"]], False),
        (["1", "2", "3"], [["4", "5", "6"]], True),
    ],
)
def test_short_tables_are_judged(names: list[str], rows: list[list[str]], values: bool) -> None:
    assert are_values(names, rows) is values


def test_names_that_are_taken_as_a_row_are_refused() -> None:
    with pytest.raises(DataError) as caught:
        read(frame()[["a", "b"]].to_csv(index=False), header=False)

    assert_reports(caught.value, "line 1", "names", "leave out --no-header")


def test_a_row_is_taken_as_names_where_that_is_asked_for() -> None:
    found = read("1,2\n3,4\n", header=True)

    assert found.names == ("1", "2")
    assert found.numbers("2").tolist() == [4]


def test_comments_before_the_names_are_skipped() -> None:
    found = read("# station 1\n# made in 2024, by hand\na,b\n1,2\n3,4\n")

    assert found.names == ("a", "b")
    assert [found.line(row) for row in range(2)] == [4, 5]
    assert any("2 lines" in note and "comments" in note for note in found.notes)


def test_names_are_peeked_at_as_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(frame().to_csv(index=False, header=False))

    assert peek_names(str(path), TableOptions(header=False)) == ("c0", "c1", "c2", "c3", "c4")
    with pytest.raises(DataError):
        peek_names(str(path), TableOptions())


def test_a_parquet_file_has_names(tmp_path: Path) -> None:
    frame().to_parquet(tmp_path / "t.parquet")

    with pytest.raises(DataError) as caught:
        read_table(str(tmp_path / "t.parquet"), options=TableOptions(header=False))

    assert_reports(caught.value, "--no-header", "parquet", "leave it out")


SKIPPED = {
    "units": (lambda t: t.replace("\n", "\nkg,m/s,C,-,\n", 1), "line 2", 3),
    "units and kinds": (lambda t: t.replace("\n", "\nkg,m/s,C,-,\nAvg,Avg,Smp,Smp,\n", 1), "lines 2 to 3", 4),
    "a title": (lambda t: f"measured in May\n{t}", "1 line above", 3),
    "titles": (lambda t: f"measured in May\nby hand, and eye\n\n{t}", "3 lines above", 5),
    "a title in cells": (lambda t: f"measured in May,,,,\n{t}", "1 line above", 3),
    "the station of a logger": (lambda t: f'"TOA5","st1","CR1000"\n{t}', "1 line above", 3),
    "a comment and a title": (lambda t: f"# by hand\nmeasured in May\n{t}", "1 line above", 4),
    "notes": (lambda t: f"{t}\nSource: office\nsee there\n", "2 lines below", 2),
}


@pytest.mark.parametrize("name", SKIPPED)
def test_lines_around_a_table_are_skipped_and_reported(name: str, tmp_path: Path) -> None:
    change, said, first = SKIPPED[name]
    table = frame()
    path = tmp_path / "t.csv"
    path.write_text(change(table.to_csv(index=False)))

    found = read_table(str(path))
    again = read_table(str(path), kinds={column: found.columns[column].kind for column in found.names})

    assert any(said in note for note in found.notes)
    assert found.line(0) == first
    assert found.fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()
    for column in "abcn":
        np.testing.assert_allclose(found.numbers(column), table[column])
        np.testing.assert_array_equal(again.numbers(column), found.numbers(column))


def test_names_of_years_are_no_title(tmp_path: Path) -> None:
    text = '"Source","Bank",\n\n"Country","2010","2011","2012",\n' + "".join(
        f'"C{i}",{i}.5,{i + 1}.5,{i + 2}.5,\n' for i in range(20)
    )

    found = read(text)

    assert found.names == ("Country", "2010", "2011", "2012", "Unnamed: 4")
    assert found.numbers("2011").tolist() == [i + 1.5 for i in range(20)]


BEFORE = {
    "row names of R": (lambda t: t.replace("i,", "", 1), "line 1"),
    "delimiters at the end": (lambda t: t.replace("\n", ",\n").replace(",\n", "\n", 1), "line 1"),
}


@pytest.mark.parametrize("name", BEFORE)
def test_the_hint_for_lines_that_are_no_rows_works(name: str, tmp_path: Path) -> None:
    change, place = BEFORE[name]
    table = frame()
    text = table.to_csv(index=name == "row names of R", index_label="i" if name == "row names of R" else None)
    path = tmp_path / "t.csv"
    path.write_text(change(text))

    with pytest.raises(DataError) as caught:
        read_table(str(path))
    hint = caught.value.hint
    command = hint[hint.index("sed" if "sed" in hint else "tail") : hint.index("new.csv") + len("new.csv")]
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    found = read_table(str(tmp_path / "new.csv"))

    assert_reports(caught.value, place)
    assert len(found) == len(table)
    for column in "abcn":
        np.testing.assert_allclose(found.numbers(column), table[column])


def test_names_one_short_of_the_rows_are_no_title() -> None:
    with pytest.raises(DataError) as caught:
        read("a,y\n" + "".join(f"r{i},{i},{i / 2}\n" for i in range(20)))

    assert_reports(caught.value, "line 1", "as R writes them")


def test_titles_above_the_names_are_refused_with_the_command_that_cuts_them(
    home: Path, dlkit: Callable[..., Any]
) -> None:
    rows = "".join(f"{number},x,{number}\n" for number in range(30))
    Path("my t.csv").write_text(f"Tests of 2023,,\n,,\nWho,,Week 1\na,b,y\n{rows}")

    refused = dlkit("train", "mlp", "--data", "my t.csv", "--target", "y")
    subprocess.run(refused.stderr.partition("the names in line 4? ")[2].strip(), shell=True, check=True)

    assert refused.code == 3
    assert peek_names("new.csv", TableOptions()) == ("a", "b", "y")


def test_names_that_come_twice_are_refused_with_the_command_that_tells_them_apart(
    home: Path, dlkit: Callable[..., Any]
) -> None:
    rows = "".join(f"{number};x;{number};1\n" for number in range(30))
    Path("t.csv").write_text(f"a;sprint (s);y;sprint (s)\n{rows}")

    refused = dlkit("train", "mlp", "--data", "t.csv", "--target", "y")
    command = refused.stderr.partition("hint: ")[2].partition(" gives every")[0]
    subprocess.run(command, shell=True, check=True)

    assert refused.code == 3
    assert pd.read_csv("new.csv", sep=";").shape == (30, 4)
    assert peek_names("new.csv", TableOptions()) == ("a", "sprint (s)", "y", "sprint (s) 2")


@pytest.mark.parametrize("block", [2**24, 16, 17, 23])
@pytest.mark.parametrize("rows", [12, 400], ids=["near", "far"])
def test_names_that_come_again_among_the_rows_are_no_row(
    rows: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "_BLOCK", block)
    plate = "well\tconc\ty\n" + "".join(f"A{number}\t{number}\t{number / 4}\n" for number in range(rows))

    found = read("# reader\n" + "\n# plate\n".join([plate] * 3))

    assert found.numbers("conc").tolist() == [*range(rows)] * 3
    assert found.numbers("y").sum() == 3 * rows * (rows - 1) / 8
    assert found.line(rows) == rows + 6
    assert any("come again" in note and f"line {rows + 5:,}" in note for note in found.notes)


def test_an_annotated_export_is_read_as_one_table() -> None:
    """As InfluxDB writes its tables: comments and names again for each, an empty first column."""
    head = "#group,false,true\n#datatype,long,string\n#default,_result,\n,table,room,co2,window\n"
    rooms = [
        [f",{place},{room},{400 + place + row / 8},{'true' if row % 3 else 'false'}\n" for row in range(30)]
        for place, room in enumerate(("hall", "lab"))
    ]

    found = read("\n".join(head + "".join(rows) for rows in rooms))

    assert [column.kind for column in found.columns.values()] == [
        "number",
        "number",
        "text",
        "number",
        "boolean",
    ]
    assert len(found) == 60
    assert found.numbers("co2").mean() == 400.5 + 29 / 16
    assert found.line(30) == 40


def test_pairs_of_words_that_come_again_are_rows() -> None:
    found = read("a,b\n" + "milk,bread\na,b\n" * 20, header=True)

    assert len(found) == 40


def test_a_line_of_widths_below_the_names_is_no_row() -> None:
    """As the tables of the USGS have it."""
    rows = "".join(f"USGS\t0164\t2020-01-{day:02}\t{day / 4}\tA\n" for day in range(1, 29))

    found = read(f"# a river\nagency\tsite\tday\tflow\tflow_cd\n5s\t15s\t20d\t14n\t10s\n{rows}")

    assert found.numbers("flow").tolist() == [day / 4 for day in range(1, 29)]
    assert found.columns["day"].kind == "date"
    assert any("5s 15s 20d 14n 10s" in note for note in found.notes)


def test_lines_of_two_fields_above_a_table_are_skipped() -> None:
    rows = "".join(f"A{number}\t{number}\t{number / 2}\n" for number in range(40))

    found = read(f"Version\t3.08\nRead\t450\n\nwell\tconc\ty\n{rows}")

    assert found.names == ("well", "conc", "y")
    assert found.numbers("y").tolist() == [number / 2 for number in range(40)]
    assert found.line(0) == 5
    assert any("3 lines above" in note and "Version" in note for note in found.notes)


@pytest.mark.parametrize(
    ("source", "name"),
    [("t.csv", "new.csv"), ("/d/new.csv", "new2.csv"), ("new2.csv", "new3.csv"), ("renew.csv", "new.csv")],
)
def test_mended_copy_is_never_the_file_that_is_read(source: str, name: str) -> None:
    assert other_file(source) == name


@pytest.mark.parametrize(
    ("source", "new"), [("a.tsv", "new.tsv"), ("new.tsv", "new2.tsv"), ("t.txt", "new.csv")]
)
def test_copies_of_tab_separated_files_end_as_those_do(source: str, new: str) -> None:
    assert from_to(source) == f"{source} > {new}"


def test_the_preamble_of_a_data_logger_stands_above_the_names() -> None:
    frame = pd.DataFrame({"RECORD": range(100, 140), "Air_Avg": RANDOM.normal(size=40).round(2)})
    times = pd.date_range("2024-06-01", periods=40, freq="10min").astype(str)
    frame.insert(0, "TIMESTAMP", times)
    above = '"TOA5","CR1000","41276"\n"TIMESTAMP","RECORD","Air_Avg"\n"TS","RN","Deg C"\n"","","Avg"\n'
    text = above + frame.to_csv(index=False, header=False)

    table = read(text)

    assert table.names == ("TIMESTAMP", "RECORD", "Air_Avg")
    np.testing.assert_allclose(table.numbers("Air_Avg"), frame.Air_Avg)
    assert any("TOA5" in note for note in table.notes)
    assert table.line(0) == 5


@pytest.mark.parametrize("kind", ["side", "below"])
def test_a_target_that_stands_elsewhere_is_refused_with_a_command_that_makes_it_a_column(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = frame(12)
    if kind == "side":
        wanted.insert(0, "gene", [f"s{row}" for row in range(12)])
        wanted.T.to_csv("t.csv", header=False)
    else:
        Path("t.csv").write_text("logger,v1,ten,min,north\n" + wanted.to_csv(index=False))

    with pytest.raises(DataError) as caught:
        target_names(["s0", "s1"], "y", "t.csv")
    command = caught.value.hint.partition("turned: " if kind == "side" else "? ")[2]
    subprocess.run(command.replace("python", sys.executable, 1), shell=True, check=True)
    found = read_table("new.csv")

    assert caught.value.exit_code == 3
    assert found.names == tuple(wanted.columns)
    np.testing.assert_allclose(found.numbers("b"), wanted.b)
    assert found.texts("y").tolist() == wanted.y.tolist()


def test_empty_columns_at_the_end_of_lines_are_no_names_in_several_lines() -> None:
    found = read("a;b;;\n" + "".join(f"{i}.5;{i};;\n" for i in range(20)) + ";;;\n" * 5)

    assert found.names == ("a", "b", "Unnamed: 2", "Unnamed: 3")
    assert "several lines" not in " ".join(found.notes)


def test_columns_without_names_that_have_values_are_refused() -> None:
    with pytest.raises(DataError) as caught:
        read("a,b,,\n" + "".join(f"{i},{i},,{i}\n" for i in range(20)))

    assert "no name for column 3 of 4" in caught.value.message
