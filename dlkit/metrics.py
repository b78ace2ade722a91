"""Metrics over arrays."""

import numpy as np

FLOOR = 0.01
"""Concentration below which folds are not counted, mg/L: ratios of what is hardly there say little."""
FOLDS = (1.25, 1.5, 2.0)
"""Ratios of predicted and true concentration within which a share is counted."""

_LEAST = 1e-9  # mg/L, in the place of a predicted zero, whose fold error is infinite


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
    """Give the share of samples on the diagonal of a confusion matrix; NaN without samples."""
    return float(_ratio(confusion.trace(), confusion.sum()))


def per_class(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Give precision, recall, F1 and support of each class.

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
    """Give the mean absolute error, the root mean squared error and the coefficient of determination.

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
    """Give the scores of concentration curves.

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
    """Tell which samples have a target, shape (N,): a class index that is not -1, or numbers without NaN."""
    there: np.ndarray = targets >= 0
    if targets.dtype.kind == "f":
        there = ~np.isnan(targets.reshape(len(targets), -1)).any(1)
    return there


def number(value: float) -> float | None:
    """Give a score as a JSON value: None where there was nothing to score."""
    return None if np.isnan(value) else float(value)


def _area(curves: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Give the areas under curves, shape (N, D, T), by the trapezoidal rule, shape (N, D)."""
    area: np.ndarray = ((curves[..., 1:] + curves[..., :-1]) / 2 * np.diff(times)).sum(-1)
    return area


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    below = np.asarray(below, dtype=np.float64)
    ratio: np.ndarray = np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)
    return ratio
