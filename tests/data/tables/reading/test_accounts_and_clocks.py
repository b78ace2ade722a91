"""Numbers as accounts and stopwatches write them, columns and rows that are none."""

import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from refusals import assert_refused

from dlkit.data.tables.oddities.telling import giving_away, separating
from dlkit.data.tables.reading.options import TableOptions
from dlkit.data.tables.reading.table_file import read_table
from dlkit.data.tables.table import table_of
from dlkit.errors import DataError

RNG = np.random.default_rng(0)


def read(folder: Path, texts: list[str]) -> Any:
    path = folder / "t.csv"
    pd.DataFrame({"a": texts, "y": range(len(texts))}).to_csv(path, index=False)
    return read_table(str(path))


def test_brackets_are_negative_and_reported(tmp_path: Path) -> None:
    values = RNG.normal(0, 3000, 200).round(2)
    table = read(tmp_path, [f"({-value:,.2f})" if value < 0 else f"{value:,.2f}" for value in values])

    assert table.column("a").kind == "number"
    np.testing.assert_allclose(table.numbers("a"), values)
    assert "(1) and 1- as -1" in "\n".join(table.notes)


def test_brackets_may_hold_a_currency(tmp_path: Path) -> None:
    table = read(tmp_path, ["($1.50)", "$2", "($3)", "$4.25"] * 20)

    np.testing.assert_allclose(table.numbers("a"), [-1.5, 2, -3, 4.25] * 20)


@pytest.mark.parametrize("dash", [" $-   ", "$ -", " $\u2013 ", "$---"])
def test_dash_beside_a_currency_is_zero_and_reported(dash: str, tmp_path: Path) -> None:
    texts = [" $(1,677.52)", " $5,622.25 ", dash, " $7.00 "] * 50
    table = read(tmp_path, texts)

    assert table.column("a").kind == "number"
    np.testing.assert_allclose(table.numbers("a"), [-1677.52, 5622.25, 0, 7] * 50)
    assert "$- as 0" in "\n".join(table.notes)


def test_dash_before_a_currency_is_zero(tmp_path: Path) -> None:
    table = read(tmp_path, ["1,50 \u20ac", "- \u20ac", "2,25 \u20ac"] * 50)

    np.testing.assert_allclose(table.numbers("a"), [1.5, 0, 2.25] * 50)


def test_dash_without_a_currency_is_missing(tmp_path: Path) -> None:
    table = read(tmp_path, ["$1.50", "-", "$2"] * 50)

    np.testing.assert_array_equal(np.isnan(table.numbers("a")), [False, True, False] * 50)


def test_kinds_read_accounting_numbers_among_many_words(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    pd.DataFrame({"a": [" $(1,677.52)", "$-", "open", " $7.00 "] * 50}).to_csv(path, index=False)

    numbers = TableOptions(kinds={"a": "number"})
    with pytest.raises(DataError) as refused:
        read_table(str(path), options=numbers)
    table = read_table(str(path), options=replace(numbers, missing=("open",)))

    assert "'open'" in refused.value.message
    np.testing.assert_allclose(table.numbers("a"), [-1677.52, 0, np.nan, 7] * 50)


def test_brackets_around_words_are_text(tmp_path: Path) -> None:
    assert read(tmp_path, ["(a)", "(b)"] * 20).column("a").kind == "text"


@pytest.mark.parametrize(("with_seconds", "divisor"), [(True, 3600), (False, 60)])
def test_clocks_are_numbers_in_their_first_unit(with_seconds: bool, divisor: int, tmp_path: Path) -> None:
    seconds = RNG.integers(0, 90_000 if with_seconds else 6000, 200)
    texts = [
        f"{s // 3600}:{s // 60 % 60:02}:{s % 60:02}" if with_seconds else f"{s // 60}:{s % 60:02}"
        for s in seconds
    ]
    texts[3] = ""
    table = read(tmp_path, texts)

    assert table.column("a").kind == "number"
    expected = seconds / divisor
    expected[3] = np.nan
    np.testing.assert_allclose(table.numbers("a"), expected)
    assert " as " in "\n".join(table.notes)


def test_odd_clock_behind_the_first_rows_is_a_fault(tmp_path: Path) -> None:
    table = read(tmp_path, ["1:30", "2:45"] * 40_000 + ["soon"])

    assert table.column("a").stray is not None


def test_parquet_column_of_lists_is_left_out_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"a": [1.0, 2.0], "tags": [["x"], ["y"]]}), path)
    table = read_table(str(path))

    assert list(table.names) == ["a"]
    assert "tags" in "\n".join(table.notes)
    np.testing.assert_array_equal(table.numbers("a"), [1, 2])


def test_row_of_totals_is_found(home: Path, dlkit: Callable[..., Any]) -> None:
    frame = pd.DataFrame({"who": [f"D{i % 9}" for i in range(60)], "a": RNG.random(60), "y": RNG.random(60)})
    frame.to_csv("plain.csv", index=False)
    total = pd.DataFrame([{"who": "Total", "a": frame.a.sum(), "y": frame.y.sum()}])
    pd.concat([frame, total]).round(4).to_csv("total.csv", index=False)

    found = dlkit("data", "check", "total.csv", "--target", "y").stdout
    assert "\ttotal\tline 62\t" in found
    assert "\ttotal\t" not in dlkit("data", "check", "plain.csv", "--target", "y").stdout


def test_notes_below_a_table_are_skipped_and_reported() -> None:
    text = "a,y,name\n" + "1,2,x\n3,4,z\n" * 30

    found = read_table("-", stdin=io.BytesIO(f"{text}\nSource: office\n* revised,,,\n".encode()))

    assert len(found) == 60
    assert any("2 lines below" in note and "Source: office" in note for note in found.notes)
    with pytest.raises(DataError):
        read_table("-", stdin=io.BytesIO(f"{text}3,4\n".encode()))
    with pytest.raises(DataError):
        read_table("-", stdin=io.BytesIO(f"{text}17\n".encode()))


def test_an_empty_last_column_is_left_out(home: Path, dlkit: Callable[..., Any]) -> None:
    Path("t.csv").write_text("a,y,\n" + "1,2,\n3,4,\n" * 30)
    Path("named.csv").write_text("a,y,\n" + "1,2,7\n3,4,8\n" * 30)

    said = dlkit("train", "mlp", "--data", "t.csv", "--target", "y", "--epochs", "1").stderr

    assert "Unnamed: 2" in said.partition("columns left out: ")[2]
    assert_refused(dlkit("train", "mlp", "--data", "named.csv", "--target", "y"), 3, "column 3")


def test_a_currency_before_brackets_is_negative(tmp_path: Path) -> None:
    values = RNG.normal(0, 3000, 200).round(2)
    table = read(tmp_path, [f"$({-value:,.2f})" if value < 0 else f"${value:,.2f}" for value in values])

    np.testing.assert_allclose(table.numbers("a"), values)


def test_clocks_without_hours_are_parts_of_one_where_others_have_them(tmp_path: Path) -> None:
    seconds = RNG.integers(2000, 6000, 200)
    texts = [
        f"{s // 3600}:{s // 60 % 60:02d}:{s % 60:02d}" if s >= 3600 else f"{s // 60}:{s % 60:02d}"
        for s in seconds
    ]
    table = read(tmp_path, texts)

    np.testing.assert_allclose(table.numbers("a"), seconds / 3600)
    assert any("mm:ss as parts of one" in note for note in table.notes)


def test_a_word_among_clocks_may_be_missing(tmp_path: Path) -> None:
    texts = [f"3:{i % 60:02d}:00" for i in range(100)] + ["DNF", "DNS"]
    stray = read(tmp_path, texts).column("a").stray
    table = read_table(str(tmp_path / "t.csv"), options=TableOptions(missing=("DNF", "DNS")))

    assert {stray.value, *stray.more} == {"DNF", "DNS"}
    np.testing.assert_allclose(table.numbers("a")[:100], [3 + i % 60 / 60 for i in range(100)])
    assert np.isnan(table.numbers("a")[100:]).all()


def test_letters_that_offices_put_behind_numbers_are_left_out(tmp_path: Path) -> None:
    values = RNG.normal(20, 5, 200).round(1)
    marks = RNG.choice(["", "", "", " p", " e", " b"], 200)
    table = read(tmp_path, [f"{value}{mark}" for value, mark in zip(values, marks, strict=True)] + [":"])

    np.testing.assert_allclose(table.numbers("a")[:-1], values)
    assert np.isnan(table.numbers("a")[-1])
    assert any("letters behind left out" in note for note in table.notes)


@pytest.mark.parametrize(
    "flags",
    [("", "L", "H", "HH", "LL", "*", "H *"), ("", "", "A"), ("N", "H", "L")],
    ids=["levels", "abnormal", "all-flagged"],
)
def test_flags_of_laboratories_behind_numbers_are_left_out(tmp_path: Path, flags: tuple[str, ...]) -> None:
    values = RNG.normal(140, 8, 200).round(1)
    marks = RNG.choice(flags, 200)
    table = read(tmp_path, [f"{value} {mark}".strip() for value, mark in zip(values, marks, strict=True)])

    np.testing.assert_allclose(table.numbers("a"), values)
    assert any("a (" in note and "letters behind" in note for note in table.notes)


@pytest.mark.parametrize("units", [("kg", "g"), ("L", "mL"), ("H", "mH", "")])
def test_several_units_are_never_taken_for_flags(tmp_path: Path, units: tuple[str, ...]) -> None:
    table = read(tmp_path, [f"{20 + row / 10} {units[row % len(units)]}".strip() for row in range(200)])

    stray = table.column("a").stray
    assert (table.column("a").kind, stray is not None and stray.fault) == ("text", "units")


def test_addresses_and_versions_are_texts(tmp_path: Path) -> None:
    table = read(tmp_path, [f"10.0.{i % 7}.{i % 250}" for i in range(200)])

    assert (table.column("a").kind, table.column("a").stray) == ("text", None)


def test_japanese_units_follow_without_a_space(tmp_path: Path) -> None:
    values = RNG.integers(30, 200, 100) / 10
    table = read(tmp_path, [f"{value}万円" for value in values])

    np.testing.assert_allclose(table.numbers("a"), values)
    assert table.column("a").unit == "万円"


@pytest.mark.parametrize("word", [r"\N", "..", "...", ":", "(null)", "#NULL!", "n.a."])
def test_more_words_are_missing_among_numbers(word: str, tmp_path: Path) -> None:
    table = read(tmp_path, [str(i / 2) for i in range(50)] + [word])

    assert np.isnan(table.numbers("a")[-1])


@pytest.mark.parametrize("suffix", [".txt", ".dat", ".data", ".tab", ".txt.gz"])
def test_texts_of_other_names_are_tables(suffix: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": range(30), "y": range(30)})
    frame.to_csv(tmp_path / f"t{suffix}", index=False, sep="\t")

    assert read_table(str(tmp_path / f"t{suffix}")).numbers("y").tolist() == list(range(30))


def test_whether_a_value_is_there_may_tell_the_target() -> None:
    target = RNG.integers(0, 2, 200).astype(float)
    ended = np.where(target > 0, RNG.random(200), np.nan)
    table = table_of("t", {"ended": ended, "y": target})

    found = giving_away(table, [table.column("ended")], table.column("y"), classes=True)

    assert [name for name, _ in found] == ["ended"]


def test_a_minus_sign_behind_its_number_is_read(tmp_path: Path) -> None:
    values = RNG.normal(0, 3000, 200).round(2)
    german = [f"{abs(v):,.2f}{'-' if v < 0 else ''}".translate(str.maketrans(",.", ".,")) for v in values]
    table = read(tmp_path, german)

    np.testing.assert_allclose(table.numbers("a"), values)


def test_spaces_between_thousands_show_without_decimals(tmp_path: Path) -> None:
    values = RNG.integers(900, 90_000, 200)
    table = read(tmp_path, [f"{value:,}".replace(",", "\u202f") for value in values])

    np.testing.assert_allclose(table.numbers("a"), values)


def test_dates_of_several_forms_are_refused_as_a_whole(tmp_path: Path) -> None:
    days = [f"2021-01-{1 + i % 28:02d}" if i % 2 else f"{1 + i % 28:02d}/01/2021" for i in range(100)]
    stray = read(tmp_path, days).column("a").stray

    assert (stray.value, stray.line, stray.fault) == (days[1], 3, "forms")


def test_lines_in_quotes_as_a_whole_are_refused_with_a_command_that_works(
    home: Path, dlkit: Callable[..., Any]
) -> None:
    Path("t.csv").write_text('"a,b,""y"""\n' + "".join(f'"{i},x,""{i / 2}"""\n' for i in range(30)))

    refused = dlkit("train", "mlp", "--data", "t.csv", "--target", "y")
    subprocess.run(refused.stderr.partition("hint: ")[2].partition(" takes the")[0], shell=True, check=True)

    assert_refused(refused, 3, "line 1", "sed -E")
    assert read_table("new.csv").numbers("y").tolist() == [i / 2 for i in range(30)]


@pytest.mark.parametrize("text", ["inf", "-inf"])
def test_infinities_are_refused_with_an_option_that_works(
    text: str, home: Path, dlkit: Callable[..., Any]
) -> None:
    frame = pd.DataFrame({"a": RNG.random(60).astype(str), "y": RNG.random(60)})
    frame.loc[7, "a"] = text
    frame.to_csv("t.csv", index=False)
    ask = ("train", "mlp", "--data", "t.csv", "--target", "y", "--epochs", "1")

    assert_refused(dlkit(*ask), 3, "infinite", f"--missing {text}")
    assert dlkit(*ask, "--missing", text).code == 0


def test_a_column_that_tells_one_class_from_the_others_is_found() -> None:
    classes = np.repeat([0, 1, 2], [60, 30, 300])
    lost = classes == 1
    columns = {
        "recovered": np.where(lost, RNG.random(390), 0.0),
        "closed": np.where(lost, np.nan, RNG.random(390)),
        "mostly": np.where(lost & (RNG.random(390) < 0.8), 1.0, 0.0),
        "apart": np.where(lost, 10, 0) + RNG.random(390),
    }
    table = table_of("t", columns)
    given = [table.column(name) for name in columns]

    assert list(separating(table, given, classes, np.arange(390))) == [("recovered", 1), ("closed", 1)]
    assert not list(separating(table, given, classes, np.flatnonzero(classes > 0)))
    assert not list(separating(table, given, classes, np.r_[:75, 90:390]))


def test_ages_as_dicom_writes_them_are_years(tmp_path: Path) -> None:
    numbers, letters = RNG.integers(1, 110, 200), RNG.choice(list("YMWD"), 200)
    table = read(tmp_path, [f"{number:03}{letter}" for number, letter in zip(numbers, letters, strict=True)])
    in_a_year = pd.Series({"Y": 1, "M": 12, "W": 365.2425 / 7, "D": 365.2425})

    assert table.column("a").kind == "number"
    np.testing.assert_allclose(table.numbers("a"), numbers / in_a_year[letters].to_numpy(), rtol=1e-5)
    assert "as years" in "\n".join(table.notes)


def test_a_letter_behind_numbers_of_other_lengths_is_no_age(tmp_path: Path) -> None:
    table = read(tmp_path, ["127M", "140M", "333M", "250M"] * 10)

    np.testing.assert_allclose(table.numbers("a")[:4], [127e6, 140e6, 333e6, 250e6])


def test_a_column_that_is_nearly_always_alike_tells_no_common_class() -> None:
    classes = np.repeat([0, 1, 2], [4000, 15, 15])
    table = table_of("t", {"rare": np.where(np.arange(4030) % 500, 0.0, 1.0)})

    assert not list(separating(table, [table.column("rare")], classes, np.arange(4030)))


def test_a_column_of_pairs_is_reported_with_a_command_that_splits_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    high, low = RNG.integers(100, 160, 100), RNG.integers(60, 90, 100)
    table = read(tmp_path, [f"{first}/{second}" for first, second in zip(high, low, strict=True)])

    note = next(note for note in table.notes if "pairs" in note)
    subprocess.run(
        note[note.index("python -c") :].replace("python", sys.executable, 1), shell=True, check=True
    )
    split = read_table("new.csv")

    assert table.column("a").kind == "text"
    np.testing.assert_array_equal(split.numbers("a 1"), high)
    np.testing.assert_array_equal(split.numbers("a 2"), low)
