"""What a metric is: terms of single samples that add up, or a score over whole arrays."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


Z = 1.959963984540054
"""Quantile of the normal distribution for 95 % within."""


def mean_of_first(sums: np.ndarray, count: np.ndarray | int) -> np.ndarray:
    """Return the first sum over the number of samples, the value of a metric that is a mean."""
    found: np.ndarray = sums[..., 0] / count
    return found


def always(preds: np.ndarray, targets: np.ndarray) -> bool:  # noqa: ARG001 - some metrics look at them
    """Report a metric whatever the samples are."""
    return True


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric, which --metrics takes as `NAME` and --monitor as `val_NAME` and `train_NAME`.

    It has terms, which are added up while training runs and resampled for its interval, or a score over all samples,
    whose predictions are kept for it; with both, `dlkit eval` reports the score.

    Args:
        name: Its name in history.csv and in reports.
        tasks: The evaluation tasks that have it: `classification`, `regression`, `curves`.
        higher_is_better: Whether it should rise.
        terms: Maps predictions, probabilities of shape (N, K) or numbers of shape (N, D, ...), and targets, all
            tensors, to what each sample adds, shape (N,) or (N, S); nothing in it may wait for the device.
        value: Maps sums of terms, float64, shape (..., S), and the number of samples, shape (...), to the metric.
        score: Maps predictions and targets, arrays, to the metric; NaN where it is not defined.
        weighted: Maps predictions, targets and M rows of sample weights, shape (M, N), to M scores: the score where
            each sample counts as often as its weight says. Resampling a score without it takes longer.
        is_share: Each sample adds 0 or 1.
        most: The highest value that it can have, by the predictions; an interval ends there.
        reported: `dlkit eval` reports it without --metrics, where `makes_sense` agrees.
        makes_sense: Tells by predictions and targets whether to report it without --metrics.
    """

    name: str
    tasks: tuple[str, ...]
    higher_is_better: bool
    terms: "Callable[[Tensor, Tensor], Tensor] | None" = None
    value: Callable[[np.ndarray, np.ndarray | int], np.ndarray] = mean_of_first
    score: Callable[[np.ndarray, np.ndarray], float] | None = None
    weighted: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] | None = None
    is_share: bool = False
    most: Callable[[np.ndarray], float] | None = None
    reported: bool = True
    makes_sense: Callable[[np.ndarray, np.ndarray], bool] = always

    def of(self, preds: np.ndarray, targets: np.ndarray) -> float:
        """Return the metric over whole arrays; the arguments are those of `terms`."""
        if self.score is not None:
            return float(self.score(preds, targets))
        return float(self.value(self.terms_of(preds, targets).sum(0), len(targets)))

    def terms_of(self, preds: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return what each sample adds, float64, shape (N, S)."""
        import torch

        assert self.terms is not None, f"{self.name} has terms"
        double = [torch.from_numpy(values) for values in (preds, targets)]
        double = [values.double() if values.is_floating_point() else values for values in double]
        terms: np.ndarray = self.terms(*double).reshape(len(targets), -1).double().numpy()
        return terms


def ratio(above: np.ndarray, below: np.ndarray, empty: float = np.nan) -> np.ndarray:
    """Divide arrays; where the divisor is not above 0 the ratio is `empty`."""
    above, below = np.broadcast_arrays(np.asarray(above, np.float64), np.asarray(below, np.float64))
    found: np.ndarray = np.divide(above, below, out=np.full(below.shape, empty), where=below > 0)
    return found


def wilson(share: float, count: float) -> tuple[float, float]:
    """Return the 95 % interval of a share of a count (Wilson 1927)."""
    middle = share + Z**2 / (2 * count)
    half = Z * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    scale = 1 + Z**2 / count
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def mean(values: np.ndarray) -> float:
    """Return the mean; NaN of nothing."""
    return float(values.mean()) if values.size else float("nan")
