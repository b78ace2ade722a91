"""The interval of the expected calibration error."""

import numpy as np
import pytest

from dlkit.evaluation.certainty.calibration_interval import calibration_interval
from dlkit.metrics import METRICS

RANDOM = np.random.default_rng(0)


def terms(count: int, off: float) -> np.ndarray:
    """Terms of probabilities that are right too often by `off`."""
    prob = RANDOM.uniform(0.5, 0.9, count)
    targets = (RANDOM.random(count) > prob + off).astype(int)
    return METRICS["ece"].terms_of(np.stack([prob, 1 - prob], axis=1), targets)


@pytest.mark.parametrize("off", [0.0, 0.02, 0.1])
def test_it_holds_the_true_error(off: float) -> None:
    ends = np.array([calibration_interval(terms(400, off)) for _ in range(300)])

    held = (ends[:, 0] <= off) & (off <= ends[:, 1])
    assert 0.93 <= held.mean() <= 1
    assert (ends[:, 1] - ends[:, 0]).mean() < 0.12


def test_it_is_a_normal_one_where_chance_plays_no_part() -> None:
    one_bin = RANDOM.normal(0.3, 0.1, (1000, 1))

    lo, hi = calibration_interval(one_bin)

    half = 1.96 * one_bin.std(ddof=1) / np.sqrt(1000)
    assert (lo, hi) == pytest.approx((one_bin.mean() - half, one_bin.mean() + half), abs=1e-4)


def test_samples_of_a_group_count_as_one() -> None:
    some = terms(200, 0.05)

    alone, grouped = (
        calibration_interval(some),
        calibration_interval(some.repeat(4, axis=0), np.arange(200).repeat(4)),
    )

    assert grouped == pytest.approx(alone)
