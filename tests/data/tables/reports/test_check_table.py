"""Faults of a table: each kind is planted and found, and a sound table raises nothing."""

from pathlib import Path

import numpy as np
import pytest

from dlkit.data.findings import Finding
from dlkit.data.tables.reading.table_file import read_table
from dlkit.data.tables.reports.check import check_table
from dlkit.data.tables.table import table_of
from dlkit.errors import DataError

RANDOM = np.random.RandomState(0)
ROWS = 200
A, B = RANDOM.randn(ROWS), RANDOM.randn(ROWS)
COLOUR = RANDOM.choice(["red", "green", "blue"], ROWS).astype(object)
KIND = np.where(A + 0.5 * RANDOM.randn(ROWS) > 0, "cat", "dog").astype(object)
PRICE = 3 * A - B + RANDOM.randn(ROWS)
SOUND = {"a": A, "b": B, "colour": COLOUR, "kind": KIND, "price": PRICE}


def find(target: str = "kind", **changes: np.ndarray | None) -> dict[str, Finding]:
    columns = {name: values for name, values in {**SOUND, **changes}.items() if values is not None}
    return {finding.rule: finding for finding in check_table(table_of("x.csv", columns), target)}


def with_value(values: np.ndarray, row: int, value: object) -> np.ndarray:
    changed = values.copy()
    changed[row] = value
    return changed


@pytest.mark.parametrize("target", ["kind", "price", "colour"])
def test_a_sound_table_raises_nothing(target: str) -> None:
    assert find(target) == {}


def test_missing_values_are_counted_with_their_line() -> None:
    found = find(a=with_value(with_value(A, 3, np.nan), 7, np.nan))["missing"]

    assert (found.level, found.where, found.count) == ("warning", "column a", 2)
    assert found.message == "2 values missing (1.0%), e.g. in line 5"


def test_infinities_are_an_error() -> None:
    found = find(b=with_value(B, 4, -np.inf))["infinite"]

    assert (found.level, found.where, found.count) == ("error", "column b", 1)
    assert found.message == "values are infinite in line 6"


def test_a_code_for_missing_values_is_found_in_features_and_in_the_target() -> None:
    coded = np.where(np.arange(ROWS) % 10 == 0, -9999.0, A)

    feature, target = find(a=coded)["missing-code"], find("price", price=coded)["missing-code"]

    assert (feature.level, feature.where, feature.count) == ("warning", "column a", 20)
    assert (target.where, target.count) == ("column price", 20)
    assert "--missing -9999" in feature.cure


@pytest.mark.filterwarnings("error")
def test_numbers_at_both_ends_are_too_large_and_overflow_nothing_else() -> None:
    assert find(b=with_value(with_value(B, 4, 1e308), 5, -1e308))["too-large"].level == "error"
    assert find(b=with_value(with_value(B, 4, 1e308), 5, 1e308))["too-large"].level == "error"


@pytest.mark.filterwarnings("error")
def test_a_number_beyond_all_sums_is_an_error_with_its_place() -> None:
    found = find(b=with_value(B, 4, 1e308))["too-large"]

    assert (found.level, found.where) == ("error", "column b")
    assert "line 6" in found.message
    assert "1e+308" in found.message
    assert "--missing 1e+308" in found.cure


def test_columns_that_number_the_rows_are_not_looked_at() -> None:
    assert find(**{"Unnamed: 0": np.arange(ROWS), "": np.arange(ROWS)}) == {}


@pytest.mark.parametrize(
    "values",
    [np.full(ROWS, 2.0), np.full(ROWS, "same", dtype=object), np.full(ROWS, np.nan)],
    ids=["number", "text", "nothing"],
)
def test_a_constant_column_is_found(values: np.ndarray) -> None:
    assert find(dead=values)["constant"].where == "column dead"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("count", np.arange(ROWS, dtype=float) + 17),
        ("customer_id", RANDOM.choice(10**6, ROWS, replace=False).astype(float)),
        ("key", np.array([f"k{index}" for index in range(ROWS)], dtype=object)),
    ],
    ids=["counter", "name", "text"],
)
def test_an_id_is_found(name: str, values: np.ndarray) -> None:
    assert find(**{name: values})["id-like"].where == f"column {name}"


def test_whole_numbers_that_happen_to_differ_are_no_id() -> None:
    assert find(income=RANDOM.choice(10**6, ROWS, replace=False).astype(float)) == {}


def test_rows_that_come_twice_are_found() -> None:
    table = table_of("x.csv", {name: np.append(values, values[[5, 9]]) for name, values in SOUND.items()})

    (found,) = check_table(table, "kind")

    assert (found.rule, found.where, found.count) == ("duplicates", "line 202, 203", 2)


def test_equal_inputs_with_different_labels_are_found() -> None:
    columns = {name: np.append(values, values[5]) for name, values in SOUND.items()}
    columns["kind"][-1] = {"cat": "dog", "dog": "cat"}[columns["kind"][5]]

    (found,) = check_table(table_of("x.csv", columns), "kind")

    assert (found.rule, found.where, found.count) == ("conflicts", "line 202", 1)
    assert found.message.endswith("lines 7 and 202")


def test_noise_in_a_number_is_no_conflict() -> None:
    columns = {name: np.append(values, values[5]) for name, values in SOUND.items()}
    columns["price"][-1] += 1

    assert check_table(table_of("x.csv", columns), "price") == []


def test_rows_without_a_target_are_counted() -> None:
    found = find("price", price=with_value(PRICE, 1, np.nan))["unlabelled"]

    assert (found.where, found.count) == ("column price", 1)


def test_classes_that_differ_in_case_or_spaces_are_found() -> None:
    found = find(kind=with_value(with_value(KIND, 0, "Cat"), 1, " dog"))["labels"]

    assert "'cat' and 'Cat'" in found.message or "'Cat' and 'cat'" in found.message
    assert "' dog'" in found.message
    assert found.count == 4


@pytest.mark.parametrize(
    ("target", "leak"),
    [
        ("price", PRICE * 1.19 + 3),
        ("price", np.exp(-PRICE)),
        ("kind", np.where(KIND == "cat", "felis", "canis").astype(object)),
        ("kind", (KIND == "cat") + 0.1 * RANDOM.rand(ROWS)),
    ],
    ids=["scaled", "monotone", "other-words", "number"],
)
def test_a_column_that_gives_the_target_away_is_found(target: str, leak: np.ndarray) -> None:
    found = find(target, leak=leak)

    assert set(found) == {"gives-away"}
    assert found["gives-away"].where == "column leak"


def test_a_stray_text_in_a_column_of_numbers_is_an_error_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    numbers = [f"{index}.5,{index % 7}" for index in range(100)]
    numbers[41] = "n.a.?,3"
    path.write_text("a,b\n" + "\n".join(numbers) + "\n")

    (found,) = check_table(read_table(str(path)), "b")

    assert (found.rule, found.level, found.where) == ("stray", "error", "column a")
    assert "43" in found.message


def test_of_several_targets_each_is_looked_at() -> None:
    found = find("a,price", price=with_value(PRICE, 3, np.nan))

    assert {rule: finding.where for rule, finding in found.items()} == {"unlabelled": "column price"}


def test_only_the_features_that_are_named_are_looked_at() -> None:
    columns = {**SOUND, "dead": np.zeros(ROWS)}

    assert check_table(table_of("x.csv", columns), "kind", ["a", "b"]) == []


@pytest.mark.parametrize(
    ("target", "features", "message"),
    [
        ("knd", None, "--target knd: x.csv has no such column"),
        ("kind", ["a", "bb"], "--features bb: x.csv has no such column"),
    ],
)
def test_columns_that_are_not_there_are_refused(
    target: str, features: list[str] | None, message: str
) -> None:
    with pytest.raises(DataError) as caught:
        check_table(table_of("x.csv", SOUND), target, features)

    assert caught.value.message == message
    assert "did you mean" in caught.value.hint or caught.value.hint.startswith("it has")


def test_a_column_that_separates_a_class_is_found_as_in_training() -> None:
    rng = np.random.default_rng(0)
    state = rng.choice(["paid", "lost", "late"], 300)
    money = np.where(state == "lost", rng.uniform(1, 9, 300).round(2), 0)
    table = table_of("t", {"a, or b": rng.random(300), "money": money, "state": state})

    found = [each for each in check_table(table, "state") if each.rule == "separates"]

    assert [(each.where, each.count) for each in found] == [("column money", int((state == "lost").sum()))]
    assert "lost" in found[0].message
    assert "--features '\"a, or b\"'" in found[0].cure


def test_empty_rows_are_no_copies() -> None:
    empty = np.arange(ROWS) >= ROWS - 20
    gaps = {
        name: np.where(empty, np.nan, values) for name, values in {"a": A, "b": B, "price": PRICE}.items()
    }

    found = {each.rule for each in check_table(table_of("x.csv", gaps), "price")}
    copied = {name: with_value(values, 5, values[4]) for name, values in gaps.items()}

    assert found == {"missing", "unlabelled"}
    assert {each.rule: each.count for each in check_table(table_of("x.csv", copied), "price")}[
        "duplicates"
    ] == 1
