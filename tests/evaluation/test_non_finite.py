"""Outputs that are NaN or infinite are counted, and never scored as the first class or as a number."""

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import faults
from sklearn.metrics import accuracy_score, mean_absolute_error

from dlkit.evaluation.classes import Classes
from dlkit.evaluation.curves import Curves
from dlkit.evaluation.numbers import Numbers
from dlkit.evaluation.tasks import scores_of_results

NAN_NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, in_features: int, num_outputs: int):
        super().__init__()
        self.layer = nn.Linear(in_features, num_outputs)

    def forward(self, inputs):
        return self.layer(inputs) + torch.where(inputs[:, :1] > 50, float("nan"), 0.0)
"""


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_classes_are_scored_without_the_samples_that_are_not_finite(value: float) -> None:
    probs = np.array([[value, value], [0.2, 0.8], [0.9, 0.1], [0.4, value]])
    results = Classes(names=("a", "b"), targets=np.array([0, 1, 1, 0]), probs=probs)

    assert results.confusion.tolist() == [[0, 0], [1, 1]]
    assert scores_of_results(results, ["accuracy"]) == {"accuracy": 0.5}
    assert [row["support"] for row in results.per_class()] == [0, 2]
    assert [row[2] for row in results.lines([0, 1, 2, 3])][1:] == ["", "b", "a", ""]
    assert [row[3:] for row in results.lines([0, 1, 2, 3])][1] == ["", ""]


def test_numbers_and_curves_are_scored_without_them() -> None:
    preds = np.array([[1.0, 2.0], [np.nan, 0.0], [3.0, 5.0]])
    targets = np.array([[1.0, 1.0], [9.0, 9.0], [3.0, 3.0]])
    numbers = Numbers(names=("u", "v"), targets=targets, preds=preds)
    curves = Curves(
        organs=("liver",), times=np.array([0.0, 1.0]), targets=targets[:, None], preds=preds[:, None]
    )

    kept = [0, 2]
    expected = mean_absolute_error(targets[kept], preds[kept])
    assert scores_of_results(numbers, ["mae"])["mae"] == pytest.approx(expected)
    assert list(numbers.lines([0, 1, 2]))[2] == [1, 9.0, 9.0, "", 0.0]
    assert scores_of_results(curves, ["mae"])["mae"] == pytest.approx(1.5)  # of t = 1: 1 and 2
    assert [row[4] for row in curves.lines([0, 1, 2])][3:5] == ["", "0"]


def test_nothing_finite_leaves_no_scores() -> None:
    results = Classes(names=("a", "b"), targets=np.array([0, 1]), probs=np.full((2, 2), math.nan))

    assert scores_of_results(results) == {}
    assert (results.tables(), results.to_dict()) == ([], {})


def test_eval_refuses_them_and_counts_them_where_allowed(dlkit: Callable[..., Any], home: Path) -> None:
    draw = np.random.default_rng(0)
    (home / "net.py").write_text(NAN_NET)
    rows = draw.normal(size=(200, 2))
    text = [f"{a:.4f},{b:.4f},{'p' if a + b > 0 else 'q'}" for a, b in rows]
    (home / "t.csv").write_text("\n".join(["a,b,y", *text]))
    (home / "new.csv").write_text("\n".join(["a,b,y", "900,1,p", *text[:20], "900,1,p"]))
    own = ("--model", "net.py:Net")
    made = dlkit("train", "net.py:Net", "--data", "t.csv", "--target", "y", "--epochs", "1", "--out", "r")
    assert made.code == 0, made.stderr
    words = ("eval", "r", *own, "--data", "new.csv", "--predict", "p.csv")

    refused = dlkit(*words)
    assert (refused.code, refused.stdout, Path("p.csv").exists()) == (1, "", False)
    ((message, hint),) = faults(refused.stderr)
    assert "2 of 22 samples, the first at index 0" in message
    assert "--allow-nan" in hint
    assert dlkit("eval", "r", *own).code == 0

    allowed = dlkit(*words, "--allow-nan", "--json")
    found = json.loads(allowed.stdout)
    with Path("p.csv").open(newline="") as file:
        predicted = list(csv.DictReader(file))
    assert (allowed.code, found["n"], found["non_finite"]) == (0, 22, 2)
    assert "2 of 22" in allowed.stderr
    assert [row["pred"] for row in predicted if not row["pred"]] == ["", ""]
    scored = [row for row in predicted if row["pred"]]
    truth, preds = [row["target"] for row in scored], [row["pred"] for row in scored]
    assert found["metrics"]["accuracy"]["value"] == pytest.approx(accuracy_score(truth, preds))
    assert math.isfinite(found["loss"])
    assert [sum(row) for row in found["confusion"]] == [truth.count("p"), truth.count("q")]
    several = dlkit("eval", "r", "r", *own, "--data", "new.csv", "--allow-nan", "--json")
    assert "difference" not in several.stdout


def test_a_thousand_classes_have_a_matrix_and_more_have_none() -> None:
    for count, there in ((1000, True), (1001, False)):
        targets = np.arange(count)
        probs = np.zeros((count, count), dtype=np.float32)
        probs[targets, np.roll(targets, 1)] = 1
        probs[:2] = np.roll(probs[:2], 1, axis=1)  # the first two are right

        results = Classes(names=tuple(map(str, range(count))), targets=targets, probs=probs)

        assert len(results.tables()) == 1 + 2 * there, "a matrix, and the pairs most confused"
        assert bool(results.to_dict()["confusion"]) == bool(not results.note) == there
        assert [row["recall"] for row in results.per_class()][:4] == [1.0, 1.0, 0.0, 0.0]
