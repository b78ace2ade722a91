"""The curves of training runs: a panel a quantity, train and val distinguished without colour."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from dlkit.files.foreign_history import ForeignHistory
from dlkit.files.history import History
from dlkit.plotting.history.panels import (
    Panel,
    choose_panels,
    finite_values,
    is_log,
    name_splits,
    numbers,
    points,
    smoothed,
    split_and_name,
)
from dlkit.plotting.history.runs import Setting
from dlkit.plotting.legend import LegendBlock, add_legend_strip
from dlkit.plotting.style import (
    CM,
    COLOURS,
    COLUMN_WIDTH,
    GUIDE,
    INK,
    MARKERS,
    PAPER,
    house_style,
    log_ticks,
    shorten,
)

_PANEL_HEIGHT = 3.6 * CM
_X_AXIS_HEIGHT = 0.8 * CM
_MARKS = 9
_AXIS_NAMES = {
    "lr": "learning rate",
    "grad_norm": "gradient norm",
    "update_ratio": "update / weight norm",
    "memory_mib": "memory (MiB)",
    "seconds": "time (s)",
}
_MOST_WITH_TRAIN = 3
_WIDE = 20
_TIME_UNITS = ((3 * 3600, 3600, "h"), (3 * 60, 60, "min"), (0, 1, "s"))


@dataclass(frozen=True)
class _Curve:
    """One history as it is drawn: its place among the others decides colour, marker and where marks stand."""

    history: History
    label: str
    place: int
    x: list[float]
    spread: History | None = None

    @property
    def colour(self) -> str:
        return COLOURS[self.place % len(COLOURS)]

    @property
    def marker(self) -> str:
        return MARKERS[self.place % len(MARKERS)]


@house_style()
def plot_history(
    histories: Sequence[History],
    labels: Sequence[str],
    *,
    columns: Sequence[str] | None = None,
    x: str = "epoch",
    smooth: int = 1,
    log_y: bool = False,
    spreads: Sequence[History | None] = (),
    setting: Setting | None = None,
    titles: Mapping[str, str] = MappingProxyType({}),
    splits: Mapping[str, str] | None = None,
) -> Figure:
    """Draw the curves of one or several runs, the epoch with the lowest validation loss marked.

    Of more than three runs only validation is drawn, unless columns are chosen.

    Args:
        histories: The runs.
        labels: One name a run; a single run's may be empty.
        columns: Which columns of history.csv, see `choose_panels`; None takes the loss and the metrics.
        x: `epoch`, `step` or `seconds`.
        smooth: Epochs in a running mean; 1 draws what was measured.
        log_y: Logarithmic loss; with `columns`, a logarithmic axis in every panel.
        spreads: Standard deviations around each history, drawn as a band; empty for none.
        setting: The one setting that differs, for a panel of the best values over it.
        titles: Of the axes of quantities, by their names in history.csv.
        splits: What train and val are called; None names them as `name_splits` does.

    Raises:
        ConfigError: A column that no history has, or nothing above 0 for a logarithmic axis.
        DataError: There is no number in the columns.
    """
    panels = choose_panels(histories, columns, log_y=log_y)
    if columns is None and len(histories) > _MOST_WITH_TRAIN:
        panels = [panel.only_val() for panel in panels]
    unit, divisor = _time_unit(histories) if x == "seconds" else ("", 1)
    bands = spreads or [None] * len(histories)
    curves = [
        _Curve(history, label, place, [value / divisor for value in numbers(history, x)], spread)
        for place, (history, label, spread) in enumerate(zip(histories, labels, bands, strict=True))
    ]
    num_axes = len(panels) + (setting is not None)
    height = _PANEL_HEIGHT * num_axes + _X_AXIS_HEIGHT * (1 + (setting is not None))
    figure, below = add_legend_strip(
        _legend(curves, panels, splits or name_splits(histories)), COLUMN_WIDTH, height
    )
    all_axes = below.subplots(num_axes, 1, squeeze=False)[:, 0]
    for axes, panel in zip(all_axes, panels, strict=False):
        if axes is not all_axes[0]:
            axes.sharex(all_axes[0])
        axes.tick_params(labelbottom=panel is panels[-1])
        title = titles.get(panel.name, _AXIS_NAMES.get(panel.name, panel.name.replace("_", " ")))
        _draw_panel(axes, panel, curves, smooth, title, logarithmic=is_log(panel, columns, log_y=log_y))
    _finish_x(all_axes[len(panels) - 1], x, unit, curves)
    if setting is not None:
        _draw_setting(all_axes[-1], setting, curves)
    below.align_ylabels(all_axes)
    return figure


def _draw_panel(
    axes: Axes, panel: Panel, curves: Sequence[_Curve], smooth: int, title: str, *, logarithmic: bool
) -> None:
    if logarithmic:
        axes.set_yscale("log", nonpositive="mask")
    for curve in curves:
        for column in panel.columns:
            if finite_values(curve.history, column):
                _draw_line(axes, curve, column, smooth, len(curves))
    for curve in curves:
        _mark_best(axes, panel, curve, alone=len(curves) == 1)
    axes.margins(y=0.08)
    axes.autoscale_view()
    if logarithmic:
        log_ticks(axes.yaxis)
    else:
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    lines = "\n".join(shorten(line, 26) for line in title.split("\n"))
    axes.set_ylabel(lines + (f"\n(mean of {smooth} epochs)" if smooth > 1 else ""))
    axes.grid(visible=True, axis="y")


def _draw_line(axes: Axes, curve: _Curve, column: str, smooth: int, num_curves: int) -> None:
    x, raw = points(curve.history, curve.x, column)
    if smooth > 1:
        axes.plot(x, raw, color=curve.colour, linewidth=0.6, alpha=0.3)
    values = smoothed(raw, smooth)
    style = _split_style(split_and_name(column)[0], curve.colour)
    if curve.spread is not None:
        _draw_band(axes, curve, column, values)
    places = _marked_rows(values, curve.place / num_curves)
    axes.plot(x, values, color=curve.colour, marker=curve.marker, markevery=places, **style)


def _draw_band(axes: Axes, curve: _Curve, column: str, values: Sequence[float]) -> None:
    assert curve.spread is not None, "asked before"
    half = [0.0 if math.isnan(sd) else sd for sd in numbers(curve.spread, column)]
    low, high = ([value + sign * sd for value, sd in zip(values, half, strict=True)] for sign in (-1, 1))
    axes.fill_between(curve.x, low, high, color=curve.colour, alpha=0.2, linewidth=0, zorder=1)


def _draw_setting(axes: Axes, setting: Setting, curves: Sequence[_Curve]) -> None:
    """Draw the value in the best epoch of each run over the setting that differs."""
    column = _final_column(curves)
    for curve, value in zip(curves, setting.values, strict=True):
        row = curve.history.best_row()
        if row is not None:
            axes.plot(value, numbers(curve.history, column)[row], marker=curve.marker, color=curve.colour)
    if min(setting.values) > 0 and max(setting.values) >= _WIDE * min(setting.values):
        axes.set_xscale("log")
        axes.margins(x=0.08)
        axes.autoscale_view()
        log_ticks(axes.xaxis)
    axes.margins(y=0.1)
    axes.set_xlabel(shorten(setting.name.replace("_", " "), 40))
    axes.set_ylabel(shorten(split_and_name(column)[1].replace("_", " "), 26) + "\nin the best epoch")
    axes.grid(visible=True, axis="y")


def _final_column(curves: Sequence[_Curve]) -> str:
    metric = curves[0].history.metric
    return "val_loss" if metric is None else f"val_{metric}"


def _split_style(split: str, colour: str) -> dict[str, Any]:
    """Train is dashed with open marks, everything else a full line with full marks."""
    if split == "train":
        return {"linestyle": (0, (3.2, 1.6)), "markerfacecolor": PAPER, "markeredgecolor": colour}
    return {"linestyle": "-", "markerfacecolor": colour, "markeredgecolor": colour}


def _marked_rows(values: Sequence[float], shift: float) -> list[int]:
    """Choose about ten rows to mark, and every number between two gaps, which no line would show.

    Args:
        values: What is drawn, NaN in the gaps.
        shift: Where in a stride the first mark lies, in [0, 1), so that overlaid runs are marked apart.
    """
    stride = max(1, math.ceil(len(values) / _MARKS))
    finite = [False, *map(math.isfinite, values), False]
    triples = zip(finite, finite[1:], finite[2:], strict=False)
    lonely = [row for row, triple in enumerate(triples) if triple == (False, True, False)]
    return sorted({*range(int(shift * stride), len(values), stride), *lonely})


def _mark_best(axes: Axes, panel: Panel, curve: _Curve, *, alone: bool) -> None:
    row = curve.history.best_row()
    if row is None or not math.isfinite(curve.x[row]):
        return
    if alone:
        axes.axvline(curve.x[row], color=GUIDE, linewidth=0.7, linestyle=":", zorder=1)
    for column in panel.columns:
        value = numbers(curve.history, column)[row]
        if split_and_name(column)[0] == "val" and math.isfinite(value):
            axes.plot(curve.x[row], value, linestyle="none", zorder=4, **_star(curve.colour))


def _star(colour: str) -> dict[str, Any]:
    return {
        "marker": "*",
        "markersize": 9,
        "markerfacecolor": "none",
        "markeredgecolor": INK,
        "color": colour,
    }


def _finish_x(axes: Axes, x: str, unit: str, curves: Sequence[_Curve]) -> None:
    counted = x != "epoch" or any(not _uncounted(curve.history) for curve in curves)
    axes.set_xlabel(f"time ({unit})" if x == "seconds" else x if counted else "row")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=x != "seconds", steps=[1, 2, 5, 10], min_n_ticks=1))
    places = [value for curve in curves for value in curve.x if math.isfinite(value)]
    low, high = min(places, default=0.0), max(places, default=1.0)
    pad = (high - low) * 0.03 or max(abs(low) * 0.5, 0.5)
    axes.set_xlim(low - pad, high + pad)


def _legend(curves: Sequence[_Curve], panels: Sequence[Panel], names: Mapping[str, str]) -> list[LegendBlock]:
    """Name the runs, then say how train, val and the best epoch are drawn."""
    alone = len(curves) == 1
    colour = curves[0].colour if alone else GUIDE
    splits = {split_and_name(column)[0] for panel in panels for column in panel.columns} - {""}
    keys: list[tuple[Artist, str]] = [
        (Line2D([], [], color=colour, marker="o", **_split_style(split, colour)), names[split])
        for split in sorted(splits)
    ]
    if any(map(_best_epoch, curves)):
        line: Any = {"color": GUIDE, "linewidth": 0.7, "linestyle": ":" if alone else "none"}
        star = Line2D([], [], **{**_star(colour), **line})
        keys.append((star, _best_text(curves[0]) if alone else "lowest val loss"))
    if any(curve.spread is not None for curve in curves):
        keys.append((Patch(color=colour, alpha=0.2, linewidth=0), "\N{PLUS-MINUS SIGN} standard deviation"))
    return [
        _title(curves[0]) if alone else _run_names(curves),
        LegendBlock([sign for sign, _ in keys], [name for _, name in keys]),
    ]


def _title(curve: _Curve) -> LegendBlock:
    return LegendBlock([], [shorten(curve.label, 48)] if curve.label else [])


def _run_names(curves: Sequence[_Curve]) -> LegendBlock:
    bests = [_best_of_several(curve) for curve in curves]
    return LegendBlock(
        [Line2D([], [], color=curve.colour, marker=curve.marker) for curve in curves],
        [
            shorten(curve.label, 32) + (f", {best}" if best else "")
            for curve, best in zip(curves, bests, strict=True)
        ],
    )


def _best_text(curve: _Curve) -> str:
    """Return the best epoch and what was reached in it."""
    row = curve.history.best_row()
    assert row is not None, "there is a best epoch"
    return f"best {_best_epoch(curve)}: val loss {numbers(curve.history, 'val_loss')[row]:.4g}"


def _best_of_several(curve: _Curve) -> str:
    """Return what was reached in the best epoch, in short; empty where there is none."""
    row, epoch = curve.history.best_row(), _best_epoch(curve)
    return f"{numbers(curve.history, 'val_loss')[row]:.4g} in {epoch}" if row is not None and epoch else ""


def _best_epoch(curve: _Curve) -> str:
    row = curve.history.best_row()
    if row is None:
        return ""
    columns = curve.history.columns
    name = "epoch" if not _uncounted(curve.history) else "step" if "step" in columns else "row"
    place = columns["epoch" if name == "row" else name][row]
    return "" if place is None else f"{name} {place:g}"


def _uncounted(history: History) -> bool:
    return isinstance(history, ForeignHistory) and bool(history.uncounted)


def _time_unit(histories: Sequence[History]) -> tuple[str, int]:
    longest = max((value for history in histories for value in finite_values(history, "seconds")), default=0)
    return next((unit, divisor) for least, divisor, unit in _TIME_UNITS if longest >= least)
