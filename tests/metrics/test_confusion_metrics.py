"""Metrics of predicted classes, against hand-worked examples and scikit-learn."""

import warnings
from functools import partial

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from dlkit import metrics

RANDOM = np.random.default_rng(0)


def test_confusion_matrix_is_truth_by_prediction() -> None:
    preds = np.array([0, 0, 1, 2, 2, 2])
    targets = np.array([0, 1, 1, 2, 2, 0])

    assert metrics.confusion_matrix(preds, targets, 3).tolist() == [[1, 0, 1], [1, 1, 0], [0, 0, 2]]


def by_class(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Return the scores of each class by a confusion matrix."""
    return metrics.scores_by_class(np.diag(confusion), confusion.sum(1), confusion.sum(0))


def test_scores_equal_a_hand_worked_example() -> None:
    confusion = np.array([[3, 1, 0], [0, 2, 2], [0, 0, 4]])

    found = by_class(confusion)

    assert found["precision"].tolist() == [1.0, 2 / 3, 4 / 6]
    assert found["recall"].tolist() == [3 / 4, 2 / 4, 1.0]
    assert found["f1"].tolist() == [6 / 7, 4 / 7, 8 / 10]
    assert found["support"].tolist() == [4, 4, 4]


@pytest.mark.parametrize("num_classes", [2, 3, 10])
def test_scores_equal_scikit_learns(num_classes: int) -> None:
    targets = RANDOM.integers(num_classes, size=500)
    preds = np.where(RANDOM.random(500) < 0.7, targets, RANDOM.integers(num_classes, size=500))
    labels = list(range(num_classes))

    confusion = metrics.confusion_matrix(preds, targets, num_classes)
    found = by_class(confusion)

    assert (confusion == sklearn_metrics.confusion_matrix(targets, preds, labels=labels)).all()
    accuracy = metrics.METRICS["accuracy"].of(np.eye(num_classes)[preds], targets)
    assert accuracy == pytest.approx(sklearn_metrics.accuracy_score(targets, preds), rel=1e-15)
    reference = sklearn_metrics.precision_recall_fscore_support(targets, preds, labels=labels)
    for name, values in zip(("precision", "recall", "f1", "support"), reference, strict=True):
        np.testing.assert_allclose(found[name], values, rtol=1e-14)


def test_a_class_that_is_missing_keeps_its_row_and_has_no_scores() -> None:
    confusion = metrics.confusion_matrix(np.array([0, 0, 2]), np.array([0, 0, 0]), 4)

    found = by_class(confusion)

    assert confusion.shape == (4, 4)
    assert np.isnan(found["recall"]).tolist() == [False, True, True, True]
    assert np.isnan(found["precision"]).tolist() == [False, True, False, True]
    assert np.isnan(found["f1"]).tolist() == [False, True, False, True]
    assert found["f1"][2] == 0


@pytest.mark.parametrize(
    ("preds", "targets", "words"),
    [
        ([0, 1], [0], "(2,)"),
        ([0, 3], [0, 1], "[0, 3)"),
        ([0, 1], [-1, 1], "[0, 3)"),
    ],
    ids=["shapes", "too-large", "negative"],
)
def test_confusion_matrix_refuses_what_does_not_fit(preds: list[int], targets: list[int], words: str) -> None:
    with pytest.raises(ValueError) as caught:
        metrics.confusion_matrix(np.array(preds), np.array(targets), 3)

    assert words in str(caught.value)


COUNTS = {
    "macro_f1": partial(sklearn_metrics.f1_score, average="macro"),
    "weighted_f1": partial(sklearn_metrics.f1_score, average="weighted"),
    "balanced_accuracy": sklearn_metrics.balanced_accuracy_score,
    "macro_precision": partial(sklearn_metrics.precision_score, average="macro", zero_division=0),
    "macro_recall": partial(sklearn_metrics.recall_score, average="macro", zero_division=0),
    "mcc": sklearn_metrics.matthews_corrcoef,
    "kappa": sklearn_metrics.cohen_kappa_score,
}


@pytest.mark.parametrize("num_classes", [2, 3, 10])
@pytest.mark.parametrize("name", COUNTS)
def test_metrics_of_counts_equal_scikit_learns(name: str, num_classes: int) -> None:
    targets = RANDOM.integers(num_classes, size=400)
    probs = RANDOM.random((400, num_classes))
    probs[np.arange(400), targets] += 0.5 * RANDOM.random(400)
    probs[:, -1] -= 1 if num_classes == 10 else 0  # a class that is never predicted

    found = metrics.METRICS[name].of(probs, targets)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert found == pytest.approx(COUNTS[name](targets, probs.argmax(1)), abs=1e-12)


@pytest.mark.parametrize(("name", "expected"), [("mcc", 0.0), ("kappa", np.nan), ("balanced_accuracy", 1.0)])
def test_one_class_alone_has_no_agreement_beyond_chance(name: str, expected: float) -> None:
    probs, targets = np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 0])

    assert metrics.METRICS[name].of(probs, targets) == pytest.approx(expected, nan_ok=True)
