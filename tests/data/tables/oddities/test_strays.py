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
