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
