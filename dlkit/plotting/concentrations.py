"""Concentration curves organ by organ, and predicted against true concentrations."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from dlkit.metrics import FLOOR, FOLDS
from dlkit.plotting.inputs import PredictedCurve, PredictedCurves
from dlkit.plotting.legend import LegendBlock, add_legend_strip
from dlkit.plotting.style import (
    CM,
    COLOURS,
    COLUMN_WIDTH,
    GUIDE,
    INK,
    MARKERS,
    PAGE_WIDTH,
    PAPER,
    house_style,
    log_ticks,
    plain_number,
    shorten,
)

_COLUMNS = 5
_PANEL_HEIGHT = 2.9 * CM
_MARKS = 12
_BINS = 120
_LEAST = 1e-9  # mg/L, where a predicted zero stands among the folds
_DRAWN = (("median", 0.5), ("90 %", 0.9), ("worst", 1.0))  # places among the compounds by their error


@house_style()
def plot_organs(curves: PredictedCurves) -> Figure:
    """Draw the curves of three compounds, a panel an organ: marks are the truth, lines the prediction.

    They are the compounds with the median, the 90th percentile and the largest of the fold errors, so that the
    figure shows the worst there is.

    Args:
        curves: By compound and organ; t = 0 is left out.
    """
    chosen = _choose(curves)
    organs = list(dict.fromkeys(organ for by_organ in curves.values() for organ in by_organ))
    columns = min(_COLUMNS, len(organs))
    num_rows = -(-len(organs) // columns)
    figure, below = add_legend_strip(_legend(chosen), PAGE_WIDTH, num_rows * _PANEL_HEIGHT + 0.8 * CM)
    panels = below.subplots(num_rows, columns, sharex=True, sharey=True, squeeze=False)
    first = panels[0, 0]
    highest = max(_highest(curve) for compound, _, _ in chosen for curve in curves[compound].values())
    first.set_yscale("log", nonpositive="mask")
    first.set_ylim(FLOOR / 2, max(highest * 1.5, FLOOR * 10))
    for axes, organ in zip(panels.ravel(), organs, strict=False):
        for place, (compound, _, _) in enumerate(chosen):
            if organ in curves[compound]:
                _draw_curve(axes, curves[compound][organ], place)
        axes.set_title(shorten(organ, 20), pad=2)
        axes.grid(visible=True, axis="y")
    for axes in panels.ravel()[len(organs) :]:
        axes.set_axis_off()
    for axes in panels.ravel()[max(0, len(organs) - columns) : len(organs)]:
        axes.tick_params(labelbottom=True)
    log_ticks(first.yaxis, 4)
    first.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 3, 6, 10]))
    below.supxlabel("time since the dose (h)", fontsize=7)
    below.supylabel("concentration (mg/L)", fontsize=7)
    return figure


@house_style()
def plot_fold(curves: PredictedCurves) -> Figure:
    """Draw predicted against true concentrations on logarithmic axes, with the twofold band.

    Args:
        curves: By compound and organ; t = 0 and what lies below the floor are left out.
    """
    targets, preds = _above_floor([curve for by_organ in curves.values() for curve in by_organ.values()])
    figure = Figure(figsize=(COLUMN_WIDTH, COLUMN_WIDTH * 0.85), layout="constrained")
    axes = figure.subplots()
    low, high = FLOOR, max(float(targets.max(initial=0.0)) * 1.3, FLOOR * 10)
    ends = np.array([low, high])
    axes.fill_between(ends, ends / 2, ends * 2, color=GUIDE, alpha=0.2, linewidth=0, zorder=0)
    axes.plot(ends, ends, color=INK, linewidth=0.6, zorder=3)
    edges = np.geomspace(low, high, _BINS + 1)
    counts, _, _ = np.histogram2d(targets, np.clip(preds, low, high), bins=(edges, edges))
    image = axes.pcolormesh(
        edges,
        edges,
        np.ma.masked_equal(counts.T, 0),
        cmap="viridis_r",
        norm=LogNorm(1, max(10.0, counts.max(initial=1.0))),
        rasterized=True,
        zorder=2,
    )
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
    for axis in (axes.xaxis, axes.yaxis):
        log_ticks(axis)
    axes.set_xlabel("true concentration (mg/L)")
    axes.set_ylabel("predicted concentration (mg/L)")
    axes.text(0.03, 0.97, _shares(targets, preds), transform=axes.transAxes, va="top", fontsize=6.5)
    bar = figure.colorbar(image, ax=axes, shrink=0.7, aspect=25, pad=0.02, format=FuncFormatter(plain_number))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.set_label("values")
    bar.outline.set_linewidth(0.4)
    return figure


def _choose(curves: PredictedCurves) -> list[tuple[str, str, float]]:
    """Return compounds with what they stand for and their geometric mean fold error, each once."""
    errors = {compound: _fold_error(list(by_organ.values())) for compound, by_organ in curves.items()}
    ranked = sorted(errors, key=lambda compound: errors[compound])
    chosen: dict[str, tuple[str, str, float]] = {}
    for name, share in _DRAWN:
        compound = ranked[math.ceil(share * len(ranked)) - 1]
        chosen[compound] = (compound, name, errors[compound])
    return list(chosen.values())


def _fold_error(curves: Sequence[PredictedCurve]) -> float:
    targets, preds = _above_floor(curves)
    logs = np.abs(np.log(np.maximum(preds, _LEAST) / targets))
    return float(np.exp(logs.mean())) if logs.size else 1.0


def _above_floor(curves: Sequence[PredictedCurve]) -> tuple[np.ndarray, np.ndarray]:
    times, targets, preds = (
        np.concatenate([getattr(curve, name) for curve in curves]) for name in ("times", "targets", "preds")
    )
    scored = (times > 0) & (targets >= FLOOR)
    return targets[scored], preds[scored]


def _highest(curve: PredictedCurve) -> float:
    drawn = zip(curve.times, curve.targets, curve.preds, strict=True)
    return max((max(target, pred) for time, target, pred in drawn if time > 0), default=0.0)


def _draw_curve(axes: Axes, curve: PredictedCurve, place: int) -> None:
    late = [row for row, time in enumerate(curve.times) if time > 0]
    times, targets, preds = (
        [values[row] for row in late] for values in (curve.times, curve.targets, curve.preds)
    )
    colour = COLOURS[place % len(COLOURS)]
    every = max(1, len(times) // _MARKS)
    axes.plot(times, preds, color=colour, linewidth=0.9, zorder=3)
    axes.plot(times, targets, linestyle="none", markevery=(place * every // 3, every), **_mark(place))


def _mark(place: int) -> dict[str, Any]:
    colour = COLOURS[place % len(COLOURS)]
    return {
        "marker": MARKERS[place % len(MARKERS)],
        "markersize": 2.6,
        "markerfacecolor": PAPER,
        "markeredgecolor": colour,
        "markeredgewidth": 0.6,
        "color": colour,
    }


def _legend(chosen: Sequence[tuple[str, str, float]]) -> list[LegendBlock]:
    return [
        LegendBlock(
            [Line2D([], [], **_mark(place)) for place in range(len(chosen))],
            [
                f"compound {shorten(compound, 16)} ({name}, {error:.3g}-fold)"
                for compound, name, error in chosen
            ],
        ),
        LegendBlock([], ["marks are the truth, lines the prediction"]),
    ]


def _shares(targets: np.ndarray, preds: np.ndarray) -> str:
    if not targets.size:
        return f"nothing above {FLOOR:g} mg/L"
    logs = np.abs(np.log(np.maximum(preds, _LEAST) / targets))
    shares = [f"{100 * np.mean(logs <= np.log(fold)):.1f} % within {fold:g}-fold" for fold in FOLDS]
    return "\n".join([*shares, f"of {len(targets):,} values"])
