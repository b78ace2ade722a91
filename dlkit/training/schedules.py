"""Learning rates as functions of the step, so that a resumed run needs no state; plateau alone keeps some."""

import math
from collections.abc import Callable
from dataclasses import dataclass

STEP_FACTOR, STEP_PARTS = 0.1, 3
EXPONENTIAL_END = 0.01
CYCLIC_START, CYCLIC_HALF_EPOCHS = 0.01, 2
ONECYCLE_RISE, ONECYCLE_START, ONECYCLE_END = 0.3, 25.0, 1e4
POLYNOMIAL_POWER = 1.0
PLATEAU_FACTOR, PLATEAU_PATIENCE = 0.5, 5


def build_schedule(
    name: str, lr: float, *, total_steps: int, steps_per_epoch: int, warmup_steps: int = 0
) -> Callable[[int], float]:
    """Return the function from the step, from 0, to the learning rate.

    Args:
        name: `none`, `step`, `exponential`, `cosine`, `plateau`, `cyclic`, `onecycle` or `polynomial`.
        lr: The rate of the settings: where the schedule starts, or the peak of cyclic and onecycle.
        total_steps: Steps of the whole run.
        steps_per_epoch: Steps of one epoch.
        warmup_steps: Steps that rise to the schedule in a line; the schedule spans the steps after them.
    """
    span = max(1, total_steps - warmup_steps)
    curves: dict[str, Callable[[int], float]] = {
        "none": lambda _step: lr,
        "plateau": lambda _step: lr,
        "step": lambda step: lr * STEP_FACTOR ** (step // -(-span // STEP_PARTS)),
        "exponential": lambda step: lr * EXPONENTIAL_END ** (step / span),
        "cosine": lambda step: _cosine(lr, 0.0, step / span),
        "cyclic": lambda step: triangular(step, lr, half_cycle(span, steps_per_epoch)),
        "onecycle": lambda step: onecycle(step, lr, span),
        "polynomial": lambda step: lr * (1 - min(step, span) / span) ** POLYNOMIAL_POWER,
    }
    curve = curves[name]
    if not warmup_steps:
        return curve
    first = curve(0)
    return lambda step: (
        first * (step + 1) / warmup_steps if step < warmup_steps else curve(step - warmup_steps)
    )


def half_cycle(span: int, steps_per_epoch: int) -> int:
    """Return the steps from valley to peak of cyclic: two epochs, or half the run where that is shorter."""
    return max(1, min(CYCLIC_HALF_EPOCHS * steps_per_epoch, span // 2))


def triangular(step: int, peak: float, half: int) -> float:
    """Rise in a line from a hundredth of the peak to the peak, and fall back (Smith 2017, arXiv:1506.01186)."""
    share = 1 - abs(step % (2 * half) / half - 1)
    valley = peak * CYCLIC_START
    return valley + (peak - valley) * share


def onecycle(step: int, peak: float, total_steps: int) -> float:
    """Rise from peak / 25 to the peak over the first 30 %, fall to peak / 250,000, both along a cosine.

    The policy of Smith and Topin 2018 (https://arxiv.org/abs/1708.07120) with the numbers of torch's OneCycleLR.
    """
    start = peak / ONECYCLE_START
    turn, end = ONECYCLE_RISE * total_steps - 1, total_steps - 1
    if turn > 0 and step <= turn:
        return _cosine(start, peak, step / turn)
    return _cosine(peak, start / ONECYCLE_END, (step - turn) / (end - turn) if end > turn else 1.0)


@dataclass
class Plateau:
    """Halves the rate when the monitored value has not got better for more than five epochs.

    The numbers and the threshold are those of torch's ReduceLROnPlateau in relative mode.

    Args:
        higher_is_better: Whether the monitored value should rise.
        factor: What the rate is multiplied by now.
        best: The best value so far; None before the first.
        bad_epochs: Epochs since then.
    """

    higher_is_better: bool = False
    factor: float = 1.0
    best: float | None = None
    bad_epochs: int = 0

    def observe(self, value: float, threshold: float = 1e-4) -> None:
        """Update the factor with the monitored value of an epoch."""
        if self.best is None or self._better(value, threshold):
            self.best, self.bad_epochs = value, 0
            return
        self.bad_epochs += 1
        if self.bad_epochs > PLATEAU_PATIENCE:
            self.factor, self.bad_epochs = self.factor * PLATEAU_FACTOR, 0

    def _better(self, value: float, threshold: float) -> bool:
        assert self.best is not None, "there is no best yet"
        if self.higher_is_better:
            return value > self.best * (1 + threshold)
        return value < self.best * (1 - threshold)


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2 * (1 + math.cos(math.pi * min(1.0, share)))
