"""Which rows belong to train, val and test."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlkit.data.splits import Rows, split_at_random, split_by_time, split_folds, split_groups, split_rows
from dlkit.errors import DataError

TARGETS = np.repeat(np.arange(10), 100)


def test_rows_are_disjoint_complete_and_sorted() -> None:
    kept, cut = split_rows(TARGETS, 0.1, 0, "val/x")

    assert sorted([*kept, *cut]) == list(range(1000))
    assert (np.diff(kept) > 0).all()
    assert (np.diff(cut) > 0).all()


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.9])
def test_each_class_is_cut_in_proportion(share: float) -> None:
    sizes = np.array([500, 200, 100, 50])
    targets = np.repeat(np.arange(4), sizes)

    _, cut = split_rows(targets, share, 0, "val/x")

    assert len(cut) == round(850 * share)
    assert np.abs(np.bincount(targets[cut]) - sizes * share).max() < 1


def test_split_is_a_function_of_seed_and_salt_alone() -> None:
    first = split_rows(TARGETS, 0.1, 0, "val/x")[1].tolist()
    np.random.seed(5)  # noqa: NPY002

    assert split_rows(TARGETS, 0.1, 0, "val/x")[1].tolist() == first
    assert split_rows(TARGETS, 0.1, 1, "val/x")[1].tolist() != first
    assert split_rows(TARGETS, 0.1, 0, "test/x")[1].tolist() != first
    assert split_rows(TARGETS, 0.1, 0, "val/y")[1].tolist() != first


def test_rows_of_a_split_stay_those_of_earlier_versions() -> None:
    _, cut = split_rows(TARGETS, 0.01, 0, "val/x")

    assert cut.tolist() == [25, 141, 241, 347, 402, 588, 652, 764, 868, 923]


def test_no_class_is_emptied() -> None:
    targets = np.array([0] * 50 + [1, 1] + [2])

    kept, cut = split_rows(targets, 0.9, 0, "val/x")

    assert set(targets[kept]) == {0, 1, 2}
    assert 2 not in targets[cut]


def test_the_smallest_share_cuts_one_row() -> None:
    assert len(split_rows(TARGETS, 1e-9, 0, "val/x")[1]) == 1


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=60),
    st.floats(0.001, 0.999),
    st.integers(0, 2**32 - 1),
)
def test_any_targets_are_split_whole(targets: list[int], share: float, seed: int) -> None:
    array = np.array(targets)

    kept, cut = split_rows(array, share, seed, "val/x")

    assert sorted([*kept, *cut]) == list(range(len(array)))
    assert set(array[kept]) == set(array)


SHARES: dict[str, Any] = {"val": 0.1, "test": 0.2}
DRAW: dict[str, Any] = {"seed": 0, "fingerprint": "x"}
GROUPS = np.random.RandomState(0).randint(0, 37, 1000)


def sizes(rows: Rows) -> dict[str, int]:
    return {name: len(members) for name, members in rows.items()}


def is_a_partition(rows: Rows, total: int) -> bool:
    return sorted(row for members in rows.values() for row in members.tolist()) == list(range(total))


def test_a_random_split_has_its_shares_of_all_rows() -> None:
    rows = split_at_random(np.zeros(1000), **SHARES, **DRAW)

    assert sizes(rows) == {"train": 700, "val": 100, "test": 200}
    assert is_a_partition(rows, 1000)


def test_a_stratified_split_gives_each_class_its_share() -> None:
    strata = np.repeat([0, 1, 2], [800, 150, 50])

    rows = split_at_random(strata, **SHARES, **DRAW)

    assert np.bincount(strata[rows["test"]]).tolist() == [160, 30, 10]
    assert np.bincount(strata[rows["val"]]).tolist() == [80, 15, 5]


METHODS: dict[str, Callable[..., Rows]] = {
    "random": lambda **draw: split_at_random(np.zeros(1000), **SHARES, **draw),
    "grouped": lambda **draw: split_groups(GROUPS, **SHARES, **draw),
    "folds": lambda **draw: split_folds(np.zeros(1000), fold=2, folds=5, val=0.1, **draw),
    "grouped-folds": lambda **draw: split_folds(GROUPS, fold=2, folds=5, val=0.1, grouped=True, **draw),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_split_is_a_function_of_seed_and_data(name: str) -> None:
    method = METHODS[name]
    first = {key: rows.tolist() for key, rows in method(**DRAW).items()}

    assert {key: rows.tolist() for key, rows in method(**DRAW).items()} == first
    assert method(seed=1, fingerprint="x")["test"].tolist() != first["test"]
    assert method(seed=0, fingerprint="y")["test"].tolist() != first["test"]


def test_groups_are_never_apart() -> None:
    rows = split_groups(GROUPS, **SHARES, **DRAW)

    assert is_a_partition(rows, 1000)
    found = [set(GROUPS[members]) for members in rows.values()]
    assert not found[0] & found[1]
    assert not found[0] & found[2]
    assert not found[1] & found[2]
    assert 150 <= len(rows["test"]) <= 250
    assert 70 <= len(rows["val"]) <= 130


def test_three_groups_make_one_split_each() -> None:
    rows = split_groups(np.repeat([7, 8, 9], [1, 50, 3]), **SHARES, **DRAW)

    assert sorted(sizes(rows).values()) == [1, 3, 50]


def test_time_is_cut_so_that_the_newest_rows_test() -> None:
    times = np.random.RandomState(0).permutation(1000) / 7

    rows = split_by_time(times, **SHARES)

    assert sizes(rows) == {"train": 700, "val": 100, "test": 200}
    assert times[rows["train"]].max() < times[rows["val"]].min()
    assert times[rows["val"]].max() < times[rows["test"]].min()


def test_rows_of_the_same_time_are_never_apart() -> None:
    times = np.random.RandomState(0).randint(0, 30, 1000)

    rows = split_by_time(times, **SHARES)

    assert times[rows["train"]].max() < times[rows["val"]].min()
    assert times[rows["val"]].max() < times[rows["test"]].min()


@pytest.mark.parametrize("grouped", [False, True])
def test_folds_test_every_row_once(grouped: bool) -> None:
    strata = GROUPS if grouped else GROUPS % 3

    folds = [
        split_folds(strata, fold=fold, folds=5, val=0.1, grouped=grouped, **DRAW) for fold in range(1, 6)
    ]

    assert sorted(row for rows in folds for row in rows["test"].tolist()) == list(range(1000))
    for rows in folds:
        assert is_a_partition(rows, 1000)
        assert 180 <= len(rows["test"]) <= 220
        if grouped:
            assert not set(strata[rows["test"]]) & set(strata[rows["train"]])
            assert not set(strata[rows["val"]]) & set(strata[rows["train"]])
        else:
            assert np.ptp(np.bincount(strata[rows["test"]]) - np.bincount(strata) / 5) < 2


EMPTY: dict[str, tuple[Callable[[], Rows], str]] = {
    "one-row": (
        lambda: split_at_random(np.zeros(1), **SHARES, **DRAW),
        "1 row leaves none for val and test: train 1, val 0, test 0",
    ),
    "two-rows": (
        lambda: split_at_random(np.zeros(2), **SHARES, **DRAW),
        "2 rows leave none for val: train 1, val 0, test 1",
    ),
    "one-time": (
        lambda: split_by_time(np.zeros(5), **SHARES),
        "5 rows leave none for train and val: train 0, val 0, test 5",
    ),
    "two-groups": (
        lambda: split_groups(np.array([0, 1, 1]), **SHARES, **DRAW),
        "--group gives 2 groups; 3 are needed, at least one for each part",
    ),
    "more-folds-than-rows": (
        lambda: split_folds(np.zeros(3), fold=5, folds=5, val=0.1, **DRAW),
        "--folds 5 leaves 0 of 3 rows to test in fold 5",
    ),
}


@pytest.mark.parametrize("name", EMPTY)
def test_a_split_that_would_be_empty_is_told_with_the_counts(name: str) -> None:
    make, message = EMPTY[name]

    with pytest.raises(DataError) as caught:
        make()

    assert caught.value.message == message
    assert caught.value.hint
