"""Which rows of a tensor that is mapped from a file are read next: advice to the system, which changes no value."""

import ctypes
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from torch import Tensor

Batch = TypeVar("Batch")
_GAP = 2**18  # bytes; what lies between two rows is read along up to here


def read_ahead(
    batches: Iterator[Batch], stored: Tensor, rows: Tensor, *, window: int, batch_size: int, start: int
) -> Iterator[Batch]:
    """Pass batches on, and let the system begin to read each window of rows when half of the one before is done.

    Args:
        batches: Made of the rows, from batch `start` on.
        stored: What the rows are of, mapped from a file, or in memory, where nothing happens; shape (M, ...).
        rows: Those of an epoch in its order, shape (N,).
        window: Rows that are read together.
        batch_size: Rows of a batch.
        start: The first batch.
    """
    done = start * batch_size
    asked = done - done % window
    with _read_by_advice(stored):
        while True:
            while asked < len(rows) and asked - done <= window // 2:
                _expect_rows(stored, rows[asked : asked + window])
                asked += window
            try:
                yield next(batches)
            except StopIteration:
                return
            done += batch_size


@contextmanager
def _read_by_advice(stored: Tensor) -> Iterator[None]:
    """Let the system read nothing around a row, which may be megabytes, while the block runs."""
    _advise(stored, 0, len(stored), "MADV_RANDOM")
    try:
        yield
    finally:
        _advise(stored, 0, len(stored), "MADV_NORMAL")


def _expect_rows(stored: Tensor, rows: Tensor) -> None:
    """Let the system begin to read some rows, in pieces as large as they lie together."""
    ordered = rows.sort().values
    ends = ((ordered.diff() * stored[0].nbytes > _GAP).nonzero()[:, 0] + 1).tolist()
    for run in ordered.tensor_split(ends):
        _advise(stored, int(run[0]), int(run[-1]) + 1, "MADV_WILLNEED")


def _advise(stored: Tensor, start: int, stop: int, name: str) -> None:
    if not hasattr(mmap, name):  # Windows
        return
    row = stored[0].nbytes
    first = stored.data_ptr() + start * row
    first -= first % mmap.PAGESIZE
    length = stored.data_ptr() + stop * row - first
    ctypes.CDLL(None).madvise(ctypes.c_void_p(first), ctypes.c_size_t(length), getattr(mmap, name))
