"""A learning-rate range test: the rate rises from step to step while the loss is watched."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from torch import nn

from dlkit.errors import DlkitError
from dlkit.settings.config import TrainConfig
from dlkit.training.loop import Position, fit
from dlkit.training.step import Parts

RULE = "a fifth of the rate midway between those where the smoothed loss is half way down and lowest"
STOP_FACTOR = 4.0
"""The test ends when the smoothed loss is above this many times its lowest."""
_DIVISOR = 5.0
_AVERAGED_SHARE = 0.1
_LEAST_FALL = 0.01
_NOISE_WIDTHS = 3.0


class Point(NamedTuple):
    """One step: its rate, the loss of its batch before the step, and the average of the losses so far."""

    lr: float
    loss: float
    smoothed: float


@dataclass(frozen=True)
class Suggestion:
    """What a range test comes to.

    Args:
        lr: The rate to train with, to three significant digits.
        half_way: The first point whose smoothed loss is at most half way from the first losses to the lowest.
        lowest: The point of the lowest smoothed loss.
        still_falling: That is the last point, at the last rate to be tried: higher rates may show more.
    """

    lr: float
    half_way: Point
    lowest: Point
    still_falling: bool


def range_settings(config: TrainConfig) -> TrainConfig:
    """Give the settings of a run without those that would set the rate or end it early."""
    return replace(config, schedule="none", warmup_steps=0, ema=None, max_steps=None)


def rising_rates(start: float, end: float, steps: int) -> list[float]:
    """Give the rates of all steps, each the same factor above the one before it.

    Args:
        start: The first, above 0.
        end: The last, above the first.
        steps: How many, two or more.
    """
    return [start * (end / start) ** (step / (steps - 1)) for step in range(steps)]


def raise_rate(parts: Parts, rates: Sequence[float]) -> Iterator[Point]:
    """Train with a rate that rises, until the loss goes through the roof.

    The test of Smith 2017 (https://arxiv.org/abs/1506.01186, section 3.3) with an exponential rise. The loss is
    smoothed by an exponential average over about a tenth of the steps, divided by the sum of its weights so that
    it does not begin near zero (Kingma and Ba 2015, https://arxiv.org/abs/1412.6980, section 3).

    Args:
        parts: What to train; its network is changed.
        rates: The rate of each step.

    Yields:
        A point for each step, up to the last rate or to a smoothed loss of four times its lowest; a loss that is
        not finite ends the test without one.
    """
    rising = replace(parts, schedule=lambda step: rates[min(step, len(rates) - 1)])
    keep = 1 - 1 / _averaged_steps(rates)
    total, weight, lowest = 0.0, 0.0, math.inf
    for step in fit(rising, Position(), epochs=len(rates)):
        loss = step.running.last_loss()
        if step.diverged or rising.guard.skipped() or not math.isfinite(loss):
            return
        total, weight = keep * total + (1 - keep) * loss, keep * weight + (1 - keep)
        smoothed = total / weight
        lowest = min(lowest, smoothed)
        yield Point(step.lr, loss, smoothed)
        if step.step == len(rates) or smoothed > STOP_FACTOR * lowest:
            return


def suggest_rate(points: Sequence[Point], rates: Sequence[float], model: nn.Module) -> Suggestion:
    """Choose a rate to train with; see `RULE`, where midway is meant on the logarithmic axis.

    Half way down is found too early where the loss falls in two stages, lowest too late where it stays low up to
    huge rates; the middle of the two was closest to the best rate in the comparison of docs/settings.md, which
    also has the usual rules, a tenth of the lowest and the steepest fall.

    Args:
        points: What `raise_rate` gave.
        rates: The rates that were to be tried.
        model: The network as the last step left it; its gradients tell why a loss does not fall.

    Raises:
        DlkitError: The loss never fell by more than its own noise and a hundredth; the likely causes are told.
    """
    early, later = points[: _averaged_steps(rates)], points[_averaged_steps(rates) :]
    lowest = min(later, key=lambda point: point.smoothed, default=None)
    if lowest is None or lowest.smoothed >= _clearly_below(early):
        raise DlkitError(
            f"the loss never fell at {len(points)} of {len(rates)} rates from {rates[0]:g} to {rates[-1]:g}",
            "; ".join(_likely_causes(points, rates, model)),
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
    """Give the loss below which it has fallen for certain, from the mean and the spread of the first losses."""
    first = _mean_loss(early)
    spread = math.sqrt(math.fsum((point.loss - first) ** 2 for point in early) / len(early))
    # An exponential average that keeps 1 - 1/n is as steady as the mean of 2n - 1 values.
    noise = spread / math.sqrt(2 * len(early) - 1)
    return first - max(_LEAST_FALL * first, _NOISE_WIDTHS * noise)


def _likely_causes(points: Sequence[Point], rates: Sequence[float], model: nn.Module) -> Iterator[str]:
    """Say what stands in the way most often."""
    silent = [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.any())
    ]
    if len(points) < len(rates):
        yield f"it only grew: begin lower, with --start {rates[0] / 1000:g}, and look at the scale of the inputs"
    elif silent:
        yield f"no gradient reaches {', '.join(silent[:3])} (zero weights, dead units or unused)"
    elif rates[-1] < 1:
        yield f"the rates are too low: go higher, with --end {rates[-1] * 1000:g}"
    yield "the inputs say nothing about the targets: dlkit train --overfit 32 tells if they can be learnt at all"
