"""How a checkpoint does on a split: loss, scores as the kind of data has them, and predictions."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dlkit.data.batches import Batches
from dlkit.data.dataset import DataSet
from dlkit.data.kinds import kind_of, load_dataset
from dlkit.errors import ConfigError
from dlkit.evaluation.evaluate import predict, predict_draws
from dlkit.evaluation.objective import objective_of
from dlkit.evaluation.tasks import Outputs, Results, results_of, scores_of_results
from dlkit.files.checkpoint import Checkpoint
from dlkit.metrics import known, number
from dlkit.models.build import restore_model
from dlkit.models.context import context_in
from dlkit.objectives import Objective

_BATCH_SIZE = 256


@dataclass(frozen=True, kw_only=True)
class Report:
    """How one checkpoint does on one split.

    Args:
        checkpoint: Its file.
        data: The data set.
        split: Which part of it.
        loss: Mean loss over the samples whose target is known; NaN where none is.
        metrics: Numbers by name; empty where no target is known.
        places: One a sample: its row in the stored data, or its file.
        results: Targets and outputs, with what its kind of data has to tell.
        notes: Messages for the user of the data.
        baselines: Metrics of simpler methods by their name.
    """

    checkpoint: Path
    data: str
    split: str
    loss: float
    metrics: Mapping[str, float]
    places: Sequence[int | str]
    results: Results
    notes: Sequence[str] = ()
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return all but the predictions as JSON values."""
        return {
            "checkpoint": str(self.checkpoint),
            "data": self.data,
            "split": self.split,
            "n": len(self.places),
            "loss": number(self.loss),
            "metrics": {
                name: {"value": value, "lo": None, "hi": None} for name, value in self.metrics.items()
            },
            "per_class": [],
            "confusion": [],
            "baselines": self.baselines,
            **self.results.to_dict(),
        }

    def predictions_csv(self) -> str:
        """Return the predictions as the kind of data has them: a line a sample, or a line a value."""
        buffer = io.StringIO(newline="")
        csv.writer(buffer, lineterminator="\n").writerows(self.results.lines(self.places))
        return buffer.getvalue()


def evaluate_checkpoint(
    checkpoint: Checkpoint,
    data: str | None,
    split: str,
    device: torch.device,
    *,
    draws: int | None = None,
    baselines: bool = False,
    names: Sequence[str] | None = None,
) -> Report:
    """Evaluate a checkpoint on a split.

    Args:
        checkpoint: Network, settings and description of the data.
        data: Other data than it was trained on; None takes the same.
        split: `test`, `val`, `train` or `all`.
        device: Where to compute.
        draws: Random draws of neighbours to predict the mean of, for points; None takes the nearest.
        baselines: Score simpler methods on the same samples, for tables and points.
        names: The metrics to report; None takes those that the task reports by default.

    Raises:
        DataError: The data are not here, have changed, or do not fit the network.
        CheckpointError: The network cannot be built from the checkpoint.
        ConfigError: Metrics, draws or baselines are asked for of data that have none.
    """
    model = restore_model(checkpoint, device)
    dataset = load_dataset(
        checkpoint.config, checkpoint.description, context_in(checkpoint.weights), other=data
    )
    part = dataset.split(split)
    objective = objective_of(checkpoint.config, dataset, torch.device("cpu"))
    _check_asked(dataset, draws=draws, baselines=baselines)
    outputs, targets = predict(model, Batches(part, _BATCH_SIZE, device).in_order())
    spread = None
    drawings = kind_of(dataset).drawings
    if draws is not None and drawings is not None:
        each = predict_draws(model, [Batches(one, _BATCH_SIZE, device) for one in drawings(part, draws)])
        outputs, spread = each.mean(0), objective.predictions(each).std(0, correction=0).numpy()
    preds = objective.predictions(outputs).numpy()
    results = results_of(
        Outputs(dataset=dataset, split=part, targets=targets.numpy(), preds=preds, spread=spread)
    )
    return Report(
        checkpoint=checkpoint.path,
        data=dataset.description.name,
        split=split,
        loss=_loss(objective, outputs, targets),
        metrics=scores_of_results(results, names),
        places=dataset.places(split),
        results=results,
        notes=dataset.notes,
        baselines=_baselines(dataset, split, checkpoint.config.seed) if baselines else {},
    )


def _loss(objective: Objective, outputs: Tensor, targets: Tensor) -> float:
    """Return the mean loss over the samples whose target is known; NaN where none is."""
    there = torch.from_numpy(known(targets.numpy()))
    return objective.loss(outputs[there], targets[there]).item() if there.any() else math.nan


def _check_asked(dataset: DataSet, *, draws: int | None, baselines: bool) -> None:
    kind, name = kind_of(dataset), dataset.description.name
    if draws is not None and kind.drawings is None:
        raise ConfigError(f"--draws {draws} is for points; {name} has none", "leave it out")
    if baselines and kind.baselines is None:
        raise ConfigError(f"--baselines is for tables and points; {name} has none", "leave it out")


def _baselines(dataset: DataSet, split: str, seed: int) -> Mapping[str, Mapping[str, float]]:
    """Score simpler methods on the samples whose target is known."""
    score = kind_of(dataset).baselines
    assert score is not None, "it was checked"
    return score(dataset, split, seed)
