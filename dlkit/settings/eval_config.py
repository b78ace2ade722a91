"""What an evaluation can be asked for: every default and check of dlkit eval."""

from collections.abc import Iterator
from dataclasses import dataclass

from dlkit.errors import ConfigError, did_you_mean

SPLITS = ("test", "val", "train", "all")


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """What to report of a checkpoint on a split.

    Args:
        data: Other data than it was trained on; None takes the same.
        split: Which part of them.
        metrics: Which metrics, as typed, `A,B`; None takes those usual for the task.
        ci: Random draws of the samples behind the intervals; 0 for none.
        baselines: Score simpler methods on the same samples.
        draws: Random draws of neighbours to predict the mean of, for points; None takes the nearest.
        allow_nan: Count samples whose outputs are NaN or infinite instead of refusing them.
    """

    data: str | None = None
    split: str = "test"
    metrics: str | None = None
    ci: int = 1_000
    baselines: bool = False
    draws: int | None = None
    allow_nan: bool = False

    @property
    def metric_names(self) -> list[str] | None:
        """The metrics asked for; None for those usual."""
        return None if self.metrics is None else [name.strip() for name in self.metrics.split(",")]

    def faults(self) -> Iterator[ConfigError]:
        """Check all that can be checked without the data."""
        if self.split not in SPLITS:
            yield ConfigError(
                f"--split {self.split} is not known; choose from {', '.join(SPLITS)}",
                did_you_mean(self.split, SPLITS),
            )
        if self.ci and not 100 <= self.ci <= 100_000:
            yield ConfigError(
                f"--ci {self.ci} is neither 0 nor in [100, 100000]",
                "1000 draws estimate the ends well enough",
            )
