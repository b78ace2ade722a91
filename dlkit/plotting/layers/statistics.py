"""Statistics of each layer of a network, the input at the top: norm, spread and shares."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, NullLocator

from dlkit.plotting.layers.histograms import draw_histograms
from dlkit.plotting.legend import LegendBlock, add_legend_strip
from dlkit.plotting.style import (
    CM,
    COLOURS,
    GUIDE,
    INK,
    PAGE_WIDTH,
    PAPER,
    WARNING_COLOUR,
    house_style,
    log_ticks,
    plain_number,
    shorten,
)

Row = Mapping[str, float | str | None]

# Width of each panel against the others, in the order in which they are drawn.
_PANELS = {
    "norm": 1.0,
    "grad_to_weight": 1.0,
    "update_ratio": 1.0,
    "mean": 1.3,
    "histogram": 1.3,
    "share": 0.7,
}
_SIZE_NAMES = {
    "norm": "norm",
    "grad_to_weight": "gradient norm\n/ weight norm",
    "update_ratio": "update norm\n/ weight norm",
}
_SHARES = ("zeros", "dead", "saturated")
_SHARE_MARKERS = ("o", "s", "^")
_MAX_ROW = 0.42 * CM
_MAX_HEIGHT = 20 * CM
_MAX_LABELS = 75
_LETTERS = 34
_MANY_PANELS = 4
_FARTHEST = 1e100

_SIZE: dict[str, Any] = {"marker": "o", "color": COLOURS[0], "linestyle": "none"}
_ZERO: dict[str, Any] = {
    "marker": "<",
    "color": COLOURS[0],
    "markerfacecolor": PAPER,
    "linestyle": "none",
}
_MEAN: dict[str, Any] = {"marker": "o", "markersize": 2.4, "color": INK, "linestyle": "none"}
_STD: dict[str, Any] = {"color": COLOURS[5], "linewidth": 0}
_RANGE: dict[str, Any] = {
    "marker": "|",
    "markersize": 3,
    "markeredgewidth": 0.6,
    "color": GUIDE,
    "linewidth": 0.6,
}
_FLAG: dict[str, Any] = {"facecolor": "none", "edgecolor": WARNING_COLOUR, "hatch": "//////", "linewidth": 0}


@house_style()
def plot_layers(
    table: Sequence[Row], *, title: str = "", values: Mapping[str, np.ndarray] | None = None
) -> Figure:
    """Draw what was measured of each layer, in network order from the top.

    The panels, each drawn when its columns are there: `norm`, `grad_to_weight` and `update_ratio` on logarithmic axes;
    `mean` with `std` as a bar and `min` to `max` as a thin line; those of the shares `zeros`, `dead` and `saturated`
    that are above 0 anywhere. A layer with `non_finite` values, or whose own statistics are not finite, is hatched and
    named in a warning colour.

    Args:
        table: One row a layer with `layer` (its name) and any of the columns above; None is not measured.
        title: A line above the panels; empty for none.
        values: The values of each layer, or many of them, shape (N,), for a panel of histograms; None for none.

    Raises:
        ValueError: There is no row, or none of the columns.
    """
    measured = {name for row in table for name in row if _number(row, name) is not None}
    shares = [name for name in _SHARES if any(_number(row, name) for row in table)]
    drawn = measured | ({"share"} if shares else set()) | ({"histogram"} if values else set())
    parts = [name for name in _PANELS if name in drawn]
    if not parts:
        raise ValueError("no row has a finite norm, mean or share")
    height = panels_height(len(table))
    flagged = [place for place, row in enumerate(table) if _non_finite(row)]
    blocks = _legend(title, table, parts, shares, num_flagged=len(flagged))
    figure, below = add_legend_strip(blocks, PAGE_WIDTH, height + 1.1 * CM)
    widths = [_PANELS[part] for part in parts]
    all_axes = below.subplots(1, len(parts), sharey=True, squeeze=False, width_ratios=widths)[0]
    for axes, part in zip(all_axes, parts, strict=True):
        if part == "mean":
            _draw_spread(axes, table, len(parts))
        elif part == "share":
            _draw_shares(axes, table, shares)
        elif part == "histogram":
            _choose_scale(axes, _widths(table), len(parts))
            draw_histograms(axes, [str(row["layer"]) for row in table], values or {})
        else:
            _draw_sizes(axes, table, part)
        for place in flagged:
            axes.axhspan(place - 0.4, place + 0.4, **_FLAG)
        axes.grid(visible=True, axis="x")
    name_layers(all_axes[0], [str(row["layer"]) for row in table], flagged, height)
    return figure


def panels_height(num_layers: int) -> float:
    """Return the height of panels with a row a layer, in inches."""
    return min(_MAX_HEIGHT, max(2.0 * CM, _MAX_ROW * num_layers))


def _draw_sizes(axes: Axes, table: Sequence[Row], name: str) -> None:
    sizes = [_number(row, name) for row in table]
    positive = [size for size in sizes if size]
    low, high = min(positive, default=0.1), max(positive, default=1.0)
    axes.set_xscale("log")
    axes.set_xlim(low / (high / low) ** 0.08 / 1.3, high * (high / low) ** 0.08 * 1.3)
    edge = axes.get_xlim()[0]
    places = [place for place, size in enumerate(sizes) if size]
    axes.hlines(places, edge, positive, color=COLOURS[0], linewidth=0.7)
    axes.plot(positive, places, **_SIZE)
    if zeros := [place for place, size in enumerate(sizes) if size == 0]:
        axes.plot([edge] * len(zeros), zeros, clip_on=False, zorder=5, **_ZERO)
    log_ticks(axes.xaxis, num_ticks=4)
    axes.set_xlabel(_SIZE_NAMES[name])


def _draw_spread(axes: Axes, table: Sequence[Row], num_panels: int) -> None:
    places, means, stds, lows, highs = _columns(table, "mean", "std", "min", "max")
    axes.hlines(places, lows, highs, color=_RANGE["color"], linewidth=_RANGE["linewidth"], zorder=2)
    axes.plot([*lows, *highs], [*places, *places], zorder=2, **_RANGE | {"linestyle": "none"})
    axes.barh(places, 2 * stds, left=means - stds, height=0.56, zorder=3, **_STD)
    axes.plot(means, places, zorder=4, **_MEAN)
    _choose_scale(axes, _widths(table), num_panels)
    axes.axvline(0, color=GUIDE, linewidth=0.6, zorder=1)
    axes.set_xlabel("mean and spread")


def _widths(table: Sequence[Row]) -> list[float]:
    """Return how far each layer reaches from zero: its mean and a standard deviation."""
    _, means, stds = _columns(table, "mean", "std")
    widths = np.abs(means) + np.nan_to_num(stds)
    return list(map(float, widths[widths > 0]))


def _choose_scale(axes: Axes, widths: Sequence[float], num_panels: int) -> None:
    """Take a logarithmic axis to both sides of zero where the layers' spreads differ too much for a linear one."""
    if not widths or max(widths) < 30 * min(widths):
        axes.locator_params(axis="x", nbins=5 if num_panels < _MANY_PANELS else 3)
        return
    first, last = math.floor(math.log10(min(widths))), math.floor(math.log10(max(widths)))
    axes.set_xscale("symlog", linthresh=10.0**first, linscale=0.5)
    stride = max(1, (last - first + 2) // 2)
    powers = [10.0**power for power in range(last, first, -stride)]
    axes.xaxis.set_major_locator(FixedLocator([*(-power for power in powers), 0, *powers]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(plain_number))


def _draw_shares(axes: Axes, table: Sequence[Row], shares: Sequence[str]) -> None:
    for index, name in enumerate(shares):
        places, values = _columns(table, name)
        axes.plot(values, places, clip_on=False, zorder=4, **_share_style(index))
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_locator(FixedLocator([0, 0.5, 1]))
    axes.xaxis.set_major_formatter(FixedFormatter(["0", "50 %", "100 %"]))
    axes.set_xlabel(f"share of {shares[0]}" if len(shares) == 1 else "share")


def _share_style(index: int) -> dict[str, Any]:
    colour = COLOURS[(0, 1, 2)[index]]
    return {"marker": _SHARE_MARKERS[index], "linestyle": "none", "color": colour, "markerfacecolor": PAPER}


def name_layers(axes: Axes, layers: Sequence[str], flagged: Sequence[int], height: float) -> None:
    """Name the layers in a size that fits, every second, third, ... of very many, and always the flagged.

    Args:
        axes: With a row a layer, at 0, 1, ... from the top.
        layers: Their names.
        flagged: The places of those in a warning colour.
        height: Of the axes, in inches.
    """
    stride = math.ceil(len(layers) / _MAX_LABELS)
    clear = [
        place
        for place in range(0, len(layers), stride)
        if all(abs(place - flag) >= stride for flag in flagged)
    ]
    places = sorted({*clear, *flagged})
    size = min(6.5, 0.85 * height * 72 / len(layers) * stride)
    names = [shorten(layers[place], _LETTERS) for place in places]
    axes.yaxis.set_major_locator(FixedLocator(places))
    axes.yaxis.set_major_formatter(FixedFormatter(names))
    axes.set_ylim(len(layers) - 0.4, -0.6)
    axes.tick_params(axis="y", labelsize=size, length=1.5)
    for place, label in zip(places, axes.get_yticklabels(), strict=True):
        if place in flagged:
            label.set(color=WARNING_COLOUR, fontweight="bold")


def _legend(
    title: str, table: Sequence[Row], parts: Sequence[str], shares: Sequence[str], *, num_flagged: int
) -> list[LegendBlock]:
    entries: list[tuple[Artist, str]] = []
    if any(_number(row, name) == 0 for row in table for name in _SIZE_NAMES):
        entries.append((Line2D([], [], **_ZERO), "exactly 0"))
    if "mean" in parts:
        entries.append((Line2D([], [], **_MEAN), "mean"))
        entries.append((Patch(**_STD), "mean \N{PLUS-MINUS SIGN} std"))
        entries.append((Line2D([], [], **_RANGE), "min to max"))
    if len(shares) > 1:
        entries += [(Line2D([], [], **_share_style(index)), name) for index, name in enumerate(shares)]
    if num_flagged:
        entries.append((Patch(**_FLAG), "non-finite values"))
    return [
        LegendBlock([], [shorten(title, 90)] if title else []),
        LegendBlock([sign for sign, _ in entries], [name for _, name in entries]),
    ]


def _non_finite(row: Row) -> bool:
    count = row.get("non_finite")
    if isinstance(count, int | float) and count != 0:
        return True
    return any(isinstance(value, float) and not math.isfinite(value) for value in row.values())


def _number(row: Row, name: str) -> float | None:
    """Return a finite number of a row, cut to what an axis takes; None where there is none."""
    value = row.get(name)
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return math.copysign(min(abs(value), _FARTHEST), value) if abs(value) >= 1 / _FARTHEST else 0.0


def _columns(table: Sequence[Row], *names: str) -> list[np.ndarray]:
    """Return the places of the layers and some of their columns, NaN where there is no number."""
    rows = [
        [math.nan if (number := _number(row, name)) is None else number for name in names] for row in table
    ]
    return [np.arange(len(table)), *np.array(rows).T]
