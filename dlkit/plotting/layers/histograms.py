"""Histograms of layers as strips, one a layer, so that 5 are as readable as 150."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb

from dlkit.plotting.style import COLOURS, PAPER

NUM_BINS = 80
_OUTERMOST = 1e-3  # the share of values at either end that the axis leaves out


def draw_histograms(axes: Axes, layers: Sequence[str], values: Mapping[str, np.ndarray]) -> None:
    """Draw a strip for each layer from the top: the darker, the more values; each is as dark as its own fullest bin.

    The bins are of one width along the axis, whose scale has to be set before.

    Args:
        axes: Logarithmic, or logarithmic to both sides of zero, or linear.
        layers: In the order in which they are drawn.
        values: Of each layer, shape (N,); those that are not finite are left out. A layer that is missing stays empty.
    """
    given = [values.get(name, np.empty(0)) for name in layers]
    finite = [each[np.isfinite(each)].astype(float) for each in given]
    edges = bin_edges(axes, finite)
    counts = np.array([np.histogram(found, edges)[0] for found in finite], dtype=float)
    fullest = counts.max(axis=1, keepdims=True, initial=1.0)
    places = np.arange(len(layers) + 1) - 0.5
    colour = to_rgb(COLOURS[0])
    shades = LinearSegmentedColormap.from_list("shades", [(*colour, 0.0), (*colour, 1.0)])
    # The root shows tails that hold a hundredth of the fullest bin.
    axes.pcolormesh(edges, places, np.sqrt(counts / fullest), cmap=shades, vmin=0, vmax=1, rasterized=True)
    axes.hlines(places[1:-1], edges[0], edges[-1], color=PAPER, linewidth=min(1.0, 20 / len(layers)))
    axes.set_xlim(edges[0], edges[-1])
    axes.set_xlabel("histogram")


def bin_edges(axes: Axes, values: Sequence[np.ndarray]) -> np.ndarray:
    """Return the edges of bins that are of one width along an axis, shape (81,).

    They reach from the smallest to the largest of the layers' values, a thousandth of each layer's left out at either
    end.
    """
    ends = [np.quantile(found, [_OUTERMOST, 1 - _OUTERMOST]) for found in values if len(found)]
    low = min((end[0] for end in ends), default=-1.0)
    high = max((end[1] for end in ends), default=1.0)
    if low == high:
        reach = abs(low) or 1.0
        low, high = low - reach / 2, high + reach / 2
    scale = axes.xaxis.get_transform()
    first, last = scale.transform(np.array([low, high]))
    inside = scale.inverted().transform(np.linspace(first, last, NUM_BINS + 1))
    edges = np.asarray(inside, dtype=float)
    edges[0], edges[-1] = math.nextafter(low, -math.inf), math.nextafter(high, math.inf)
    return edges
