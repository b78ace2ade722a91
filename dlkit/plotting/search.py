"""A search: how its best value fell, the curves of its trials, and the value over each setting."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from dlkit.plotting.legend import LegendBlock, add_legend_strip
from dlkit.plotting.style import (
    CM,
    COLOURS,
    GUIDE,
    INK,
    PAGE_WIDTH,
    four_digits,
    house_style,
    log_ticks,
    scale,
    shorten,
)

if TYPE_CHECKING:
    from dlkit.search.results import Results, TrialResult

_ROW_HEIGHT = 4.6 * CM
_LOG_FROM = 10.0
_COMPLETE: dict[str, Any] = {"marker": "o", "linestyle": "none", "color": COLOURS[0], "label": "complete"}
_PRUNED: dict[str, Any] = {
    "marker": "x",
    "linestyle": "none",
    "color": GUIDE,
    "alpha": 0.7,
    "markersize": 3,
    "label": "pruned",
}
_BEST: dict[str, Any] = {
    "marker": "*",
    "markersize": 8,
    "color": COLOURS[4],
    "linestyle": "none",
    "label": "best",
}
_BEST_SO_FAR: dict[str, Any] = {"color": INK, "label": "best so far"}
_FAILED: dict[str, Any] = {"marker": "v", "linestyle": "none", "color": COLOURS[4], "label": "failed"}


@house_style()
def plot_search(results: "Results") -> Figure:
    """Draw the best value so far over the trials, their curves over epochs (pruned ones faint), and slices.

    Args:
        results: The trials; one at least has a value. Slices stand in the order of importance where it is known.
    """
    keys = _keys(results)
    rows = 1 + -(-len(keys) // 2)
    figure, below = add_legend_strip(
        [_legend_of(results)], PAGE_WIDTH * scale(), _ROW_HEIGHT * rows * scale()
    )
    panels = below.subplots(rows, 2, squeeze=False).ravel().tolist()
    for axes in panels[2 + len(keys) :]:
        axes.set_axis_off()
    _draw_best(panels[0], results)
    _draw_curves(panels[1], results)
    for axes, key in zip(panels[2:], keys, strict=False):
        _draw_slice(axes, results, key)
    return figure


@house_style()
def plot_parallel(results: "Results") -> Figure:
    """Draw each complete trial as a line through an axis for each setting, to its value on the last; best on top.

    Args:
        results: The trials; one at least is complete.
    """
    keys = _keys(results)
    trials = [*reversed(results.best(len(results.trials)))]  # the best is drawn last, on top
    figure = Figure(figsize=(PAGE_WIDTH * scale(), 2 * _ROW_HEIGHT * scale()), layout="constrained")
    axes = figure.subplots()
    columns = [
        _heights([trial.values[key] for trial in trials], log=key in results.logarithmic) for key in keys
    ]
    columns.append(_heights([trial.value for trial in trials], log=_is_log(results)))
    lines = [list(enumerate(heights)) for heights in zip(*(heights for heights, _ in columns), strict=True)]
    widths = [0.7] * (len(lines) - 1) + [2.0]
    collection = LineCollection(lines, cmap="viridis", linewidths=widths, alpha=0.85)
    collection.set_array([*range(len(lines))])
    axes.add_collection(collection)
    for place, (_, marks) in enumerate(columns):
        axes.axvline(place, color=INK, linewidth=0.6)
        for height, text in marks:
            axes.annotate(
                shorten(text, 14),
                (place, height),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=6,
                path_effects=[withStroke(linewidth=2, foreground=axes.get_facecolor())],
            )
    axes.set_xticks(range(len(columns)), [*(shorten(key, 20) for key in keys), _named(results.monitor)])
    axes.set(yticks=[], xlim=(-0.1, len(columns) - 0.6), ylim=(-0.05, 1.05))
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(collection, ax=axes, ticks=[0, len(lines) - 1], pad=0.01, aspect=40)
    bar.ax.set_yticklabels(["worst", "best"])
    return figure


def _legend_of(results: "Results") -> LegendBlock:
    states = {trial.state for trial in results.trials}
    looks = [look for look in (_COMPLETE, _PRUNED, _FAILED) if look["label"] in states]
    looks += [_BEST, _BEST_SO_FAR] if results.best() else []
    return LegendBlock([Line2D([], [], **look) for look in looks], [look["label"] for look in looks])


def _keys(results: "Results") -> list[str]:
    """Return the settings, those that matter most first."""
    keys = list(results.trials[0].values)
    return sorted(keys, key=lambda key: -results.importance.get(key, 0.0))


def _draw_best(axes: Axes, results: "Results") -> None:
    _draw_points(axes, results, [trial.number for trial in results.trials])
    numbers: list[int] = []
    values: list[float] = []
    better = max if results.higher_is_better else min
    for trial in results.trials:
        if trial.state == "complete" and trial.value is not None:
            values.append(better(trial.value, values[-1]) if values else trial.value)
            numbers.append(trial.number)
    axes.step(
        [*numbers, results.trials[-1].number],
        [*values, *values[-1:]],
        where="post",
        **_BEST_SO_FAR,
    )
    failed = [trial.number for trial in results.trials if trial.state == "failed"]
    if failed:
        axes.plot(
            failed,
            [0.98] * len(failed),
            transform=axes.get_xaxis_transform(),
            **_FAILED,
        )
    axes.set_xlabel("trial")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def _draw_curves(axes: Axes, results: "Results") -> None:
    (best, *_) = [*results.best(), None]
    for trial in results.trials:
        pruned = trial.state == "pruned"
        look: dict[str, Any] = (
            {"color": GUIDE, "linewidth": 0.5, "alpha": 0.4} if pruned else {"color": COLOURS[0]}
        )
        if trial is best:
            look = {"color": COLOURS[4], "linewidth": 1.6, "zorder": 3}
        epochs = sorted(trial.curve)
        mark = "." if len(epochs) == 1 else ""
        axes.plot(epochs, [trial.curve[epoch] for epoch in epochs], marker=mark, **{"linewidth": 0.7, **look})
    _finish(axes, results)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def _draw_slice(axes: Axes, results: "Results", key: str) -> None:
    values: Sequence[Any] = [trial.values.get(key) for trial in results.trials]
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if not numeric:
        values = [str(value) for value in values]
        names = sorted(set(values))
        values = [names.index(value) for value in values]
        axes.set_xticks(range(len(names)), [shorten(name, 16) for name in names])
        axes.set_xlim(-0.5, len(names) - 0.5)
    _draw_points(axes, results, values)
    if key in results.logarithmic:
        axes.set_xscale("log")
        log_ticks(axes.xaxis)
    share = results.importance.get(key)
    axes.set_xlabel(shorten(key, 40) + ("" if share is None else f" (importance {share:.2f})"))


def _draw_points(axes: Axes, results: "Results", xs: Sequence[float]) -> None:
    (best, *_) = [*results.best(), None]
    for state, look in (("pruned", _PRUNED), ("complete", _COMPLETE)):
        found = [(x, trial.value) for x, trial in zip(xs, results.trials, strict=True) if _in(trial, state)]
        if found:
            axes.plot(*zip(*found, strict=True), **look)
    for x, trial in zip(xs, results.trials, strict=True):
        if trial is best and trial.value is not None:
            axes.plot([x], [trial.value], **_BEST)
    _finish(axes, results)


def _in(trial: "TrialResult", state: str) -> bool:
    return trial.state == state and trial.value is not None


def _finish(axes: Axes, results: "Results") -> None:
    if _is_log(results):
        axes.set_yscale("log")
        log_ticks(axes.yaxis)
    axes.set_ylabel(_named(results.monitor))
    axes.grid(visible=True, axis="y")


def _is_log(results: "Results") -> bool:
    """Return whether values span more than a decade, as losses do."""
    values = [trial.value for trial in results.trials if trial.value is not None]
    return min(values) > 0 and max(values) / min(values) > _LOG_FROM


def _named(monitor: str) -> str:
    return monitor.replace("_", " ")


def _heights(values: Sequence[Any], *, log: bool) -> tuple[list[float], list[tuple[float, str]]]:
    """Return where values stand on an axis from 0 to 1, and what is written at its ends or choices."""
    import numpy as np

    if any(isinstance(value, str | bool) for value in values):
        names = sorted({str(value) for value in values})
        at = {name: place / max(1, len(names) - 1) for place, name in enumerate(names)}
        return [at[str(value)] for value in values], [(height, name) for name, height in at.items()]
    numbers = np.asarray(values, dtype=float)
    low, high = numbers.min(), numbers.max()
    placed = np.log(numbers) if log else numbers
    span = placed.max() - placed.min() or 1.0
    return list((placed - placed.min()) / span), [
        (0.0, four_digits(float(low))),
        (1.0, four_digits(float(high))),
    ]
