"""A column that names the part of each row is the split of a table, and no feature."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlkit.data.check import check_data
from dlkit.data.dataset import DataSet
from dlkit.data.kinds import load_dataset
from dlkit.files.description import DataDescription
from dlkit.settings.config import TrainConfig

FER = ("Training", "PublicTest", "Training", "PrivateTest")


def write_table(values: Sequence[str], name: str = "set", rows: int = 120, gap: int = -1) -> Path:
    random = np.random.default_rng(0)
    with Path("t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("a", "b", name, "y"))
        for row, (a, b) in enumerate(random.normal(size=(rows, 2))):
            part = values[row % len(values)]
            writer.writerow((f"{a:.4f}", f"{b:.4f}", part, "" if row == gap else f"{a + b:.4f}"))
    return Path("t.csv")


def load(trained_on: DataDescription | None = None, **settings: Any) -> DataSet:
    config = TrainConfig(**{"model": "mlp", "data": "t.csv", "target": "y", **settings})
    return load_dataset(config, trained_on)


def rows_of(dataset: DataSet) -> dict[str, list[int]]:
    return {name: split.rows.tolist() for name, split in dataset.splits.items()}  # type: ignore[attr-defined]


def note(dataset: DataSet) -> str:
    return next((text for text in dataset.notes if text.startswith("rows are split by column")), "")


@pytest.mark.parametrize(
    ("values", "name", "parts"),
    [
        (("train", "valid", "train", "test"), "set", (0, 1, 0, 2)),
        (("Train", "VAL", "Train", "Testing"), "Split", (0, 1, 0, 2)),
        (("training", "dev", "training", "holdout"), "data_split", (0, 1, 0, 2)),
        (FER, "Usage", (0, 1, 0, 2)),
        (("TRAIN", "Validation_set", "TRAIN", "test_set"), "phase", (0, 1, 0, 2)),
        (("train", "extra", "train", "val", "test"), "subset", (0, None, 0, 1, 2)),
        (("train", "", "train", "val", "test"), "partition", (0, None, 0, 1, 2)),
    ],
    ids=["set", "case", "dev", "fer2013", "any-name", "others", "empty"],
)
def test_the_rows_are_those_that_the_column_names(
    values: Sequence[str], name: str, parts: Sequence[int | None], home: Path
) -> None:
    write_table(values, name)
    wanted = [parts[row % len(parts)] for row in range(120)]

    dataset = load()

    assert rows_of(dataset) == {
        part: [row for row in range(120) if wanted[row] == place]
        for place, part in enumerate(("train", "val", "test"))
    }
    assert dataset.description.feature_names == ("a", "b")
    assert name in note(dataset)
    assert "--no-stratify" in note(dataset)
    assert ("24 rows" in note(dataset)) == (None in parts)


@pytest.mark.parametrize(
    ("values", "kept", "cut"),
    [(("train", "train", "test"), "test", "val"), (("train", "train", "val"), "val", "test")],
    ids=["no-val", "no-test"],
)
def test_a_part_that_is_not_named_is_cut_off_train(
    values: Sequence[str], kept: str, cut: str, home: Path
) -> None:
    write_table(values)

    dataset = load()
    rows = rows_of(dataset)

    assert rows[kept] == list(range(2, 120, 3))
    assert sorted(rows["train"] + rows[cut]) == [row for row in range(120) if row % 3 < 2]
    assert len(rows[cut]) == 8
    assert f"{cut} cut off train" in note(dataset)


def test_test_rows_without_a_target_are_no_test_part(home: Path) -> None:
    path = write_table(("train", "train", "test"))
    lines = path.read_text().splitlines()
    path.write_text("\n".join(line.rpartition(",")[0] + "," if ",test," in line else line for line in lines))

    rows = rows_of(load())

    assert len(rows["test"]) == 8
    assert all(row % 3 < 2 for row in rows["test"])


@pytest.mark.parametrize(
    "settings",
    [{"stratify": False}, {"stratify": True}, {"folds": 4, "fold": 1}, {"by_time": "a"}],
    ids=str,
)
def test_another_way_to_split_is_taken_and_the_column_is_no_feature(
    settings: dict[str, Any], home: Path
) -> None:
    write_table(FER)

    dataset = load(**settings)

    assert rows_of(dataset)["test"] != list(range(3, 120, 4))
    assert dataset.description.feature_names in {("a", "b"), ("b",)}
    assert note(dataset) == ""


@pytest.mark.parametrize(
    ("values", "name", "settings"),
    [
        (("train", "bus", "car", "tram"), "mode", {}),
        (("train", "training"), "set", {}),
        (("test", "control"), "group", {}),
        (FER, "Usage", {"features": "a,b,Usage"}),
        (FER, "Usage", {"target": "Usage"}),
    ],
    ids=["means-of-transport", "train-alone", "control", "feature", "target"],
)
def test_other_columns_split_nothing(
    values: Sequence[str], name: str, settings: dict[str, Any], home: Path
) -> None:
    write_table(values, name)

    dataset = load(**settings)

    assert note(dataset) == ""
    assert len(rows_of(dataset)["test"]) == 12
    assert name == dataset.description.learned["target"][0] or dataset.description.feature_names != ("a", "b")


def test_a_run_keeps_the_split_that_it_was_trained_with(home: Path) -> None:
    write_table(FER)
    dataset = load()
    before = load(stratify=False).description  # as one trained before such columns were known

    assert rows_of(load(dataset.description)) == rows_of(dataset)
    assert rows_of(load(before)) == rows_of(load(stratify=False))


def test_points_are_split_by_it_too(home: Path) -> None:
    write_table(FER)
    dataset = load(model="spatial", coords="a,b", neighbors=3, min_neighbors=1)

    assert rows_of(dataset)["test"] == list(range(3, 120, 4))
    assert dataset.description.feature_names == ("a", "b")
    assert rows_of(load(dataset.description, model="spatial", coords="a,b")) == rows_of(dataset)
    assert note(dataset)


def test_check_and_split_agree_with_training(home: Path, dlkit: Callable[..., Any]) -> None:
    write_table(FER, "Usage")
    found = check_data(TrainConfig(model="mlp", data="t.csv", target="y"))

    assert [each.where for each in found if each.rule == "own-split"] == ["column Usage"]
    assert dlkit("data", "split", "t.csv", "--target", "y", "-o", "s.csv").code == 0
    with Path("s.csv").open() as file:
        tested = [int(row["row"]) for row in csv.DictReader(file) if row["split"] == "test"]
    assert tested == list(range(3, 120, 4))
