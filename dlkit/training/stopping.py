"""When a run ends: --epochs, --max-steps, --max-time, and early stopping with --patience."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dlkit.errors import counted
from dlkit.metrics import higher_is_better
from dlkit.settings.config import TrainConfig
from dlkit.settings.texts import parse_duration
from dlkit.training.loop import Position


@dataclass
class EarlyStopping:
    """Counts the epochs since the monitored value last got better.

    Args:
        patience: Epochs without a better one after which training stops; None never stops it.
        min_delta: How much better counts.
        higher_is_better: Whether the value should rise.
        best: The best value so far; None before the first.
        bad_epochs: Epochs since then.
    """

    patience: int | None
    min_delta: float = 0.0
    higher_is_better: bool = False
    best: float | None = None
    bad_epochs: int = 0

    @property
    def should_stop(self) -> bool:
        """Whether there were `patience` epochs without a better value."""
        return self.patience is not None and self.bad_epochs >= self.patience

    def observe(self, value: float) -> None:
        """Count an epoch by its monitored value."""
        if self.best is None or is_better(value, self.best, self.higher_is_better, self.min_delta):
            self.best, self.bad_epochs = value, 0
        else:
            self.bad_epochs += 1


class StopRule:
    """Decides whether a run is done.

    Args:
        config: The settings.
        steps_per_epoch: Optimizer steps of one epoch.
        counters: What early stopping counted before the run was resumed: `best` and `bad_epochs`.
    """

    def __init__(
        self, config: TrainConfig, steps_per_epoch: int, counters: Mapping[str, Any] | None = None
    ) -> None:
        self._config = config
        self.total_steps = total_steps(config, steps_per_epoch)
        self._max_seconds = math.inf if config.max_time is None else parse_duration(config.max_time)
        self.early = EarlyStopping(
            config.patience, config.min_delta, higher_is_better(config.monitor), **(counters or {})
        )

    def reason(self, position: Position) -> str:
        """Return why there is nothing more to train; empty while there is."""
        config = self._config
        if self.early.should_stop:
            by = f" by more than {config.min_delta:g}" if config.min_delta else ""
            epochs = counted(self.early.bad_epochs, "epoch")
            return f"{config.monitor} has not improved{by} for {epochs} (--patience)"
        if position.step >= self.total_steps:
            limit = "--max-steps" if position.epoch <= config.epochs else "--epochs"
            return f"the run has completed its {counted(position.step, 'step')} ({limit})"
        if position.seconds >= self._max_seconds:
            return f"the run has used its time (--max-time {config.max_time})"
        return ""


def is_better(value: float, best: float, higher_is_better: bool, min_delta: float = 0.0) -> bool:
    """Return whether a value is better than the best by more than `min_delta`."""
    return value > best + min_delta if higher_is_better else value < best - min_delta


def total_steps(config: TrainConfig, steps_per_epoch: int) -> int:
    """Return the steps of the whole run, if nothing stops it before."""
    total = config.epochs * steps_per_epoch
    return total if config.max_steps is None else min(total, config.max_steps)
