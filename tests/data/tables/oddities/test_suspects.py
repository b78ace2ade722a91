"""Codes for missing values among numbers: found where they lie far from the rest, and nowhere else."""

import io
import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dlkit.data.tables.oddities.suspects import (
    find_suspects,
    note_of_suspects,
    note_of_words,
    suspects_of,
    words_of_missing,
)
from dlkit.data.tables.reading.options import TableOptions
from dlkit.data.tables.reading.table_file import read_table
from dlkit.data.tables.table import table_of
from dlkit.errors import DataError

NORMAL = np.random.default_rng(0).normal(15, 6, 200)
CASES: dict[str, tuple[np.ndarray, list[tuple[str, int]]]] = {
    "a price": (np.array([0] * 200 + [0.99, 1.99, 2.99, 4.99] * 20 + [9.99] * 58), []),
    "prices with a zero at the end": (np.array([0.9, 1.9, 2.9, 4.9] * 20 + [99.9] * 5), []),
    "9.99 among grams": (np.append(np.arange(100, 300) / 100, [9.99] * 9), [("9.99", 9)]),
    "99.9 among tenths": (np.append(np.arange(0, 300) / 10, [99.9] * 9), [("99.9", 9)]),
    "-9999": (np.append(NORMAL, [-9999] * 8), [("-9999", 8)]),
    "-999 once": (np.append(NORMAL, -999), [("-999", 1)]),
    "two codes": (np.append(NORMAL, [-99, -99, -999]), [("-999", 1), ("-99", 2)]),
    "netcdf": (np.append(NORMAL, [9.96921e36]), [("9.96921e+36", 1)]),
    "1e30": (np.append(NORMAL, [1e30, 1e30]), [("1e+30", 2)]),
    "answers": (np.array([1, 2, 3, 4, 5] * 20 + [99] * 3), [("99", 3)]),
    "98 and 99": (np.array([1, 2, 3, 4, 5] * 20 + [99] * 3 + [98] * 2), [("98", 2), ("99", 3)]),
    "97, 98 and 99 behind years": (
        np.array([*np.arange(0, 61.0).repeat(4), *[97] * 5, *[98] * 6, *[99] * 7]),
        [("97", 5), ("98", 6), ("99", 7)],
    ),
    "four codes": (
        np.array([*np.arange(0, 740, 10), *[6666] * 6, *[7777] * 7, *[8888] * 8, *[9999] * 9]),
        [("6666", 6), ("7777", 7), ("8888", 8), ("9999", 9)],
    ),
    "an odd one among codes": (
        np.array([*np.arange(0, 740, 10), 5123, *[7777] * 7, *[9999] * 9]),
        [("7777", 7), ("9999", 9)],
    ),
    "9996 to 9999": (
        np.array([*np.arange(0, 40.0), *[9996] * 3, *[9998] * 4]),
        [("9996", 3), ("9998", 4)],
    ),
    "two negative codes and odd ones": (
        np.array([*NORMAL, *[-99] * 5, -50, *[-77] * 5]),
        [("-99", 5), ("-77", 5)],
    ),
    "7, 8 and 9 behind five answers": (
        np.array([1, 2, 3, 4, 5] * 40 + [7] * 5 + [8] * 4 + [9] * 3),
        [("7", 5), ("8", 4), ("9", 3)],
    ),
    "8 and 9 behind rare answers": (
        np.array([1] * 300 + [2] * 100 + [3] * 20 + [4] * 4 + [8] * 9 + [9] * 9),
        [("8", 9), ("9", 9)],
    ),
    "9 behind four answers": (np.array([1, 2, 3, 4] * 40 + [9] * 5), [("9", 5)]),
    "9 behind rare answers": (np.array([1] * 300 + [2] * 100 + [3] * 20 + [4] * 4 + [9] * 9), [("9", 9)]),
    "8 behind four answers": (np.array([1, 2, 3, 4] * 40 + [8] * 5), [("8", 5)]),
    "9 behind six answers": (np.array([1, 2, 3, 4, 5, 6] * 40 + [9] * 7), [("9", 7)]),
    "8 behind five answers": (np.array([1, 2, 3, 4, 5] * 40 + [8] * 7), [("8", 7)]),
    "8 behind five answers, which is rare": (np.array([1, 2, 3, 4, 5] * 40 + [8] * 6), []),
    "8 behind six answers": (np.array([1, 2, 3, 4, 5, 6] * 40 + [8] * 9), []),
    "7 behind three answers": (np.array([1, 2, 3] * 40 + [7] * 9), []),
    "rooms": (np.array([1] * 300 + [2] * 150 + [3] * 40 + [4] * 9 + [5] * 3 + [7, 8]), []),
    "classes without 6": (np.array([1, 2, 3, 4, 5, 7] * 40), []),
    "seven and nine as often": (np.array([1, 2, 3, 7, 9] * 40), []),
    "ages up to 99": (np.array([*np.arange(0, 81.0).repeat(4), 96, 97, 98, 99]), []),
    "capital gain": (np.array([*np.linspace(0, 41_310, 90), 99_999, 99_999]), [("99999", 2)]),
    "ages": (np.arange(0, 100.0), []),
    "one of 99 years": (np.array([*np.linspace(20, 40, 50), 99]), []),
    "a high price": (np.array([*np.linspace(0, 700, 50), 999]), []),
    "-1 in pressures": (np.append(np.arange(90, 200.0), [-1] * 8), [("-1", 8)]),
    "-9 and -8 in ages": (np.append(np.arange(18, 90.0), [-9, -9, -8, -8]), [("-9", 2), ("-8", 2)]),
    "-1 once": (np.append(np.arange(90, 200.0), [-1]), []),
    "-1 in a scale": (np.array([-1, 0, 1, 2] * 20), []),
    "degrees below zero": (np.append(np.arange(5, 30.0), [-1, -1, -2, -5]), []),
    "-200 in concentrations": (np.append(np.arange(647, 1100.0), [-200] * 8), [("-200", 8)]),
    "-200 far below others below zero": (np.append(np.linspace(-9, 38, 90), [-200] * 5), [("-200", 5)]),
    "-200 rarely among others below zero": (np.append(np.linspace(-9, 38, 90), [-200] * 4), []),
    "-1 in days since a call": (np.append(np.arange(1, 400.0), [-1] * 10), [("-1", 10)]),
    "-1 in days since a call, as often as others": (np.append(np.arange(1, 400.0).repeat(3), [-1] * 14), []),
    "-50 as the floor of others": (np.append(np.linspace(-49, 80, 90), [-50] * 30), []),
    "-4.5 again and again": (np.append(NORMAL.clip(1), [-4.5] * 30), []),
    "losses of -500 once": (np.append(np.arange(9, 99.0), [-500]), []),
    "binary": (np.array([0.0, 1.0] * 20 + [99.0] * 3), [("99", 3)]),
    "empty": (np.full(5, np.nan), []),
    "gaps": (np.append(NORMAL, np.nan), []),
}


COUNTS: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "poisson": lambda rng: rng.poisson(rng.choice([0.3, 1, 2, 3]), 2000),
    "negative binomial": lambda rng: rng.negative_binomial(rng.choice([0.5, 1, 2]), 0.4, 2000),
    "geometric": lambda rng: rng.geometric(rng.choice([0.3, 0.5, 0.8]), 2000),
    "rooms": lambda rng: np.clip(np.round(rng.lognormal(1.2, 0.3, 2000)), 1, 9),
    "of nine": lambda rng: rng.binomial(9, rng.choice([0.1, 0.2, 0.3]), 2000),
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts_have_no_codes(name: str) -> None:
    rng = np.random.default_rng(0)

    assert [find_suspects(name, COUNTS[name](rng).astype(float)) for _ in range(40)] == [[]] * 40


@pytest.mark.filterwarnings("ignore:All-NaN")
@pytest.mark.parametrize("name", CASES)
def test_codes_are_found_far_from_the_rest(name: str) -> None:
    values, codes = CASES[name]

    found = find_suspects("a", values.astype(float))

    assert [(each.code, each.count) for each in found] == codes


def test_code_of_one_column_is_looked_for_in_the_others() -> None:
    near = np.append(np.arange(221, 2700.0, 12), [-200] * 4)  # nearer than a fifth of the others
    far = np.append(np.arange(647, 1061.0, 2), [-200] * 4)
    few = np.append(np.arange(207.0), [-200] * 4)
    once = np.append(np.linspace(-9, 38, 210), [-200])

    alone, beside = (
        suspects_of(table_of("t", columns), list(columns))
        for columns in ({"near": near}, {"near": near, "far": far, "few": few, "once": once})
    )

    assert alone == []
    assert [(each.column, each.code, each.count, each.typed) for each in beside] == [
        ("near", "-200", 4, "-200"),
        ("far", "-200", 4, "-200"),
        ("few", "-200", 4, "-200"),
        ("once", "-200", 1, "-200"),
    ]


def test_code_that_is_a_value_elsewhere_is_named_with_its_column() -> None:
    sleep = np.array([*[6, 7, 8] * 30, *[99] * 10])
    table = table_of(
        "t", {"sleep": sleep, "age": np.arange(100) % 70 + 30, "flux": np.append(NORMAL[:98], [-999, -999])}
    )

    found = {each.column: each.typed for each in suspects_of(table, list(table.names))}

    assert found == {"sleep": "sleep=99", "flux": "-999"}


def test_code_of_one_column_is_a_value_in_others() -> None:
    text = "sleep,age\n" + "7,99\n99,77\n" * 30

    table = read_table(
        "-", stdin=io.BytesIO(text.encode()), options=TableOptions(missing_of={"sleep": ("99",)})
    )

    np.testing.assert_array_equal(table.numbers("sleep"), [7, np.nan] * 30)
    np.testing.assert_array_equal(table.numbers("age"), [99, 77] * 30)
    assert any("--missing sleep=99: 30 rows" in note for note in table.notes)


@pytest.mark.parametrize(
    ("of", "words"), [({"slep": ("99",)}, "did you mean sleep?"), ({"sleep": ("98",)}, "leave it out")]
)
def test_code_of_a_column_that_is_not_there_is_refused(of: dict[str, tuple[str, ...]], words: str) -> None:
    with pytest.raises(DataError) as caught:
        read_table("-", stdin=io.BytesIO(b"sleep,age\n7,99\n99,77\n"), options=TableOptions(missing_of=of))

    assert words in caught.value.hint


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([0.0, 1.0] * 40 + [9.0] * 5, "9"),
        ([1.0, 2.0] * 40 + [99.0] * 5, "99"),
        ([0.0, 1.0] * 40 + [-9.0] * 5, "-9"),
        ([0.0, 1.0, 2.0] * 40, ""),
        ([-1.0, 0.0, 1.0] * 40, ""),
        ([0.0, 1.0, 9.0] * 40, ""),
        ([7.0, 8.0] * 40 + [9.0] * 5, ""),
    ],
)
def test_a_code_beside_yes_and_no_is_a_suspect(values: list[float], code: str) -> None:
    table = table_of("t", {"a": np.array(values)})

    assert [each.code for each in suspects_of(table, ["a"])] == ([code] if code else [])


def test_words_for_missing_are_named_in_columns_of_other_texts() -> None:
    text = b"work,status,age\nPrivate,ER+,7\n?,NA,NA\nState,ER-,8\n"

    plain, told = (
        read_table("-", stdin=io.BytesIO(text), options=options)
        for options in (TableOptions(), TableOptions(missing=("?", "NA")))
    )
    note, without = (note_of_words(words_of_missing(table, table.names)) for table in (plain, told))

    assert "work has ? in 1 row, status has NA in 1 row; --missing 'work=?,status=NA'" in note
    assert "age" not in note
    assert without == ""


def test_a_class_na_is_kept_and_reported_by_check_and_training_with_an_option_that_works(
    dlkit: Callable[..., Any], home: Path
) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"alley, or not": rng.choice(["NA", "Grvl"], 80), "a": rng.random(80).round(3)})
    frame["continent"] = rng.choice(["NA", "EU", "AS"], 80)
    frame.to_csv("t.csv", index=False)
    options = ("--target", "continent", "--epochs", "1", "--no-plot", "--force", "--out", "run")

    kept = dlkit("train", "mlp", "--data", "t.csv", *options)
    findings = json.loads(dlkit("data", "check", "t.csv", "--target", "continent", "--json").stdout)
    hint = kept.stderr.partition("--missing ")[2].partition(" takes")[0]
    emptied = dlkit("train", "mlp", "--data", "t.csv", *options, "--missing", *shlex.split(hint))

    counts = {name: int((frame[name] == "NA").sum()) for name in ("alley, or not", "continent")}
    assert {each["where"]: each["count"] for each in findings if each["rule"] == "missing-word"} == {
        f"column {name}": count for name, count in counts.items()
    }
    assert "64 train, 8 val, 8 test" in kept.stderr
    assert f"{counts['continent']} rows without continent left out" in emptied.stderr


def test_codes_of_several_columns_are_taken_as_missing_by_the_hint_where_others_have_them_as_values(
    dlkit: Callable[..., Any], home: Path
) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"health": rng.integers(1, 6, 400), "net": rng.integers(0, 700, 400), "age": range(400)}
    )
    frame["y"] = rng.random(400).round(3)
    frame.loc[:8, "health"] = [7, 8, 9] * 3
    frame.loc[100:115, "net"] = [6666, 7777, 8888, 9999] * 4
    frame.to_csv("t.csv", index=False)
    ask = (
        "train",
        "mlp",
        "--data",
        "t.csv",
        "--target",
        "y",
        "--epochs",
        "1",
        "--no-plot",
        "--force",
        "--out",
        "run",
    )

    said = dlkit(*ask).stderr
    hint = said.partition("--missing ")[2].partition(" takes")[0]
    emptied = dlkit(*ask, "--missing", *shlex.split(hint))

    assert "health has 7, 8, 9 in 9 rows, net has 6666, 7777, 8888, 9999 in 16 rows" in said
    assert "health=7" in hint
    assert emptied.code == 0
    assert "a code for a missing value" not in emptied.stderr
    assert "--missing net=9999: 4 rows" in emptied.stderr
    assert "age=" not in hint


@pytest.mark.parametrize(
    ("code", "count", "warned"), [(-999, 5, True), (-999, 2, False), (-99, 5, False), (9999, 5, True)]
)
def test_codes_far_beyond_their_column_are_a_warning(code: int, count: int, *, warned: bool) -> None:
    values = np.append(np.linspace(0, 50, 200), [code] * count)

    note = note_of_suspects(find_suspects("t", values))

    assert f"t has {code} in {count} rows" in note
    assert note.startswith("warning: ") == warned


def test_a_code_that_no_list_has_is_named_with_the_option_that_works(
    dlkit: Callable[..., Any], home: Path
) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"t": rng.normal(18, 9, 600), "co": rng.gamma(2, 1, 600), "rh": rng.random(600) * 90}
    )
    frame["y"] = 2 * frame["co"] + 0.1 * frame["t"]
    frame = frame.round(3)
    for name, count in (("t", 20), ("co", 31), ("y", 42)):
        frame.loc[rng.choice(600, count, replace=False), name] = -200
    frame.to_csv("t.csv", index=False)
    ask = ("train", "mlp", "--data", "t.csv", "--target", "y", "--no-plot", "--force", "--out", "run")

    said = dlkit(*ask, "--epochs", "1").stderr
    findings = json.loads(dlkit("data", "check", "t.csv", "--target", "y", "--json").stdout)
    hint = said.partition("--missing ")[2].partition(" takes")[0]
    emptied = dlkit(*ask, "--epochs", "1", "--missing", *shlex.split(hint)).stderr

    assert "y has -200 in 42 rows, t has -200 in 20 rows, co has -200 in 31 rows" in said
    assert hint == "-200"
    codes = {each["where"]: each["count"] for each in findings if each["rule"] == "missing-code"}
    assert codes == {"column t": 20, "column co": 31, "column y": 42}
    assert not [each for each in findings if each["rule"] == "piled-up"]
    assert "42 rows without y left out" in emptied
    assert "a code for a missing value" not in emptied
