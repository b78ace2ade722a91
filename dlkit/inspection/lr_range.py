"""Learning-rate range test: the rate increases from step to step while the loss is recorded."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from dlkit.diagnosis.diagnose import diagnose
from dlkit.diagnosis.findings import to_hint
from dlkit.diagnosis.recording import Recording
from dlkit.diagnosis.table import RULES
from dlkit.errors import DlkitError
from dlkit.settings.config import TrainConfig
from dlkit.training.loop import Position, fit
from dlkit.training.step import Parts

RULE = "a fifth of the rate midway between those where the smoothed loss is half way down and lowest"
STOP_FACTOR = 4.0
"""The test ends when the smoothed loss exceeds its minimum by this factor."""
_DIVISOR = 5.0
_AVERAGED_SHARE = 0.1
_MIN_DECREASE = 0.01
_NOISE_WIDTHS = 3.0
_STAGES = ("data", "wiring", "initialisation")


class Point(NamedTuple):
    """One step: its rate, the loss of its batch before the step, and the smoothed loss."""

    lr: float
    loss: float
    smoothed: float


@dataclass(frozen=True)
class Suggestion:
    """The result of a range test.

    Args:
        lr: The rate to train with, to three significant digits.
        half_way: The first point whose smoothed loss is at most half way from the first losses to the lowest.
        lowest: The point of the lowest smoothed loss.
        still_falling: The lowest point is at the last rate of the test: higher rates may be better.
    """

    lr: float
    half_way: Point
    lowest: Point
    still_falling: bool


def range_settings(config: TrainConfig) -> TrainConfig:
    """Return the settings of a run without those that change the rate or stop it early."""
    return replace(config, schedule="none", warmup_steps=0, ema=None, max_steps=None)


def rising_rates(start: float, end: float, steps: int) -> list[float]:
    """Return the rates of all steps, which increase by a constant factor.

    Args:
        start: The first rate, above 0.
        end: The last rate, above the first.
        steps: Number of rates, at least 2.
    """
    return [start * (end / start) ** (step / (steps - 1)) for step in range(steps)]


def raise_rate(parts: Parts, rates: Sequence[float], recording: Recording) -> Iterator[Point]:
    """Train with an increasing rate until the loss diverges.

    The test of Smith 2017 (https://arxiv.org/abs/1506.01186, section 3.3) with an exponential increase. The loss is
    smoothed by an exponential moving average over about a tenth of the steps, with bias correction (Kingma and Ba
    2015, https://arxiv.org/abs/1412.6980, section 3).

    Args:
        parts: What to train; its model is changed.
        rates: The rate of each step.
        recording: Takes what the rules of diagnosis read.

    Yields:
        A point for each step, up to the last rate or to a smoothed loss of four times its minimum; a NaN or
        infinite loss ends the test without a point.
    """
    rising = replace(parts, schedule=lambda step: rates[min(step, len(rates) - 1)])
    keep = 1 - 1 / _averaged_steps(rates)
    total, weight, lowest = 0.0, 0.0, math.inf
    for step in fit(rising, Position(), epochs=len(rates)):
        if step.record is not None:
            recording.add_epoch(step.record.to_row())
            recording.add_signals(step.probe_rows)
        loss = step.running.last_loss()
        if step.diverged or rising.guard.skipped() or not math.isfinite(loss):
            return
        total, weight = keep * total + (1 - keep) * loss, keep * weight + (1 - keep)
        smoothed = total / weight
        lowest = min(lowest, smoothed)
        yield Point(step.lr, loss, smoothed)
        if step.step == len(rates) or smoothed > STOP_FACTOR * lowest:
            return


def suggest_rate(points: Sequence[Point], rates: Sequence[float], recording: Recording) -> Suggestion:
    """Suggest a rate to train with; see `RULE`, where midway is on the logarithmic axis.

    Half way down is found too early where the loss falls in two stages, lowest too late where it stays low up to
    huge rates; the middle of the two was closest to the best rate in the comparison of docs/settings.md, which
    also has the usual rules, a tenth of the lowest and the steepest fall.

    Args:
        points: The points of `raise_rate`.
        rates: All rates of the test.
        recording: What `raise_rate` recorded; the rules find in it why a loss does not fall.

    Raises:
        DlkitError: The loss never fell by more than its noise and a hundredth; the hint lists likely causes.
    """
    early, later = points[: _averaged_steps(rates)], points[_averaged_steps(rates) :]
    lowest = min(later, key=lambda point: point.smoothed, default=None)
    if lowest is None or lowest.smoothed >= _clearly_below(early):
        raise DlkitError(
            f"the loss never fell at {len(points)} of {len(rates)} rates from {rates[0]:g} to {rates[-1]:g}",
            "; ".join(_likely_causes(points, rates, recording)),
        )
    goal = (_mean_loss(early) + lowest.smoothed) / 2
    half_way = next(point for point in later if point.smoothed <= goal)
    return Suggestion(
        lr=float(f"{math.sqrt(half_way.lr * lowest.lr) / _DIVISOR:.3g}"),
        half_way=half_way,
        lowest=lowest,
        still_falling=lowest is points[-1] and len(points) == len(rates),
    )


def _averaged_steps(rates: Sequence[float]) -> int:
    return max(2, round(_AVERAGED_SHARE * len(rates)))


def _mean_loss(points: Sequence[Point]) -> float:
    return math.fsum(point.loss for point in points) / len(points)


def _clearly_below(early: Sequence[Point]) -> float:
    """Return the loss below which it has clearly fallen, from mean and standard deviation of the first losses."""
    first = _mean_loss(early)
    spread = math.sqrt(math.fsum((point.loss - first) ** 2 for point in early) / len(early))
    # An exponential average that keeps 1 - 1/n is as steady as the mean of 2n - 1 values.
    noise = spread / math.sqrt(2 * len(early) - 1)
    return first - max(_MIN_DECREASE * first, _NOISE_WIDTHS * noise)


def _likely_causes(points: Sequence[Point], rates: Sequence[float], recording: Recording) -> Iterator[str]:
    """List the most likely causes of a loss that does not fall."""
    found = to_hint(diagnose(recording, [rule for rule in RULES if rule.stage in _STAGES]))
    if len(points) < len(rates):
        yield f"the loss only grew: try --start {rates[0] / 1000:g}, and check the scale of the inputs"
    if found:
        yield found
    elif rates[-1] < 1:
        yield f"the rates are too low: try --end {rates[-1] * 1000:g}"
    yield "the inputs may not predict the targets: dlkit train MODEL --overfit 32 checks that they can be learned"
