"""How a checkpoint does on a split: loss, metrics, per class, confusion matrix, predictions."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dlkit import scores
from dlkit.checkpoint import Checkpoint
from dlkit.data.batches import Batches
from dlkit.data.datasets import load_dataset
from dlkit.data.samples import Split
from dlkit.description import DataDescription
from dlkit.evaluation.curves import Curves
from dlkit.evaluation.evaluate import predict
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
        loss: Mean loss over the samples.
        metrics: Numbers by name.
        class_names: The classes; empty for regression.
        confusion: Counts, shape (K, K), rows the truth; None for regression.
        rows: Row of each sample in the stored data, shape (N,).
        targets: Class indices, shape (N,), or numbers, (N, D).
        outputs: Probabilities, shape (N, K), or predicted numbers in the target's unit, (N, D).
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
            "loss": self.loss,
            "metrics": {
                name: {"value": value, "lo": None, "hi": None} for name, value in self.metrics.items()
            },
            "per_class": self.per_class(),
            "confusion": [] if self.confusion is None else self.confusion.tolist(),
            "baselines": {},
            **of_curves,
        }

    def predictions_csv(self) -> str:
        """Give a row per sample: index, target, pred, and the probability of each class; of curves one per value."""
        if self.curves is not None:
            return self.curves.csv(self.rows)
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer, lineterminator="\n")
        if self.confusion is None:
            targets, outputs = (
                self.targets.reshape(len(self.rows), -1),
                self.outputs.reshape(len(self.rows), -1),
            )
            names = [""] if targets.shape[1] == 1 else [f"_{index}" for index in range(targets.shape[1])]
            writer.writerow(
                ["index", *(f"target{name}" for name in names), *(f"pred{name}" for name in names)]
            )
            numbers = np.concatenate([targets, outputs], axis=1)
            writer.writerows([row, *values] for row, values in zip(self.rows, numbers.tolist(), strict=True))
        else:
            names = list(self.class_names)
            writer.writerow(["index", "target", "pred", *(f"prob_{name}" for name in names)])
            preds = self.outputs.argmax(1)
            for row, target, pred, probs in zip(self.rows, self.targets, preds, self.outputs, strict=True):
                writer.writerow([row, names[target], names[pred], *(f"{prob:.6g}" for prob in probs)])
        return buffer.getvalue()


def evaluate_checkpoint(checkpoint: Checkpoint, data: str | None, split: str, device: torch.device) -> Report:
    """Evaluate a checkpoint on a split.

    Args:
        checkpoint: Network, settings and description of the data.
        data: Other data than it was trained on; None takes the same.
        split: `test`, `val`, `train` or `all`.
        device: Where to compute.

    Raises:
        DataError: The data are not here, have changed, or do not fit the network.
        CheckpointError: The network cannot be built from the checkpoint.
    """
    model = restore_model(checkpoint).to(device)
    dataset = load_dataset(
        checkpoint.config, checkpoint.description, context_in(checkpoint.weights), other=data
    )
    part = dataset.split(split)
    objective = objective_of(checkpoint.config, dataset, torch.device("cpu"))
    outputs, targets = predict(model, Batches(part, _BATCH_SIZE, device).in_order())
    loss = objective.loss(outputs, targets).item()
    classes = dataset.description.class_names
    predictions = objective.predictions(outputs).numpy()
    metrics, confusion = _scores(predictions, targets.numpy(), len(classes))
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
        rows=part.rows.numpy(),
        targets=targets.numpy(),
        outputs=predictions,
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
