"""Learning rates as functions of the step, so that a resumed run needs no state."""

import math
from collections.abc import Callable

_ONECYCLE_RISE = 0.3
_ONECYCLE_START = 25.0
_ONECYCLE_END = 1e4


def build_schedule(name: str, lr: float, total_steps: int) -> Callable[[int], float]:
    """Give the function from the step, from 0, to the learning rate.

    Args:
        name: `none` or `onecycle`.
        lr: The rate of the settings; the peak of onecycle.
        total_steps: Steps of the whole run.
    """
    if name == "none":
        return lambda _step: lr
    return lambda step: onecycle(step, lr, total_steps)


def onecycle(step: int, peak: float, total_steps: int) -> float:
    """Rise from peak / 25 to the peak over the first 30 %, fall to peak / 250,000, both along a cosine.

    The policy of Smith and Topin 2018 (https://arxiv.org/abs/1708.07120) with the numbers of torch's OneCycleLR.
    """
    start = peak / _ONECYCLE_START
    turn, end = _ONECYCLE_RISE * total_steps - 1, total_steps - 1
    if step <= turn:
        return _cosine(start, peak, step / turn)
    return _cosine(peak, start / _ONECYCLE_END, (step - turn) / (end - turn) if end > turn else 1.0)


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * min(1.0, share)))
