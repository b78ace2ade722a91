"""When there is nothing left to gain: epochs without a better value of what is monitored."""

from dataclasses import dataclass


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
        """Whether patience is at its end."""
        return self.patience is not None and self.bad_epochs >= self.patience

    def observe(self, value: float) -> None:
        """Take in the monitored value of an epoch."""
        if self.best is None or is_better(value, self.best, self.higher_is_better, self.min_delta):
            self.best, self.bad_epochs = value, 0
        else:
            self.bad_epochs += 1


def is_better(value: float, best: float, higher_is_better: bool, min_delta: float = 0.0) -> bool:
    """Say whether a value is better than the best by more than `min_delta`."""
    return value > best + min_delta if higher_is_better else value < best - min_delta
