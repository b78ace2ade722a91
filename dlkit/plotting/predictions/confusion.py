"""The confusion matrix: counts in the cells, shares of each true class as shades of grey print."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator

from dlkit.metrics import confusion_matrix
from dlkit.plotting.style import COLUMN_WIDTH, FAINT, PAGE_WIDTH, house_style, shorten

_MAX_WITH_COUNTS = 30
_MAX_LABELS = 50
_SMALLEST_TYPE = 4.0
_LARGEST_TYPE = 6.5
_LETTERS = 16
_LETTER_WIDTH = 0.62  # of the type size, a wide one
# From white to nearly black with a hint of blue; lightness falls evenly, so it prints in grey.
_SHADES = "Blues"
_ON_DARK, _ON_LIGHT = "#fefefe", "#010101"  # not ink and paper, which a dark page exchanges


def count_confusion(targets: Sequence[str], preds: Sequence[str], class_names: Sequence[str]) -> np.ndarray:
    """Count how often each true class was given each label.

    Args:
        targets: True class names, one a sample.
        preds: Predicted class names, one a sample.
        class_names: The K names, in the order of rows and columns; all that occur are among them.

    Returns:
        Counts, shape (K, K), int64: rows are the truth, columns the prediction.
    """
    place = {name: index for index, name in enumerate(class_names)}
    predicted, true = (np.array([place[name] for name in names], np.int64) for names in (preds, targets))
    return confusion_matrix(predicted, true, len(place))


@house_style()
def plot_confusion(counts: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Draw a confusion matrix: the shade is the share of the true class, the number is the count.

    The counts are left out above 30 classes and class names are thinned above 50.

    Args:
        counts: Shape (K, K), integers: rows are the truth, columns the prediction.
        class_names: K names, in the order of rows and columns.
    """
    num_classes = len(class_names)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    width = COLUMN_WIDTH if num_classes <= 12 else PAGE_WIDTH * min(1.0, 0.5 + num_classes / 60)
    figure = Figure(figsize=(width, width * 0.92), layout="constrained")
    axes = figure.subplots()
    # The square root of the share: one per cent of errors can be seen, and white is none.
    image = axes.imshow(shares, cmap=_SHADES, norm=PowerNorm(0.5, vmin=0, vmax=1), interpolation="nearest")
    bar = figure.colorbar(image, ax=axes, shrink=0.7, aspect=25, pad=0.02, ticks=[0, 0.01, 0.05, 0.2, 0.5, 1])
    bar.ax.set_yticklabels(["0", "1 %", "5 %", "20 %", "50 %", "100 %"])
    bar.set_label("share of the true class (square-root scale)")
    bar.outline.set_linewidth(0.4)
    cell_points = _cell_width(width * 72, class_names)
    if num_classes <= _MAX_WITH_COUNTS:
        _write_counts(axes, counts, shares, cell_points)
    _label_classes(axes, class_names, cell_points)
    correct = int(np.trace(counts))
    total = int(counts.sum())
    axes.set_title(f"{correct:,} of {total:,} right ({100 * correct / max(1, total):.1f} %)")
    return figure


def _cell_width(figure_width: float, class_names: Sequence[str]) -> float:
    """Estimate the width of a cell, in points as the figure's is: the names and the bar take their part."""
    longest = min(_LETTERS, max(map(len, class_names)))
    return (0.72 * figure_width - longest * _LETTER_WIDTH * _LARGEST_TYPE) / len(class_names)


def _write_counts(axes: Axes, counts: np.ndarray, shares: np.ndarray, cell_points: float) -> None:
    longest = len(str(int(counts.max(initial=0))))
    size = max(_SMALLEST_TYPE, min(7.0, 0.62 * cell_points, 1.45 * cell_points / longest))
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = _ON_DARK if shares[row, column] > 0.3 else _ON_LIGHT
        axes.text(
            column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=size
        )


def _label_classes(axes: Axes, class_names: Sequence[str], cell_points: float) -> None:
    """Name rows and columns in a size that fits; of very many classes every second, fifth, ... is named."""
    stride = next(
        step
        for step in (1, 2, 5, 10, 20, 50, 100, len(class_names))
        if len(class_names) / step <= _MAX_LABELS
    )
    places = range(0, len(class_names), stride)
    names = [shorten(class_names[place], _LETTERS) for place in places]
    size = max(_SMALLEST_TYPE, min(_LARGEST_TYPE, 0.85 * cell_points * stride))
    wide = max(map(len, names)) * _LETTER_WIDTH * size > cell_points * stride * 0.95
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(places))
        axis.set_major_formatter(FixedFormatter(names))
    axes.tick_params(length=1.5, labelsize=size)
    axes.tick_params(axis="x", labelrotation=90 if wide else 0)
    axes.set_xlabel("Predicted class")
    axes.set_ylabel("True class")
    axes.spines[:].set(visible=True, linewidth=0.4)
    if len(class_names) <= _MAX_WITH_COUNTS:
        borders = [place - 0.5 for place in range(1, len(class_names))]
        axes.hlines(borders, -0.5, len(class_names) - 0.5, color=FAINT, linewidth=0.4)
        axes.vlines(borders, -0.5, len(class_names) - 0.5, color=FAINT, linewidth=0.4)
