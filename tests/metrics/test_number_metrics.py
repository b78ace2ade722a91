"""Metrics of numbers, against hand-worked examples and scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from dlkit import metrics

RANDOM = np.random.default_rng(0)


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


@pytest.mark.parametrize("columns", [1, 3])
def test_median_and_relative_errors_equal_scikit_learns(columns: int) -> None:
    targets = RANDOM.normal(size=(201, columns)) + 5
    preds = targets + RANDOM.normal(size=targets.shape)

    for name, reference in (
        ("median_error", sklearn_metrics.median_absolute_error),
        ("mape", sklearn_metrics.mean_absolute_percentage_error),
    ):
        assert metrics.METRICS[name].of(preds, targets) == pytest.approx(reference(targets, preds), rel=1e-12)


def test_a_target_of_zero_has_no_relative_error() -> None:
    preds, targets = np.array([[1.0], [2.0]]), np.array([[0.0], [2.0]])

    assert np.isnan(metrics.METRICS["mape"].of(preds, targets))
    assert not metrics.METRICS["mape"].makes_sense(preds, targets)
    assert np.isnan(metrics.METRICS["mape"].of(targets, targets))


def test_a_weighted_median_counts_each_sample_as_often_as_its_weight() -> None:
    preds, targets = RANDOM.normal(size=(2, 31, 2))
    weights = np.zeros((1, 31))
    weights[0, :5] = [3, 1, 1, 4, 2]

    repeated = [0, 0, 0, 1, 2, 3, 3, 3, 3, 4, 4]
    expected = sklearn_metrics.median_absolute_error(targets[repeated], preds[repeated])
    found = metrics.METRICS["median_error"].weighted(preds, targets, weights)
    assert found == pytest.approx([expected])
