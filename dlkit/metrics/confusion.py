"""Metrics of predicted classes: all of them follow from how often each class is right, true and predicted."""

from typing import TYPE_CHECKING

import numpy as np

from dlkit.metrics.metric import Metric, ratio

if TYPE_CHECKING:
    from torch import Tensor


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


def scores_by_class(correct: np.ndarray, true: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    """Return precision, recall, F1 and support of each class.

    Precision is TP / (TP + FP), recall TP / (TP + FN), F1 2 TP / (2 TP + FP + FN); NaN where nothing is there
    to divide by.

    Args:
        correct: Samples of each class that are predicted as it, shape (K,).
        true: Samples of each class.
        predicted: Samples predicted as each class.

    Returns:
        Arrays of shape (K,) under `precision`, `recall`, `f1` and `support`.
    """
    return {
        "precision": ratio(correct, predicted),
        "recall": ratio(correct, true),
        "f1": ratio(2 * correct, true + predicted),
        "support": true,
    }


def is_correct(preds: "Tensor", targets: "Tensor") -> "Tensor":
    """Return whether the largest of the K outputs is that of the class, shape (N,)."""
    return preds.argmax(1) == targets


def count_correct(preds: "Tensor", targets: "Tensor") -> "Tensor":
    """Return how many of N classes have the largest of the K outputs, a scalar."""
    return is_correct(preds, targets).sum()


def class_terms(preds: "Tensor", targets: "Tensor") -> "Tensor":
    """Return of each sample the class it is right for, is of and is predicted as, 0 and 1, shape (N, 3 K)."""
    import torch

    classes = torch.arange(preds.shape[1], device=preds.device)
    predicted, true = (labels.unsqueeze(1) == classes for labels in (preds.argmax(1), targets))
    return torch.cat([predicted & true, true, predicted], dim=1)


def _counts(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return correct, true and predicted samples of each class, shape (..., K) each."""
    parts = sums.reshape(*sums.shape[:-1], 3, -1)
    return parts[..., 0, :], parts[..., 1, :], parts[..., 2, :]


def _macro(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the mean over the classes that are there, shape (...)."""
    return ratio((values * there).sum(-1), there.sum(-1))


def _macro_f1(sums: np.ndarray, _count: np.ndarray | int) -> np.ndarray:
    correct, true, predicted = _counts(sums)
    return _macro(ratio(2 * correct, true + predicted, 0.0), true + predicted > 0)


def _weighted_f1(sums: np.ndarray, count: np.ndarray | int) -> np.ndarray:
    correct, true, predicted = _counts(sums)
    found: np.ndarray = (ratio(2 * correct, true + predicted, 0.0) * true).sum(-1) / count
    return found


def _macro_precision(sums: np.ndarray, _count: np.ndarray | int) -> np.ndarray:
    correct, true, predicted = _counts(sums)
    return _macro(ratio(correct, predicted, 0.0), true + predicted > 0)


def _macro_recall(sums: np.ndarray, _count: np.ndarray | int) -> np.ndarray:
    correct, true, predicted = _counts(sums)
    return _macro(ratio(correct, true, 0.0), true + predicted > 0)


def _balanced_accuracy(sums: np.ndarray, _count: np.ndarray | int) -> np.ndarray:
    correct, true, _ = _counts(sums)
    return _macro(ratio(correct, true, 0.0), true > 0)


def _mcc(sums: np.ndarray, count: np.ndarray | int) -> np.ndarray:
    """Return Matthews' correlation, for several classes as Gorodkin (2004) has it; 0 where it is not defined."""
    correct, true, predicted = _counts(sums)
    total = np.square(np.asarray(count, dtype=np.float64))
    shared = correct.sum(-1) * count - (true * predicted).sum(-1)
    spread = (total - np.square(true).sum(-1)) * (total - np.square(predicted).sum(-1))
    return ratio(shared, np.sqrt(spread), 0.0)


def _kappa(sums: np.ndarray, count: np.ndarray | int) -> np.ndarray:
    """Return Cohen's kappa (1960); NaN where all samples are of one class and predicted as it."""
    correct, true, predicted = _counts(sums)
    by_chance = (true * predicted).sum(-1) / np.square(np.asarray(count, dtype=np.float64))
    return ratio(correct.sum(-1) / count - by_chance, 1 - by_chance)


_CLASSES = ("classification",)
ACCURACY = Metric(name="accuracy", tasks=_CLASSES, higher_is_better=True, terms=is_correct, is_share=True)
OF_COUNTS = tuple(
    Metric(
        name=name,
        tasks=_CLASSES,
        higher_is_better=True,
        terms=class_terms,
        value=value,
        reported=name in ("macro_f1", "balanced_accuracy"),
    )
    for name, value in (
        ("macro_f1", _macro_f1),
        ("balanced_accuracy", _balanced_accuracy),
        ("weighted_f1", _weighted_f1),
        ("macro_precision", _macro_precision),
        ("macro_recall", _macro_recall),
        ("mcc", _mcc),
        ("kappa", _kappa),
    )
)
