"""A learning-rate range test: the loss over the rate, and the rate to train with."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from dlkit.plotting.legend import LegendBlock, add_legend_strip
from dlkit.plotting.style import (
    CM,
    COLOURS,
    COLUMN_WIDTH,
    GUIDE,
    INK,
    house_style,
    log_ticks,
    plain_number,
    shorten,
)

_HEIGHT = 5 * CM
_BATCH: dict[str, Any] = {"marker": ".", "markersize": 2, "color": GUIDE, "linestyle": "none"}
_SMOOTHED: dict[str, Any] = {"color": COLOURS[0], "linewidth": 1.2}
_MARKED: dict[str, Any] = {"linestyle": "none", "color": COLOURS[0], "markeredgecolor": INK}
_SUGGESTED: dict[str, Any] = {"color": COLOURS[4], "linewidth": 1.0, "linestyle": (0, (4, 2))}


@house_style()
def plot_lr_range(
    rates: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float],
    *,
    half_way: int,
    suggested: float,
    title: str = "",
) -> Figure:
    """Draw the loss over the learning rate and mark the suggested rate.

    Args:
        rates: The rate of each step, above 0 and rising; two or more.
        losses: The loss of each batch; those far above the smoothed loss are cut off.
        smoothed: The smoothed loss.
        half_way: The step at which it was half way down; it is lowest at a later one or there.
        suggested: The rate to train with.
        title: A line above the panel; empty for none.
    """
    signs = [
        Line2D([], [], **_BATCH),
        Line2D([], [], **_SMOOTHED),
        Line2D([], [], marker="o", **_MARKED),
        Line2D([], [], marker="v", **_MARKED),
        Line2D([], [], **_SUGGESTED),
    ]
    blocks = [
        LegendBlock([], [shorten(title, 60)] if title else []),
        LegendBlock(
            signs, ["batch", "smoothed", "half way", "lowest", f"suggested {plain_number(suggested)}"]
        ),
    ]
    figure, below = add_legend_strip(blocks, COLUMN_WIDTH, _HEIGHT)
    axes = below.subplots()
    axes.set_xscale("log")
    axes.plot(rates, losses, **_BATCH)
    axes.plot(rates, smoothed, **_SMOOTHED)
    axes.axvline(suggested, **_SUGGESTED)
    lowest = min(range(len(smoothed)), key=smoothed.__getitem__)
    for step, marker in ((half_way, "o"), (lowest, "v")):
        axes.plot(rates[step], smoothed[step], marker=marker, **_MARKED)
    room = 0.06 * (max(smoothed) - min(smoothed)) or 0.1
    axes.set_ylim(min(*losses, *smoothed) - room, max(smoothed) + room)
    axes.set_xlim(min(rates[0], suggested) / 1.3, rates[-1] * 1.3)
    log_ticks(axes.xaxis)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss")
    axes.grid(visible=True, axis="y")
    return figure
