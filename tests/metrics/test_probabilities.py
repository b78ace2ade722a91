"""Metrics of probabilities, against hand-worked examples and scikit-learn."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from dlkit.metrics import METRICS
from dlkit.metrics.probabilities import placements
from dlkit.plotting.predictions.calibration import expected_error

RANDOM = np.random.default_rng(0)
Samples = tuple[np.ndarray, np.ndarray]


def samples(num_classes: int, *, coarse: bool = False) -> Samples:
    """500 samples whose probabilities say something of their class; coarse ones have many ties."""
    targets = RANDOM.integers(num_classes, size=500)
    logits = RANDOM.normal(size=(500, num_classes))
    logits[np.arange(500), targets] += 1
    if coarse:
        logits = logits.round()
    probs = np.exp(logits)
    return probs / probs.sum(1, keepdims=True), targets


def one_against_others(score: Callable[..., float], probs: np.ndarray, targets: np.ndarray) -> float:
    if probs.shape[1] == 2:
        return score(targets, probs[:, 1])
    return float(np.mean([score(targets == k, probs[:, k]) for k in range(probs.shape[1])]))


def reference(name: str, probs: np.ndarray, targets: np.ndarray) -> float:
    labels = list(range(probs.shape[1]))
    if name in ("roc_auc", "average_precision"):
        score = (
            sklearn_metrics.roc_auc_score if name == "roc_auc" else sklearn_metrics.average_precision_score
        )
        return one_against_others(score, probs, targets)
    if name == "log_loss":
        return float(sklearn_metrics.log_loss(targets, probs, labels=labels))
    if name == "brier":
        one_hot = np.eye(probs.shape[1])[targets]
        squares = ((probs - one_hot) ** 2).sum(1).mean()
        return float(squares / 2 if probs.shape[1] == 2 else squares)
    if name == "ece":
        return expected_error(probs.max(1), probs.argmax(1) == targets)
    top = int(name.removeprefix("top").removesuffix("_accuracy"))
    return float(sklearn_metrics.top_k_accuracy_score(targets, probs, k=top, labels=labels))


@pytest.mark.parametrize("coarse", [False, True], ids=["distinct", "tied"])
@pytest.mark.parametrize("num_classes", [2, 3, 12])
@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "log_loss", "brier", "ece"])
def test_metrics_equal_scikit_learns(name: str, num_classes: int, coarse: bool) -> None:
    probs, targets = samples(num_classes, coarse=coarse)

    assert METRICS[name].of(probs, targets) == pytest.approx(reference(name, probs, targets), abs=1e-9)


@pytest.mark.parametrize("top", [2, 3, 5, 10])
def test_the_right_class_is_among_the_first(top: int) -> None:
    probs, targets = samples(12)
    name = f"top{top}_accuracy"

    assert METRICS[name].of(probs, targets) == pytest.approx(reference(name, probs, targets), abs=1e-12)


def test_two_classes_have_the_brier_score_of_scikit_learn() -> None:
    probs, targets = samples(2)

    expected = sklearn_metrics.brier_score_loss(targets, probs[:, 1])
    assert METRICS["brier"].of(probs, targets) == pytest.approx(expected, abs=1e-12)


def test_calibration_error_equals_a_hand_worked_example() -> None:
    probs = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])

    found = METRICS["ece"].of(probs, np.array([0, 1, 1, 1]))

    assert found == pytest.approx((2 * abs(0.5 - 0.9) + 2 * abs(1 - 0.6)) / 4)


def test_a_probability_of_nothing_is_far_off_but_finite() -> None:
    probs = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)

    expected = sklearn_metrics.log_loss([1, 1], probs, labels=[0, 1])
    assert METRICS["log_loss"].of(probs, np.array([1, 1])) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision"])
def test_classes_without_samples_are_left_out(name: str) -> None:
    probs, targets = samples(3)
    seen = targets < 2

    expected = np.mean(
        [
            reference(name, np.stack([1 - probs[seen, k], probs[seen, k]], 1), targets[seen] == k)
            for k in (0, 1)
        ]
    )
    assert METRICS[name].of(probs[seen], targets[seen]) == pytest.approx(expected)
    assert np.isnan(METRICS[name].of(probs[:5], np.zeros(5, dtype=int)))


def test_a_tie_counts_half() -> None:
    above, below = placements(np.array([True, True, False, False]), np.array([3.0, 1.0, 1.0, 2.0]))

    assert above.tolist() == [1.0, 0.25]
    assert below.tolist() == [0.75, 0.5]
