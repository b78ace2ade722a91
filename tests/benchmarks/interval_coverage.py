"""Simulate how often the 95 % interval of each metric holds what it estimates: a table, and JSON with --json.

python tests/benchmarks/interval_coverage.py [--draws 1000] [--samples 300]
"""

import argparse
import json
from collections.abc import Callable

import numpy as np

from dlkit.evaluation.certainty.intervals import Certainty, differences, intervals
from dlkit.metrics import METRICS, Metric, metrics_of, scores_of

Samples = tuple[np.ndarray, np.ndarray]
_MANY = 1_000_000


def three_classes(random: np.random.Generator, count: int, sharp: float = 1.6) -> Samples:
    """Probabilities that are too sure, and classes of which one is rare."""
    targets = random.choice(3, size=count, p=[0.5, 0.3, 0.2])
    logits = random.normal(size=(count, 3))
    logits[np.arange(count), targets] += 1.2
    probs = np.exp(sharp * logits)
    return probs / probs.sum(1, keepdims=True), targets


def numbers(random: np.random.Generator, count: int) -> Samples:
    """Skewed numbers and errors that grow with them."""
    targets = 5 + random.gamma(3.0, size=(count, 1))
    return targets + random.normal(size=targets.shape) * targets / 5, targets


def in_groups(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Groups of five samples whose errors have a part in common."""
    groups = np.repeat(np.arange(count // 5), 5)
    targets = random.integers(2, size=len(groups))
    shift = random.normal(size=groups[-1] + 1)[groups]
    logits = 1.5 * targets - 0.75 + shift + random.normal(size=len(groups))
    prob = 1 / (1 + np.exp(-logits))
    return np.stack([1 - prob, prob], axis=1), targets, groups


def coverage(
    make: Callable[[np.random.Generator, int], tuple[np.ndarray, ...]],
    metrics: list[Metric],
    samples: int,
    draws: int,
) -> dict[str, float]:
    """Return the share of intervals that hold the metric of a million samples."""
    random = np.random.default_rng(1)
    truth = scores_of(metrics, *make(random, _MANY)[:2], asked=True)
    hits = dict.fromkeys(truth, 0)
    for number in range(draws):
        preds, targets, *groups = make(random, samples)
        certainty = Certainty(seed=number, groups=groups[0] if groups else None)
        found = intervals(metrics, scores_of(metrics, preds, targets, asked=True), preds, targets, certainty)
        for name, (lo, hi) in found.items():
            hits[name] += lo <= truth[name] <= hi
    return {name: count / draws for name, count in hits.items()}


def coverage_of_differences(samples: int, draws: int) -> dict[str, float]:
    """Return the share of intervals of a difference that hold it, of two networks on the same samples."""
    random = np.random.default_rng(1)
    metrics = [METRICS[name] for name in ("accuracy", "macro_f1", "roc_auc", "brier")]

    def make(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        probs, targets = three_classes(random, count)
        other = np.exp(np.log(probs) + random.normal(size=probs.shape))
        return probs, other / other.sum(1, keepdims=True), targets

    first, second, targets = make(_MANY)
    before, after = (scores_of(metrics, preds, targets) for preds in (first, second))
    hits = dict.fromkeys(before, 0)
    for number in range(draws):
        first, second, targets = make(samples)
        found = differences(metrics, (first, second), targets, Certainty(seed=number))
        for name, (_, lo, hi) in found.items():
            hits[name] += lo <= after[name] - before[name] <= hi
    return {f"difference of {name}": count / draws for name, count in hits.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    of_classes = metrics_of("classification")
    some = [METRICS[name] for name in ("accuracy", "macro_f1", "roc_auc", "brier")]
    found = {
        "classes": coverage(three_classes, of_classes, args.samples, args.draws),
        "numbers": coverage(numbers, metrics_of("regression"), args.samples, args.draws),
        "groups": coverage(in_groups, some, args.samples, args.draws),
        "differences": coverage_of_differences(args.samples, args.draws),
    }
    if args.json:
        print(json.dumps(found, indent=2))
        return
    for kind, shares in found.items():
        for name, share in shares.items():
            print(f"{kind:12} {name:26} {share:6.1%}")


if __name__ == "__main__":
    main()
