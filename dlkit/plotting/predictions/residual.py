"""Errors of predicted numbers over the prediction: around 0 and equally wide where the model is sound."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlkit.plotting.predictions.parity import draw_points, panels_for
from dlkit.plotting.predictions.reading import PredictedNumbers
from dlkit.plotting.style import COLOURS, INK, four_digits, house_style, shorten

_BINS = 20
_FEWEST = 15


@house_style()
def plot_residual(outputs: Mapping[str, PredictedNumbers]) -> Figure:
    """Draw a panel for each output: prediction minus truth over the prediction.

    The line is the median of about 20 groups of equal size, the dashed lines hold the middle 90 % of each.

    Args:
        outputs: True and predicted values by the name of the output.
    """
    figure, panels = panels_for(len(outputs))
    for axes, (name, values) in zip(panels, outputs.items(), strict=True):
        preds = np.asarray(values.preds)
        errors = preds - np.asarray(values.targets)
        draw_points(axes, preds, errors)
        axes.axhline(0, color=INK, linewidth=0.6, zorder=3)
        _draw_quantiles(axes, preds, errors)
        axes.set_xlabel("predicted value")
        axes.set_ylabel("prediction - truth")
        axes.set_title(shorten(name, 40) or _spread(errors))
    return figure


def _spread(errors: np.ndarray) -> str:
    return f"mean error {four_digits(float(errors.mean()))}, sd {four_digits(float(errors.std()))}"


def _draw_quantiles(axes: Axes, preds: np.ndarray, errors: np.ndarray) -> None:
    groups = min(_BINS, len(preds) // _FEWEST)
    if groups < 2:
        return
    order = np.array_split(np.argsort(preds, kind="stable"), groups)
    middle = [np.median(preds[rows]) for rows in order]
    quantiles = np.array([np.quantile(errors[rows], [0.05, 0.5, 0.95]) for rows in order])
    axes.plot(middle, quantiles[:, 1], color=COLOURS[4], zorder=4)
    for column in (0, 2):
        axes.plot(middle, quantiles[:, column], color=COLOURS[4], linestyle=(0, (3.2, 1.6)), zorder=4)
