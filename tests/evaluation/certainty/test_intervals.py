"""Intervals of metrics: their ends, and how often they hold what they estimate."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest

from dlkit.evaluation.certainty.comparison import mcnemar
from dlkit.evaluation.certainty.intervals import (
    Certainty,
    differences,
    few_groups_note,
    intervals,
)
from dlkit.evaluation.certainty.resampling import Resampling
from dlkit.metrics import METRICS, Metric, chosen, metrics_of, scores_of, wilson

RANDOM = np.random.default_rng(0)


def interval(name: str, preds: np.ndarray, targets: np.ndarray, **how: object) -> tuple[float, float]:
    metric = METRICS[name]
    value = {name: metric.of(preds, targets)}
    return intervals([metric], value, preds, targets, Certainty(**how))[name]


def two_classes(count: int, right: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    targets = RANDOM.integers(2, size=count)
    is_right = RANDOM.random(count) < right
    prob = RANDOM.uniform(0.5, 1, count)
    prob = np.where((targets == 1) == is_right, prob, 1 - prob)
    return np.stack([1 - prob, prob], axis=1), targets


def numbers(count: int, columns: int = 1) -> tuple[np.ndarray, np.ndarray]:
    targets = RANDOM.normal(10, 2, (count, columns))
    return targets + RANDOM.normal(size=targets.shape), targets


def test_accuracy_has_wilsons_interval() -> None:
    probs, targets = two_classes(200)
    right = int((probs.argmax(1) == targets).sum())

    expected = binomtest(right, 200).proportion_ci(method="wilson")

    assert interval("accuracy", probs, targets) == pytest.approx((expected.low, expected.high))
    assert wilson(1.0, 10)[1] == pytest.approx(1.0)
    assert wilson(0.0, 10)[0] == pytest.approx(0.0)


@pytest.mark.parametrize("count", [500, 9_001], ids=["samples", "blocks"])
def test_a_mean_has_the_interval_of_its_standard_error(count: int) -> None:
    preds, targets = numbers(count)
    errors = np.abs(preds - targets)

    lo, hi = interval("mae", preds, targets, draws=4000)

    half = 1.96 * errors.std() / math.sqrt(count)
    assert (hi - lo) / 2 == pytest.approx(half, rel=0.06)
    assert (hi + lo) / 2 == pytest.approx(errors.mean(), abs=0.1 * half)


@pytest.mark.parametrize("columns", [1, 2])
def test_a_median_lies_in_its_interval(columns: int) -> None:
    preds, targets = numbers(900, columns)

    lo, hi = interval("median_error", preds, targets)

    value = METRICS["median_error"].of(preds, targets)
    assert lo < value < hi
    density = 2 * math.exp(-(0.6745**2) / 2) / math.sqrt(2 * math.pi)
    assert hi - lo == pytest.approx(2 * 1.96 * 0.5 / density / math.sqrt(900 * columns), rel=0.35)


def test_samples_of_a_group_count_as_one() -> None:
    preds, targets = numbers(300)
    five_times = [np.repeat(values, 5, axis=0) for values in (preds, targets)]
    groups = np.repeat(np.arange(300), 5)

    alone, grouped = interval("mae", preds, targets), interval("mae", *five_times, groups=groups)

    assert grouped == pytest.approx(alone, rel=1e-9)
    ungrouped = interval("mae", *five_times)
    assert ungrouped[1] - ungrouped[0] < 0.6 * (alone[1] - alone[0])


def test_the_same_seed_gives_the_same_ends() -> None:
    probs, targets = two_classes(100)

    first = interval("macro_f1", probs, targets, seed=3)

    assert interval("macro_f1", probs, targets, seed=3) == first
    assert interval("macro_f1", probs, targets, seed=4) != first


@pytest.mark.parametrize("name", ["accuracy", "macro_f1", "roc_auc"])
def test_nothing_but_right_ones_is_no_certainty(name: str) -> None:
    targets = np.arange(40) % 2
    probs = np.stack([1 - targets, targets], axis=1) * 0.8 + 0.1

    lo, hi = interval(name, probs, targets)

    assert hi == pytest.approx(1)
    assert 0.8 < lo < 0.97


@pytest.mark.parametrize("count", [0, 1])
def test_a_single_sample_has_no_intervals(count: int) -> None:
    preds, targets = numbers(count)

    assert intervals([METRICS["mae"]], {"mae": 1.0}, preds, targets, Certainty()) == {}


def test_what_is_not_defined_has_no_interval() -> None:
    probs, targets = two_classes(30)
    metrics = chosen(metrics_of("classification"), None)
    values = scores_of(metrics, probs, targets * 0)

    found = intervals(metrics, values, probs, targets * 0, Certainty())

    assert math.isnan(values["roc_auc"])
    assert "roc_auc" not in found
    assert set(found) == set(values) - {"roc_auc"}
    assert intervals(metrics, values, probs, targets, Certainty(draws=0)) == {}


@pytest.mark.parametrize(("classes", "most"), [(2, 1.0), (3, 2.0)])
def test_the_interval_of_the_brier_score_ends_where_the_score_does(classes: int, most: float) -> None:
    targets = np.zeros(18, dtype=int)
    probs = np.full((18, classes), 1e-4)
    probs[:, 0] = 1 - 1e-4 * (classes - 1)
    probs[0] = np.roll(probs[0], 1)  # all of the error is that of one sample

    lo, hi = interval("brier", probs, targets)

    assert 0 <= lo < METRICS["brier"].of(probs, targets) < hi == most


def test_a_score_of_ones_own_is_drawn_too() -> None:
    preds, targets = numbers(50)
    metric = Metric(
        name="worst",
        tasks=("regression",),
        higher_is_better=False,
        score=lambda preds, targets: float(np.abs(preds - targets).max()),
    )

    (lo, hi) = intervals([metric], {"worst": metric.of(preds, targets)}, preds, targets, Certainty())["worst"]

    assert lo < hi == metric.of(preds, targets)


def test_draws_of_class_counts_are_those_of_their_terms() -> None:
    probs, targets = two_classes(400)
    resampling = Resampling(400, 200, 0)
    terms = Metric(
        name="f1",
        tasks=(),
        higher_is_better=True,
        terms=lambda preds, targets: METRICS["macro_f1"].terms(preds, targets),
        value=METRICS["macro_f1"].value,
    )

    found = resampling.values([METRICS["macro_f1"], terms], probs, targets)

    np.testing.assert_allclose(found["f1"].values, found["macro_f1"].values)
    np.testing.assert_allclose(found["f1"].without, found["macro_f1"].without)


def test_difference_of_two_networks_is_surer_than_either() -> None:
    preds, targets = numbers(300)
    better = targets + 0.9 * (preds - targets)

    found = differences([METRICS["mae"]], (preds, better), targets, Certainty())["mae"]

    value, lo, hi = found
    assert value == pytest.approx(-0.1 * METRICS["mae"].of(preds, targets))
    assert lo < value < hi < 0
    alone = interval("mae", preds, targets)
    assert hi - lo == pytest.approx(0.1 * (alone[1] - alone[0]), rel=0.05)


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (3, 9), (12, 12), (700, 640), (0, 40)])
def test_mcnemar_equals_the_binomial_test(only_first: int, only_second: int) -> None:
    first = np.array([True] * only_first + [False] * only_second + [True, False])
    second = np.array([False] * only_first + [True] * only_second + [True, False])

    found = mcnemar(first, second)

    both = only_first + only_second
    expected = binomtest(only_first, both).pvalue if both else 1.0
    assert found == (only_first, only_second, pytest.approx(expected, rel=1e-9))


def test_few_groups_are_reported() -> None:
    assert few_groups_note(Certainty(groups=np.arange(100) % 25)) == []
    assert few_groups_note(Certainty()) == []
    (note,) = few_groups_note(Certainty(groups=np.arange(100) % 4))
    assert "4 groups" in note


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classes", "numbers", "groups"])
def test_intervals_hold_what_they_estimate(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    import interval_coverage as simulation

    make = {
        "classes": simulation.three_classes,
        "numbers": simulation.numbers,
        "groups": simulation.in_groups,
    }
    names = {
        "classes": ["accuracy", "macro_f1", "roc_auc", "average_precision"],
        "numbers": ["mae", "rmse", "r2", "median_error"],
        "groups": ["accuracy", "macro_f1", "roc_auc"],
    }[kind]

    found = simulation.coverage(make[kind], [METRICS[name] for name in names], samples=300, draws=400)

    sys.modules.pop("interval_coverage")
    assert all(0.92 <= share <= 0.98 for share in found.values()), found
