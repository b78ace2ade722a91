"""The standard error of an area under the ROC curve (DeLong et al. 1988), by groups as Obuchowski (1997) has it."""

import numpy as np

from dlkit.metrics.probabilities import placements, ranked_classes


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


def standard_error(terms: np.ndarray, targets: np.ndarray, groups: np.ndarray | None = None) -> float:
    """Return the standard error of an area, or of the difference of two, by the terms of its samples.

    Args:
        terms: What `area_terms` returned, or the difference of two of them, shape (N,).
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
