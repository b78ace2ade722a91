"""Numbers that are equal where rows are."""

import numpy as np
import pytest

from dlkit.data.row_hashes import copies, hash_columns, hash_rows


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
@pytest.mark.parametrize("width", [1, 3, 8, 65])
def test_rows_that_are_equal_have_equal_hashes_and_others_not(dtype: type, width: int) -> None:
    rows = np.random.RandomState(0).randint(0, 100, (20_000, width)).astype(dtype)

    hashes = hash_rows(rows)

    _, by_row = np.unique(rows, axis=0, return_inverse=True)
    _, by_hash = np.unique(hashes, return_inverse=True)
    assert len(np.unique(by_row)) == len(np.unique(by_hash)) == len(np.unique(by_row * 2**32 + by_hash))


def test_values_that_change_places_change_the_hash() -> None:
    assert len(set(hash_rows(np.array([[1, 2], [2, 1], [0, 3], [3, 0]])).tolist())) == 4


def test_missing_numbers_are_equal_and_minus_zero_is_zero() -> None:
    hashes = hash_columns([np.array([np.nan, -np.nan, 0.0, -0.0]), np.array([1, 1, 1, 1])])

    assert hashes[0] == hashes[1]
    assert hashes[2] == hashes[3]
    assert hashes[0] != hashes[2]


def test_copies_are_all_but_the_first() -> None:
    assert copies(np.array([5, 7, 5, 5, 7, 1], dtype=np.uint64)).tolist() == [2, 3, 4]


def test_no_rows_have_no_hashes() -> None:
    assert hash_rows(np.zeros((0, 3))).shape == (0,)
