"""Gates of an evaluation: `accuracy=0.95` behind --min, `log_loss=0.3` behind --max."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dlkit.errors import ConfigError, printable

ENDS = ("lo", "hi")
_EXAMPLES = {"--min": "--min accuracy=0.95 or --min accuracy.lo=0.93", "--max": "--max log_loss=0.3"}


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A limit of a metric.

    Args:
        option: `--min` or `--max`.
        metric: Its name, or `loss`.
        end: `lo` or `hi` of its interval; empty for the metric itself.
        limit: What it must reach, or not exceed.
    """

    option: str
    metric: str
    end: str
    limit: float

    @property
    def name(self) -> str:
        """The metric or the end of its interval, as typed."""
        return f"{self.metric}.{self.end}" if self.end else self.metric

    def holds(self, value: float | None) -> bool:
        """Return whether a value passes; none and NaN do not."""
        if value is None or math.isnan(value):
            return False
        return value >= self.limit if self.option == "--min" else value <= self.limit


def parse_gates(option: str, texts: Sequence[str]) -> Iterator[Gate]:
    """Read gates.

    Raises:
        ConfigError: One is not `METRIC=NUMBER`.
    """
    for text in texts:
        name, _, limit = text.partition("=")
        metric, dot, end = name.strip().partition(".")
        try:
            value = float(limit)
        except ValueError:
            value = math.nan
        if not metric or math.isnan(value) or (dot and end not in ENDS):
            raise ConfigError(
                f"{option} {printable(text)} is not METRIC=NUMBER", f"for example {_EXAMPLES[option]}"
            )
        yield Gate(option=option, metric=metric, end=end, limit=value)
