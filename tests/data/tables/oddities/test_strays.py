"""Several columns that are nearly numbers are refused in one message, whose options read them."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from refusals import assert_refused

from dlkit.data.tables.reading.options import TableOptions
from dlkit.data.tables.reading.table_file import peek_names, read_table
from dlkit.errors import DataError

RNG = np.random.default_rng(0)
TRAIN = ("train", "mlp", "--epochs", "1", "--no-plot", "--force", "--out", "run")
Run = Callable[..., Any]


def test_all_columns_that_are_nearly_numbers_are_refused_at_once(dlkit: Run, home: Path) -> None:
    numbers = RNG.normal(5, 1, (100, 4)).round(2)
    frame = pd.DataFrame(numbers, columns=list("abcy")).astype(str)
    frame.loc[3, "a"] = "trace"
    frame.loc[4:8, "b"] = ["<0.5", "DNF", "out, ill", "DNS", "late"]
    frame["day"] = "03/04/2021"
    frame.loc[9, "y"] = "auf Anfrage"
    frame.to_csv("t.csv", index=False)
    ask = (*TRAIN, "--data", "t.csv", "--target", "y")

    refused = dlkit(*ask)
    options = shlex.split(refused.stderr.partition("hint: ")[2].partition(" reads them")[0])
    run = dlkit(*ask, *options)
    words = ("trace", "DNF", "out, ill", "DNS", "late", "auf Anfrage")
    table = read_table("t.csv", options=TableOptions(missing=words, censored="half", day="%d"))

    assert_refused(refused, 3, "'trace' in line 5", "--missing")
    assert "4 columns" in refused.stderr
    assert "--censored" in options
    assert run.code == 0
    assert "1 row without y" in run.stderr
    wanted = pd.to_numeric(frame.b, errors="coerce")
    wanted[4] = 0.25
    np.testing.assert_allclose(table.numbers("b"), wanted)


def test_columns_of_several_units_are_named_with_their_units(dlkit: Run, home: Path) -> None:
    frame = pd.DataFrame(
        {"mileage": [f"{10 + i / 10:.1f} kmpl" for i in range(200)], "y": RNG.normal(size=200)}
    )
    frame.loc[::9, "mileage"] = [f"{20 + i / 10:.1f} km/kg" for i in range(23)]
    frame["power"] = [f"{50 + i} bhp" if i % 50 else "unknown" for i in range(200)]
    frame.to_csv("t.csv", index=False)
    ask = (*TRAIN, "--data", "t.csv", "--target", "y")

    refused = dlkit(*ask)
    options = shlex.split(refused.stderr.partition("hint: ")[2].partition(" reads them")[0])

    assert_refused(refused, 3, "kmpl in 177 rows, km/kg in 23 rows", "written in one unit")
    assert {"--missing", "unknown", "--kinds", "mileage=text"} == set(options)
    assert dlkit(*ask, *options).code == 0


def test_fields_with_blanks_between_are_read_and_reported(dlkit: Run, home: Path) -> None:
    frame = pd.DataFrame(RNG.normal(20, 5, (60, 3)).round(1), columns=["mpg", "power", "weight"])
    frame["power"] = frame.power.where(frame.index != 7)
    rows = [
        f' {mpg:6.1f}   {"?" if np.isnan(power) else power}\t{weight:.0f}.  "car {i} a"\n'
        for i, (mpg, power, weight) in enumerate(frame.to_numpy())
    ]
    Path("cars.data").write_text("".join(rows))
    Path("named.txt").write_text("mpg  power  weight  name\n" + "".join(rows))

    unnamed = dlkit(*TRAIN, "--data", "cars.data", "--target", "mpg")
    named = read_table("named.txt")

    assert_refused(unnamed, 3, "line 1", "--no-header")
    assert "c0 (" in unnamed.stderr
    assert dlkit(*TRAIN, "--data", "cars.data", "--target", "c0", "--no-header").code == 0
    assert any("blanks between" in note for note in named.notes)
    np.testing.assert_allclose(named.numbers("mpg"), frame.mpg)
    np.testing.assert_allclose(named.numbers("power"), frame.power)
    assert named.texts("name")[:2].tolist() == ["car 0 a", "car 1 a"]
    assert peek_names("named.txt", TableOptions()) == ()


def test_prose_and_single_columns_have_no_blanks_between(home: Path) -> None:
    Path("a.csv").write_text("note\n" + "it was 3 degrees\n" * 20)
    Path("b.csv").write_text("t\n" + "1.5\n" * 20)
    Path("c.csv").write_text("time,y\n" + "2020 01 02,5\n" * 20)

    assert [read_table(f"{name}.csv").names for name in "abc"] == [("note",), ("t",), ("time", "y")]


def test_a_missing_file_of_an_unknown_name_is_reported_before_its_target(dlkit: Run, home: Path) -> None:
    refused = dlkit(*TRAIN, "--data", str(home / "none.xlsy"), "--target", "y")

    assert "cannot be read" in refused.stderr
    assert "--target" not in refused.stderr


def test_a_number_of_points_between_thousands_shows_the_marks_of_all_columns(dlkit: Run, home: Path) -> None:
    rows = ["DG;83.237.124;24.415;5,3"]
    rows += [f"{i:05};{i + 30}.{i % 900 + 100};24.{100 + i};{i % 9 + 1},5" for i in range(1, 100)]
    rows[7] = "00007;37.107;/;6,5"
    rows[9] = "00009;39.109;x;/"
    Path("t.csv").write_text("key;people;income;rate\n" + "\n".join(rows) + "\n")
    ask = (*TRAIN, "--data", "t.csv", "--target", "rate")

    refused = dlkit(*ask)
    options = shlex.split(refused.stderr.partition("hint: ")[2].partition(" reads them")[0])
    run = dlkit(*ask, *options)
    table = read_table("t.csv", options=TableOptions(missing=("/", "x")))

    assert_refused(refused, 3, "2 columns", "--missing")
    assert "'/' in line 9" in refused.stderr
    assert options == ["--missing", "/,x"]
    assert run.code == 0
    assert "since values begin with 0: key\n" in run.stderr  # as numbers it would be refused for DG
    assert table.numbers("people")[:2].tolist() == [83_237_124, 31_101]
    assert table.numbers("income")[0] == 24_415
    assert table.numbers("rate")[0] == 5.3
    assert table.columns["key"].kind == "text"


def test_letters_and_digits_among_numbers_are_codes_and_never_missing(dlkit: Run, home: Path) -> None:
    rows = [f"{10 + i % 85},{i % 13},{i / 7:.2f}" for i in range(200)]
    rows[20], rows[30] = "2A,n.c.,3.0", "2B,1,4.0"
    Path("t.csv").write_text("dep,n,y\n" + "\n".join(rows) + "\n")
    ask = (*TRAIN, "--data", "t.csv", "--target", "y")

    refused = dlkit(*ask)
    options = shlex.split(refused.stderr.partition("hint: ")[2].partition(" reads them")[0])
    run = dlkit(*ask, *options)

    assert_refused(refused, 3, "dep ('2A' in line 22)", "--kinds")
    assert options == ["--missing", "n.c.", "--kinds", "dep=text"]
    assert run.code == 0
    assert "--kinds dep=text" in (alone := read_stray("t.csv", "dep")).hint
    assert "--missing" not in alone.hint


def test_all_texts_among_numbers_are_named_wherever_they_stand(dlkit: Run, home: Path) -> None:
    rows = [f"{i / 7:.2f},{i}" for i in range(3000)]
    for i, word in enumerate(("late", "none yet", "lost")):
        rows[1500 + 400 * i] = f"{word},1"
    Path("t.csv").write_text("a,y\n" + "\n".join(rows) + "\n")
    Path("many.csv").write_text(
        "a,b,y\n"
        + "\n".join(
            f"{row.split(',')[0]},{i % 9},{i}"
            for i, row in enumerate([*rows, *(f"word{'x' * i}" for i in range(40))])
        )
        + "\n"
    )
    ask = (*TRAIN, "--target", "y", "--data")

    refused = dlkit(*ask, "t.csv")
    many = dlkit(*ask, "many.csv")

    assert_refused(refused, 3, "'late'", "--missing 'late,none yet,lost'")
    assert dlkit(*ask, "t.csv", "--missing", "late,none yet,lost").code == 0
    assert_refused(many, 3, "more than a dozen", "--kinds a=text")
    assert dlkit(*ask, "many.csv", "--kinds", "a=text", "--limit", "50").code == 0


def test_a_number_is_no_missing_value_where_a_kind_is_asked_for(dlkit: Run, home: Path) -> None:
    for word in ("1.234.567", "2A"):
        Path("t.csv").write_text("a,y\n" + "1.5,2\n" * 30 + f"{word},3\n")
        refused = dlkit(*TRAIN, "--target", "y", "--data", "t.csv", "--kinds", "a=number")
        assert_refused(refused, 3, word, "--kinds")
        assert "--missing" not in refused.stderr


def read_stray(path: str, name: str) -> DataError:
    table = read_table(path)
    stray = table.columns[name].stray
    assert stray is not None
    return stray.error(path, name)


def test_measured_columns_and_targets_stay_numbers_whatever_word_is_among_them(
    dlkit: Run, home: Path
) -> None:
    frame = pd.DataFrame(RNG.normal(5, 1, (200, 3)).round(2), columns=["flow", "ph", "y"]).astype(str)
    frame["day"] = RNG.integers(0, 90, 200).astype(str)
    frame["open"] = RNG.choice(["true", "false"], 200)
    wanted = frame[["flow", "ph", "y"]].astype(float)
    frame.loc[3, ["flow", "ph", "y"]] = ["14n", "false", "co2"]
    frame.loc[4, "y"] = "A7"
    wanted.loc[3] = np.nan
    wanted.loc[4, "y"] = np.nan
    frame.to_csv("t.csv", index=False)
    ask = (*TRAIN, "--data", "t.csv", "--target", "y")

    refused = dlkit(*ask)
    options = shlex.split(refused.stderr.partition("hint: ")[2].partition(" reads them")[0])
    run = dlkit(*ask, *options)
    table = read_table(
        "t.csv", options=TableOptions(missing=("14n", "co2", "A7"), missing_of={"ph": ("false",)})
    )

    assert_refused(refused, 3, "3 columns", "--missing")
    assert options[0] == "--missing"
    assert set(options[1].split(",")) == {"14n", "ph=false", "co2", "A7"}
    assert run.code == 0
    assert "2 rows without y" in run.stderr
    assert table.columns["open"].kind == "boolean"
    assert not table.missing("open").any()
    for name in wanted:
        np.testing.assert_allclose(table.numbers(name), wanted[name])


def test_a_code_among_whole_numbers_to_predict_is_missing(dlkit: Run, home: Path) -> None:
    rows = [f"{i / 7:.2f},{i % 90}" for i in range(200)]
    rows[20] = "3.0,E7"
    Path("t.csv").write_text("a,y\n" + "\n".join(rows) + "\n")
    ask = (*TRAIN, "--data", "t.csv", "--target", "y")

    refused = dlkit(*ask)
    run = dlkit(*ask, "--missing", "E7")

    assert_refused(refused, 3, "'E7'", "--missing E7")
    assert "=text" not in refused.stderr
    assert run.code == 0
    assert "1 row without y" in run.stderr


def test_a_word_that_is_true_elsewhere_is_offered_with_its_column(dlkit: Run, home: Path) -> None:
    frame = pd.DataFrame(RNG.normal(5, 1, (200, 2)).round(2), columns=["ph", "y"]).astype(str)
    frame["open"] = RNG.choice(["true", "false"], 200)
    frame.loc[3, "ph"] = "false"
    frame.to_csv("t.csv", index=False)
    ask = (*TRAIN, "--data", "t.csv", "--target", "y")

    refused = dlkit(*ask)
    run = dlkit(*ask, "--missing", "ph=false")

    assert_refused(refused, 3, "'false'", "--missing ph=false if")
    assert run.code == 0
    assert "--missing ph=false: 1 row" in run.stderr
