"""What a record names is there, and the metrics are those of scikit-learn."""

import dataclasses
from collections.abc import Iterator
from functools import partial
from importlib import import_module

import numpy as np
import pytest
import torch

from dlkit.data.kinds import KINDS
from dlkit.metrics import METRICS, columns_of, higher_is_better, monitored
from dlkit.objectives import Objective
from dlkit.running_mean import RunningMean
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


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if "curves" not in metric.tasks])
def test_sums_over_batches_are_the_metric_of_all_samples(name: str) -> None:
    random, metric = np.random.RandomState(0), METRICS[name]
    if "classification" in metric.tasks:
        targets, preds = random.randint(0, 12, 90), random.dirichlet(np.ones(12), 90)
    else:
        targets, preds = random.normal(5, 2, (90, 1)), random.normal(5, 2, (90, 1))
    objective = Objective(
        lambda outputs, _: outputs.mean(), "none", lambda outputs, _: outputs.sum(), monitored=metric
    )
    running = RunningMean(objective, fold_every=2)

    pairs = zip(torch.from_numpy(preds).split(20), torch.from_numpy(targets).split(20), strict=True)
    for outputs, truth in pairs:
        running.add(outputs.mean(), outputs, truth)

    assert running.read_monitored() == pytest.approx(metric.of(preds, targets), rel=1e-6)


def test_fold_errors_count_what_lies_above_the_floor() -> None:
    targets, preds = np.array([[[1.0, 2.0, 0.001]]]), np.array([[[2.0, 8.0, 5.0]]])

    assert METRICS["gmfe"].of(preds, targets) == pytest.approx(8**0.5)
    assert METRICS["within_2x"].of(preds, targets) == pytest.approx(0.5)


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
