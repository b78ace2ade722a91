"""Draw docs/schedules.svg from the schedules themselves: `python docs/write_schedules.py`."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dlkit.plotting.figure_file import figure_bytes
from dlkit.plotting.style import CM, COLOURS, PAGE_WIDTH, house_style
from dlkit.settings.config import SCHEDULES
from dlkit.training.schedules import Plateau, build_schedule

FIGURE = Path(__file__).with_name("schedules.svg")
STEPS, STEPS_PER_EPOCH = 1000, 40
_COLUMNS = 4
_ROW_HEIGHT = 3.4 * CM


def curves() -> dict[str, list[float]]:
    """Give the rate of each of 1,000 steps, as a share of --lr, by the schedule's name."""
    drawn = {}
    for name in SCHEDULES:
        schedule = build_schedule(name, 1.0, total_steps=STEPS, steps_per_epoch=STEPS_PER_EPOCH)
        drawn[name] = [schedule(step) for step in range(STEPS)]
    drawn["plateau"] = plateau()
    return drawn


def plateau() -> list[float]:
    """Give the rates of a run whose validation loss stops falling twice."""
    state, rates = Plateau(), []
    for epoch in range(STEPS // STEPS_PER_EPOCH):
        rates += [state.factor] * STEPS_PER_EPOCH
        state.observe(1.0 - 0.1 * min(epoch, 3) - 0.1 * min(max(epoch - 9, 0), 3))
    return rates


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


if __name__ == "__main__":
    FIGURE.write_bytes(figure_bytes(plot_schedules(curves()), "svg"))
