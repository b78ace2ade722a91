"""A map: the mean and the half width of its interval side by side, with observations on top."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dlkit.plotting.map_inputs import MapValues
from dlkit.plotting.style import PAGE_WIDTH, PAPER, WARNING_COLOUR, house_style, plain_number, shorten

_MOST_OBSERVATIONS = 400
_VALUES, _SPREADS = "viridis", "Greys"
_DEGREES = (("lon", "lat"), ("longitude", "latitude"), ("lng", "lat"))


@house_style()
def plot_map(found: MapValues) -> Figure:
    """Draw the mean of each cell, with observations in the same colours on top, and the half width of its interval.

    Where there are many observations, some 400 of them are shown. Degrees are stretched as they are in the middle
    of the map. Empty cells stay white. Without half widths there is the mean alone.
    """
    cells = np.array(found.cells)
    observed = np.array(found.observations).reshape(-1, 3)
    shown = observed[:: max(1, -(-len(observed) // _MOST_OBSERVATIONS))]
    edges = [_edges(cells[:, axis]) for axis in (0, 1)]
    stretch = _stretch(found.names, cells[:, 1])
    shape = (edges[1][-1] - edges[1][0]) * stretch / (edges[0][-1] - edges[0][0])
    height = min(PAGE_WIDTH, PAGE_WIDTH * 0.365 * shape + 0.62)
    figure = Figure(figsize=(PAGE_WIDTH, height), layout="constrained")
    known = not np.isnan(cells[:, 3]).all()
    value = shorten(found.names[2], 40)
    left, *others = figure.subplots(1, 1 + known, sharex=True, sharey=True, squeeze=False)[0]
    both = np.concatenate([cells[:, 2], shown[:, 2]])
    limits = tuple(np.nanquantile(both, [0.01, 0.99]))
    _fill(figure, left, edges, cells[:, [0, 1, 2]], _VALUES, limits, value)
    size = float(np.clip(600 / max(1, len(shown)), 3, 14))
    if len(shown):
        left.scatter(
            *shown[:, :2].T, c=shown[:, 2], s=size, cmap=_VALUES, vmin=limits[0], vmax=limits[1],
            edgecolors=PAPER, linewidths=0.4, zorder=3,
        )  # fmt: skip
    for right in others:
        right.scatter(*shown[:, :2].T, s=0.25 * size, color=WARNING_COLOUR, linewidths=0, zorder=3)
        limits = (0.5 * float(np.nanmin(cells[:, 3])), 1.5 * float(np.nanquantile(cells[:, 3], 0.99)))
        _fill(figure, right, edges, cells[:, [0, 1, 3]], _SPREADS, limits, f"\N{PLUS-MINUS SIGN} {value}")
        right.set_title("half width of the prediction interval")
    counted = f"{len(observed):,}" if len(shown) == len(observed) else f"{len(shown):,} of {len(observed):,}"
    left.set_title(f"mean, and {counted} observations" if len(observed) else "mean")
    for axes in (left, *others):
        axes.set_aspect(stretch)
        axes.set_xlabel(shorten(found.names[0], 30))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.spines[:].set(visible=True)
    left.set_ylabel(shorten(found.names[1], 30))
    left.yaxis.set_major_locator(MaxNLocator(6))
    return figure


def _fill(
    figure: Figure,
    axes: Axes,
    edges: list[np.ndarray],
    cells: np.ndarray,
    colours: str,
    limits: tuple[float, ...],
    label: str,
) -> None:
    """Colour the cells and label what the colours mean."""
    table = np.full((len(edges[1]) - 1, len(edges[0]) - 1), np.nan)
    places = [np.searchsorted(edges[axis], cells[:, axis]) - 1 for axis in (0, 1)]
    table[places[1], places[0]] = cells[:, 2]
    low, high = limits if limits[1] > limits[0] else (limits[0] - 0.5, limits[0] + 0.5)
    mesh = axes.pcolormesh(*edges, table, cmap=colours, vmin=low, vmax=high, rasterized=True)
    bar = figure.colorbar(mesh, ax=axes, shrink=0.85, aspect=25, pad=0.02, extend="both")
    bar.set_label(label)
    bar.ax.yaxis.set_major_formatter(plain_number)
    bar.outline.set_linewidth(0.4)


def _edges(middles: np.ndarray) -> np.ndarray:
    """Return the borders between the different middles, ascending, and those around the outer ones."""
    values = np.unique(middles)
    if len(values) == 1:
        return np.array([values[0] - 0.5, values[0] + 0.5])
    inner = (values[1:] + values[:-1]) / 2
    return np.concatenate([[2 * values[0] - inner[0]], inner, [2 * values[-1] - inner[-1]]])


def _stretch(names: tuple[str, str, str], north: np.ndarray) -> float:
    """Return how much longer a degree of latitude is than one of longitude; 1 for other coordinates."""
    if (names[0].lower(), names[1].lower()) not in _DEGREES or np.abs(north).max() > 85:
        return 1.0
    return float(1 / np.cos(np.radians(north.mean())))
