"""Which samples of images and arrays train, validate and test."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlkit.data.stored_splits import as_they_are, check_sizes, place_rows, strata_of
from dlkit.errors import ConfigError, DataError
from dlkit.settings.config import TrainConfig

CLASSES = np.repeat(np.arange(4), 25)


def place(strata: dict[str, np.ndarray] | None = None, *, sorted_rows: bool = True, **settings: Any) -> Any:
    config = TrainConfig(model="mlp", data="/a.npz", **settings)
    return place_rows(strata or {"all": CLASSES}, config, "salt", sorted_rows=sorted_rows)


def members(places: Any) -> dict[str, set[int]]:
    return {name: set(rows.tolist()) for name, (_, rows) in places.items()}


def test_splits_are_disjoint_complete_and_in_proportion() -> None:
    found = members(place(val=0.2, test=0.2))

    assert {name: len(rows) for name, rows in found.items()} == {"train": 64, "val": 16, "test": 20}
    assert set.union(*found.values()) == set(range(100))
    for rows in found.values():
        assert len(set(np.bincount(CLASSES[list(rows)], minlength=4))) == 1


def test_splits_depend_on_seed_and_salt() -> None:
    assert members(place(seed=1)) == members(place(seed=1, epochs=3))
    assert members(place(seed=1)) != members(place(seed=2))


@pytest.mark.parametrize(
    ("strata", "sizes"),
    [
        ({"train": CLASSES}, {"train": ("train", 81), "val": ("train", 9), "test": ("train", 10)}),
        (
            {"train": CLASSES, "val": CLASSES[:7]},
            {"train": ("train", 90), "val": ("val", 7), "test": ("train", 10)},
        ),
        (
            {"train": CLASSES, "test": CLASSES[:7]},
            {"train": ("train", 90), "val": ("train", 10), "test": ("test", 7)},
        ),
    ],
    ids=["train", "no-test", "no-val"],
)
def test_parts_are_kept_and_missing_ones_cut_from_train(strata: Any, sizes: Any) -> None:
    assert {name: (part, len(rows)) for name, (part, rows) in place(strata).items()} == sizes


def test_a_limit_takes_of_every_class_where_rows_are_sorted() -> None:
    drawn = place(limit=20)["train"][1]
    first = place(limit=20, sorted_rows=False)["train"][1]

    assert np.bincount(CLASSES[drawn]).tolist() == [5, 5, 5, 5]
    assert set(CLASSES[first]) == {0}
    assert members(place(limit=20))["test"] == members(place())["test"]


def test_folds_test_every_sample_once() -> None:
    tested = [members(place(folds=4, fold=fold))["test"] for fold in range(1, 5)]

    assert sorted(row for rows in tested for row in rows) == list(range(100))


def test_a_split_file_is_obeyed(tmp_path: Path) -> None:
    lines = [
        f"{row},{'test' if row % 10 == 0 else 'val' if row % 10 == 1 else 'train'}\n" for row in range(90)
    ]
    (tmp_path / "split.csv").write_text("row,split\n" + "".join(lines))

    found = members(place(split_file=str(tmp_path / "split.csv")))

    assert {name: len(rows) for name, rows in found.items()} == {"train": 72, "val": 9, "test": 9}
    assert 95 not in set.union(*found.values())


@pytest.mark.parametrize(
    ("settings", "parts", "message"),
    [
        ({"group": "patient"}, "all", "--group names a column of a table; /a.npz has none"),
        ({"by_time": "day"}, "all", "--by-time names a column of a table; /a.npz has none"),
        (
            {"folds": 3, "fold": 1},
            "train",
            "--folds cuts data that are in one piece; /a.npz comes in parts: train",
        ),
        (
            {"split_file": "s.csv"},
            "train",
            "--split-file cuts data that are in one piece; /a.npz comes in parts: train",
        ),
    ],
    ids=["group", "time", "folds", "file"],
)
def test_ways_that_the_data_do_not_have_are_refused(settings: Any, parts: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        place({parts: CLASSES}, **settings)

    assert caught.value.message == message
    assert caught.value.hint.startswith("leave it out")


def test_other_data_are_taken_as_they_are() -> None:
    assert {name: (part, len(rows)) for name, (part, rows) in as_they_are({"all": 5}).items()} == {
        "test": ("all", 5)
    }
    assert list(as_they_are({"train": 3, "test": 5})) == ["train", "test"]


def test_splits_that_are_too_small_are_told_with_all_counts() -> None:
    with pytest.raises(DataError) as caught:
        check_sizes("/a.npz", {"train": 1, "val": 1, "test": 0})

    assert (
        caught.value.message == "--data /a.npz has too few samples for train and test: train 1, val 1, test 0"
    )


@pytest.mark.parametrize(
    ("targets", "stratify", "groups"),
    [
        (np.array([2, 0, 2]), None, [2, 0, 2]),
        (np.array([2, 0, 2]), False, [0, 0, 0]),
        (np.array([0.5, 3.0]), None, [0, 0]),
        (np.arange(10, dtype=np.float32), True, list(range(10))),
        (np.arange(10, dtype=np.float32).reshape(5, 2), False, [0] * 5),
    ],
    ids=["classes", "not", "numbers", "tenths", "several"],
)
def test_groups_are_classes_or_tenths(targets: np.ndarray, stratify: bool | None, groups: list[int]) -> None:
    assert strata_of(targets, stratify).tolist() == groups
