"""Two networks on the same samples."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dlkit.evaluation.certainty.comparison import compare
from dlkit.evaluation.certainty.intervals import Certainty
from dlkit.evaluation.classes import Classes
from dlkit.evaluation.report import Report
from dlkit.evaluation.tasks import scores_of_results

RANDOM = np.random.default_rng(0)
TARGETS = RANDOM.integers(3, size=200)


def report(name: str, right: float, targets: np.ndarray = TARGETS, **certainty: object) -> Report:
    """Predictions of which this share is right."""
    labels = np.where(RANDOM.random(200) < right, targets, (targets + 1) % 3)
    results = Classes(names=("a", "b", "c"), targets=targets, probs=np.eye(3)[labels] * 0.7 + 0.1)
    metrics = scores_of_results(results)
    return Report(
        checkpoint=Path(name),
        data="toys",
        split="test",
        loss=1.0,
        metrics=metrics,
        places=range(200),
        results=results,
        measured=[metric for metric in results.metrics() if metric.name in metrics],
        certainty=Certainty(**certainty),
    )


def test_a_better_network_is_said_to_be_better() -> None:
    bad, good = report("bad", 0.6), report("good", 0.95)

    found = compare(bad, good)

    value, lo, hi = found.differences["accuracy"]
    assert value == pytest.approx(good.metrics["accuracy"] - bad.metrics["accuracy"])
    assert 0 < lo < value < hi
    wrong = [of.results.probs.argmax(1) != TARGETS for of in (bad, good)]
    assert found.alone[:2] == ((wrong[1] & ~wrong[0]).sum(), (wrong[0] & ~wrong[1]).sum())
    assert found.sentence().startswith("good is better than bad: accuracy")
    assert compare(good, bad).sentence().startswith("bad is worse than good: accuracy")


def test_a_network_is_no_better_than_itself() -> None:
    one = report("one", 0.8)

    found = compare(one, replace(one, checkpoint=Path("same")))

    assert found.differences["accuracy"] == (0, 0, 0)
    assert found.alone == (0, 0, 1.0)
    assert found.sentence().startswith("no difference is shown between same and one")
    assert found.to_dict()["mcnemar"] == {"only_against": 0, "only_this": 0, "p": 1.0}


def test_samples_in_groups_have_no_test_by_single_ones() -> None:
    groups = np.arange(200) // 4

    assert compare(report("a", 0.7, groups=groups), report("b", 0.8, groups=groups)).alone is None


@pytest.mark.parametrize("how", ["other samples", "other classes", "no draws"])
def test_what_cannot_be_compared_is_not(how: str) -> None:
    first, second = report("a", 0.7), report("b", 0.8)
    if how == "other samples":
        second = replace(second, places=range(1, 201))
    elif how == "other classes":
        second = report("b", 0.8, (TARGETS + 1) % 3)
    else:
        first = replace(first, certainty=Certainty(draws=0))

    assert compare(first, second) is None
