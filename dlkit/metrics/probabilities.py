"""Metrics of probabilities: how well they rank the classes, and whether they mean what they say."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from dlkit.metrics.metric import Metric

if TYPE_CHECKING:
    from torch import Tensor

BINS = 15
"""Bins of equal width of the expected calibration error."""
TOPS = (2, 3, 5, 10)
"""Numbers of classes of which one has to be right."""
_MOST_RANKED = 20  # classes whose ranks are compared without being asked for: one sort of all samples each
_LEAST = float(np.finfo(np.float32).eps)  # what a probability counts as at least, as in scikit-learn


def ranked_classes(preds: np.ndarray, targets: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return of each class whether a sample is of it and the probability that it was given, shape (N,) both.

    Of two classes the second is returned alone; those that no sample or every sample is of are left out.

    Args:
        preds: Probabilities, shape (N, K).
        targets: Class indices, shape (N,).
    """
    places = (1,) if preds.shape[1] == 2 else range(preds.shape[1])
    found = [(targets == place, preds[:, place]) for place in places]
    return [(is_it, prob) for is_it, prob in found if is_it.any() and not is_it.all()]


def placements(is_it: np.ndarray, prob: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each of P samples of a class the share of the Q others with a smaller probability, ties halved.

    Args:
        is_it: Whether a sample is of the class, shape (N,).
        prob: Its probability of it, shape (N,).

    Returns:
        These shares, shape (P,), and for each other sample the share of those of the class with a larger one, (Q,).
    """
    order = np.argsort(prob)
    ends = ends_of_ties(prob[order])
    of_it = is_it[order].cumsum()[ends]
    others = ends + 1 - of_it
    middle_of_it, middle_of_others = (
        (np.concatenate([[0], counts[:-1]]) + counts) / 2 for counts in (of_it, others)
    )
    tie = np.empty(len(prob), dtype=np.int64)
    tie[order] = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=-1))
    above = middle_of_others[tie[is_it]] / others[-1]
    below = 1 - middle_of_it[tie[~is_it]] / of_it[-1]
    return above, below


def roc_auc(preds: np.ndarray, targets: np.ndarray) -> float:
    """Return the area under the ROC curve; of more than two classes the mean of each against the others.

    Args:
        preds: Probabilities, shape (N, K).
        targets: Class indices, shape (N,).
    """
    areas = [placements(*each)[0].mean() for each in ranked_classes(preds, targets)]
    return float(np.mean(areas)) if areas else float("nan")


def average_precision(preds: np.ndarray, targets: np.ndarray) -> float:
    """Return the average precision; of more than two classes the mean of each against the others.

    Args:
        preds: Probabilities, shape (N, K).
        targets: Class indices, shape (N,).
    """
    found = [_precision_of(*each) for each in ranked_classes(preds, targets)]
    return float(np.mean(found)) if found else float("nan")


def _precision_of(is_it: np.ndarray, prob: np.ndarray) -> float:
    """Sum precision times the recall that each distinct probability adds, from the highest on."""
    order = np.argsort(-prob, kind="stable")
    ends = ends_of_ties(prob[order])
    right = is_it[order].cumsum()[ends]
    return float((right / (ends + 1) * np.diff(right, prepend=0)).sum() / right[-1])


def ends_of_ties(ordered: np.ndarray) -> np.ndarray:
    """Return the place of the last of each run of equal values, shape (M,)."""
    return np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)


def _given(preds: "Tensor", targets: "Tensor") -> "Tensor":
    """Return the probability of the class, shape (N,)."""
    return preds.gather(1, targets.unsqueeze(1)).squeeze(1)


def _log_terms(preds: "Tensor", targets: "Tensor") -> "Tensor":
    return -_given(preds, targets).clamp(_LEAST, 1 - _LEAST).log()


def _brier_terms(preds: "Tensor", targets: "Tensor") -> "Tensor":
    """Return the squared distance to the truth (Brier 1950), halved for two classes as usual, shape (N,)."""
    distance = preds.square().sum(1) - 2 * _given(preds, targets) + 1
    return distance / 2 if preds.shape[1] == 2 else distance


def _worst_brier(preds: np.ndarray) -> float:
    return 1.0 if preds.shape[1] == 2 else 2.0


def _calibration_terms(preds: "Tensor", targets: "Tensor") -> "Tensor":
    """Return right less probability in the bin of the probability, 0 in the others, shape (N, B)."""
    import torch

    confidence, label = preds.max(1)
    bins = (confidence * BINS).long().clamp(0, BINS - 1)
    there = bins.unsqueeze(1) == torch.arange(BINS, device=preds.device)
    return there * ((label == targets).to(confidence) - confidence).unsqueeze(1)


def _calibration_error(sums: np.ndarray, count: np.ndarray | int) -> np.ndarray:
    found: np.ndarray = np.abs(sums).sum(-1) / count
    return found


def _is_among(top: int, preds: "Tensor", targets: "Tensor") -> "Tensor":
    """Return whether a class is among those with the highest probabilities, shape (N,)."""
    highest = preds.topk(min(top, preds.shape[1]), dim=1).indices
    return (highest == targets.unsqueeze(1)).any(1)


_CLASSES = ("classification",)
OF_PROBABILITIES = (
    Metric(
        name="roc_auc",
        tasks=_CLASSES,
        higher_is_better=True,
        score=roc_auc,
        makes_sense=lambda preds, _: preds.shape[1] <= _MOST_RANKED,
    ),
    Metric(
        name="average_precision",
        tasks=_CLASSES,
        higher_is_better=True,
        score=average_precision,
        reported=False,
    ),
    Metric(name="log_loss", tasks=_CLASSES, higher_is_better=False, terms=_log_terms, reported=False),
    Metric(name="brier", tasks=_CLASSES, higher_is_better=False, terms=_brier_terms, most=_worst_brier),
    Metric(
        name="ece",
        tasks=_CLASSES,
        higher_is_better=False,
        terms=_calibration_terms,
        value=_calibration_error,
    ),
    *(
        Metric(
            name=f"top{top}_accuracy",
            tasks=_CLASSES,
            higher_is_better=True,
            terms=partial(_is_among, top),
            is_share=True,
            reported=False,
        )
        for top in TOPS
    ),
)
