"""Prediction intervals of numbers."""

import math

import numpy as np
import pytest

from dlkit.evaluation.certainty.conformal import factors_of, widths_of

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_a_share_of_new_samples_lies_within_whatever_the_errors_are(level: float) -> None:
    held = []
    for _ in range(1000):
        errors = np.abs(RANDOM.standard_t(2, size=(100, 1)))
        widths = widths_of(errors, level)
        held.append((np.abs(RANDOM.standard_t(2, size=20)) <= widths.of(None, 20)[:, 0]).mean())

    exact = math.ceil(101 * level) / 101
    assert np.mean(held) == pytest.approx(exact, abs=0.01)


def test_the_width_is_an_order_statistic_of_each_output() -> None:
    errors = RANDOM.permutation(np.arange(1.0, 20))[:, None] * [1, 10]

    assert widths_of(errors, 0.9).of(None, 3).tolist() == [[18.0, 180.0]] * 3


def test_errors_that_grow_with_the_distance_have_wider_intervals_far_away() -> None:
    distances = RANDOM.exponential(size=1000)
    errors = np.abs(RANDOM.normal(size=(1000, 1))) * (0.1 + distances[:, None])

    widths = widths_of(errors, 0.9, distances)

    new = RANDOM.exponential(size=50_000)
    half = widths.of(new, len(new))[:, 0]
    inside = np.abs(RANDOM.normal(size=len(new))) * (0.1 + new) <= half
    near, far = new < np.quantile(new, 0.2), new > np.quantile(new, 0.8)
    assert len(widths.half) == 5
    assert half[near].mean() < 0.3 * half[far].mean()
    for part in (near, far):
        assert inside[part].mean() == pytest.approx(0.9, abs=0.05)
    assert len(widths_of(RANDOM.permutation(errors), 0.9, distances).half) == 1, "they do not grow"


@pytest.mark.parametrize("count", [20, 100])
def test_a_share_of_the_values_of_new_compounds_lies_within_the_factor(count: int) -> None:
    held = []
    for _ in range(1000):
        # Errors of one compound resemble each other, and differ between organs.
        shape = (count + 20, 2, 6)
        logs = RANDOM.normal(size=(count + 20, 1, 1)) + 0.5 * RANDOM.normal(size=shape)
        true = RANDOM.lognormal(3, 1, size=shape)
        preds = (true + 0.01) * np.exp(logs * [[1.0], [0.1]]) - 0.01
        factors = factors_of(preds[:count], true[:count], 0.9)
        folds = np.abs(np.log((preds[count:] + 0.01) / (true[count:] + 0.01)))
        held.append((folds <= np.log(factors)[:, None]).mean((0, 2)))

    assert all(0.9 <= share <= 0.9 + 1 / (count + 1) for share in np.mean(held, axis=0))


def test_the_factor_is_an_order_statistic_of_each_organ() -> None:
    true = np.ones((9, 1, 2)) - 0.01
    preds = RANDOM.permutation(np.exp(np.arange(1.0, 19))).reshape(9, 1, 2) - 0.01

    assert factors_of(preds, true, 0.5).tolist() == pytest.approx([math.exp(10)])
    assert factors_of(preds, true, 0.9).tolist() == pytest.approx([math.exp(18)])
