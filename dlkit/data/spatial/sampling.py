"""Which of its candidates a point sees in an epoch: a function of the seed, the epoch and the row alone."""

import hashlib

import torch
from torch import Tensor

_BITS = 22  # of a random number; times two fourth powers of up to 256 it still fits 63 bits
_FALL = 4  # how fast a candidate's chance falls behind rank K
_FEWEST = (2, 5)  # the share that is drawn at least
_STEP = 0x9E3779B9 - 2**32  # 2**32 over the golden ratio


def nearest(candidates: Tensor, count: int) -> Tensor:
    """Return the first `count` candidates of each row: they stand in the order of distance.

    Args:
        candidates: Positions, -1 where there are no more, shape (B, C).
        count: K.

    Returns:
        Shape (B, min(C, K)).
    """
    return candidates[:, :count]


def draw(candidates: Tensor, count: int, rows: Tensor, salt: str) -> Tensor:
    """Draw some of each row's candidates at random: from two fifths of `count` to all of it, near ones more often.

    How many is random too, of as many as there are, at most `count`. The candidate of rank r (1 is the nearest) gets
    the number u (1 + (r / K)^4), u uniform, and the smallest are taken: sequential Poisson sampling (Ohlsson 1998,
    Journal of Official Statistics 14), by which all of the nearest K, which evaluation sees, have nearly the same
    chance, and those behind ever less. All numbers are whole, so every device draws the same.

    Args:
        candidates: Positions, nearest first, -1 where there are no more, shape (B, C), C at most 256.
        count: K.
        rows: What tells one row from another, shape (B,), int64.
        salt: What the draw is for, e.g. seed and epoch.

    Returns:
        Shape (B, min(C, K)), -1 where fewer are drawn, those last.
    """
    size = candidates.shape[1]
    of_row = _row_keys(rows, salt)
    rank = torch.arange(1, size + 1, device=candidates.device, dtype=torch.int32)
    random = _mixed(of_row.unsqueeze(1) + rank * _STEP)
    most = min(size, count)
    keys = (random & (2**_BITS - 1)) * (most**_FALL + rank.long() ** _FALL)
    keys = keys.masked_fill(candidates < 0, torch.iinfo(torch.int64).max)
    places = keys.topk(most, dim=1, largest=False).indices
    available = (candidates >= 0).sum(1).clamp_max(most)
    fewest = (available * _FEWEST[0] + _FEWEST[1] - 1).div(_FEWEST[1], rounding_mode="floor")
    drawn = fewest + (_mixed(of_row) & (2**31 - 1)) % (available - fewest + 1)
    chosen = candidates.gather(1, places)
    return chosen.masked_fill(rank[:most] > drawn.unsqueeze(1), -1)


def _row_keys(rows: Tensor, salt: str) -> Tensor:
    """Return a random whole number a row, int32."""
    digest = hashlib.sha256(salt.encode()).digest()
    first, second = (int.from_bytes(digest[part : part + 4], "little", signed=True) for part in (0, 4))
    low, high = rows.to(torch.int32), (rows >> 32).to(torch.int32)
    return _mixed(_mixed(low ^ first) ^ high ^ second)


def _mixed(numbers: Tensor) -> Tensor:
    """Spread whole numbers evenly, int32: the mixer `lowbias32` (C. Wellons, github.com/skeeto/hash-prospector)."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B - 2**32)):
        numbers = (numbers ^ _shifted(numbers, shift)) * factor
    mixed: Tensor = numbers ^ _shifted(numbers, 16)
    return mixed


def _shifted(numbers: Tensor, bits: int) -> Tensor:
    """Shift to the right and fill with zeros, as of unsigned numbers."""
    shifted: Tensor = (numbers >> bits) & (2 ** (32 - bits) - 1)
    return shifted
