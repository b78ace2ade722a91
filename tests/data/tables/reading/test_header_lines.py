"""Names of columns in several lines, as pandas and spreadsheets write them, against what pandas reads of them."""

import io

import numpy as np
import pandas as pd
import pytest

from dlkit.data.tables.reading.table_file import read_table
from dlkit.data.tables.table import Table
from dlkit.errors import DataError

RNG = np.random.default_rng(0)
LONG = pd.DataFrame(
    {
        "k": np.arange(60) // 3,
        "year": np.tile([2019, 2020, 2021], 20),
        "region": np.tile(["north", "south", "west"], 20),
        "a": RNG.normal(size=60).round(3),
        "y": RNG.normal(size=60).round(3),
    }
)
THREE = pd.MultiIndex.from_product([["p", "q"], ["x", "y"], ["mean", "std"]])
WIDE = pd.DataFrame(RNG.normal(size=(30, 8)).round(3), columns=THREE)
TABLES = {
    "two levels": (WIDE["p"], True),
    "two levels without an index": (WIDE["p"], False),
    "three levels": (WIDE, True),
    "named levels": (WIDE["p"].rename_axis("id").rename_axis(["what", "stat"], axis=1), True),
    "a pivot by words": (LONG.pivot_table(index="k", columns="region", values=["a", "y"]), True),
    "a pivot by years": (LONG.pivot_table(index="k", columns="year", values=["a", "y"]), True),
    "two indices": (LONG.groupby(["k", "region"])[["a", "y"]].agg(["min", "max"]), True),
    "an index made a column": (LONG.groupby("k")[["a", "y"]].agg(["min", "max"]).reset_index(), False),
}


def read(text: str) -> Table:
    return read_table("-", stdin=io.BytesIO(text.encode()))


@pytest.mark.parametrize("name", TABLES)
def test_names_in_several_lines_are_joined_and_all_rows_read(name: str) -> None:
    frame, index = TABLES[name]
    text = frame.to_csv(index=index)

    found = read(text)

    for column in frame.columns:
        joined = "_".join(str(part) for part in column if part)
        np.testing.assert_allclose(found.numbers(joined), frame[column].to_numpy(), rtol=1e-6)
    assert len(found) == len(frame)
    assert found.line(0) == len(text.splitlines()) - len(frame) + 1
    assert any("joined" in note for note in found.notes)


def test_names_of_groups_above_are_joined_to_those_below() -> None:
    rows = "".join(f"r{i},{i}.5,2,3.25,{i}\n" for i in range(8))

    found = read(f",2019,,2020,\nregion,sales,cost,sales,cost\n{rows}")

    assert found.names == ("region", "2019_sales", "2019_cost", "2020_sales", "2020_cost")
    assert found.numbers("2019_sales").tolist() == [i + 0.5 for i in range(8)]


def test_names_that_come_twice_above_texts_are_refused() -> None:
    with pytest.raises(DataError, match="both name"):
        read("id,name,name\na,bob,smith\nb,eve,jones\nc,ann,miller\n")


QUESTION = '"How do you like\nyour work?\r\n(1 = no, 5 = very)"'
BELOW = {
    "questions": [f"When,{QUESTION},{QUESTION},Score"],
    "questions and ids": [
        f"When,{QUESTION},{QUESTION},Score",
        ",".join('"{""ImportId"":""' + name + '""}"' for name in ("date", "Q1", "Q2", "SC0")),
    ],
    "ids": [",".join('"{""ImportId"":""' + name + '""}"' for name in ("date", "Q1", "Q2", "SC0"))],
}


@pytest.mark.parametrize("name", BELOW)
def test_lines_of_questions_with_line_breaks_below_the_names_are_skipped(name: str) -> None:
    frame = pd.DataFrame(
        {
            "when": pd.date_range("2023-05-02", periods=40).strftime("%Y-%m-%d %H:%M:%S"),
            "Q1": RNG.integers(1, 6, 40),
            "Q2": RNG.integers(1, 6, 40),
            "SC0": RNG.normal(30, 9, 40).round(2),
        }
    )
    names, _, rows = frame.to_csv(index=False).partition("\n")
    lines = "\n".join([names, *BELOW[name], ""])

    found = read(lines + rows)
    again = pd.read_csv(io.StringIO(lines + rows), **eval(f"dict({found.dialect})"))

    assert found.names == ("when", "Q1", "Q2", "SC0")
    assert found.columns["when"].kind == "date"
    for column in ("Q1", "Q2", "SC0"):
        np.testing.assert_array_equal(found.numbers(column), frame[column])
        np.testing.assert_array_equal(again[column].astype(float), frame[column])
    assert found.line(0) == 1 + lines.count("\n")
    assert "skipped" in "\n".join(found.notes)
