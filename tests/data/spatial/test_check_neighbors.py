import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch

from dlkit.data.dataset import DataSet
from dlkit.data.kinds import load_dataset
from dlkit.data.spatial.check import check_neighbors
from dlkit.data.spatial.split import SpatialSplit
from dlkit.settings.resolve import resolve


@pytest.fixture
def dataset(home: object) -> DataSet:
    return load_dataset(resolve({"model": "spatial", "data": "spatial:n=200"}, {}))


def with_split(dataset: DataSet, name: str, **changed: Any) -> DataSet:
    split = dataset.splits[name]
    assert isinstance(split, SpatialSplit)
    return dataclasses.replace(
        dataset, splits={**dataset.splits, name: dataclasses.replace(split, **changed)}
    )


def spoilt(dataset: DataSet, name: str, entry: int, position: int = 0) -> DataSet:
    """Put a position into the list of the last point of a split."""
    split = dataset.splits[name]
    assert isinstance(split, SpatialSplit)
    candidates = split.candidates.clone()
    candidates[split.rows[-1], position] = entry
    return with_split(dataset, name, candidates=candidates)


def last(dataset: DataSet, name: str) -> int:
    return int(dataset.splits[name].rows[-1])


def test_sound_points_have_no_findings(dataset: DataSet) -> None:
    assert check_neighbors(dataset) == []


def test_a_point_that_sees_itself_is_found(dataset: DataSet) -> None:
    findings = check_neighbors(spoilt(dataset, "train", len(dataset.splits["train"]) - 1))

    own = next(finding for finding in findings if finding.rule == "own-value")
    assert (own.level, own.count) == ("error", 1)
    assert own.where == f"train row {last(dataset, 'train')}"
    assert own.message == "1 points of train see their own value"


@pytest.mark.parametrize("name", ["val", "test"])
def test_a_point_that_sees_the_future_is_found(dataset: DataSet, name: str) -> None:
    newest = int(dataset.context["times"].argmax())

    (finding,) = check_neighbors(spoilt(dataset, name, newest))

    assert (finding.rule, finding.level, finding.where) == (
        "future",
        "error",
        f"{name} row {last(dataset, name)}",
    )


def test_a_neighbour_that_is_not_in_train_is_found(dataset: DataSet) -> None:
    (finding,) = check_neighbors(spoilt(dataset, "val", 160, position=-1))

    assert (finding.rule, finding.level) == ("foreign-neighbor", "error")


def test_a_context_of_other_points_is_found(dataset: DataSet) -> None:
    context = {**dataset.context, "coords": dataset.context["coords"].flip(0)}

    rules = {finding.rule for finding in check_neighbors(dataclasses.replace(dataset, context=context))}

    assert rules == {"context"}


def test_a_copy_of_a_training_point_is_a_warning(dataset: DataSet) -> None:
    val, train = dataset.splits["val"], dataset.splits["train"]
    assert isinstance(val, SpatialSplit)
    changed: dict[str, torch.Tensor] = {}
    for name in ("coords", "times", "targets"):
        tensor = getattr(val, name).clone()
        tensor[val.rows[0]] = tensor[train.rows[5]]
        changed[name] = tensor
    nothing = torch.full_like(val.candidates, -1)

    (finding,) = check_neighbors(with_split(dataset, "val", candidates=nothing, **changed))

    assert (finding.rule, finding.level) == ("shared", "warning")
    assert finding.message == "1 points of val are also in train: same place, time, features and value"


def test_data_check_proves_points(dlkit: Callable[..., Any]) -> None:
    result = dlkit("data", "check", "spatial:n=200")

    assert (result.code, result.stdout) == (0, "")
    assert "nothing found" in result.stderr
