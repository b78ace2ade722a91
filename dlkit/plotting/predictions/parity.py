"""Predicted against true numbers: on the diagonal where the prediction is right."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dlkit.metrics import regression_scores
from dlkit.plotting.predictions.reading import PredictedNumbers
from dlkit.plotting.style import (
    COLOURS,
    COLUMN_WIDTH,
    GUIDE,
    INK,
    PAGE_WIDTH,
    four_digits,
    house_style,
    plain_number,
    shorten,
)

_MOST_POINTS = 3000
_FEW_POINTS = 500
_CELLS = 60
_INTERVALS = 200


@house_style()
def plot_parity(outputs: Mapping[str, PredictedNumbers]) -> Figure:
    """Draw a panel for each output: its predictions over the truth, with RMSE and R2.

    Up to 3,000 samples are points, more are counted in cells. Where the file has intervals, up to 200 are drawn as
    grey lines, and the share that holds the truth is written.

    Args:
        outputs: True and predicted values by the name of the output.
    """
    figure, panels = panels_for(len(outputs))
    for axes, (name, values) in zip(panels, outputs.items(), strict=True):
        targets, preds = np.asarray(values.targets), np.asarray(values.preds)
        low, high = _limits(np.concatenate([targets, preds]))
        axes.plot([low, high], [low, high], color=INK, linewidth=0.6, zorder=3)
        if values.lo:
            _draw_intervals(axes, values)
        draw_points(axes, targets, preds)
        axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
        axes.set_xlabel("true value")
        axes.set_ylabel("predicted value")
        note = _fit(targets, preds)
        if values.lo:
            inside = (np.asarray(values.lo) <= targets) & (targets <= np.asarray(values.hi))
            note += f"\n{100 * inside.mean():.1f} % within their interval"
        axes.text(0.03, 0.97, note, transform=axes.transAxes, va="top", fontsize=6.5)
        axes.set_title(shorten(name, 40))
    return figure


def panels_for(count: int) -> tuple[Figure, list[Axes]]:
    """Make a figure with square panels, one for each output; at most three stand side by side."""
    columns = min(count, 3)
    rows = -(-count // columns)
    width = COLUMN_WIDTH if columns == 1 else PAGE_WIDTH
    figure = Figure(figsize=(width, 0.92 * width / columns * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axes in panels[count:]:
        axes.set_axis_off()
    return figure, panels[:count]


def draw_points(axes: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """Draw samples as points, or as counts in cells where there are too many to tell apart."""
    if len(x) <= _MOST_POINTS:
        size = 9 if len(x) < 200 else 3
        axes.scatter(
            x,
            y,
            s=size,
            color=COLOURS[0],
            alpha=0.6 if len(x) < _FEW_POINTS else 0.35,
            linewidths=0,
            zorder=2,
            rasterized=len(x) >= _FEW_POINTS,
        )
    else:
        cells = axes.hexbin(
            x, y, gridsize=_CELLS, cmap="viridis_r", norm=LogNorm(), mincnt=1, linewidths=0, zorder=2
        )
        figure = axes.get_figure(root=True)
        assert figure is not None, "the axes were made by it"
        bar = figure.colorbar(
            cells, ax=axes, shrink=0.7, aspect=25, pad=0.02, format=FuncFormatter(plain_number)
        )
        bar.ax.minorticks_off()
        bar.set_label("samples")
        bar.outline.set_linewidth(0.4)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
        axis.set_major_formatter(FuncFormatter(plain_number))


def _draw_intervals(axes: Axes, values: PredictedNumbers) -> None:
    some = slice(None, None, -(-len(values.targets) // _INTERVALS))
    axes.vlines(
        values.targets[some],
        values.lo[some],
        values.hi[some],
        color=GUIDE,
        alpha=0.5,
        linewidth=0.5,
        zorder=1,
    )


def _limits(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    pad = 0.04 * (high - low) or max(abs(low) * 0.1, 0.5)
    return low - pad, high + pad


def _fit(targets: np.ndarray, preds: np.ndarray) -> str:
    found = regression_scores(preds, targets)
    r2 = "not defined: all true values are equal" if np.isnan(found["r2"]) else four_digits(found["r2"])
    return f"RMSE {four_digits(found['rmse'])}\nR2 {r2}"
