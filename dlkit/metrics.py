"""Metrics: the list of them by task, and what they compute over arrays.

A metric is the record at the end of this file and its functions. While training runs, its sums are added up batch by
batch on the device; `dlkit eval` scores whole arrays.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

FLOOR = 0.01
"""Concentration below which folds are not counted, mg/L: ratios of what is hardly there say little."""
FOLDS = (1.25, 1.5, 2.0)
"""Ratios of predicted and true concentration within which a share is counted."""

_LEAST = 1e-9  # mg/L, in the place of a predicted zero, whose fold error is infinite


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One metric, which --monitor takes as `val_NAME` and `train_NAME`.

    Args:
        name: Its name in history.csv and in reports.
        tasks: The evaluation tasks that have it: `classification`, `regression`, `curves`.
        higher_is_better: Whether it should rise.
        sums: Maps predictions, probabilities of shape (N, K) or numbers of shape (N, D, ...), and targets, all
            tensors, to sums over the samples, a scalar or shape (S,); nothing in it may wait for the device.
        value: Maps the sums over all samples, float64, shape (S,), and their number to the metric.
        score: Scores whole arrays in `dlkit eval`; None takes the sums.
        reported: `dlkit eval` reports it.
    """

    name: str
    tasks: tuple[str, ...]
    higher_is_better: bool
    sums: "Callable[[Tensor, Tensor], Tensor]"
    value: Callable[[np.ndarray, int], float] = lambda sums, count: float(sums[0] / count)
    score: Callable[[np.ndarray, np.ndarray], float] | None = None
    reported: bool = True

    def of(self, preds: np.ndarray, targets: np.ndarray) -> float:
        """Return the metric over whole arrays; the arguments are those of `sums`."""
        if self.score is not None:
            return self.score(preds, targets)
        import torch

        sums = self.sums(torch.from_numpy(preds), torch.from_numpy(targets))
        return self.value(sums.reshape(-1).double().numpy(), len(targets))


def metrics_of(task: str) -> list[Metric]:
    """Return the metrics of a task; the first is the one that every history.csv has."""
    return [metric for metric in METRICS.values() if task in metric.tasks]


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


def scores_of(task: str, preds: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Return the metrics that `dlkit eval` reports, over whole arrays, by name."""
    return {metric.name: metric.of(preds, targets) for metric in metrics_of(task) if metric.reported}


def confusion_matrix(preds: np.ndarray, targets: np.ndarray, num_classes: int) -> np.ndarray:
    """Count how often each true class was given each label.

    Args:
        preds: Predicted class indices, shape (N,), integers in [0, K).
        targets: True class indices, shape (N,).
        num_classes: K. Passed in, so a class missing from this split still gets its row.

    Returns:
        Counts, shape (K, K), int64: rows are the truth, columns the prediction.

    Raises:
        ValueError: The two shapes differ, or an index lies outside [0, K).
    """
    if preds.shape != targets.shape:
        raise ValueError(f"preds have shape {preds.shape}, targets {targets.shape}")
    both = np.concatenate([preds, targets])
    if both.size and not 0 <= both.min() <= both.max() < num_classes:
        raise ValueError(f"a class index lies outside [0, {num_classes})")
    counts = np.bincount(targets * num_classes + preds, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def accuracy(confusion: np.ndarray) -> float:
    """Return the share of samples on the diagonal of a confusion matrix; NaN without samples."""
    return float(_ratio(confusion.trace(), confusion.sum()))


def per_class(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Return precision, recall, F1 and support of each class.

    Precision is TP / (TP + FP), recall TP / (TP + FN), F1 2 TP / (2 TP + FP + FN); NaN where nothing is there
    to divide by.

    Args:
        confusion: Counts, shape (K, K): rows are the truth, columns the prediction.

    Returns:
        Arrays of shape (K,) under `precision`, `recall`, `f1` and `support`.
    """
    correct, true, predicted = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    return {
        "precision": _ratio(correct, predicted),
        "recall": _ratio(correct, true),
        "f1": _ratio(2 * correct, true + predicted),
        "support": true,
    }


def regression_scores(preds: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Return the mean absolute error, the root mean squared error and the coefficient of determination.

    Args:
        preds: Predicted numbers, shape (N,) or (N, D).
        targets: True numbers, the same shape.

    Returns:
        `mae` and `rmse` in the target's unit, and `r2`; NaN where the targets do not vary.
    """
    errors = preds.astype(np.float64) - targets
    spread = ((targets - targets.mean(0)) ** 2).sum()
    return {
        "mae": float(np.abs(errors).mean()),
        "rmse": float(np.sqrt((errors**2).mean())),
        "r2": 1 - float(_ratio((errors**2).sum(), spread)),
    }


def curve_scores(targets: np.ndarray, preds: np.ndarray, times: np.ndarray) -> dict[str, float]:
    """Return the scores of concentration curves.

    Args:
        targets: True concentrations, mg/L, shape (N, D, T).
        preds: Predicted ones, the same shape.
        times: h, shape (T,).

    Returns:
        `r2`, `rmse` and `mae`, mg/L, over all values; over those above the floor `gmfe`, the geometric mean fold error
        exp(mean |ln(pred / true)|), and the shares `within_1.25x`, `within_1.5x` and `within_2x`; over curves that
        rise above the floor the mean relative errors of the highest concentration, `cmax_error`, and of the area
        under the curve by the trapezoidal rule, `auc_error`. NaN where there is nothing to score.
    """
    errors = preds - targets
    spread = ((targets - _mean(targets)) ** 2).sum()
    above = targets >= FLOOR
    logs = np.abs(np.log(np.maximum(preds[above], _LEAST) / targets[above]))
    highest = targets.max(2, initial=0.0)
    seen = highest >= FLOOR
    return {
        "r2": 1 - float(_ratio((errors**2).sum(), spread)),
        "rmse": float(np.sqrt(_mean(errors**2))),
        "mae": _mean(np.abs(errors)),
        "gmfe": float(np.exp(_mean(logs))),
        **{f"within_{fold:g}x": _mean(logs <= np.log(fold)) for fold in FOLDS},
        "cmax_error": _mean(np.abs(preds.max(2, initial=0.0)[seen] / highest[seen] - 1)),
        "auc_error": _mean(np.abs(_area(preds, times)[seen] / _area(targets, times)[seen] - 1)),
    }


def known(targets: np.ndarray) -> np.ndarray:
    """Return which samples have a target, shape (N,): a class index that is not -1, or numbers without NaN."""
    there: np.ndarray = targets >= 0
    if targets.dtype.kind == "f":
        there = ~np.isnan(targets.reshape(len(targets), -1)).any(1)
    return there


def number(value: float) -> float | None:
    """Return a score as a JSON value: None where there was nothing to score."""
    return None if np.isnan(value) else float(value)


def _area(curves: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return the areas under curves, shape (N, D, T), by the trapezoidal rule, shape (N, D)."""
    area: np.ndarray = ((curves[..., 1:] + curves[..., :-1]) / 2 * np.diff(times)).sum(-1)
    return area


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    below = np.asarray(below, dtype=np.float64)
    ratio: np.ndarray = np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)
    return ratio


def count_correct(preds: "Tensor", targets: "Tensor") -> "Tensor":
    """Return how many of N classes have the largest of the K outputs, a scalar."""
    return (preds.argmax(1) == targets).sum()


def sum_absolute_errors(preds: "Tensor", targets: "Tensor") -> "Tensor":
    """Return the sum over N samples of the mean absolute error of their numbers, a scalar."""
    return (preds - targets.reshape(preds.shape)).abs().reshape(len(preds), -1).mean(1).sum()


def _sum_squared_errors(preds: "Tensor", targets: "Tensor") -> "Tensor":
    return (preds - targets.reshape(preds.shape)).square().reshape(len(preds), -1).mean(1).sum()


def _spreads(preds: "Tensor", targets: "Tensor") -> "Tensor":
    """Return the sum of squared errors, and of each of D numbers the sum and the sum of squares, shape (1 + 2 D,)."""
    import torch

    truth = targets.reshape(len(preds), -1)
    errors = (preds.reshape(truth.shape) - truth).square().sum().reshape(1)
    return torch.cat([errors, truth.sum(0), truth.square().sum(0)])


def _r2(sums: np.ndarray, count: int) -> float:
    totals, squares = sums[1:].reshape(2, -1)
    return 1 - float(_ratio(sums[0], (squares - totals**2 / count).sum()))


def _class_counts(preds: "Tensor", targets: "Tensor") -> "Tensor":
    """Return correct, true and predicted samples of each of K classes, shape (3 K,), int64."""
    import torch

    classes = torch.arange(preds.shape[1], device=preds.device)
    predicted, true = (labels.unsqueeze(1) == classes for labels in (preds.argmax(1), targets))
    return torch.cat([(predicted & true).sum(0), true.sum(0), predicted.sum(0)])


def _macro_f1(sums: np.ndarray, _count: int) -> float:
    correct, true, predicted = sums.reshape(3, -1)
    return float(np.nanmean(_ratio(2 * correct, true + predicted)))


def _balanced_accuracy(sums: np.ndarray, _count: int) -> float:
    correct, true, _ = sums.reshape(3, -1)
    return float(np.nanmean(_ratio(correct, true)))


def _fold_errors(preds: "Tensor", targets: "Tensor") -> "Tensor":
    """Return the sum of |ln(pred / true)| above the floor, how many are within twofold, and how many there are."""
    import torch

    above = targets >= FLOOR
    logs = (preds.clamp_min(_LEAST) / targets.clamp_min(FLOOR)).log().abs() * above
    within = above & (logs <= float(np.log(2)))
    return torch.stack([logs.sum(), within.sum().to(logs), above.sum().to(logs)])


def _gmfe(sums: np.ndarray, _count: int) -> float:
    return float(np.exp(_ratio(sums[0], sums[2])))


def _within_twofold(sums: np.ndarray, _count: int) -> float:
    return float(_ratio(sums[1], sums[2]))


_CLASSES, _NUMBERS, _CURVES = ("classification",), ("regression",), ("curves",)
_RECORDS = (
    Metric(name="accuracy", tasks=_CLASSES, higher_is_better=True, sums=count_correct),
    Metric(name="macro_f1", tasks=_CLASSES, higher_is_better=True, sums=_class_counts, value=_macro_f1),
    Metric(
        name="balanced_accuracy",
        tasks=_CLASSES,
        higher_is_better=True,
        sums=_class_counts,
        value=_balanced_accuracy,
        reported=False,
    ),
    Metric(
        name="mae",
        tasks=_NUMBERS + _CURVES,
        higher_is_better=False,
        sums=sum_absolute_errors,
        score=lambda preds, targets: regression_scores(preds, targets)["mae"],
    ),
    Metric(
        name="rmse",
        tasks=_NUMBERS + _CURVES,
        higher_is_better=False,
        sums=_sum_squared_errors,
        value=lambda sums, count: float(np.sqrt(sums[0] / count)),
        score=lambda preds, targets: regression_scores(preds, targets)["rmse"],
    ),
    Metric(
        name="r2",
        tasks=_NUMBERS,
        higher_is_better=True,
        sums=_spreads,
        value=_r2,
        score=lambda preds, targets: regression_scores(preds, targets)["r2"],
    ),
    Metric(name="gmfe", tasks=_CURVES, higher_is_better=False, sums=_fold_errors, value=_gmfe),
    Metric(name="within_2x", tasks=_CURVES, higher_is_better=True, sums=_fold_errors, value=_within_twofold),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _RECORDS}
