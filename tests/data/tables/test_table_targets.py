"""What a target column holds, and what cannot be learned."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dlkit.data.tables.reading.table_file import read_table
from dlkit.data.tables.table import Table
from dlkit.data.tables.targets import read_targets, target_names, targets_like
from dlkit.errors import ConfigError, DlkitError


def column(fields: list[str]) -> Table:
    text = "y,x\n" + "".join(f"{field},{row}\n" for row, field in enumerate(fields))
    return read_table("-", stdin=io.BytesIO(text.encode()))


def told(fields: list[str], task: str = "auto", names: tuple[str, ...] = ("y",)) -> tuple[str, str]:
    with pytest.raises(DlkitError) as caught:
        read_targets(column(fields), names, task)
    return caught.value.message, caught.value.hint


INFERRED: dict[str, tuple[list[str], str, tuple[str, ...], str]] = {
    "text": (
        ["b", "a", "NA"],
        "classification",
        ("NA", "a", "b"),
        "target y is text, so its values are classes",
    ),
    "truth": (
        ["true", "false", "true"],
        "classification",
        ("false", "true"),
        "target y is true or false, so its values are classes",
    ),
    "few-integers": (
        ["2", "10", "1"] * 5,
        "classification",
        ("1", "2", "10"),
        "target y has 3 different whole numbers, so they are classes; --task regression takes them as numbers",
    ),
    "integers-of-few-rows": (
        ["2", "10", "1"],
        "regression",
        (),
        "target y is a number (3 different values), so it is a regression; --task classification takes its values "
        "as classes",
    ),
    "fractions": (
        ["0.5", "1"] * 20,
        "regression",
        (),
        "target y is a number (2 different values), so it is a regression; --task classification takes its values "
        "as classes",
    ),
    "many-integers": (
        [str(number) for number in range(31)] * 9,
        "regression",
        (),
        "target y is a number (31 different values), so it is a regression; --task classification takes its values "
        "as classes",
    ),
}


@pytest.mark.parametrize("name", INFERRED)
def test_the_task_is_told_by_the_values_and_said(name: str) -> None:
    fields, task, classes, note = INFERRED[name]

    found = read_targets(column(fields), ("y",), "auto")

    assert (found.task, found.class_names, found.note) == (task, classes, note)


@pytest.mark.parametrize(
    ("fields", "task"), [(["1", "2"] * 9, "regression"), (["0.5", "1.5"] * 9, "classification")]
)
def test_a_task_that_is_asked_for_wins_and_nothing_is_said(fields: list[str], task: str) -> None:
    found = read_targets(column(fields), ("y",), task)

    assert (found.task, found.note) == (task, "")


def test_classes_are_indices_in_the_order_of_their_names() -> None:
    found = read_targets(column(["b", "a", "", "b"]), ("y",), "auto")

    assert found.values.tolist() == [1, 0, -1, 1]
    assert found.known.tolist() == [True, True, False, True]


def test_numbers_are_columns() -> None:
    found = read_targets(column(["1.5", "", "3"]), ("y", "x"), "auto")

    assert found.task == "regression"
    np.testing.assert_array_equal(found.values, np.array([[1.5, 0], [np.nan, 1], [3, 2]], dtype=np.float32))
    assert found.known.tolist() == [True, False, True]


def test_strata_are_classes_or_tenths_of_numbers() -> None:
    classes = read_targets(column(["b", "a"]), ("y",), "auto")
    numbers = read_targets(column([f"{number}.5" for number in range(100)]), ("y",), "auto")

    assert classes.strata(numbers=False).tolist() == [1, 0]
    assert set(numbers.strata(numbers=False).tolist()) == {0}
    assert np.bincount(numbers.strata(numbers=True)).tolist() == [10] * 10


BAD: dict[str, tuple[list[str], str, str, str]] = {
    "one-class": (
        ["a", "a", ""],
        "auto",
        "--target y is a in all 2 rows: one class cannot be learned",
        "name another column, or add rows of other classes",
    ),
    "empty": (
        ["", "NA"],
        "auto",
        "--target y: standard input has no value in that column",
        "name another column; NA, None, null and the like stand for missing numbers where no other text is there",
    ),
    "dates": (
        ["2020-01-01", "2020-01-02"],
        "auto",
        "--target y holds dates; a target is a number or a class",
        "write the time to predict as a number, e.g. days since the first row",
    ),
    "infinite": (
        ["1.5", "inf", "-inf"],
        "auto",
        "standard input line 3, column y is infinite, and 1 more",
        "--missing inf takes it as missing, and leaves the row out",
    ),
    "text-as-numbers": (
        ["a", "b"],
        "regression",
        "--target y is text, e.g. 'a', not a number",
        "--task classification takes its texts as classes",
    ),
    "too-many-classes": (
        [f"t{number}" for number in range(300)],
        "auto",
        "--target y has 300 different values in 300 rows, too many to be classes",
        "name another column",
    ),
    "stray": (
        [*(f"{number}.5" for number in range(40)), "x"],
        "auto",
        "standard input line 42: column y has 'x' among numbers",
        "--missing x if it stands for a missing value; otherwise correct it",
    ),
    "huge": (
        ["1e300", "1"],
        "regression",
        "standard input line 2, column y is 1e+300, too large to compute with",
        "--missing 1e+300 if it stands for a missing value; otherwise divide the column by a unit that fits",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_target_that_cannot_be_learned_is_told(name: str) -> None:
    fields, task, message, hint = BAD[name]

    assert told(fields, task) == (message, hint)


def test_several_targets_are_no_classes() -> None:
    assert told(["1", "2"], "classification", ("y", "x")) == (
        "--task classification takes one target; --target names 2",
        "name one of them",
    )


@pytest.mark.parametrize("kind", [int, bool])
@pytest.mark.quick(1)
def test_the_hint_for_one_hot_targets_makes_one_column_of_classes(kind: type, tmp_path: Path) -> None:
    classes = [("a", "b c", "d")[place] for place in np.random.default_rng(0).integers(0, 3, 30)]
    one_hot = pd.get_dummies(pd.Series(classes)).astype(kind)
    pd.DataFrame({"x": range(30)}).join(one_hot).to_csv(tmp_path / "t.csv", index=False)
    table = read_table(str(tmp_path / "t.csv"))
    with pytest.raises(DlkitError) as caught:
        read_targets(table, ("d", "a", "b c"), "auto")
    command = caught.value.hint[caught.value.hint.index("python -c ") :].partition("; then --data ")[0]
    subprocess.run(command.replace("python", sys.executable, 1), shell=True, check=True, cwd=tmp_path)

    made = pd.read_csv(tmp_path / "new.csv")
    assert made.columns.tolist() == ["x", "class"]
    assert made["class"].tolist() == classes


def test_several_labels_in_a_row_are_no_one_target() -> None:
    names = ("y", "z")
    table = read_table("-", stdin=io.BytesIO(b"y,z,x\n1,0,3\n1,1,4\n0,1,5\n"))
    with pytest.raises(DlkitError) as caught:
        read_targets(table, names, "auto")

    assert "python" not in caught.value.hint
    assert "--task regression" in caught.value.hint


@pytest.mark.parametrize(
    ("typed", "names"), [("a", ("a",)), ("a, b", ("a", "b")), ("b,c", ("b,c",))], ids=["one", "two", "comma"]
)
def test_targets_are_taken_apart_unless_a_column_is_called_so(typed: str, names: tuple[str, ...]) -> None:
    assert target_names(("a", "b", "b,c"), typed, "x.csv") == names


@pytest.mark.parametrize(
    ("typed", "message", "hint"),
    [
        ("prise", "--target prise: x.csv has no such column", "did you mean price?"),
        ("zebra", "--target zebra: x.csv has no such column", "it has price, rooms"),
        ("price,price", "--target price,price names a column twice", "name each once"),
    ],
)
def test_targets_that_are_not_there_are_told(typed: str, message: str, hint: str) -> None:
    with pytest.raises(DlkitError) as caught:
        target_names(("price", "rooms"), typed, "x.csv")

    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert isinstance(caught.value, ConfigError) == ("twice" in message)


def test_targets_of_other_rows_may_be_missing_altogether() -> None:
    other = column(["a", "b"])

    classes = targets_like(other, ("z",), "classification", ("a", "b"))
    numbers = targets_like(other, ("z", "w"), "regression", ())

    assert classes.values.tolist() == [-1, -1]
    assert numbers.values.shape == (2, 2)
    assert not numbers.known.any()


def test_classes_of_other_rows_are_those_trained_on() -> None:
    found: Any = targets_like(column(["b", "", "b"]), ("y",), "classification", ("a", "b"))

    assert found.values.tolist() == [1, -1, 1]


def test_a_class_that_was_not_trained_on_is_told_with_its_place() -> None:
    with pytest.raises(DlkitError) as caught:
        targets_like(column(["b", "c", "d"]), ("y",), "classification", ("a", "b"))

    assert caught.value.message == (
        "standard input line 3, column y is 'c', which is none of the 2 classes trained on: a, b"
    )
    assert caught.value.hint == "fix the 2 such rows; empty the field where the class is not known"
