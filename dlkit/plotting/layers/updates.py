"""Update-to-weight ratios of each layer over a run: a strip a layer, coloured by size, beside its range."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from dlkit.plotting.layers.statistics import name_layers, panels_height
from dlkit.plotting.style import CM, COLOURS, FAINT, PAGE_WIDTH, house_style, log_ticks, plain_number, shorten

Points = Sequence[tuple[int, float]]

USUAL = (1e-4, 1e-1)
"""What layers that learn usually lie between."""
_COLOURS = (1e-6, 1.0)
_MOST_COLUMNS = 240
_RATIO = "update / weight norm"


@house_style()
def plot_updates(ratios: Mapping[str, Points], *, title: str = "") -> Figure:
    """Draw the ratios over the steps, in network order from the top, and how far they range.

    Args:
        ratios: Step and ratio by layer; white where none was sampled.
        title: A line above the panels; empty for none.
    """
    layers = list(ratios)
    height = panels_height(len(layers))
    figure = Figure(figsize=(PAGE_WIDTH, height + 1.6 * CM), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1, 2])
    _draw_ranges(left, list(ratios.values()))
    edges, cells = bin_steps(list(ratios.values()))
    places = np.arange(len(layers) + 1) - 0.5
    norm = LogNorm(*_COLOURS, clip=True)
    mesh = right.pcolormesh(edges, places, cells, cmap="viridis", norm=norm, rasterized=True)
    bar = figure.colorbar(mesh, ax=right, aspect=max(8, height / CM * 2), pad=0.02, extend="both")
    bar.ax.yaxis.set_major_locator(LogLocator(numticks=7))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(plain_number))
    bar.outline.set_linewidth(0.4)
    bar.set_label(_RATIO)
    right.set_xlabel("step")
    name_layers(left, layers, [], height)
    if title:
        figure.suptitle(shorten(title, 90))
    return figure


def bin_steps(ratios: Sequence[Points]) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges of at most 240 bins of steps, and the median ratio in each, a row a layer; NaN where none is.

    Sampled steps that lie apart fill the bins between them, up to the next one.
    """
    steps = sorted({step for points in ratios for step, _ in points})
    edges = np.append(np.asarray(steps, dtype=float), steps[-1] + 1) - 0.5
    if len(steps) > _MOST_COLUMNS:
        edges = np.linspace(edges[0], edges[-1], _MOST_COLUMNS + 1)
    cells = np.full((len(ratios), len(edges) - 1), np.nan)
    for row, points in enumerate(ratios):
        found = np.asarray(points, dtype=float)
        places = np.searchsorted(edges, found[:, 0]) - 1
        for place in np.unique(places):
            cells[row, place] = np.median(found[places == place, 1])
    return edges, cells


def _draw_ranges(axes: Axes, ratios: Sequence[Points]) -> None:
    """Draw median and range of each layer, and behind them what is usual."""
    values = [np.asarray(points, dtype=float)[:, 1] for points in ratios]
    positive = np.concatenate(values)
    positive = positive[positive > 0]
    low, high = (positive.min(), positive.max()) if len(positive) else USUAL
    axes.set_xscale("log")
    axes.set_xlim(min(low, USUAL[0]) / 1.5, max(high, USUAL[1]) * 1.5)
    edge = axes.get_xlim()[0]
    axes.axvspan(*USUAL, color=FAINT, linewidth=0, zorder=0)
    places = np.arange(len(values))
    ends = np.array([(found.min(), np.median(found), found.max()) for found in values]).clip(edge)
    axes.hlines(places, ends[:, 0], ends[:, 2], color=COLOURS[0], linewidth=0.7)
    axes.plot(ends[:, 1], places, marker="o", color=COLOURS[0], linestyle="none")
    log_ticks(axes.xaxis, num_ticks=4)
    axes.set_xlabel(_RATIO)
