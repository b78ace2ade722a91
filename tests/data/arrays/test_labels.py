"""Targets in arrays: classes or numbers, each fault told with its rows."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from descriptions import OF_CLASSES, OF_NUMBERS

from dlkit.data.arrays.labels import labels_like, read_labels
from dlkit.errors import DataError

DIGITS = replace(OF_CLASSES, class_names=("0", "1", "2"))


def read(values: Any, task: str = "auto", **parts: Any) -> Any:
    return read_labels(parts or {"all": np.asarray(values)}, task, "a.npz")


@pytest.mark.parametrize(
    ("values", "class_names"),
    [
        ([0, 1, 2] * 9, ("0", "1", "2")),
        ([1.0, 5.0] * 9, ("1", "5")),
        ([True, False] * 3, ("false", "true")),
        (["dog", "cat", "cat"], ("cat", "dog")),
        ([b"b", b"a"], ("a", "b")),
        ([[3], [7], [3]] * 5, ("3", "7")),
        (np.eye(3)[[0, 2, 1, 1]], ("0", "1", "2")),
        (list(range(20)) * 5, tuple(map(str, range(20)))),
        ([-1, 1] * 9, ("-1", "1")),
    ],
    ids=["ints", "floats", "bools", "texts", "bytes", "column", "one-hot", "many", "signs"],
)
def test_classes_are_told_by_their_values(values: Any, class_names: tuple[str, ...]) -> None:
    labels = read(values)

    assert labels.task == "classification"
    assert labels.class_names == class_names
    assert labels.values["all"].dtype == torch.int64
    assert "classes" in labels.note


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        ([0.5, 1.5, 2.0], (3,)),
        (np.arange(1000), (1000,)),
        (np.zeros((4, 2)), (4, 2)),
        (np.arange(24).reshape(2, 3, 4), (2, 3, 4)),
        ([[0.5], [1.0]], (2,)),
        ([0, 1, 2], (3,)),
        (list(range(31)) * 50, (1550,)),
    ],
    ids=["fractions", "counts", "several", "curves", "column", "few-rows", "many"],
)
def test_numbers_are_told_by_their_values(values: Any, shape: tuple[int, ...]) -> None:
    labels = read(values)

    assert labels.task == "regression"
    assert labels.class_names == ()
    assert labels.values["all"].dtype == torch.float32
    assert tuple(labels.values["all"].shape) == shape
    assert "regression" in labels.note


def test_the_task_may_be_named() -> None:
    assert read([0, 1, 0, 1], "regression").task == "regression"
    assert read([0, 5, 9], "classification").class_names == ("0", "5", "9")
    assert read([0, 1, 0, 1], "regression").note == ""


def test_indices_follow_the_order_of_the_classes() -> None:
    assert read([30, 10, 20, 10] * 9).values["all"].tolist()[:4] == [2, 0, 1, 0]
    assert read(["b", "a"]).values["all"].tolist() == [1, 0]
    assert read(np.eye(3)[[2, 0, 1]]).values["all"].tolist() == [2, 0, 1]


def test_parts_share_the_classes_of_the_training_part() -> None:
    labels = read(None, train=np.array([3, 1, 2] * 9), val=np.array([2, 2]), test=np.array([[1]]))

    assert labels.class_names == ("1", "2", "3")
    assert labels.values["val"].tolist() == [1, 1]
    assert labels.values["test"].tolist() == [0]


@pytest.mark.parametrize(
    ("values", "task", "message", "hint"),
    [
        (
            [1, 1, 1],
            "classification",
            "a.npz has one class, 1, in all 3 samples",
            "there is nothing to learn",
        ),
        (
            [0.5, 1, np.nan],
            "classification",
            "a.npz: 2 of 3 targets are not whole numbers, so they are not classes, in rows 0, 2",
            "--task regression takes them as numbers",
        ),
        (
            [0.5, np.inf, np.nan],
            "auto",
            "a.npz: 2 of 3 targets are NaN, infinite or beyond 3e38, in rows 1, 2",
            "leave those rows out; row 0 is the first",
        ),
        ([0.5, 1e300], "auto", "a.npz: 1 of 2 targets are NaN, infinite or beyond 3e38, in rows 1", "leave"),
        (
            np.arange(50),
            "classification",
            "a.npz: the targets have 50 different values in 50 samples, too many to be classes",
            "--task regression takes numbers",
        ),
        (
            [-1, 0, 1, 2] * 9,
            "auto",
            "a.npz: 9 targets are -1 beside the classes 0, 1, 2",
            "-1 usually means that there is no label: leave those rows out",
        ),
        (
            ["a", "b"],
            "regression",
            "a.npz: --task regression takes numbers; the targets are texts",
            "leave --task out",
        ),
        (
            np.zeros((3, 2)),
            "classification",
            "a.npz: classes are one value per sample, or one-hot rows; the targets have the shape (3, 2)",
            "--task regression takes them as numbers",
        ),
        (
            np.array([1j, 2j]),
            "auto",
            "a.npz: targets of type complex128 cannot be learned",
            "two numbers per sample can: numpy.stack((y.real, y.imag), 1)",
        ),
        (np.array([None, 1]), "auto", "a.npz: targets of type object cannot be learned", "numbers, or texts"),
        (
            np.array(["2024-01-01"], dtype="M8[D]"),
            "auto",
            "a.npz: targets of type datetime64[D] cannot",
            "numbers",
        ),
        (5, "auto", "a.npz: the targets are a single value", "one target per sample is needed"),
    ],
    ids=[
        *(
            "one-class",
            "fractions",
            "nan",
            "beyond",
            "ids",
            "unlabelled",
            "texts",
            "shape",
            "complex",
            "objects",
        ),
        *("dates", "single"),
    ],
)
def test_targets_that_cannot_be_learned_are_told_with_their_rows(
    values: Any, task: str, message: str, hint: str
) -> None:
    with pytest.raises(DataError) as caught:
        read(values, task)

    assert caught.value.message == message or caught.value.message.startswith(message)
    assert caught.value.hint.startswith(hint)
    assert caught.value.exit_code == 3


def test_a_class_that_is_not_in_the_training_part_is_told() -> None:
    with pytest.raises(DataError) as caught:
        read(None, train=np.array([0, 1] * 9), test=np.array([0, 2, 2]))

    assert caught.value.message == (
        "a.npz: 2 of 3 targets of test are 2, none of the 2 classes 0, 1; they are in rows 1, 2"
    )


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        (
            [0, 3],
            "a.npz: 1 of 2 targets are 3, none of the 3 classes 0, 1, 2; they are in rows 1",
            "a class that training",
        ),
        (
            [-1, 0],
            "a.npz: 1 of 2 targets are -1, none of the 3 classes 0, 1, 2",
            "a class that training has not seen",
        ),
        (
            [1, 2, 3],
            "a.npz: 1 of 3 targets are 3, none",
            "they seem to be counted from 1: the classes are 0 to 2",
        ),
        ([0.5], "a.npz: 1 of 1 targets are 0.5, none of the 3 classes", ""),
        (["cat"], "a.npz: 1 of 1 targets are cat, none of the 3 classes", ""),
        (
            np.zeros((2, 2)),
            "a.npz: the targets of all have the shape (2, 2); one class per sample is needed",
            "",
        ),
    ],
    ids=["K", "negative", "from-one", "float", "text", "shape"],
)
def test_labels_that_a_network_does_not_know_are_told(values: Any, message: str, hint: str) -> None:
    with pytest.raises(DataError) as caught:
        labels_like({"all": np.asarray(values)}, DIGITS, "a.npz")

    assert caught.value.message.startswith(message)
    assert caught.value.hint.startswith(hint)


def test_labels_are_read_as_a_network_knows_them() -> None:
    assert labels_like({"all": np.array([2.0, 0.0])}, DIGITS, "a.npz").values["all"].tolist() == [2, 0]
    assert labels_like({"all": np.eye(3)[[2, 0]]}, DIGITS, "a.npz").values["all"].tolist() == [2, 0]
    assert labels_like({"all": np.array([1, 2])}, OF_NUMBERS, "a.npz").values["all"].tolist() == [1.0, 2.0]
