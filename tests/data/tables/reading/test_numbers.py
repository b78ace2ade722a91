"""Numbers with something around them, as people write them in tables."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import assert_reports

from dlkit.data.tables.reading.files import delimited
from dlkit.data.tables.reading.options import TableOptions
from dlkit.data.tables.reading.table_file import read_table
from dlkit.data.tables.table import Table
from dlkit.errors import DataError

MORE = [f"{number}.5" for number in range(30)]


def table(fields: list[str], **options: Any) -> Table:
    text = "a;b\n" + "".join(f"{field};{row}\n" for row, field in enumerate(fields))
    return read_table("-", stdin=io.BytesIO(text.encode()), options=TableOptions(**options))


def refusal(fields: list[str], **options: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        table(fields, **options).numbers("a")
    return caught.value


NUMBERS: dict[str, tuple[list[str], list[float], str]] = {
    "percent": (["12.5%", "-3%", "0.25 %"], [12.5, -3, 0.25], "%"),
    "dollars": (["$1,250.50", "$43", "-$5", "$-6"], [1250.5, 43, -5, -6], "$"),
    "euros-behind": (["1.250,50 €", "3 €"], [1250.5, 3], "€"),
    "code-of-a-currency": (["USD 5", "USD 7.5"], [5, 7.5], "USD"),
    "months": (["36 months", "1 month", "60"], [36, 1, 60], "month"),
    "attached": (["36months", "60months"], [36, 60], "month"),
    "kilograms": (["70kg", "82.5 kg"], [70, 82.5], "kg"),
    "degrees": (["21.5°C", "19 °C"], [21.5, 19], "°C"),
    "per": (["5 mg/L", "7.5 mg/L"], [5, 7.5], "mg/L"),
    "thousands": (["45 k", "1.5k", "300"], [45_000, 1500, 300], "k, M, bn"),
    "factors": (["$1.2M", "$300K", "$2bn"], [1.2e6, 3e5, 2e9], "$, k, M, bn"),
    "unicode-minus": (["\u22125.5", "3"], [-5.5, 3], ""),
    "narrow-spaces": (["1\u202f234,5", "2\u00a0000,25"], [1234.5, 2000.25], ""),
    "excel-errors": (["1.5", "#DIV/0!", "#N/A"], [1.5, np.nan, np.nan], ""),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_read_without_what_stands_around_them(name: str) -> None:
    fields, numbers, unit = NUMBERS[name]

    found = table(fields)

    np.testing.assert_array_equal(found.numbers("a"), numbers)
    assert found.columns["a"].unit == unit
    assert any(f"a ({unit})" in note and "--kinds a=text" in note for note in found.notes) == bool(unit)


TEXTS = {
    "street": [
        "12 Main Street",
        "7 Oak Avenue",
        "3 Elm Road",
        "9 Hill Lane",
        "4 Bay Drive",
        "5 Sun Court",
        "8 Fir Way",
    ],
    "flats": ["12A", "14B", "3C"],
    "dimensions": ["3D", "2D"],
    "ordinals": ["1st", "2nd", "3rd"],
    "files": ["001.png", "002.png"],
    "days": ["12 May", "13 June"],
    "clock": ["10 am", "3 pm"],
    "age-groups": ["<18", "18-30", ">30"],
    "few-bins": ["<5", "5", ">5"],
    "quarters": ["2024 Q1", "2024 Q2"],
    "plants": ["5 N", "7 S"],
    "answers": ["1 - Strongly disagree", "2 - Neutral", "3 - Agree"],
    "grades": ["1-", "A", "2+"],
}


@pytest.mark.parametrize("name", TEXTS)
def test_texts_with_numbers_in_them_stay_texts(name: str) -> None:
    found = table(TEXTS[name] * 5)

    assert found.columns["a"].kind == "text"
    assert found.columns["a"].stray is None
    assert found.texts("a").tolist() == TEXTS[name] * 5


REFUSED: dict[str, tuple[list[str], dict[str, Any], tuple[str, ...]]] = {
    "two-units": (
        [*(f"{n} months" for n in range(30)), "3 years"],
        {},
        ("line 32", "'3 years'", "--kinds a=text"),
    ),
    "percent-and-share": ([*(f"{n}%" for n in range(30)), "0.3"], {}, ("line 32", "'0.3'", "--kinds a=text")),
    "limit": ([*MORE, "<0.05"], {}, ("line 32", "'<0.05'", "--censored half, value or drop")),
    "words": ([*MORE, "BLQ", "ND"], {}, ("line 32", "'BLQ'", "--missing BLQ,ND")),
    "words-in-many-rows": ([*MORE, *["BLQ"] * 60], {}, ("line 32", "--missing BLQ")),
    "thousands-or-decimals": (["$1,250", "$999"], {}, ("line 2", "'$1,250'", "--thousands")),
    "other-marks": (
        ["1,5", "1.25", "2,5"],
        {"decimal": ","},
        ("line 3", "'1.25'", "decimal commas as points"),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_neither_number_nor_text_is_refused_with_its_place(name: str) -> None:
    fields, options, parts = REFUSED[name]

    assert_reports(refusal(fields, **options), *parts)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"missing": ("BLQ", "ND")}, "number"),
        ({"kinds": {"a": "text"}}, "text"),
    ],
)
def test_the_hint_of_words_among_numbers_works(options: dict[str, Any], kind: str) -> None:
    found = table([*MORE, "BLQ", "ND"], **options)

    assert found.columns["a"].kind == kind
    assert found.missing("a").sum() == (2 if kind == "number" else 0)


@pytest.mark.parametrize(
    ("censored", "low", "high"), [("half", 0.025, 100.0), ("value", 0.05, 100.0), ("drop", np.nan, np.nan)]
)
def test_limits_become_what_is_asked_for(censored: str, low: float, high: float) -> None:
    found = table([*MORE, "<0.05", "< 0.05", ">100", "NA"], censored=censored)

    np.testing.assert_array_equal(found.numbers("a")[-4:], [low, low, high, np.nan])
    assert found.numbers("a")[:30].tolist() == [float(text) for text in MORE]
    assert any(f"--censored {censored}" in note and "a (3)" in note for note in found.notes)


@pytest.mark.parametrize(
    ("censored", "low", "high"), [("half", 0.5, 10), ("value", 1, 10), ("drop", np.nan, np.nan)]
)
def test_a_plus_behind_a_number_is_an_upper_limit(censored: str, low: float, high: float) -> None:
    fields = ["< 1 year", "1 year", *(f"{n} years" for n in range(2, 10)), "10+ years"] * 5

    assert_reports(refusal(fields), "'< 1 year'", "--censored half")
    found = table(fields, censored=censored)

    np.testing.assert_array_equal(found.numbers("a"), [low, *range(1, 10), high] * 5)
    assert any(f"--censored {censored}" in note and "a (10)" in note for note in found.notes)


@pytest.mark.parametrize(("limit", "options"), [("1,000,000+", {}), ("250,000+", {"thousands": ","})])
def test_limits_with_marks_between_thousands_are_read(limit: str, options: dict[str, Any]) -> None:
    fields = [*(f"{number}" for number in range(90_000, 90_030)), limit]

    assert_reports(refusal(fields), f"'{limit}'", "--censored half")
    if options:
        assert_reports(refusal(fields, censored="half"), f"'{limit}'", "--thousands ,")
    found = table(fields, censored="half", **options)

    assert found.numbers("a")[-1] == float(limit.strip("+").replace(",", ""))


def test_the_hint_of_limits_among_words_never_leads_back() -> None:
    fields = [*MORE, "<0.05", "BLQ"]

    assert_reports(refusal(fields), "--censored half", "--missing BLQ")
    assert_reports(refusal(fields, censored="half"), "'BLQ'", "--missing BLQ")
    assert table(fields, censored="half", missing=("BLQ",)).numbers("a")[-2] == 0.025


def test_a_limit_that_comes_late_is_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_SAMPLE_ROWS", 5)

    assert_reports(refusal([*MORE, "<0.05"]), "line 32", "--censored")
    assert table([*MORE, "<0.05"], censored="half").numbers("a")[-1] == 0.025


CODES: dict[str, tuple[list[str], list[float]]] = {
    "numbers": (["1.5", "-999", "-999.0", "-9.99e2", "2"], [1.5, np.nan, np.nan, np.nan, 2]),
    "words-and-numbers": (["1.5", "-", "-999", "x y", "2"], [1.5, np.nan, np.nan, np.nan, 2]),
}


@pytest.mark.parametrize("name", CODES)
def test_values_of_missing_are_missing(name: str) -> None:
    fields, numbers = CODES[name]

    found = table(fields, missing=("-999", "x y") if "x y" in fields else ("-999",))

    np.testing.assert_array_equal(found.numbers("a"), numbers)
    assert any(note.startswith("--missing -999: a (") for note in found.notes)


def test_values_of_missing_are_missing_in_texts_dates_and_booleans() -> None:
    text = "t,d,b\nx,2020-01-01,true\nNA,NA,NA\ny,2020-01-02,false\n"

    found = read_table("-", stdin=io.BytesIO(text.encode()), options=TableOptions(missing=("NA",)))

    assert [column.kind for column in found.columns.values()] == ["text", "date", "boolean"]
    assert [found.missing(name).tolist() for name in "tdb"] == [[False, True, False]] * 3
    assert found.columns["t"].categories == ("x", "y")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"missing": ("-998",)}, ("--missing -998", "no such value")),
        ({"censored": "half"}, ("--censored half", "no value like <0.05")),
        ({"kinds": {"aa": "text"}}, ("--kinds aa", "did you mean a?")),
        ({"kinds": {"a": "date"}}, ("line 2", "'1.5'", "no date", "--kinds")),
        ({"kinds": {"a": "boolean"}}, ("line 2", "'1.5'", "neither true nor false")),
    ],
)
def test_an_option_that_finds_nothing_is_refused(options: dict[str, Any], parts: tuple[str, ...]) -> None:
    assert_reports(refusal(["1.5", "2"], **options), *parts)


PADDED: dict[str, tuple[list[str], str]] = {
    "codes": (["01001", "36061"], "text"),
    "short-and-long": (["01", "1"], "text"),
    "zero": (["0", "10"], "number"),
    "decimals": (["00.5", "012.25"], "number"),
    "signed": (["-01", "02"], "number"),
}


@pytest.mark.parametrize("name", PADDED)
def test_digits_that_begin_with_zero_are_names(name: str) -> None:
    fields, kind = PADDED[name]

    found = table(fields)

    assert found.columns["a"].kind == kind
    if kind == "text":
        assert found.texts("a").tolist() == fields
        assert any("begin with 0: a;" in note and "--kinds a=number" in note for note in found.notes)


def test_a_name_of_digits_that_comes_late_turns_the_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_SAMPLE_ROWS", 5)
    fields = [*(str(number) for number in range(10_001, 10_021)), "01001"]

    found = table(fields)

    assert found.texts("a").tolist() == fields
    assert found.columns["a"].stray is None


def test_names_of_digits_are_numbers_where_that_is_asked_for() -> None:
    assert table(["01001", "36061"], kinds={"a": "number"}).numbers("a").tolist() == [1001, 36061]


def test_apostrophes_of_both_kinds_and_prices_without_cents_are_numbers() -> None:
    texts = ["835.00", "1'150.00", "1\u2019045.00", "1'170.\u2013", "2\u2019005.-"] * 10
    text = "rent;y\n" + "".join(f"{value};1\n" for value in texts)

    table = read_table("-", stdin=io.BytesIO(text.encode()))

    np.testing.assert_array_equal(table.numbers("rent"), [835, 1150, 1045, 1170, 2005] * 10)
    assert any("1'234.5" in note for note in table.notes)


@pytest.mark.parametrize("sign", ["\u00b1", " \u00b1 ", " +/- ", "+-"])
def test_what_follows_plus_minus_is_left_out_and_reported(sign: str) -> None:
    text = "a;y\n" + "".join(f"{value / 10}{sign}0.2;1\n" for value in range(40))

    table = read_table("-", stdin=io.BytesIO(text.encode()))

    np.testing.assert_allclose(table.numbers("a"), np.arange(40) / 10)
    assert any("\u00b1" in note for note in table.notes)


MIXED = "a;b;c;y\n" + "".join(f"{n},5;{n}.25;{n * 7};{n},125\n" for n in range(1, 60))


def test_columns_of_different_marks_are_read_each_by_its_own_where_they_are_clear() -> None:
    table = read_table("-", stdin=io.BytesIO(MIXED.encode()))

    numbers = np.arange(1, 60)
    np.testing.assert_allclose(table.numbers("a"), numbers + 0.5)
    np.testing.assert_allclose(table.numbers("b"), numbers + 0.25)
    np.testing.assert_allclose(table.numbers("c"), numbers * 7)
    assert table.column("y").stray is not None  # 1,125 may be 1125
    assert any("a" in note and "1.234,5" in note for note in table.notes)


@pytest.mark.slow
def test_points_that_may_stand_between_thousands_beside_decimal_commas_are_refused_with_a_command(
    home: Path, dlkit: Any
) -> None:
    lines = [f"{n},5;{n}.125;{n}.25;{n}" for n in range(1, 60)]
    Path("t.csv").write_text("\n".join(["a;b;c;y", *lines]) + "\n")

    refused = dlkit("train", "mlp", "--data", "t.csv", "--target", "y")
    command = refused.stderr.partition("hint: ")[2].partition(" writes decimal")[0]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(command, shell=True, check=True, env={"PATH": path})

    assert refused.code == 3
    assert "column b" in refused.stderr
    table = read_table("new.csv")
    np.testing.assert_allclose(table.numbers("b"), np.arange(1, 60) + 0.125)
    np.testing.assert_allclose(table.numbers("c"), np.arange(1, 60) + 0.25)
    np.testing.assert_allclose(table.numbers("a"), np.arange(1, 60) + 0.5)


def test_marks_of_footnotes_behind_numbers_are_left_out_and_reported() -> None:
    text = "a;y\n" + "".join(f"{value / 10}{'*' * (value % 4 == 0)};1\n" for value in range(40))

    table = read_table("-", stdin=io.BytesIO(text.encode()))

    np.testing.assert_allclose(table.numbers("a"), np.arange(40) / 10)
    assert any("*" in note for note in table.notes)


def test_few_numbers_of_several_units_are_text_and_reported() -> None:
    text = "dose;y\n" + "".join(f"{value};1\n" for value in ["500 nM", "0.5 mM", "5 nM", "0"] * 20)

    table = read_table("-", stdin=io.BytesIO(text.encode()))

    assert table.column("dose").kind == "text"
    assert any("several units" in note and "dose" in note for note in table.notes)


def test_a_unit_is_called_one_and_other_marks_are_shown_in_full(tmp_path: Path) -> None:
    rows = [f"{row}.5 kg,{row}.{row % 9}[{row}],{row % 7}" for row in range(60)]
    (tmp_path / "t.csv").write_text(
        "weight,town with a rather long name for a column of numbers,y\n" + "\n".join(rows)
    )

    notes = read_table(str(tmp_path / "t.csv")).notes

    assert [note for note in notes if note.startswith("read as numbers in this unit: weight (kg);")]
    (other,) = (note for note in notes if note.startswith("read as numbers: town with"))
    assert "left out)" in other
    assert "\N{HORIZONTAL ELLIPSIS}" not in other


def test_pairs_of_numbers_are_a_warning_whose_command_divides_them(
    dlkit: Callable[..., Any], home: Path
) -> None:
    rows = [f"{110 + row % 50}/{60 + row % 31},{row % 7},{row / 3:.2f}" for row in range(90)]
    Path("t.csv").write_text("BP,a,y\n" + "\n".join(rows) + "\n")

    told = dlkit("train", "mlp", "--data", "t.csv", "--target", "y", "--epochs", 1, "--no-plot")
    (line,) = (line for line in told.stderr.splitlines() if "pairs of numbers" in line)
    command = line[line.index("python -c") :].replace("python", sys.executable, 1)
    subprocess.run(command, shell=True, check=True)

    assert line.startswith("warning: BP has")
    assert read_table("new.csv").numbers("BP 1").tolist() == [110 + row % 50 for row in range(90)]
