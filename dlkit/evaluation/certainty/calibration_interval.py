"""The interval of the expected calibration error, a sum of absolute values that chance alone makes larger."""

import math

import numpy as np

from dlkit.metrics import Z

_share_within = np.vectorize(lambda z: math.erf(z / math.sqrt(2)), otypes=[np.float64])
"""Return the share of a normal distribution within z standard deviations; scipy takes 0.5 s to import for that."""


def calibration_interval(terms: np.ndarray, groups: np.ndarray | None = None) -> tuple[float, float]:
    """Return an interval for the sum of absolute means of each bin, on the wide side where most of it is chance.

    The mean of a bin is about normal, so its absolute value is too large by what a folded normal says. The lower end
    takes at least the square of the standard error off each bin's square, the upper end the folded normal's excess.

    Args:
        terms: What each sample adds to each bin, shape (N, B).
        groups: Group of each sample, shape (N,); None where each stands for itself.
    """
    if groups is not None:
        unit = np.unique(groups, return_inverse=True)[1]
        by_unit = np.stack([np.bincount(unit, column) for column in terms.T], axis=1)
    else:
        by_unit = terms
    units, samples = len(by_unit), len(terms)
    means = np.abs(by_unit.sum(0)) / samples
    errors = by_unit.std(0, ddof=1) * math.sqrt(units) / samples
    there = errors > 0
    ratio = means[there] / errors[there]
    folded = math.sqrt(2 / math.pi) * np.exp(-(ratio**2) / 2) + ratio * _share_within(ratio)
    excess = float((errors[there] * (folded - ratio)).sum())
    shrunk = float(np.sqrt(np.maximum(means**2 - errors**2, 0)).sum())
    corrected, half = float(means.sum()) - excess, Z * math.sqrt(float((errors**2).sum()))
    return max(0.0, min(shrunk, corrected) - half), max(shrunk, corrected) + half
