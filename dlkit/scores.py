"""Metrics over arrays."""

import numpy as np


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


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    below = np.asarray(below, dtype=np.float64)
    ratio: np.ndarray = np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)
    return ratio
