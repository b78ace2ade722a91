"""Metrics of numbers, in the target's own unit."""

from typing import TYPE_CHECKING

import numpy as np

from dlkit.metrics.metric import Metric, ratio

if TYPE_CHECKING:
    from torch import Tensor


def regression_scores(preds: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Return the mean absolute error, the root mean squared error and the coefficient of determination.

    Args:
        preds: Predicted numbers, shape (N,) or (N, D).
        targets: True numbers, the same shape.

    Returns:
        `mae` and `rmse` in the target's unit, and `r2`; NaN where the targets do not vary.
    """
    targets = targets.astype(np.float64)
    errors = preds - targets
    spread = ((targets - targets.mean(0)) ** 2).sum()
    return {
        "mae": float(np.abs(errors).mean()),
        "rmse": float(np.sqrt((errors**2).mean())),
        "r2": 1 - float(ratio((errors**2).sum(), spread)),
    }


def median_error(preds: np.ndarray, targets: np.ndarray) -> float:
    """Return the median absolute error; of several outputs, their mean.

    Args:
        preds: Predicted numbers, shape (N,) or (N, D, ...).
        targets: True numbers, the same shape.
    """
    return float(np.median(_distances(preds, targets), axis=0).mean())


def weighted_median(preds: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the median absolute error by each of M rows of sample weights, shape (M, N): shape (M,)."""
    found = np.zeros(len(weights))
    distances = _distances(preds, targets)
    for column in distances.T:
        order = np.argsort(column, kind="stable")
        reached = weights[:, order].cumsum(1)
        middle = (reached >= reached[:, -1:] / 2).argmax(1)
        found += column[order][middle] / distances.shape[1]
    return found


def sum_absolute_errors(preds: "Tensor", targets: "Tensor") -> "Tensor":
    """Return the sum over N samples of the mean absolute error of their numbers, a scalar."""
    return _absolute(preds, targets).sum()


def _distances(preds: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return absolute errors, float64, shape (N, D)."""
    errors = np.abs(preds.astype(np.float64) - targets.reshape(preds.shape))
    flat: np.ndarray = errors.reshape(len(errors), -1)
    return flat


def _absolute(preds: "Tensor", targets: "Tensor") -> "Tensor":
    return (preds - targets.reshape(preds.shape)).abs().reshape(len(preds), -1).mean(1)


def _squared(preds: "Tensor", targets: "Tensor") -> "Tensor":
    return (preds - targets.reshape(preds.shape)).square().reshape(len(preds), -1).mean(1)


def _relative(preds: "Tensor", targets: "Tensor") -> "Tensor":
    truth = targets.reshape(preds.shape)
    return ((preds - truth) / truth).abs().reshape(len(preds), -1).mean(1)


def _percentage_error(sums: np.ndarray, count: np.ndarray | int) -> np.ndarray:
    """Return the mean relative error; NaN where a target is 0."""
    found = sums[..., 0] / count
    defined: np.ndarray = np.where(np.isfinite(found), found, np.nan)
    return defined


def _spreads(preds: "Tensor", targets: "Tensor") -> "Tensor":
    """Return squared errors, and of each of D numbers itself and its square, shape (N, 1 + 2 D)."""
    import torch

    truth = targets.reshape(len(preds), -1)
    errors = (preds.reshape(truth.shape) - truth).square().sum(1, keepdim=True)
    return torch.cat([errors, truth, truth.square()], dim=1)


def _r2(sums: np.ndarray, count: np.ndarray | int) -> np.ndarray:
    totals, squares = np.split(sums[..., 1:], 2, axis=-1)
    spread = (squares - totals**2 / np.expand_dims(np.asarray(count), -1)).sum(-1)
    return 1 - ratio(sums[..., 0], spread)


def root_of_mean(sums: np.ndarray, count: np.ndarray | int) -> np.ndarray:
    """Return the root of the first sum over the number of samples."""
    found: np.ndarray = np.sqrt(sums[..., 0] / count)
    return found


def _is_positive(_preds: np.ndarray, targets: np.ndarray) -> bool:
    return bool((targets > 0).all())


_NUMBERS, _BOTH = ("regression",), ("regression", "curves")
OF_NUMBERS = (
    Metric(
        name="mae",
        tasks=_BOTH,
        higher_is_better=False,
        terms=_absolute,
        score=lambda preds, targets: regression_scores(preds, targets)["mae"],
    ),
    Metric(
        name="rmse",
        tasks=_BOTH,
        higher_is_better=False,
        terms=_squared,
        value=root_of_mean,
        score=lambda preds, targets: regression_scores(preds, targets)["rmse"],
    ),
    Metric(
        name="r2",
        tasks=_NUMBERS,
        higher_is_better=True,
        terms=_spreads,
        value=_r2,
        score=lambda preds, targets: regression_scores(preds, targets)["r2"],
    ),
    Metric(
        name="median_error",
        tasks=_NUMBERS,
        higher_is_better=False,
        score=median_error,
        weighted=weighted_median,
    ),
    Metric(
        name="mape",
        tasks=_NUMBERS,
        higher_is_better=False,
        terms=_relative,
        value=_percentage_error,
        makes_sense=_is_positive,
    ),
)
