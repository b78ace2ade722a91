"""How the values of a tensor are spread: quantiles, a sample of them, and how many directions they really use."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from dlkit.inspection.layer_table import Cell

QUANTILES: Mapping[str, float] = {"q05": 0.05, "median": 0.5, "q95": 0.95}
_MAX_VALUES = 2**18  # kept of a tensor
_FEWEST_ROWS, _MOST_ROWS = 64, 512  # kept of a layer's outputs
_LARGEST_EXACT = 1024  # the smaller side of a matrix, beyond which the largest singular value is approximated


def sample_values(values: Tensor) -> Tensor:
    """Return at most 262,144 of a tensor's values, evenly spaced, on the CPU as 32-bit floats, shape (N,)."""
    flat = values.detach().flatten()
    return flat[:: max(1, math.ceil(len(flat) / _MAX_VALUES))].cpu().float()


def sample_rows(rows: Tensor) -> Tensor:
    """Return evenly spaced rows of a matrix: up to 512, and at least 64 however wide they are.

    Args:
        rows: Shape (N, U).
    """
    most = min(_MOST_ROWS, max(_FEWEST_ROWS, _MAX_VALUES // max(1, rows.shape[1])))
    return rows[:: max(1, math.ceil(len(rows) / most))]


def quantiles(values: Tensor) -> dict[str, Cell]:
    """Return the quantiles of the finite values, interpolated linearly; None where there are none."""
    finite = values[values.isfinite()].double().numpy()
    if not len(finite):
        return dict.fromkeys(QUANTILES)
    found = np.quantile(finite, list(QUANTILES.values()))
    return dict(zip(QUANTILES, map(float, found), strict=True))


def stable_rank(matrix: Tensor) -> float | None:
    """Return the squared Frobenius norm over the squared largest singular value (Rudelson and Vershynin 2007).

    It lies between 1 and the rank, and says along how many directions a layer really works. A tensor of more than two
    axes is taken as a matrix with one row for each index of the first, as a convolution applies it.

    Args:
        matrix: Shape (M, N, ...).

    Returns:
        None for fewer than two axes, where all is zero, and where a value is not finite.
    """
    if matrix.ndim < 2 or not matrix.numel():
        return None
    matrix = matrix.detach().flatten(1).cpu().double()
    largest = matrix.abs().max().item()
    if not largest or not math.isfinite(largest):
        return None
    matrix = matrix / largest  # so that no square overflows
    if min(matrix.shape) <= _LARGEST_EXACT:
        wide = matrix if len(matrix) <= matrix.shape[1] else matrix.T
        # NumPy's, since torch hands even the smallest matrix to several threads, which wait for each other.
        top_squared = float(np.linalg.eigvalsh((wide @ wide.T).numpy())[-1])
    else:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            top_squared = torch.svd_lowrank(matrix, q=8, niter=8)[1][0].item() ** 2
    return float(matrix.square().sum().item() / top_squared)


def distribution_cells(tensors: Sequence[Tensor]) -> list[dict[str, Cell]]:
    """Return quantiles and stable rank of each tensor, as cells of its row."""
    return [{**quantiles(sample_values(tensor)), "stable_rank": stable_rank(tensor)} for tensor in tensors]
