"""Rows are compared as they stand in the file."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dlkit.data.check import check_data
from dlkit.data.kinds import load_dataset
from dlkit.data.tables.raw_rows import compared, found_again, hash_raw, shared_columns
from dlkit.data.tables.reading.table_file import read_table
from dlkit.data.tables.table import Table, table_of
from dlkit.settings.config import TrainConfig

RANDOM = np.random.default_rng(3)
ROWS = 400
FRAME = pd.DataFrame(
    {
        "visit": RANDOM.choice(
            [f"{day:02}/{month:02}/2021" for day in range(1, 13) for month in range(1, 7)], ROWS
        ),
        "age": RANDOM.integers(20, 60, ROWS),
        "note": RANDOM.choice(["", "ill", "well"], ROWS),
        "level": RANDOM.normal(size=ROWS).round(3),
    }
)


def in_memory(frame: pd.DataFrame) -> Table:
    return read_table("-", stdin=io.BytesIO(frame.to_csv(index=False).encode()))


def shared_by_pandas(
    frame: pd.DataFrame, splits: dict[str, np.ndarray], columns: list[str]
) -> dict[str, int]:
    """Return how many rows of val and test have their equal in an earlier split."""
    found = {}
    for first, second in (("train", "val"), ("train", "test"), ("val", "test")):
        earlier = frame.iloc[splits[first]][columns].drop_duplicates()
        merged = frame.iloc[splits[second]][columns].merge(earlier, on=columns, how="left", indicator=True)
        if count := int((merged["_merge"] == "both").sum()):
            found[f"{second} in {first}"] = count
    return found


AMOUNTS = FRAME.assign(visit=[f"${1 + row},{row % 7:03}" for row in range(ROWS)])


@pytest.mark.parametrize(
    ("frame", "index", "dates"),
    [(FRAME, False, True), (AMOUNTS, False, False), (FRAME, True, True)],
    ids=["dates-of-both-orders", "amounts", "with-its-index"],
)
def test_shared_rows_are_those_that_pandas_finds(
    frame: pd.DataFrame, index: bool, dates: bool, home: Path
) -> None:
    again = frame.iloc[:100].assign(level=RANDOM.normal(size=100))
    frame = pd.concat([frame.iloc[:300], again], ignore_index=True)
    frame.to_csv("t.csv", index=index)
    config = TrainConfig(model="mlp", data="t.csv", target="level", val=0.3, test=0.3, dayfirst=dates or None)
    splits = {name: split.rows.numpy() for name, split in load_dataset(config).splits.items()}

    found = [each for each in check_data(config) if each.rule == "shared"]

    expected = shared_by_pandas(frame, splits, ["visit", "age", "note"])
    assert {
        f"{each.where.split()[0]} in {each.message.split()[-1]}": each.count for each in found
    } == expected
    assert expected, "a test that finds nothing shows nothing"


def test_equal_rows_have_equal_hashes_whatever_table_they_are_in() -> None:
    table, other = in_memory(FRAME), in_memory(FRAME.iloc[::-1])

    found = hash_raw(table, table.names)

    assert np.array_equal(found, hash_raw(other, table.names)[::-1])
    assert len(np.unique(found)) == len(FRAME.drop_duplicates())


def test_missing_values_are_equal_to_one_another() -> None:
    table = table_of(
        "x", {"a": np.array([np.nan, np.nan, 1.0]), "b": np.array([None, None, "x"], dtype=object)}
    )

    first, second, third = hash_raw(table, ["a", "b"])

    assert first == second != third


def test_rows_that_stand_in_another_table_are_found() -> None:
    frame = FRAME.assign(age=FRAME["age"].where(FRAME.index % 9 > 0))
    trained, new = in_memory(frame), pd.concat([frame.iloc[40:70], frame.iloc[:30].assign(age=99)])

    found = found_again(in_memory(new), trained, ["visit", "age", "note", "level"], np.arange(60))

    assert found.tolist() == [True] * 20 + [False] * 40


@pytest.mark.parametrize(
    ("name", "values", "kept"),
    [
        ("Unnamed: 0", np.arange(50), False),
        ("", RANDOM.permutation(50), False),
        ("n", RANDOM.permutation(50) + 7, False),
        ("n", np.arange(50) * 2, True),
        ("n", np.r_[np.arange(49), np.nan], True),
        ("n", np.r_[np.arange(49), 48], True),
        ("n", np.array([f"p{row}" for row in range(50)], dtype=object), True),
    ],
)
def test_a_column_that_counts_the_rows_is_not_compared(name: str, values: np.ndarray, kept: bool) -> None:
    table = table_of("x", {name: values, "a": RANDOM.normal(size=50)})

    assert (name in compared(table, table.names)) == kept
    assert compared(table, [name]) == [name]


def test_columns_of_other_kinds_cannot_be_compared() -> None:
    one = table_of("x", {"a": np.arange(9) % 2, "b": np.arange(9) % 2, "y": np.arange(9) % 2})
    two = table_of(
        "x", {"a": np.array(["1"] * 9, dtype=object), "b": np.ones(9), "y": np.ones(9), "c": np.ones(9)}
    )

    assert shared_columns(one, two, ["y"]) == ["b"]
