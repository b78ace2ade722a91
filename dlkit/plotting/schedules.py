"""Learning-rate schedules side by side: one small panel each, all over the same steps."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dlkit.plotting.style import CM, COLOURS, PAGE_WIDTH, house_style

_COLUMNS = 4
_ROW_HEIGHT = 3.4 * CM


@house_style()
def plot_schedules(curves: Mapping[str, Sequence[float]], *, peak: float = 1.0) -> Figure:
    """Draw each schedule in a panel of its own, all on the same axes.

    Args:
        curves: The rate of each step by the schedule's name.
        peak: The highest rate, where the axes end.
    """
    num_rows = -(-len(curves) // _COLUMNS)
    figure = Figure(figsize=(PAGE_WIDTH, num_rows * _ROW_HEIGHT), layout="constrained")
    grid = figure.subplots(num_rows, min(_COLUMNS, len(curves)), sharex=True, sharey=True, squeeze=False)
    panels = list(grid.flat)
    for axes, (name, rates) in zip(panels, curves.items(), strict=False):
        (line,) = axes.plot(range(len(rates)), rates, color=COLOURS[0], linewidth=1.2)
        line.set_gid(f"schedule-{name}")
        axes.set_title(name)
        axes.set_ylim(-0.04 * peak, 1.06 * peak)
        axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10], integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        axes.grid(visible=True)
    for axes in panels[len(curves) :]:
        axes.remove()
    figure.supxlabel("step")
    figure.supylabel("learning rate")
    return figure
