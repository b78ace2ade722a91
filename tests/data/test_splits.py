"""Which rows belong to train, val and test."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlkit.data.splits import split_rows

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
