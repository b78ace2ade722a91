"""Metrics of concentration curves, against hand-worked examples."""

import math

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from dlkit import metrics


def scores(targets: np.ndarray, preds: np.ndarray, times: np.ndarray) -> dict[str, float]:
    """Return all metrics of curves."""
    return metrics.scores_of(metrics.curve_metrics(times), preds, targets)


def test_metrics_of_curves_equal_a_hand_worked_example() -> None:
    times = np.array([1.0, 2.0, 4.0])
    targets = np.array([[[4.0, 2.0, 1.0], [0.009, 0.0, 0.0]]])  # the second organ stays below the floor
    preds = np.array([[[4.8, 2.0, 0.4], [0.009, 1.0, 0.0]]])

    found = scores(targets, preds, times)

    assert found["rmse"] == pytest.approx(math.sqrt((0.8**2 + 0.6**2 + 1) / 6))
    assert found["mae"] == pytest.approx((0.8 + 0.6 + 1) / 6)
    assert found["r2"] == pytest.approx(sklearn_metrics.r2_score(targets.ravel(), preds.ravel()))
    assert found["gmfe"] == pytest.approx((1.2 * 1.0 * 2.5) ** (1 / 3))
    assert [found[f"within_{fold}x"] for fold in ("1.25", "1.5", "2")] == pytest.approx([2 / 3] * 3)
    assert found["cmax_error"] == pytest.approx(0.2)
    assert found["auc_error"] == pytest.approx(1 - (3.4 + 2.4) / (3.0 + 3.0))


def test_a_prediction_of_nothing_is_far_off_but_finite() -> None:
    found = scores(np.ones((1, 1, 2)), np.zeros((1, 1, 2)), np.array([1.0, 2.0]))

    assert found["gmfe"] > 1e6
    assert math.isfinite(found["gmfe"])
    assert (found["within_2x"], found["cmax_error"], found["auc_error"]) == (0, 1, 1)


def test_curves_below_the_floor_have_no_fold_errors() -> None:
    low = np.full((2, 3, 4), 0.001)

    found = scores(low, low, np.arange(1.0, 5.0))

    assert (found["rmse"], found["mae"]) == (0, 0)
    assert all(math.isnan(found[name]) for name in ("gmfe", "within_2x", "cmax_error", "auc_error"))
