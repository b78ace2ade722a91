"""Where a network fails: by group, by sample, and against each column."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import kruskal, spearmanr

from dlkit.data.dataset import DataSet, TensorSplit
from dlkit.data.tables.table import table_of
from dlkit.errors import ConfigError, DataError
from dlkit.evaluation.certainty.intervals import Certainty
from dlkit.evaluation.classes import Classes
from dlkit.evaluation.failures.by import metrics_by
from dlkit.evaluation.failures.residuals import residuals_by_column
from dlkit.evaluation.failures.worst import worst_samples
from dlkit.evaluation.numbers import Numbers
from dlkit.files.description import DataDescription
from dlkit.metrics import METRICS, wilson

RANDOM = np.random.default_rng(0)
COUNT = 200
TARGETS = RANDOM.integers(3, size=COUNT)
PROBS = RANDOM.dirichlet([1, 1, 1], COUNT) * 0.4 + np.eye(3)[TARGETS] * 0.6 * (
    RANDOM.random((COUNT, 1)) < 0.8
)
PROBS /= PROBS.sum(1, keepdims=True)
CLASSES = Classes(names=("a", "b", "c"), targets=TARGETS, probs=PROBS)
SIZE = RANDOM.normal(size=COUNT)
SIZE[:10] = np.nan
TEXTS = RANDOM.choice(np.array(["x", "y", None], dtype=object), COUNT)
TABLE = table_of(
    "t.csv",
    {
        "text": TEXTS,
        "size": SIZE,
        "few": np.arange(COUNT) % 4.0,
        "name": np.arange(COUNT).astype(str).astype(object),
    },
)
MEASURED = [METRICS["accuracy"], METRICS["macro_f1"]]
ROWS = np.arange(COUNT)


def dataset(table: object = TABLE) -> DataSet:
    about = DataDescription(name="toys", task="classification", input_shape=(1,), split_sizes={})
    split = TensorSplit(torch.zeros(COUNT, 1), torch.from_numpy(TARGETS), torch.arange(COUNT), None)
    return DataSet(about, {"test": split}, table=table)


def by(column: str, results: object = CLASSES, table: object = TABLE) -> list[dict]:
    return metrics_by(column, dataset(table), ROWS, results, MEASURED, Certainty()).to_dicts()


def test_parts_are_the_texts_of_a_column_with_their_metrics_and_intervals() -> None:
    found = by("text")

    assert [row["text"] for row in found] == ["(missing)", "x", "y"]
    right = PROBS.argmax(1) == TARGETS
    member = np.array([text == "x" for text in TEXTS])
    assert found[1]["n"] == member.sum()
    assert found[1]["accuracy"] == pytest.approx(right[member].mean())
    assert (found[1]["accuracy_lo"], found[1]["accuracy_hi"]) == pytest.approx(
        wilson(right[member].mean(), member.sum())
    )
    assert found[1]["macro_f1"] == pytest.approx(METRICS["macro_f1"].of(PROBS[member], TARGETS[member]))


def test_parts_of_many_numbers_are_fifths_and_missing_ones() -> None:
    found = by("size")

    assert [row["n"] for row in found] == [38] * 5 + [10]
    edges = np.quantile(SIZE[10:], [0, 0.2])
    assert found[0]["size"] == f"{edges[0]:.4g} to {edges[1]:.4g}"
    assert found[-1]["size"] == "(missing)"
    assert [row["few"] for row in by("few")] == ["0", "1", "2", "3"]


def test_parts_by_class_have_what_is_a_mean_over_samples() -> None:
    found = by("class")

    assert [row["class"] for row in found] == ["a", "b", "c"]
    of_b = TARGETS == 1
    assert found[1]["accuracy"] == pytest.approx((PROBS[of_b].argmax(1) == 1).mean())
    assert found[1]["log_loss"] == pytest.approx(-np.log(PROBS[of_b, 1]).mean(), rel=1e-5)
    assert "macro_f1" not in found[0]


@pytest.mark.parametrize(
    ("column", "table", "error"),
    [("sice", TABLE, ConfigError), ("text", None, ConfigError), ("name", TABLE, DataError)],
)
def test_columns_that_tell_no_parts_apart_are_refused(column: str, table: object, error: type) -> None:
    with pytest.raises(error) as caught:
        by(column, table=table)

    assert f"--by {column}" in caught.value.message
    if column == "sice":
        assert "size" in caught.value.hint


def test_worst_samples_of_classes_are_those_of_the_largest_loss() -> None:
    targets = TARGETS.copy()
    targets[5] = -1
    results = Classes(names=CLASSES.names, targets=targets, probs=PROBS)

    section, which = worst_samples(
        4, results, np.flatnonzero(targets >= 0), [f"row {i}" for i in range(COUNT)]
    )

    losses = -np.log(PROBS[ROWS, TARGETS])
    losses[5] = -math.inf
    assert which.tolist() == np.argsort(-losses)[:4].tolist()
    first = section.to_dicts()[0]
    assert (first["rank"], first["index"]) == (1, f"row {which[0]}")
    assert first["loss"] == pytest.approx(losses.max())
    assert (first["target"], first["pred"]) == ("abc"[TARGETS[which[0]]], "abc"[PROBS[which[0]].argmax()])


def test_worst_samples_of_numbers_are_those_of_the_largest_error() -> None:
    targets = RANDOM.normal(size=(50, 2))
    preds = targets + RANDOM.normal(size=(50, 2))
    results = Numbers(names=("u", "v"), targets=targets, preds=preds, half=np.ones((50, 2)), level=0.9)

    section, which = worst_samples(3, results, np.arange(50), range(50))

    errors = np.abs(preds - targets).mean(1)
    assert which.tolist() == np.argsort(-errors)[:3].tolist()
    assert section.columns == ["rank", "index", "target_u", "target_v", "pred_u", "pred_v", "error"]
    assert section.rows[0][-1] == pytest.approx(errors.max())


def test_confused_pairs_are_counted_from_the_confusion_matrix() -> None:
    found = CLASSES.confused()

    first = found[0]
    true, pred = "abc".index(first["true"]), "abc".index(first["predicted"])
    mistakes = (true == TARGETS) & (PROBS.argmax(1) == pred)
    assert first["count"] == mistakes.sum() == max(pair["count"] for pair in found)
    assert first["share"] == pytest.approx(mistakes.sum() / (true == TARGETS).sum())
    assert Classes(names=("a", "b"), targets=TARGETS % 2, probs=PROBS[:, :2]).confused() == []


def test_residuals_go_with_columns_as_scipy_says() -> None:
    targets = RANDOM.normal(size=(COUNT, 1))
    x_or_y = np.array([{"x": 0.0, "y": 1.5}.get(text, 0.0) for text in TEXTS])
    preds = targets + 0.8 * np.nan_to_num(SIZE)[:, None] + x_or_y[:, None]
    results = Numbers(names=("size of it",), targets=targets, preds=preds)

    section = residuals_by_column(TABLE, ROWS, results)

    found = {row["column"]: row for row in section.to_dicts()}
    assert set(found) == {"text", "size", "few"}, "a text that is of one row alone says nothing"
    residuals = (preds - targets)[:, 0]
    expected = spearmanr(SIZE[10:], residuals[10:])
    assert found["size"]["residual"] == pytest.approx(expected.statistic)
    assert found["few"]["p"] == pytest.approx(spearmanr(ROWS % 4, residuals).pvalue, abs=0.01)
    codes = TABLE.codes("text")
    between = kruskal(*(residuals[codes == code] for code in np.unique(codes)))
    assert found["text"]["residual"] == pytest.approx(math.sqrt(between.statistic / (COUNT - 1)))
    assert found["text"]["p"] == pytest.approx(between.pvalue)
    assert section.shown == 2
    assert {row["column"] for row in section.to_dicts()[:2]} == {"size", "text"}
