"""Rows of a mapped file are read ahead window by window, and nothing around them."""

import ctypes
import mmap
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dlkit.data.batches import Batches
from dlkit.data.dataset import TensorSplit
from dlkit.data.mapped import read_ahead

ROW = 4 * mmap.PAGESIZE


def mapped(path: Path, rows: int) -> Tensor:
    """Rows of bytes in a file that the system has forgotten."""
    np.save(path, np.random.default_rng(0).integers(0, 256, (rows, ROW), np.uint8))
    descriptor = os.open(path, os.O_RDONLY)
    os.fdatasync(descriptor)  # tests do without fsync
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    return torch.from_numpy(np.load(path, mmap_mode="c"))


def in_cache(stored: Tensor) -> Tensor:
    """Whether the system has the first whole page of each row in memory, shape (N,)."""
    first = stored.data_ptr() - stored.data_ptr() % mmap.PAGESIZE
    pages = (ctypes.c_ubyte * (stored.nbytes // mmap.PAGESIZE))()
    assert ctypes.CDLL(None).mincore(ctypes.c_void_p(first), ctypes.c_size_t(stored.nbytes), pages) == 0
    return torch.tensor(pages[1 :: ROW // mmap.PAGESIZE]) & 1 == 1


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux which pages are in memory")
def test_a_window_is_read_when_half_of_the_one_before_is_done(tmp_path: Path) -> None:
    stored = mapped(tmp_path / "x.npy", 2000)
    rows = torch.cat([torch.randperm(100) + start for start in (1500, 200, 800)])
    batches = read_ahead(iter(range(30)), stored, rows, window=100, batch_size=10, start=2)

    found = []
    for batch in batches:
        known = {1500: batch >= 0, 200: batch + 2 >= 5, 800: batch + 2 >= 15}
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            held = in_cache(stored)
            if all(held[start : start + 100].all() for start, due in known.items() if due):
                break
        found.append({start: bool(held[start : start + 100].any()) for start in known})
        assert all(found[-1][start] == due for start, due in known.items()), (batch, found[-1])
    assert not in_cache(stored)[10:190].any()
    assert not in_cache(stored)[1000:1400].any()


def test_batches_are_those_of_the_rows_in_memory(tmp_path: Path) -> None:
    stored = mapped(tmp_path / "x.npy", 300)
    rows, targets = torch.arange(0, 300, 2), torch.arange(300)
    for start in (0, 4):
        pairs = [
            list(Batches(split, 16, torch.device("cpu"), blocks=True).shuffled(1, start))
            for split in (TensorSplit(part, targets, rows, None) for part in (stored, stored.clone()))
        ]
        assert len(pairs[0]) == 10 - start
        for (inputs, own), (expected, expected_own) in zip(*pairs, strict=True):
            assert torch.equal(inputs, expected)
            assert torch.equal(own, expected_own)
