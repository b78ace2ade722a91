"""Whole numbers under the name of a code are reported, with the option that takes them as categories."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dlkit.data.tables.oddities.code_names import codes_in
from dlkit.data.tables.oddities.roles import groups_in
from dlkit.data.tables.table import table_of

Run = Callable[..., Any]
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("name", "values", "count"),
    [
        ("REG", [i % 13 for i in range(200)], 13),
        ("county_fips", [1000 + i % 13 for i in range(200)], 13),
        ("StoreID", [i % 13 for i in range(20)], 0),
        ("paid", [i % 13 for i in range(200)], 0),
        ("rooms", [i % 13 for i in range(200)], 0),
        ("REG", [i % 13 + 0.5 for i in range(200)], 0),
        ("REG", [i % 3 for i in range(200)], 0),
        ("REG", list(range(200)), 0),
        ("patient_id", [i % 13 for i in range(200)], 0),
    ],
)
def test_codes_are_whole_numbers_that_come_again_by_their_name(
    name: str, values: list[Any], count: int
) -> None:
    assert codes_in(table_of("t", {name: values}), [name]) == ([(name, count)] if count else [])


def test_codes_are_reported_until_it_is_said_what_they_are(dlkit: Run, home: Path) -> None:
    frame = pd.DataFrame({"REG": RNG.permutation(260) % 13 + 11, "a": RNG.random(260), "y": RNG.random(260)})
    frame.to_csv("t.csv", index=False)
    ask = ("train", "mlp", "--epochs", "1", "--force", "--out", "run", "--data", "t.csv", "--target", "y")

    said = dlkit(*ask).stderr
    option = shlex.split(said.partition("REG (13 different); ")[2].partition(" takes them")[0])

    assert option == ["--kinds", "REG=text"]
    assert "REG (13 different)" not in dlkit(*ask, *option).stderr
    assert "REG (13 different)" not in dlkit(*ask, "--kinds", "REG=number").stderr
    assert "\tcodes\t" in dlkit("data", "check", "t.csv", "--target", "y").stdout
    assert "\tcodes\t" not in dlkit("data", "check", "t.csv", "--target", "y", *option).stdout


def test_measured_numbers_are_no_groups() -> None:
    values = {"Pages / Session": [i % 20 / 10 for i in range(200)]}

    assert groups_in(table_of("t", values), ["Pages / Session"]) == []
