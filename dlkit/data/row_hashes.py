"""A number for each row, equal where rows are equal, to find copies without comparing every pair."""

import math
from collections.abc import Sequence

import numpy as np

_ROWS_AT_ONCE = 8192
_MISSING = np.uint64(0x7FF8000000000000)


def hash_rows(rows: np.ndarray) -> np.ndarray:
    """Return a 64-bit number for each row of an array.

    The bytes of a row, as 64-bit words, are multiplied by fixed odd random numbers and summed, high and low halves
    mixed: rows that differ meet with a chance of about 2^-64, so copies among millions are found with enough certainty.

    Args:
        rows: Shape (N, ...), any type without objects.

    Returns:
        Shape (N,), uint64.
    """
    flat = np.ascontiguousarray(rows).reshape(len(rows), math.prod(rows.shape[1:]))
    return np.concatenate(
        [_hash_bytes(flat[start : start + _ROWS_AT_ONCE]) for start in range(0, len(flat), _ROWS_AT_ONCE)]
        or [np.zeros(0, dtype=np.uint64)]
    )


def hash_columns(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Return a 64-bit number for each row of a table, shape (N,); missing numbers (NaN) are equal to one another.

    Args:
        columns: One array a column, shape (N,), of numbers or codes.
    """
    return hash_rows(np.stack([words_of(column) for column in columns], axis=1))


def copies(hashes: np.ndarray) -> np.ndarray:
    """Return the rows that repeat an earlier one, in order."""
    _, first = np.unique(hashes, return_index=True)
    repeated = np.ones(len(hashes), dtype=bool)
    repeated[first] = False
    return np.flatnonzero(repeated)


def words_of(values: np.ndarray) -> np.ndarray:
    """Return values, of any shape, as 64-bit words that are equal where they are, NaN included."""
    if values.dtype.kind != "f":
        return values.astype(np.int64).view(np.uint64)
    plain = values.astype(np.float64) + 0.0  # which makes -0.0 into 0.0
    return np.where(np.isnan(plain), _MISSING, plain.view(np.uint64))


def _hash_bytes(flat: np.ndarray) -> np.ndarray:
    size = flat.shape[1] * flat.itemsize
    padded = np.zeros((len(flat), -(-size // 8) * 8), dtype=np.uint8)
    padded[:, :size] = flat.view(np.uint8).reshape(len(flat), size)
    words = padded.view(np.uint64)
    random = np.random.RandomState(0)
    factors = random.randint(0, 2**63, size=words.shape[1], dtype=np.int64).astype(np.uint64) * np.uint64(2)
    mixed = (words ^ (words >> np.uint64(29))) * (factors + np.uint64(1))
    total: np.ndarray = (mixed ^ (mixed >> np.uint64(32))).sum(axis=1, dtype=np.uint64)
    return total
