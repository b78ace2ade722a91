"""What an evaluation can be asked for: every default and check of dlkit eval."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from dlkit.errors import ConfigError, did_you_mean
from dlkit.settings.gates import Gate, parse_gates

_MOST_WORST = 1_000
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
        by: Report parts of the samples: `class`, or a column.
        worst: How many of the worst samples to report; 0 for none.
        importance: Report how much each column counts.
        calibrate: Fit a temperature of the probabilities on the validation part.
        interval: Share of new samples that prediction intervals are to hold; None for no intervals.
        bench: Measure the time of a forward pass.
        min: Limits that metrics must reach, as typed, `accuracy=0.95`.
        max: Limits that they must not exceed.
        draws: Random draws of neighbours to predict the mean of, for points; None takes the nearest.
        allow_nan: Count samples whose outputs are NaN or infinite instead of refusing them.
    """

    data: str | None = None
    split: str = "test"
    metrics: str | None = None
    ci: int = 1_000
    baselines: bool = False
    by: str | None = None
    worst: int = 0
    importance: bool = False
    calibrate: bool = False
    interval: float | None = None
    bench: bool = False
    min: tuple[str, ...] = ()
    max: tuple[str, ...] = ()
    draws: int | None = None
    allow_nan: bool = False

    @property
    def metric_names(self) -> list[str] | None:
        """The metrics asked for; None for those usual."""
        return None if self.metrics is None else [name.strip() for name in self.metrics.split(",")]

    @property
    def gates(self) -> list[Gate]:
        """The limits.

        Raises:
            ConfigError: One is not `METRIC=NUMBER`.
        """
        return [*parse_gates("--min", self.min), *parse_gates("--max", self.max)]

    def typed(self, *but: str) -> list[str]:
        """Return the options that differ from their defaults, all `but` some."""
        return [
            f"--{each.name}"
            for each in fields(self)
            if each.name not in but and getattr(self, each.name) != each.default
        ]

    def faults(self) -> Iterator[ConfigError]:
        """Check all that can be checked without the data."""
        if self.split not in SPLITS:
            yield ConfigError(
                f"--split {self.split} is not known; choose from {', '.join(SPLITS)}",
                did_you_mean(self.split, SPLITS),
            )
        if not 0 <= self.worst <= _MOST_WORST:
            yield ConfigError(f"--worst {self.worst} is outside [1, {_MOST_WORST}]", "20 fill a page")
        if self.interval is not None and not 0 < self.interval < 1:
            yield ConfigError(
                f"--interval {self.interval:g} is outside (0, 1)", "0.9 covers 90 % of new samples"
            )
        try:
            if not self.ci and any(gate.end for gate in self.gates):
                yield ConfigError("--ci 0 leaves out the intervals that a gate needs", "leave --ci 0 out")
        except ConfigError as err:
            yield err
        if self.ci and not 100 <= self.ci <= 100_000:
            yield ConfigError(
                f"--ci {self.ci} is neither 0 nor in [100, 100000]",
                "1000 draws estimate the ends well enough",
            )
