"""The standard error of an area under the ROC curve, against pairs counted one by one, and of average precision."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from dlkit.evaluation.certainty.delong import area_terms, precision_terms, standard_error
from dlkit.metrics.probabilities import roc_auc

RANDOM = np.random.default_rng(0)


def two_classes(count: int) -> tuple[np.ndarray, np.ndarray]:
    targets = (np.arange(count) % 3 == 0).astype(int)
    prob = np.clip((RANDOM.normal(0.4, 0.2, count) + 0.2 * targets).round(2), 0, 1)
    return np.stack([1 - prob, prob], axis=1), targets


def pairs(probs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """1, 0.5 or 0 for each sample of the class beside each other one."""
    inside, outside = probs[targets == 1, 1], probs[targets == 0, 1]
    return (inside[:, None] > outside) + 0.5 * (inside[:, None] == outside)


def test_error_equals_that_of_pairs_counted_one_by_one() -> None:
    probs, targets = two_classes(60)
    placed = pairs(probs, targets)

    expected = placed.mean(1).var(ddof=1) / len(placed) + placed.mean(0).var(ddof=1) / placed.shape[1]

    assert roc_auc(probs, targets) == pytest.approx(placed.mean())
    assert standard_error(area_terms(probs, targets), targets) == pytest.approx(expected**0.5)


def test_precision_terms_are_the_derivative_by_the_weight_of_each_sample() -> None:
    probs, targets = two_classes(40)

    terms = precision_terms(probs, targets)

    step, once = 1e-6, np.ones(40)
    scores = [
        average_precision_score(targets, probs[:, 1], sample_weight=once + step * (np.arange(40) == place))
        for place in range(40)
    ]
    before = average_precision_score(targets, probs[:, 1])
    assert terms == pytest.approx((np.array(scores) - before) / step, abs=1e-5)
    assert terms.sum() == pytest.approx(0, abs=1e-12)


def test_difference_of_a_network_to_itself_has_no_error() -> None:
    probs, targets = two_classes(30)
    terms = area_terms(probs, targets)

    assert terms.sum() == pytest.approx(0, abs=1e-12)
    assert standard_error(terms - terms, targets) == 0


def test_samples_repeated_in_a_group_say_no_more_than_one() -> None:
    probs, targets = two_classes(200)
    alone = standard_error(area_terms(probs, targets), targets)
    five_times = [np.repeat(values, 5, axis=0) for values in (probs, targets)]

    grouped = standard_error(area_terms(*five_times), five_times[1], np.repeat(np.arange(200), 5))

    assert grouped == pytest.approx(alone, rel=0.02)
    assert standard_error(area_terms(*five_times), five_times[1]) < 0.5 * alone
