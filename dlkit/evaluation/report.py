"""How a checkpoint does on a split: loss, metrics, per class, confusion matrix, predictions."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlkit import scores
from dlkit.checkpoint import Checkpoint
from dlkit.data.batches import Batches
from dlkit.data.datasets import load_dataset
from dlkit.data.samples import DataSet, Split
from dlkit.data.spatial_split import SpatialSplit
from dlkit.description import DataDescription
from dlkit.errors import ConfigError
from dlkit.evaluation.curves import Curves
from dlkit.evaluation.evaluate import predict, predict_draws
from dlkit.evaluation.objective import objective_of
from dlkit.models.build import restore_model
from dlkit.models.context import context_in

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
        class_names: The classes; empty for regression.
        confusion: Counts, shape (K, K), rows the truth; None for regression, and where no target is known.
        rows: Row of each sample in the stored data, or its file, shape (N,).
        targets: Class indices, shape (N,), -1 where not known; or numbers, (N, D), NaN where not known.
        outputs: Probabilities, shape (N, K), or predicted numbers in the target's unit, (N, D).
        target_names: One name an output; may be empty.
        notes: What the user should be told of the data.
        spread: Standard deviation of the outputs over random draws, the shape of `outputs`; None without draws.
        baselines: Metrics of simpler methods by their name.
        curves: Concentration curves with their times; None for other data.
    """

    checkpoint: Path
    data: str
    split: str
    loss: float
    metrics: dict[str, float]
    class_names: Sequence[str]
    confusion: np.ndarray | None
    rows: np.ndarray
    targets: np.ndarray
    outputs: np.ndarray
    target_names: Sequence[str] = ()
    notes: Sequence[str] = ()
    spread: np.ndarray | None = None
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    curves: Curves | None = None

    def per_class(self) -> list[dict[str, Any]]:
        """Give precision, recall, F1 and support of each class; None where there is nothing to divide by."""
        if self.confusion is None:
            return []
        columns = scores.per_class(self.confusion)
        return [
            {
                "class": name,
                **{key: _number(values[index]) for key, values in columns.items() if key != "support"},
                "support": int(columns["support"][index]),
            }
            for index, name in enumerate(self.class_names)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Give all but the predictions as JSON values."""
        of_curves: dict[str, Any] = {}
        if self.curves is not None:
            of_curves = {"per_organ": self.curves.per_organ(), "floor": scores.FLOOR}
        return {
            "checkpoint": str(self.checkpoint),
            "data": self.data,
            "split": self.split,
            "n": len(self.rows),
            "loss": _number(self.loss),
            "metrics": {
                name: {"value": value, "lo": None, "hi": None} for name, value in self.metrics.items()
            },
            "per_class": self.per_class(),
            "confusion": [] if self.confusion is None else self.confusion.tolist(),
            "baselines": self.baselines,
            **of_curves,
        }

    def predictions_csv(self) -> str:
        """Give a row per sample: index, target, pred, and the probability of each class; of curves one per value."""
        if self.curves is not None:
            return self.curves.csv(self.rows)
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer, lineterminator="\n")
        if not self.class_names:
            targets, outputs = (
                self.targets.reshape(len(self.rows), -1),
                self.outputs.reshape(len(self.rows), -1),
            )
            names = self._column_names(targets.shape[1])
            header = [*(f"target{name}" for name in names), *(f"pred{name}" for name in names)]
            columns = [targets, outputs]
            if self.spread is not None:
                header += [f"sd{name}" for name in names]
                columns.append(self.spread.reshape(len(self.rows), -1))
            writer.writerow(["index", *header])
            for row, values in zip(self.rows, np.concatenate(columns, axis=1), strict=True):
                writer.writerow([row, *("" if math.isnan(value) else value for value in values)])
        else:
            names = [*self.class_names, ""]  # -1, a target that is not known, is the last
            writer.writerow(["index", "target", "pred", *(f"prob_{name}" for name in names[:-1])])
            preds = self.outputs.argmax(1)
            for row, target, pred, probs in zip(self.rows, self.targets, preds, self.outputs, strict=True):
                writer.writerow([row, names[target], names[pred], *(f"{prob:.6g}" for prob in probs)])
        return buffer.getvalue()

    def _column_names(self, count: int) -> list[str]:
        """Give what tells the columns of so many outputs apart."""
        if count == 1:
            return [""]
        names = self.target_names if len(self.target_names) == count else range(count)
        return [f"_{name}" for name in names]


def evaluate_checkpoint(
    checkpoint: Checkpoint,
    data: str | None,
    split: str,
    device: torch.device,
    *,
    draws: int | None = None,
    baselines: bool = False,
) -> Report:
    """Evaluate a checkpoint on a split.

    Args:
        checkpoint: Network, settings and description of the data.
        data: Other data than it was trained on; None takes the same.
        split: `test`, `val`, `train` or `all`.
        device: Where to compute.
        draws: Random draws of neighbours to predict the mean of, for points; None takes the nearest.
        baselines: Score simpler methods on the same samples, for tables and points.

    Raises:
        DataError: The data are not here, have changed, or do not fit the network.
        CheckpointError: The network cannot be built from the checkpoint.
        ConfigError: Draws or baselines are asked for of data that have none.
    """
    model = restore_model(checkpoint).to(device)
    dataset = load_dataset(
        checkpoint.config, checkpoint.description, context_in(checkpoint.weights), other=data
    )
    part = dataset.split(split)
    objective = objective_of(checkpoint.config, dataset, torch.device("cpu"))
    _check_asked(dataset, draws=draws, baselines=baselines)
    outputs, targets = predict(model, Batches(part, _BATCH_SIZE, device).in_order())
    spread = None
    if draws is not None and isinstance(part, SpatialSplit):
        drawn = [Batches(part.with_drawing(number), _BATCH_SIZE, device) for number in range(draws)]
        each = predict_draws(model, drawn)
        outputs, spread = each.mean(0), objective.predictions(each).std(0, correction=0).numpy()
    classes = dataset.description.class_names
    predictions = objective.predictions(outputs).numpy()
    known = _known(targets)
    loss = math.nan
    metrics: dict[str, float] = {}
    confusion = None
    if known.any():
        loss = objective.loss(outputs[known], targets[known]).item()
        metrics, confusion = _scores(predictions[known.numpy()], targets[known].numpy(), len(classes))
    simpler = {}
    if baselines:
        simpler = _baselines(dataset, split, checkpoint.config.seed, targets.numpy(), known.numpy())
    curves = _curves(part, dataset.description, targets.numpy(), predictions)
    if curves is not None:
        metrics = curves.scores()
    return Report(
        checkpoint=checkpoint.path,
        data=dataset.description.name,
        split=split,
        loss=loss,
        metrics=metrics,
        class_names=classes,
        confusion=confusion,
        rows=np.array(dataset.places(split)),
        targets=targets.numpy(),
        outputs=predictions,
        target_names=dataset.description.target_names,
        notes=dataset.notes,
        spread=spread,
        baselines=simpler,
        curves=curves,
    )


def _curves(
    part: Split, description: DataDescription, targets: np.ndarray, preds: np.ndarray
) -> Curves | None:
    """Give concentration curves with their times; None for other data."""
    if description.kind != "pbpk":
        return None
    inputs, _ = part.batch(part.rows[:1], torch.device("cpu"))
    assert not isinstance(inputs, torch.Tensor), "the times are one of several inputs"
    times = inputs["times"][0].numpy()
    return Curves(organs=description.target_names, times=times, targets=targets, preds=preds)


def _check_asked(dataset: DataSet, *, draws: int | None, baselines: bool) -> None:
    about = dataset.description
    if draws is not None and about.kind != "spatial":
        raise ConfigError(f"--draws {draws} is for points; {about.name} has none", "leave it out")
    if baselines and about.kind not in ("spatial", "table"):
        raise ConfigError(f"--baselines is for tables and points; {about.name} has none", "leave it out")


def _baselines(
    dataset: DataSet, split: str, seed: int, targets: np.ndarray, known: np.ndarray
) -> dict[str, dict[str, float]]:
    """Score simpler methods on the samples whose target is known."""
    if dataset.description.kind == "spatial":
        from dlkit.evaluation.spatial_baselines import spatial_baselines

        return spatial_baselines(dataset, split)
    from dlkit.evaluation.table_baselines import table_baselines

    classes = len(dataset.description.class_names)
    return {
        method: _scores(outputs[known], targets[known], classes)[0]
        for method, outputs in table_baselines(dataset, split, seed).items()
        if known.any()
    }


def _known(targets: Tensor) -> Tensor:
    """Tell which samples have a target, shape (N,), bool."""
    if targets.is_floating_point():
        return ~targets.reshape(len(targets), -1).isnan().any(1)
    return targets >= 0


def _scores(
    outputs: np.ndarray, targets: np.ndarray, num_classes: int
) -> tuple[dict[str, float], np.ndarray | None]:
    if not num_classes:
        return scores.regression_scores(outputs, targets.reshape(outputs.shape)), None
    confusion = scores.confusion_matrix(outputs.argmax(1), targets, num_classes)
    f1 = scores.per_class(confusion)["f1"]
    return {"accuracy": scores.accuracy(confusion), "macro_f1": float(np.nanmean(f1))}, confusion


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
