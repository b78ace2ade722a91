"""Values that pile up at an end of a column."""

from pathlib import Path

import numpy as np
import pytest

from dlkit.data.check import check_data
from dlkit.data.findings import Finding
from dlkit.data.tables.oddities.limits import find_limits
from dlkit.data.tables.table import table_of
from dlkit.settings.config import TrainConfig

RANDOM = np.random.default_rng(0)
NORMAL = RANDOM.normal(50, 10, 2000).round(1)


def find(values: np.ndarray, *, target: bool = False) -> list[Finding]:
    return list(find_limits(table_of("x.csv", {"a": values}), "a", target=target))


CUT = {
    "maximum": (np.minimum(NORMAL, 60.05), "maximum", "60.05"),
    "minimum": (np.maximum(NORMAL, 40.05), "minimum", "40.05"),
    "with gaps": (np.r_[np.minimum(NORMAL, 60.05), np.nan, np.nan], "maximum", "60.05"),
}


@pytest.mark.parametrize("case", CUT)
@pytest.mark.parametrize("target", [False, True])
def test_values_cut_off_at_an_end_are_counted(case: str, target: bool) -> None:
    values, end, value = CUT[case]

    (found,) = find(values, target=target)

    assert (found.level, found.rule, found.count) == (
        "warning",
        "piled-up",
        int((values == float(value)).sum()),
    )
    assert found.where == ("target a" if target else "column a")
    assert end in found.message
    assert value in found.message


SOUND = {
    "normal": NORMAL,
    "whole": NORMAL.round(),
    "counts": RANDOM.poisson(20, 2000),
    "decaying": RANDOM.geometric(0.1, 2000),
    "few values": RANDOM.integers(0, 5, 2000),
    "zeros": np.where(RANDOM.random(2000) < 0.5, 0, NORMAL),
    "a code": np.where(RANDOM.random(2000) < 0.1, -9999, NORMAL),
    "constant": np.full(100, 3),
    "empty": np.full(100, np.nan),
    "texts": np.array(["a", "b"] * 50, dtype=object),
}


@pytest.mark.parametrize("case", SOUND)
def test_a_sound_column_raises_nothing(case: str) -> None:
    assert find(SOUND[case]) == []


def test_zero_as_the_least_is_reported_of_a_target() -> None:
    values = np.where(RANDOM.random(2000) < 0.5, 0, np.abs(NORMAL))

    (found,) = find(values, target=True)

    assert found.count == int((values == 0).sum())
    assert "--loss log1p" in found.cure


def test_the_housing_prices_are_found_to_be_cut_off(shared_data: Path, home: Path) -> None:
    path = shared_data / "housing" / "housing.csv"
    config = TrainConfig(model="mlp", data=str(path), target="median_house_value")

    found = {each.where: each.count for each in check_data(config) if each.rule == "piled-up"}

    assert found == {
        "column housing_median_age": 1273,
        "column median_income": 49,
        "target median_house_value": 965,
    }
