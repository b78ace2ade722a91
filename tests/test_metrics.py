"""Metrics over arrays, against hand-worked examples and scikit-learn."""

import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from dlkit import metrics

RANDOM = np.random.default_rng(0)


def test_confusion_matrix_is_truth_by_prediction() -> None:
    preds = np.array([0, 0, 1, 2, 2, 2])
    targets = np.array([0, 1, 1, 2, 2, 0])

    assert metrics.confusion_matrix(preds, targets, 3).tolist() == [[1, 0, 1], [1, 1, 0], [0, 0, 2]]


def test_scores_equal_a_hand_worked_example() -> None:
    confusion = np.array([[3, 1, 0], [0, 2, 2], [0, 0, 4]])

    found = metrics.per_class(confusion)

    assert metrics.accuracy(confusion) == 9 / 12
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
    found = metrics.per_class(confusion)

    assert (confusion == sklearn_metrics.confusion_matrix(targets, preds, labels=labels)).all()
    assert metrics.accuracy(confusion) == pytest.approx(
        sklearn_metrics.accuracy_score(targets, preds), rel=1e-15
    )
    reference = sklearn_metrics.precision_recall_fscore_support(targets, preds, labels=labels)
    for name, values in zip(("precision", "recall", "f1", "support"), reference, strict=True):
        np.testing.assert_allclose(found[name], values, rtol=1e-14)


def test_a_class_that_is_missing_keeps_its_row_and_has_no_scores() -> None:
    confusion = metrics.confusion_matrix(np.array([0, 0, 2]), np.array([0, 0, 0]), 4)

    found = metrics.per_class(confusion)

    assert confusion.shape == (4, 4)
    assert np.isnan(found["recall"]).tolist() == [False, True, True, True]
    assert np.isnan(found["precision"]).tolist() == [False, True, False, True]
    assert np.isnan(found["f1"]).tolist() == [False, True, False, True]
    assert found["f1"][2] == 0


def test_no_samples_have_no_accuracy() -> None:
    empty = np.array([], dtype=int)

    assert np.isnan(metrics.accuracy(metrics.confusion_matrix(empty, empty, 3)))


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


@pytest.mark.parametrize("columns", [1, 3])
def test_regression_scores_equal_scikit_learns(columns: int) -> None:
    targets = RANDOM.normal(size=(200, columns)).astype(np.float32)
    preds = targets + RANDOM.normal(scale=0.3, size=targets.shape).astype(np.float32)

    found = metrics.regression_scores(preds, targets)

    assert found["mae"] == pytest.approx(sklearn_metrics.mean_absolute_error(targets, preds), rel=1e-6)
    assert found["rmse"] == pytest.approx(sklearn_metrics.mean_squared_error(targets, preds) ** 0.5, rel=1e-6)
    reference = sklearn_metrics.r2_score(targets, preds, multioutput="variance_weighted")
    assert found["r2"] == pytest.approx(reference, rel=1e-5)


def test_targets_that_do_not_vary_have_no_r2() -> None:
    found = metrics.regression_scores(np.array([1.0, 2.0]), np.array([1.0, 1.0]))

    assert found["mae"] == 0.5
    assert np.isnan(found["r2"])


def test_curve_scores_equal_a_hand_worked_example() -> None:
    times = np.array([1.0, 2.0, 4.0])
    targets = np.array([[[4.0, 2.0, 1.0], [0.009, 0.0, 0.0]]])  # the second organ stays below the floor
    preds = np.array([[[4.8, 2.0, 0.4], [0.009, 1.0, 0.0]]])

    found = metrics.curve_scores(targets, preds, times)

    assert found["rmse"] == pytest.approx(math.sqrt((0.8**2 + 0.6**2 + 1) / 6))
    assert found["mae"] == pytest.approx((0.8 + 0.6 + 1) / 6)
    assert found["r2"] == pytest.approx(sklearn_metrics.r2_score(targets.ravel(), preds.ravel()))
    assert found["gmfe"] == pytest.approx((1.2 * 1.0 * 2.5) ** (1 / 3))
    assert [found[f"within_{fold}x"] for fold in ("1.25", "1.5", "2")] == pytest.approx([2 / 3] * 3)
    assert found["cmax_error"] == pytest.approx(0.2)
    assert found["auc_error"] == pytest.approx(1 - (3.4 + 2.4) / (3.0 + 3.0))


def test_a_prediction_of_nothing_is_far_off_but_finite() -> None:
    found = metrics.curve_scores(np.ones((1, 1, 2)), np.zeros((1, 1, 2)), np.array([1.0, 2.0]))

    assert found["gmfe"] > 1e6
    assert math.isfinite(found["gmfe"])
    assert (found["within_2x"], found["cmax_error"], found["auc_error"]) == (0, 1, 1)


def test_curves_below_the_floor_have_no_fold_errors() -> None:
    low = np.full((2, 3, 4), 0.001)

    found = metrics.curve_scores(low, low, np.arange(1.0, 5.0))

    assert (found["rmse"], found["mae"]) == (0, 0)
    assert all(math.isnan(found[name]) for name in ("gmfe", "within_2x", "cmax_error", "auc_error"))


def test_a_sample_is_known_when_its_whole_target_is() -> None:
    numbers = np.array([[1.0, 2.0], [np.nan, 2.0], [0.0, np.nan], [-1.0, -1.0]])

    assert metrics.known(numbers).tolist() == [True, False, False, True]
    assert metrics.known(numbers.reshape(4, 2, 1)).tolist() == [True, False, False, True]
    assert metrics.known(numbers[:, 0]).tolist() == [True, False, True, True]
    assert metrics.known(np.array([0, -1, 3])).tolist() == [True, False, True]
