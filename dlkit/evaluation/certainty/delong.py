"""The standard error of the area under the ROC curve (DeLong et al. 1988) and of average precision, also by groups."""

import numpy as np

from dlkit.metrics.probabilities import ends_of_ties, placements, ranked_classes


def area_terms(preds: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return how far each sample moves the area under the ROC curve, shape (N,); their sum is 0.

    Of more than two classes the area is the mean of each against the others, as in `roc_auc`.

    Args:
        preds: Probabilities, shape (N, K).
        targets: Class indices, shape (N,).
    """
    classes = ranked_classes(preds, targets)
    terms = np.zeros(len(targets))
    for is_it, prob in classes:
        above, below = placements(is_it, prob)
        terms[is_it] += (above - above.mean()) / len(above)
        terms[~is_it] += (below - below.mean()) / len(below)
    return terms / max(1, len(classes))


def precision_terms(preds: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return how far each sample moves the average precision, shape (N,): its derivative by the sample's weight.

    Of more than two classes it is the mean of each against the others; the terms' sum is 0.

    Args:
        preds: Probabilities, shape (N, K).
        targets: Class indices, shape (N,).
    """
    classes = ranked_classes(preds, targets)
    terms = np.zeros(len(targets))
    for is_it, prob in classes:
        order = np.argsort(-prob, kind="stable")
        ends = ends_of_ties(prob[order])
        tie = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=-1))
        taken, right = ends + 1, is_it[order].cumsum()[ends]
        added, precision = np.diff(right, prepend=0), right / taken
        value = (precision * added).sum() / right[-1]
        gains = (added / taken)[::-1].cumsum()[::-1]
        losses = (added * precision / taken)[::-1].cumsum()[::-1]
        right_ones = is_it[order] * ((precision - value)[tie] + gains[tie])
        terms[order] += (right_ones - losses[tie]) / right[-1]
    return terms / max(1, len(classes))


def standard_error(terms: np.ndarray, targets: np.ndarray, groups: np.ndarray | None = None) -> float:
    """Return the standard error of an area, or of the difference of two, by the terms of its samples.

    Terms of a group are added up before they are squared (Obuchowski 1997).

    Args:
        terms: What `area_terms` or `precision_terms` returned, or the difference of two of them, shape (N,).
        targets: Class indices, shape (N,).
        groups: Group of each sample; None where each stands for itself.
    """
    if groups is not None:
        unit = np.unique(groups, return_inverse=True)[1]
        sums = np.bincount(unit, terms)
        return float(np.sqrt(len(sums) / max(1, len(sums) - 1) * np.square(sums).sum()))
    counts = np.bincount(targets)
    corrected = (counts / np.maximum(counts - 1, 1))[targets]
    return float(np.sqrt((corrected * np.square(terms)).sum()))
