"""Draw docs/schedules.svg from the schedules themselves: `python docs/write_schedules.py`."""

from pathlib import Path

from dlkit.plotting.figure_file import figure_bytes
from dlkit.plotting.schedules import plot_schedules
from dlkit.settings.config import SCHEDULES
from dlkit.training.schedules import Plateau, build_schedule

PICTURE = Path(__file__).with_name("schedules.svg")
STEPS, STEPS_PER_EPOCH = 1000, 40


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


if __name__ == "__main__":
    PICTURE.write_bytes(figure_bytes(plot_schedules(curves()), "svg"))
