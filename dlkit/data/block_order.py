"""--shuffle blocks: an order of rows that a disk can read, for data that do not fit into memory."""

import torch
from torch import Tensor

_BLOCK_BYTES = 2**20  # read in one piece: a disk then loses little time in moving
_WINDOW_BYTES = 64 * 2**20  # in memory at a time; a constant, so that the order is the same on every machine


def block_order(samples: int, sample_bytes: int, generator: torch.Generator) -> Tensor:
    """Return a permutation of 0..N-1, shape (N,): blocks of neighbours in a shuffled order, shuffled in windows.

    A window is as many blocks as are in memory together, from all over the data, so that its samples mix although
    the rows may be sorted. Where all fit into one, this is a full shuffle.

    Args:
        samples: N.
        sample_bytes: Bytes of one sample as it is stored.
        generator: Decides the order.
    """
    block, window = _block_samples(sample_bytes), window_samples(sample_bytes)
    blocks = torch.arange(samples).split(block)
    drawn = torch.cat([blocks[index] for index in torch.randperm(len(blocks), generator=generator).tolist()])
    windows = [part[torch.randperm(len(part), generator=generator)] for part in drawn.split(window)]
    return torch.cat(windows)


def window_samples(sample_bytes: int) -> int:
    """Return how many samples are in memory together."""
    block = _block_samples(sample_bytes)
    return max(1, _WINDOW_BYTES // (block * sample_bytes)) * block


def _block_samples(sample_bytes: int) -> int:
    return max(1, _BLOCK_BYTES // sample_bytes)
