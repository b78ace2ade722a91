"""How well probabilities rank the classes: ROC and precision-recall curves, one class against the others."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from dlkit.errors import DataError
from dlkit.plotting.legend import LegendBlock, add_legend_strip
from dlkit.plotting.predictions.reading import Predictions
from dlkit.plotting.style import COLOURS, COLUMN_WIDTH, GUIDE, MARKERS, house_style, shorten

_MOST_CURVES = 6
_MARKS = 6


@dataclass(frozen=True)
class _Class:
    """One class against the others: whether each of N samples is of it, and the probability it was given."""

    name: str
    place: int
    is_it: np.ndarray
    prob: np.ndarray


@house_style()
def plot_roc(found: Predictions) -> Figure:
    """Draw the share of a class that is found over the share of the others that is taken for it.

    Of two classes the second is drawn. Of more than six, the six with the smallest area are drawn; the mean area is
    over all.

    Args:
        found: Classes and probabilities.

    Raises:
        DataError: All samples are of one class.
    """

    def curve(of: _Class) -> tuple[np.ndarray, np.ndarray]:
        false_positives, true_positives, _ = roc_curve(of.is_it, of.prob)
        return false_positives, true_positives

    figure, axes = _plot(found, curve, roc_auc_score, "AUC")
    axes.plot([0, 1], [0, 1], color=GUIDE, linewidth=0.6, linestyle=":")
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate (recall)")
    return figure


@house_style()
def plot_pr(found: Predictions) -> Figure:
    """Draw the precision of a class over its recall; the arguments are those of `plot_roc`.

    Raises:
        DataError: All samples are of one class.
    """

    def curve(of: _Class) -> tuple[np.ndarray, np.ndarray]:
        precision, recall, _ = precision_recall_curve(of.is_it, of.prob)
        return recall[::-1], precision[::-1]

    figure, axes = _plot(found, curve, average_precision_score, "AP")
    axes.set_xlabel("recall")
    axes.set_ylabel("precision")
    return figure


def _plot(
    found: Predictions,
    curve: Callable[[_Class], tuple[np.ndarray, np.ndarray]],
    score: Callable[[np.ndarray, np.ndarray], float],
    score_name: str,
) -> tuple[Figure, Axes]:
    classes = _one_against_others(found)
    scores = [float(score(of.is_it, of.prob)) for of in classes]
    worst = sorted(range(len(classes)), key=scores.__getitem__)[:_MOST_CURVES]
    shown = sorted(worst)
    signs = [
        Line2D([], [], color=colour, marker=marker, markersize=2.6)
        for _, colour, marker in zip(shown, COLOURS, MARKERS, strict=False)
    ]
    names = [f"{shorten(classes[index].name, 20)}, {score_name} {scores[index]:.4f}" for index in shown]
    mean = f"mean {score_name} of {len(classes)} classes {np.mean(scores):.4f}"
    note = f"{mean}; the {len(shown)} lowest are drawn" if len(shown) < len(classes) else mean
    blocks = [LegendBlock(signs, names)] + ([LegendBlock([], [note])] if len(classes) > 1 else [])
    figure, below = add_legend_strip(blocks, COLUMN_WIDTH, COLUMN_WIDTH * 0.85)
    axes = below.subplots()
    for place, index in enumerate(shown):
        x, y = curve(classes[index])
        every = (place / len(shown) / _MARKS, 1 / _MARKS)
        axes.step(
            x, y, where="post", marker=MARKERS[place], markevery=every, markersize=2.6, color=COLOURS[place]
        )
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), aspect="equal")
    axes.grid(visible=True)
    return figure, axes


def _one_against_others(found: Predictions) -> list[_Class]:
    """Return the classes that occur, and not in every sample; of two the second."""
    targets = np.array(found.targets)
    probs = np.array(found.probs)
    names: Sequence[str] = found.class_names[: probs.shape[1]]
    classes = [
        _Class(name, place, targets == name, probs[:, place])
        for place, name in enumerate(names)
        if 0 < np.count_nonzero(targets == name) < len(targets)
    ]
    if not classes:
        raise DataError(
            f"all {len(targets):,} samples are of the class {shorten(found.targets[0], 40)}",
            "these curves compare a class with the others",
        )
    return classes[1:] if len(names) == len(classes) == 2 else classes
