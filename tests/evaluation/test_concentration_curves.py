"""Concentration curves of an evaluation: what is scored, per organ and as rows."""

import numpy as np
import pytest

from dlkit.evaluation.curves import Curves
from dlkit.evaluation.tasks import scores_of_results
from dlkit.metrics import curve_metrics, scores_of

RANDOM = np.random.default_rng(0)
TIMES = np.array([0.0, 1.0, 3.0], dtype=np.float32)


def make_curves(**changes: object) -> Curves:
    """Two compounds in three organs; the last organ holds nothing."""
    targets = RANDOM.uniform(0.1, 9, (2, 3, 3))
    targets[:, 2] = 0
    values = {
        "organs": ("blood", "liver", "gut"),
        "times": TIMES,
        "targets": targets,
        "preds": targets * RANDOM.uniform(0.8, 1.3, targets.shape),
    }
    return Curves(**{**values, **changes})


def test_the_given_point_is_not_scored() -> None:
    curves = make_curves()
    wrong_start = curves.preds.copy()
    wrong_start[:, :, 0] = 1e6

    assert scores_of_results(make_curves(targets=curves.targets, preds=wrong_start)) == scores_of_results(
        curves
    )
    assert scores_of_results(curves) == pytest.approx(
        scores_of(curve_metrics(TIMES[1:].astype(float)), curves.preds[..., 1:], curves.targets[..., 1:])
    )


def test_without_a_given_point_all_times_are_scored() -> None:
    curves = make_curves(times=TIMES + 1)

    assert scores_of_results(curves) == pytest.approx(
        scores_of(curve_metrics((TIMES + 1).astype(float)), curves.preds, curves.targets)
    )


def test_each_organ_is_scored_by_itself() -> None:
    curves = make_curves()

    blood, liver, gut = curves.per_organ()

    assert [row["organ"] for row in (blood, liver, gut)] == ["blood", "liver", "gut"]
    assert [row["n"] for row in (blood, liver, gut)] == [4, 4, 0]
    alone = make_curves(organs=("liver",), targets=curves.targets[:, 1:2], preds=curves.preds[:, 1:2])
    assert {name: liver[name] for name in scores_of_results(alone)} == scores_of_results(alone)
    assert gut["gmfe"] is None
    assert gut["r2"] is None
    assert gut["rmse"] == 0


def test_rows_tell_compound_organ_time_and_both_values() -> None:
    curves = make_curves()

    rows = list(curves.lines([7, 30]))

    assert list(rows[0]) == ["index", "organ", "time", "target", "pred"]
    assert len(rows) == 1 + 2 * 3 * 3
    assert rows[1][:3] == [7, "blood", "0"]
    assert rows[-1] == [30, "gut", "3", "0", "0"]
    assert float(rows[5][3]) == pytest.approx(curves.targets[0, 1, 1], rel=1e-5)
    assert float(rows[5][4]) == pytest.approx(curves.preds[0, 1, 1], rel=1e-5)


def test_a_compound_without_targets_is_not_scored() -> None:
    curves = make_curves()
    targets = curves.targets.copy()
    targets[1] = np.nan

    some = make_curves(targets=targets, preds=curves.preds)

    first = make_curves(targets=curves.targets[:1], preds=curves.preds[:1])
    assert scores_of_results(some) == scores_of_results(first)
    assert make_curves(targets=np.full_like(targets, np.nan)).tables() == []
