"""Metrics: the list of them by task; each is a record beside its functions."""

from collections.abc import Sequence

import numpy as np

from dlkit.errors import ConfigError, did_you_mean, printable
from dlkit.metrics.confusion import (
    ACCURACY,
    OF_COUNTS,
    class_terms,
    confusion_matrix,
    count_correct,
    scores_by_class,
)
from dlkit.metrics.curves import FLOOR, FOLDS, IN_EVAL_ONLY, OF_CURVES, curve_metrics
from dlkit.metrics.metric import Metric, Z, wilson
from dlkit.metrics.numbers import OF_NUMBERS, regression_scores, sum_absolute_errors
from dlkit.metrics.probabilities import OF_PROBABILITIES

__all__ = [
    "FLOOR",
    "FOLDS",
    "IN_EVAL_ONLY",
    "METRICS",
    "Metric",
    "Z",
    "chosen",
    "class_terms",
    "columns_of",
    "confusion_matrix",
    "count_correct",
    "curve_metrics",
    "finite",
    "higher_is_better",
    "known",
    "metrics_of",
    "monitored",
    "number",
    "regression_scores",
    "scores_by_class",
    "scores_of",
    "sum_absolute_errors",
    "wilson",
]

METRICS: dict[str, Metric] = {
    metric.name: metric for metric in (ACCURACY, *OF_COUNTS, *OF_PROBABILITIES, *OF_NUMBERS, *OF_CURVES)
}


def metrics_of(task: str) -> list[Metric]:
    """Return the metrics of a task; the first is the one that every history.csv has."""
    return [metric for metric in METRICS.values() if task in metric.tasks]


def chosen(metrics: Sequence[Metric], names: Sequence[str] | None, option: str = "--metrics") -> list[Metric]:
    """Return the metrics of these names, in their order; without names, those reported by default.

    Args:
        metrics: Those of the task.
        names: Which.
        option: It names them, for the message.

    Raises:
        ConfigError: The task has no such metric.
    """
    if names is None:
        return [metric for metric in metrics if metric.reported]
    by_name = {metric.name: metric for metric in metrics}
    for name in names:
        if name not in by_name:
            raise ConfigError(
                f"{option} {printable(name)} is not a metric of these data; choose from {', '.join(by_name)}",
                did_you_mean(name, by_name),
            )
    return [by_name[name] for name in names]


def scores_of(
    metrics: Sequence[Metric], preds: np.ndarray, targets: np.ndarray, *, asked: bool = False
) -> dict[str, float]:
    """Return metrics over whole arrays by name.

    Args:
        metrics: Which.
        preds: Probabilities, shape (N, K), or numbers, shape (N, D, ...).
        targets: Class indices, shape (N,), or numbers, shape (N, D, ...).
        asked: Leave none out that makes no sense of these samples.
    """
    return {
        metric.name: metric.of(preds, targets)
        for metric in metrics
        if asked or metric.makes_sense(preds, targets)
    }


def columns_of(task: str) -> list[str]:
    """Return the columns that --monitor may name."""
    names = ("loss", *(metric.name for metric in metrics_of(task)))
    return [f"{part}_{name}" for part in ("val", "train") for name in names]


def monitored(column: str, task: str) -> Metric | None:
    """Return the metric that --monitor names; None if it is the loss, or the one that every history.csv has."""
    return next((metric for metric in metrics_of(task)[1:] if metric.name == column.partition("_")[2]), None)


def higher_is_better(column: str) -> bool:
    """Return whether a column of history.csv, such as `val_accuracy`, should rise."""
    name = column.partition("_")[2]
    return name in METRICS and METRICS[name].higher_is_better


def known(targets: np.ndarray, preds: np.ndarray | None = None) -> np.ndarray:
    """Return which samples can be scored, shape (N,): those with a target and, if given, a finite prediction.

    Args:
        targets: Class indices, shape (N,), -1 where not known, or numbers, shape (N, ...), NaN where not known.
        preds: Probabilities or numbers, shape (N, ...).
    """
    there: np.ndarray = targets >= 0
    if targets.dtype.kind == "f":
        there = ~np.isnan(targets.reshape(len(targets), -1)).any(1)
    return there if preds is None else there & finite(preds)


def finite(preds: np.ndarray) -> np.ndarray:
    """Return which samples have a prediction without NaN and infinities, shape (N,)."""
    there: np.ndarray = np.isfinite(preds.reshape(len(preds), -1)).all(1)
    return there


def number(value: float) -> float | None:
    """Return a score as a JSON value: None where there was nothing to score."""
    return None if np.isnan(value) else float(value)
