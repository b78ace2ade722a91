"""What a record names is there, and the metrics are those of scikit-learn."""

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn_metrics

from dlkit.data.kinds import KINDS
from dlkit.metrics import METRICS, columns_of, higher_is_better, monitored
from dlkit.settings.models import MODELS
from dlkit.settings.optimizers import OPTIMIZERS


def named_functions() -> Iterator[tuple[str, str]]:
    for record in (*MODELS.values(), *KINDS.values(), *OPTIMIZERS.values()):
        for field in dataclasses.fields(record):
            value = getattr(record, field.name)
            function = value.func if isinstance(value, partial) else value
            place = getattr(function, "__doc__", None) or ""
            if callable(function) and place.startswith("dlkit.") and ":" in place:
                yield f"{record.name}.{field.name}", place


@pytest.mark.parametrize(("field", "place"), [*named_functions()], ids=lambda value: value)
def test_every_function_that_a_record_names_is_there(field: str, place: str) -> None:
    module, _, name = place.partition(":")

    assert callable(getattr(import_module(module), name)), field


REFERENCES: dict[str, Callable[[np.ndarray, np.ndarray], Any]] = {
    "accuracy": sklearn_metrics.accuracy_score,
    "macro_f1": partial(sklearn_metrics.f1_score, average="macro"),
    "balanced_accuracy": sklearn_metrics.balanced_accuracy_score,
    "mae": sklearn_metrics.mean_absolute_error,
    "rmse": sklearn_metrics.root_mean_squared_error,
    "r2": sklearn_metrics.r2_score,
}


@pytest.mark.parametrize("name", REFERENCES)
def test_sums_over_batches_are_the_metric_of_all_samples(name: str) -> None:
    random, metric = np.random.RandomState(0), METRICS[name]
    if "classification" in metric.tasks:
        targets, preds = random.randint(0, 3, 90), random.uniform(size=(90, 3))
        expected = REFERENCES[name](targets, preds.argmax(1))
    else:
        targets, preds = random.normal(5, 2, (90, 1)), random.normal(5, 2, (90, 1))
        expected = REFERENCES[name](targets, preds)

    pairs = zip(torch.from_numpy(preds).split(40), torch.from_numpy(targets).split(40), strict=True)
    sums = sum(metric.sums(*pair).reshape(-1).double() for pair in pairs)

    assert metric.value(sums.numpy(), 90) == pytest.approx(expected)
    assert metric.of(preds, targets) == pytest.approx(expected)


def test_fold_errors_count_what_lies_above_the_floor() -> None:
    targets, preds = torch.tensor([[[1.0, 2.0, 0.001]]]), torch.tensor([[[2.0, 8.0, 5.0]]])

    sums = METRICS["gmfe"].sums(preds, targets).numpy()

    assert METRICS["gmfe"].value(sums, 1) == pytest.approx(8**0.5)
    assert METRICS["within_2x"].value(sums, 1) == pytest.approx(0.5)


def test_directions_and_columns_follow_the_list() -> None:
    assert [higher_is_better(name) for name in ("val_loss", "val_accuracy", "train_r2", "val_rmse")] == [
        False,
        True,
        True,
        False,
    ]
    assert columns_of("regression")[:3] == ["val_loss", "val_mae", "val_rmse"]
    assert monitored("val_mae", "regression") is None
    assert monitored("val_r2", "regression") is METRICS["r2"]
