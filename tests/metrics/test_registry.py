"""Which metrics there are, and that sums over batches come to those of all samples."""

import numpy as np
import pytest

from dlkit import metrics
from dlkit.errors import ConfigError


def test_a_sample_is_known_when_its_whole_target_is() -> None:
    numbers = np.array([[1.0, 2.0], [np.nan, 2.0], [0.0, np.nan], [-1.0, -1.0]])

    assert metrics.known(numbers).tolist() == [True, False, False, True]
    assert metrics.known(numbers.reshape(4, 2, 1)).tolist() == [True, False, False, True]
    assert metrics.known(numbers[:, 0]).tolist() == [True, False, True, True]
    assert metrics.known(np.array([0, -1, 3])).tolist() == [True, False, True]


def test_metrics_are_chosen_by_name_and_come_in_the_order_asked_for() -> None:
    there = metrics.metrics_of("regression")

    assert [metric.name for metric in metrics.chosen(there, ["r2", "mae"])] == ["r2", "mae"]
    assert [metric.name for metric in metrics.chosen(there, None)][:3] == ["mae", "rmse", "r2"]
    with pytest.raises(ConfigError) as caught:
        metrics.chosen(there, ["accuracy"])
    assert "--metrics accuracy" in caught.value.message
    with pytest.raises(ConfigError) as caught:
        metrics.chosen(there, ["rsme"])
    assert "rmse" in caught.value.hint


def test_what_makes_no_sense_is_reported_only_when_asked_for() -> None:
    there, values = metrics.metrics_of("regression"), np.array([[0.0], [1.0]])

    assert "mape" not in metrics.scores_of(metrics.chosen(there, None), values, values)
    assert "mape" in metrics.scores_of(metrics.chosen(there, ["mape"]), values, values, asked=True)
