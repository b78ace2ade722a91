"""Statistics of tensors, reduced on their device and read with a single transfer."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from dlkit.inspection.layer_table import Cell

_SUM, _SQUARES, _LOW, _HIGH, _ZEROS, _NON_FINITE = range(6)  # indices into a tally


def tally(values: Tensor) -> Tensor:
    """Reduce a tensor to sum, sum of squares, min, max, zeros and non-finite values, shape (6,), float64.

    All but the last are over the finite values; zeros and non-finite values are counts.
    """
    values = values.detach()
    if values.device.type == "mps":  # has no float64
        values = values.cpu()
    if not values.numel():
        return torch.tensor([0, 0, math.inf, -math.inf, 0, 0], dtype=torch.float64, device=values.device)
    finite = values.isfinite()
    plain = torch.where(finite, values, 0).double()
    return torch.stack(
        [
            plain.sum(),
            plain.square().sum(),
            torch.where(finite, values, math.inf).amin().double(),
            torch.where(finite, values, -math.inf).amax().double(),
            (values == 0).sum().double(),
            values.numel() - finite.sum().double(),
        ]
    )


def merge(first: Tensor, second: Tensor) -> Tensor:
    """Merge the tallies of two parts of a tensor, each of shape (6,)."""
    joined = first + second
    joined[_LOW] = torch.minimum(first[_LOW], second[_LOW])
    joined[_HIGH] = torch.maximum(first[_HIGH], second[_HIGH])
    return joined


def read_tallies(tallies: Sequence[Tensor], counts: Sequence[int]) -> list[dict[str, Cell]]:
    """Copy all tallies to the host at once and compute the statistics.

    Args:
        tallies: Each of shape (6,), all on one device.
        counts: Number of values in each.

    Returns:
        For each: `norm` (Euclidean), `mean`, `std` (of the population: divided by the count), `min` and `max`
        over its finite values, None where there are none; `zeros`, the share of exact zeros among all values;
        `non_finite`, the number of NaN and infinite values.
    """
    rows = torch.stack(list(tallies)).tolist() if tallies else []
    return [_statistics(row, count) for row, count in zip(rows, counts, strict=True)]


def shape_text(shape: Sequence[int]) -> str:
    """Return a shape as text, for example 64x28x28; a scalar is 1."""
    return "x".join(map(str, shape)) or "1"


def _statistics(row: Sequence[float], count: int) -> dict[str, Cell]:
    non_finite = int(row[_NON_FINITE])
    zeros = row[_ZEROS] / count if count else None
    finite = count - non_finite
    if not finite:
        nothing = dict.fromkeys(("norm", "mean", "std", "min", "max"))
        return {**nothing, "zeros": zeros, "non_finite": non_finite}
    mean = row[_SUM] / finite
    # Equal values have no variance; the difference below would be their rounding error.
    equal = row[_LOW] == row[_HIGH]
    return {
        "norm": math.sqrt(row[_SQUARES]),
        "mean": mean,
        "std": 0.0 if equal else math.sqrt(max(0.0, row[_SQUARES] / finite - mean**2)),
        "min": row[_LOW],
        "max": row[_HIGH],
        "zeros": zeros,
        "non_finite": non_finite,
    }
