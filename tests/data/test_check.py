"""Faults of samples and splits: each kind is planted and found, and the built-in sets raise nothing."""

from dataclasses import replace

import pytest
import torch
from descriptions import OF_CLASSES, OF_NUMBERS

from dlkit.data.check import check_data, check_dataset
from dlkit.data.dataset import DataSet, TensorSplit
from dlkit.data.findings import Finding
from dlkit.settings.config import TrainConfig
from dlkit.settings.resolve import resolve

GENERATOR = torch.Generator().manual_seed(0)
INPUTS = torch.randn(90, 4, generator=GENERATOR)
CLASSES = torch.arange(90) % 3


def dataset(
    inputs: torch.Tensor = INPUTS, targets: torch.Tensor = CLASSES, *, numbers: bool = False
) -> DataSet:
    """Thirty samples a split."""
    rows = torch.arange(90)
    parts = {"train": rows[:30], "val": rows[30:60], "test": rows[60:]}
    splits = {name: TensorSplit(inputs, targets, part, None) for name, part in parts.items()}
    return DataSet(OF_NUMBERS if numbers else OF_CLASSES, splits)


def found_in(data: DataSet) -> dict[str, Finding]:
    return {finding.rule: finding for finding in check_dataset(data)}


def test_sound_data_raise_nothing() -> None:
    assert found_in(dataset()) == {}
    assert found_in(dataset(targets=torch.randn(90, 1), numbers=True)) == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_an_error_with_its_row(value: float) -> None:
    inputs = INPUTS.clone()
    inputs[40, 2] = value

    found = found_in(dataset(inputs))["not-finite"]

    assert (found.level, found.where, found.count) == ("error", "val row 40", 1)


def test_a_target_that_is_not_finite_is_an_error() -> None:
    targets = torch.randn(90, 1)
    targets[70] = float("nan")

    assert found_in(dataset(targets=targets, numbers=True))["not-finite"].where == "test row 70"


def test_a_feature_without_spread_is_found() -> None:
    inputs = INPUTS.clone()
    inputs[:30, 1] = 3

    found = found_in(dataset(inputs))["constant"]

    assert (found.where, found.count) == ("feature 1", 1)


def test_samples_that_two_splits_share_are_found() -> None:
    inputs, targets = INPUTS.clone(), CLASSES.clone()
    inputs[61], targets[61] = inputs[3], targets[3]

    found = found_in(dataset(inputs, targets))

    assert set(found) == {"shared", "duplicates"}
    assert (found["shared"].where, found["shared"].count) == ("test row 61", 1)
    assert found["shared"].message == "3.3% of test are also in train"


def test_equal_samples_with_different_labels_are_found() -> None:
    inputs, targets = INPUTS.clone(), CLASSES.clone()
    inputs[4] = inputs[3]

    found = found_in(dataset(inputs, targets))

    assert (found["conflicts"].where, found["conflicts"].count) == ("rows 3 and 4", 1)


def test_a_class_that_is_missing_from_training_is_an_error() -> None:
    targets = torch.cat([torch.arange(30) % 2, CLASSES[30:]])

    found = found_in(dataset(targets=targets))["missing-class"]

    assert (found.level, found.where, found.count) == ("error", "train", 1)
    assert found.message == "train has no samples of class c"
    assert "--stratify" in found.cure


def test_a_split_that_comes_with_the_data_cannot_be_split_otherwise() -> None:
    targets = torch.cat([CLASSES[:30], torch.arange(30) % 2, CLASSES[60:]])

    found = found_in(replace(dataset(targets=targets), given=frozenset({"val"})))["missing-class"]

    assert (found.level, found.where) == ("warning", "val")
    assert "--" not in found.cure


def test_a_class_that_is_much_rarer_is_found() -> None:
    targets = torch.zeros(90, dtype=torch.int64)
    targets[::15], targets[1::9] = 1, 2

    found = found_in(dataset(targets=targets))["imbalance"]

    assert (found.where, found.count) == ("class b", 6)
    assert "class a has" in found.message


def test_the_digits_raise_nothing() -> None:
    assert check_data(resolve({"model": "mlp"}, {})) == []


def test_data_that_cannot_be_read_are_one_error() -> None:
    (found,) = check_data(TrainConfig(model="mlp", data="nowhere.csv", target="y"))

    assert (found.level, found.rule) == ("error", "readable")
    assert "nowhere.csv" in found.message
    assert replace(found, level="warning").to_dict()["level"] == "warning"
