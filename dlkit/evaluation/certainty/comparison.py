"""Two networks on the same samples: how much better is one, and is it more than chance."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dlkit.evaluation.certainty.intervals import differences
from dlkit.evaluation.classes import Classes
from dlkit.evaluation.section import shown

if TYPE_CHECKING:
    from dlkit.evaluation.report import Report


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What a network has over another on the same samples.

    Args:
        first: The other.
        second: The network.
        differences: Its metrics less those of the other, and the ends of the 95 % intervals of that, by name.
        alone: Samples that only the first has right, those that only the second has right, and McNemar's p-value;
            None for numbers, and where samples are not independent.
    """

    first: "Report"
    second: "Report"
    differences: Mapping[str, tuple[float, float, float]]
    alone: tuple[int, int, float] | None

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as JSON values."""
        return {
            "against": str(self.first.checkpoint),
            "metrics": {
                name: {"value": value, "lo": lo, "hi": hi}
                for name, (value, lo, hi) in self.differences.items()
            },
            "mcnemar": dict(zip(("only_against", "only_this", "p"), self.alone, strict=True))
            if self.alone
            else None,
        }

    def sentence(self) -> str:
        """Say by the first metric which network is better, if one is."""
        name, (value, lo, hi) = next(iter(self.differences.items()))
        first, second = self.first.name, self.second.name
        metric = next(metric for metric in self.first.measured if metric.name == name)
        better = metric.higher_is_better == (value > 0)
        if lo <= 0 <= hi:
            verdict = f"no difference is shown between {second} and {first}"
        else:
            verdict = f"{second} is {'better' if better else 'worse'} than {first}"
        numbers = f"{name} {shown(self.second.metrics[name])} against {shown(self.first.metrics[name])}"
        test = f"; McNemar's p = {self.alone[2]:.3g}" if self.alone and name == "accuracy" else ""
        return f"{verdict}: {numbers}, a difference of {shown(value)} (95 % interval {shown(lo)} to {shown(hi)}{test})"


def compare(first: "Report", second: "Report") -> Comparison | None:
    """Compare two networks; None if they were not evaluated on the same samples, or no interval was asked for."""
    (_, targets), (_, others) = first.results.pairs(), second.results.pairs()
    same = list(first.places) == list(second.places) and np.array_equal(targets, others)
    metrics = [metric for metric in first.measured if metric.name in second.metrics]
    if first.non_finite or second.non_finite:
        return None
    if not same or not metrics or not first.certainty.draws or len(targets) < 2:
        return None
    pair = (first.results.pairs()[0], second.results.pairs()[0])
    alone = None
    if isinstance(first.results, Classes) and first.certainty.groups is None:
        alone = mcnemar(pair[0].argmax(1) == targets, pair[1].argmax(1) == targets)
    found = differences(metrics, pair, targets, first.certainty)
    return Comparison(first=first, second=second, differences=found, alone=alone) if found else None


def mcnemar(first: np.ndarray, second: np.ndarray) -> tuple[int, int, float]:
    """Compare two networks by the samples that one of them alone has right (McNemar 1947).

    Args:
        first: Whether the first is right, shape (N,).
        second: Whether the second is.

    Returns:
        How many the first alone has right, how many the second alone, and the exact two-sided p-value: how likely a
        split as uneven as this is if both are as good.
    """
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    both, fewer = only_first + only_second, min(only_first, only_second)
    steps = np.arange(fewer)
    logs = np.concatenate([[0.0], np.cumsum(np.log((both - steps) / (steps + 1)))]) - both * math.log(2)
    return only_first, only_second, min(1.0, 2 * float(np.exp(logs).sum()))
