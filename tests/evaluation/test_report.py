"""How a checkpoint does on a split."""

import csv
import dataclasses
import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics

from dlkit.data.builtin.digits import load_digits
from dlkit.data.prepared import write_prepared
from dlkit.errors import DataError
from dlkit.evaluation.classes import Classes
from dlkit.evaluation.numbers import Numbers
from dlkit.evaluation.report import Report
from dlkit.evaluation.run_evaluation import evaluate_checkpoint
from dlkit.evaluation.tasks import scores_of_results
from dlkit.files.checkpoint import Checkpoint, load_checkpoint
from dlkit.files.history import read_history
from dlkit.files.run_dir import RunDir
from dlkit.models.build import restore_model
from dlkit.settings.eval_config import EvalConfig
from dlkit.settings.resolve import resolve
from dlkit.training.run import start_run

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def checkpoint(trained_run: Path) -> Checkpoint:
    return load_checkpoint(trained_run)


@pytest.fixture(scope="module")
def report(checkpoint: Checkpoint) -> Report:
    return evaluate_checkpoint(checkpoint, EvalConfig(), CPU)


def make_report(results: Classes | Numbers) -> Report:
    """Four samples."""
    return Report(
        checkpoint=Path("best.safetensors"),
        data="toys",
        split="test",
        loss=0.5,
        metrics=scores_of_results(results),
        places=[4, 5, 8, 9],
        results=results,
    )


ANIMALS = Classes(
    names=("cat", "dog", "eel"),
    targets=np.array([0, 0, 0, 1]),
    probs=np.array([[0.9, 0.1, 0.0], [0.75, 0.25, 0.0], [0.4, 0.6, 0.0], [0.1, 0.9, 0.0]]),
)
"""Three classes, the last missing from the truth and from the predictions."""


def test_scores_equal_scikit_learns(report: Report) -> None:
    results = report.results
    preds, targets = results.probs.argmax(1), results.targets

    assert report.metrics["accuracy"] == pytest.approx(metrics.accuracy_score(targets, preds))
    assert report.metrics["macro_f1"] == pytest.approx(metrics.f1_score(targets, preds, average="macro"))
    assert (results.confusion == metrics.confusion_matrix(targets, preds)).all()
    probs = results.probs / results.probs.sum(1, keepdims=True, dtype=float)
    assert report.loss == pytest.approx(metrics.log_loss(targets, probs), rel=1e-4)
    reference = metrics.precision_recall_fscore_support(targets, preds)
    for row, *values in zip(results.per_class(), *reference, strict=True):
        assert [row[name] for name in ("precision", "recall", "f1", "support")] == pytest.approx(values)


def test_rows_are_those_of_the_split(report: Report) -> None:
    stored, classes = load_digits().parts["all"]

    assert len(report.places) == 180
    assert report.places[:5] == [18, 19, 38, 43, 44]
    assert (classes[report.places].numpy() == report.results.targets).all()


def test_outputs_are_probabilities_of_the_stored_network(checkpoint: Checkpoint, report: Report) -> None:
    stored, _ = load_digits().parts["all"]
    norm = checkpoint.description.normalisation
    inputs = (stored[report.places] / norm.scale - norm.mean[0]) / norm.std[0]

    with torch.no_grad():
        probs = restore_model(checkpoint).eval()(inputs).softmax(1)

    np.testing.assert_allclose(report.results.probs, probs.numpy(), atol=1e-5)


def test_validation_scores_are_those_of_the_history(checkpoint: Checkpoint, trained_run: Path) -> None:
    found = evaluate_checkpoint(checkpoint, EvalConfig(split="val"), CPU)

    history = read_history(RunDir(trained_run).history)
    row = history.best_row()
    assert found.loss == pytest.approx(history.columns["val_loss"][row], rel=1e-5)
    assert found.metrics["accuracy"] == pytest.approx(history.columns["val_accuracy"][row])


@pytest.mark.parametrize(
    "settings",
    [{"label_smoothing": 0.2}, {"target_weights": "3=5"}, {"balance": "loss", "loss": "bce"}],
    ids=["smoothing", "weights", "balance"],
)
def test_the_loss_is_the_one_that_was_trained_with(settings: dict[str, Any], tmp_path: Path) -> None:
    run = start_run(resolve({"model": "mlp", "epochs": 1, "plot": False, **settings}, {}), tmp_path / "run")
    for _ in run:
        pass

    found = evaluate_checkpoint(load_checkpoint(run.dir.best), EvalConfig(split="val"), CPU)

    assert found.loss == pytest.approx(read_history(run.dir.history).columns["val_loss"][0], rel=1e-5)


@pytest.mark.parametrize(("split", "count"), [("train", 1455), ("val", 162), ("test", 180), ("all", 1797)])
def test_every_split_can_be_evaluated(checkpoint: Checkpoint, split: str, count: int) -> None:
    found = evaluate_checkpoint(checkpoint, EvalConfig(split=split), CPU)

    assert found.results.confusion.sum() == len(found.places) == count


def test_json_has_the_promised_shape(report: Report, trained_run: Path) -> None:
    found = report.to_dict()

    assert list(found) == [
        *("checkpoint", "data", "split", "n", "loss"),
        *("metrics", "per_class", "confusion", "baselines", "confused"),
    ]
    assert found["checkpoint"] == str(trained_run / "best.safetensors")
    assert (found["data"], found["split"], found["n"]) == ("digits", "test", 180)
    assert found["metrics"]["accuracy"] == dict(
        zip(("value", "lo", "hi"), (report.metrics["accuracy"], *report.intervals["accuracy"]), strict=True)
    )
    assert list(found["per_class"][0]) == ["class", "precision", "recall", "f1", "support"]
    assert np.array(found["confusion"]).shape == (10, 10)
    assert found["baselines"] == {}
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_class_that_is_missing_has_no_scores() -> None:
    rows = ANIMALS.per_class()

    assert rows == [
        {"class": "cat", "precision": 1.0, "recall": 2 / 3, "f1": 4 / 5, "support": 3},
        {"class": "dog", "precision": 1 / 2, "recall": 1.0, "f1": 2 / 3, "support": 1},
        {"class": "eel", "precision": None, "recall": None, "f1": None, "support": 0},
    ]


def test_predictions_are_a_row_a_sample() -> None:
    text = "".join(make_report(ANIMALS).predictions_csv())

    assert text.splitlines() == [
        "index,target,pred,prob_cat,prob_dog,prob_eel",
        "4,cat,cat,0.9,0.1,0",
        "5,cat,cat,0.75,0.25,0",
        "8,cat,dog,0.4,0.6,0",
        "9,dog,dog,0.1,0.9,0",
    ]
    assert text.endswith("0\n")


@pytest.mark.parametrize(
    ("width", "header"),
    [(1, "index,target,pred"), (2, "index,target_0,target_1,pred_0,pred_1")],
    ids=["one-number", "two-numbers"],
)
def test_predictions_of_numbers(width: int, header: str) -> None:
    targets, outputs = np.arange(4.0).repeat(width).reshape(4, width), np.full((4, width), 0.5)

    text = "".join(make_report(Numbers(names=(), targets=targets, preds=outputs)).predictions_csv())

    lines = list(csv.reader(io.StringIO(text)))
    assert ",".join(lines[0]) == header
    assert lines[2] == ["5", *["1.0"] * width, *["0.5"] * width]


def test_numbers_have_no_classes() -> None:
    found = make_report(Numbers(names=(), targets=np.arange(4.0), preds=np.zeros(4))).to_dict()

    assert found["per_class"] == []
    assert found["confusion"] == []


def write_mnist(samples: int = 50, size: int = 28, classes: int = 10) -> None:
    parts = {
        name: (
            torch.randint(256, (samples, 1, size, size), dtype=torch.uint8),
            torch.arange(samples) % classes,
        )
        for name in ("train", "test")
    }
    write_prepared("mnist", parts)


def test_other_data_are_normalised_as_the_checkpoint_says(checkpoint: Checkpoint, home: Path) -> None:
    write_mnist(size=8)

    found = evaluate_checkpoint(checkpoint, EvalConfig(data="mnist", split="all"), CPU)

    assert found.data == "mnist"
    assert len(found.places) == 100
    assert math.isfinite(found.loss)


def test_other_data_of_another_shape_are_refused(checkpoint: Checkpoint, home: Path) -> None:
    write_mnist()

    with pytest.raises(DataError) as caught:
        evaluate_checkpoint(checkpoint, EvalConfig(data="mnist", split="test"), CPU)

    assert "--data mnist has samples of shape (1, 28, 28) and 10 outputs" in caught.value.message
    assert "takes (1, 8, 8) and gives 10" in caught.value.message
    assert caught.value.hint == "it was trained on digits"


def test_the_data_trained_on_can_be_named(checkpoint: Checkpoint, report: Report) -> None:
    assert (
        evaluate_checkpoint(checkpoint, EvalConfig(data="digits", split="test"), CPU).to_dict()
        == report.to_dict()
    )


def test_changed_data_are_refused_unless_they_are_named(checkpoint: Checkpoint) -> None:
    stale = dataclasses.replace(
        checkpoint, description=dataclasses.replace(checkpoint.description, fingerprint="old")
    )

    with pytest.raises(DataError) as caught:
        evaluate_checkpoint(stale, EvalConfig(), CPU)
    assert "--data digits has changed since the checkpoint was trained on it" in caught.value.message
    assert caught.value.hint == "name it with --data to evaluate on its present content"

    found = evaluate_checkpoint(stale, EvalConfig(data="digits", split="test"), CPU)
    assert len(found.places) == 1797
    assert found.notes == ["every sample is evaluated: the data are not those trained on"]


def test_other_data_are_weighed_by_the_classes_trained_on(tmp_path: Path) -> None:
    config = resolve({"model": "mlp", "epochs": 1, "plot": False, "balance": "loss"}, {})
    run = start_run(config, tmp_path / "run")
    for _ in run:
        pass
    checkpoint = load_checkpoint(run.dir.best)
    same = evaluate_checkpoint(checkpoint, EvalConfig(), CPU)

    images, targets = (array.numpy() for array in load_digits().parts["all"])
    np.savez(tmp_path / "new.npz", x=images[same.places], y=targets[same.places])
    other = evaluate_checkpoint(checkpoint, EvalConfig(data=str(tmp_path / "new.npz"), split="test"), CPU)

    assert other.loss == pytest.approx(same.loss, rel=1e-5)


def test_predictions_come_in_parts_that_join_without_a_gap(tmp_path: Path) -> None:
    values = np.arange(25_000.0)
    report = make_report(Numbers(names=(), targets=values, preds=values))
    report = replace(report, places=range(25_000))

    parts = list(report.predictions_csv())
    report.write_predictions(tmp_path / "p.csv")

    assert len(parts) == 3
    lines = "".join(parts).splitlines()
    assert lines[0] == "index,target,pred"
    assert [line.partition(",")[0] for line in lines[1:]] == [str(row) for row in range(25_000)]
    assert (tmp_path / "p.csv").read_text().splitlines() == lines
