"""Whether probabilities mean what they say: the share that was right over the probability that was given."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlkit.metrics import wilson
from dlkit.metrics.probabilities import BINS
from dlkit.plotting.predictions.reading import Predictions
from dlkit.plotting.style import COLOURS, COLUMN_WIDTH, GUIDE, INK, house_style, log_ticks

_FEWEST = 10


@house_style()
def plot_calibration(found: Predictions) -> Figure:
    """Draw how often the predicted class was right, over its probability, in bins with equally many samples.

    Bars are 95 % intervals (Wilson 1927), the panel below counts samples. ECE is the expected calibration error over
    15 bins of equal width (Guo et al. 2017).

    Args:
        found: Classes and probabilities.
    """
    probs = np.array(found.probs).max(axis=1)
    right = np.array([target == pred for target, pred in zip(found.targets, found.preds, strict=True)])
    figure = Figure(figsize=(COLUMN_WIDTH, COLUMN_WIDTH * 1.05), layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
    lowest = min(1 / max(2, len(found.probs[0])), float(probs.min()))
    axes.plot([lowest, 1], [lowest, 1], color=INK, linewidth=0.6)
    _draw_bins(axes, probs, right)
    axes.set(ylim=(-0.02, 1.02), ylabel="share that was right")
    axes.grid(visible=True)
    axes.set_title(
        f"accuracy {right.mean():.4f}, mean probability {probs.mean():.4f}\n"
        f"expected calibration error {expected_error(probs, right):.4f}"
    )
    below.hist(probs, bins=np.linspace(lowest, 1, 31).tolist(), color=GUIDE)
    below.set(yscale="log", xlim=(lowest - 0.01, 1.01), ylabel="samples")
    log_ticks(below.yaxis, 4)
    below.set_xlabel("probability of the predicted class")
    return figure


def expected_error(probs: np.ndarray, right: np.ndarray) -> float:
    """Return the mean distance of accuracy and probability over 15 bins of equal width, weighted by samples.

    Args:
        probs: Probability of the predicted class, shape (N,).
        right: Whether it was right, shape (N,).
    """
    bins = np.minimum((probs * BINS).astype(int), BINS - 1)
    distance = np.bincount(bins, right, BINS) - np.bincount(bins, probs, BINS)
    return float(np.abs(distance).sum() / len(probs))


def _draw_bins(axes: Axes, probs: np.ndarray, right: np.ndarray) -> None:
    groups = max(1, min(BINS, len(probs) // _FEWEST))
    for rows in np.array_split(np.argsort(probs, kind="stable"), groups):
        share, prob = right[rows].mean(), probs[rows].mean()
        low, high = wilson(share, len(rows))
        axes.plot([prob, prob], [low, high], color=COLOURS[0], linewidth=0.8)
        axes.plot(prob, share, marker="o", color=COLOURS[0])
