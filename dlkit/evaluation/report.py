"""How a checkpoint does on a split: loss, scores as the kind of data has them, and predictions."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlkit.data.batches import Batches
from dlkit.data.dataset import DataSet
from dlkit.data.kinds import kind_of, load_dataset
from dlkit.errors import ConfigError, DlkitError
from dlkit.evaluation.evaluate import predict, predict_draws
from dlkit.evaluation.intervals import Certainty, Intervals, few_groups_note, intervals
from dlkit.evaluation.objective import objective_of
from dlkit.evaluation.tasks import Outputs, Results, results_of, scores_of_results
from dlkit.files.checkpoint import Checkpoint
from dlkit.files.run_dir import RunDir
from dlkit.metrics import Metric, finite, known, number
from dlkit.models.build import restore_model
from dlkit.models.context import context_in
from dlkit.objectives import Objective
from dlkit.settings.config import TrainConfig
from dlkit.settings.eval_config import EvalConfig

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
        measured: The records of these metrics.
        intervals: The ends of the 95 % interval of each metric that has one.
        certainty: How the intervals were made.
        places: One a sample: its row in the stored data, or its file.
        results: Targets and outputs, with what its kind of data has to tell.
        non_finite: Samples whose outputs are NaN or infinite; they are not scored.
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
    measured: Sequence[Metric] = ()
    intervals: Intervals = field(default_factory=dict)
    certainty: Certainty = field(default_factory=Certainty)
    non_finite: int = 0
    notes: Sequence[str] = ()
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What messages call the network: its run folder if it is the best of the run, else its file."""
        run = RunDir(self.checkpoint.parent)
        return str(run.path if run.path.name and self.checkpoint == run.best else self.checkpoint)

    def to_dict(self) -> dict[str, Any]:
        """Return all but the predictions as JSON values."""
        return {
            "checkpoint": str(self.checkpoint),
            "data": self.data,
            "split": self.split,
            "n": len(self.places),
            **({"non_finite": self.non_finite} if self.non_finite else {}),
            "loss": number(self.loss),
            "metrics": {
                name: dict(
                    zip(("value", "lo", "hi"), (value, *self.intervals.get(name, (None, None))), strict=True)
                )
                for name, value in self.metrics.items()
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


def evaluate_checkpoint(checkpoint: Checkpoint, config: EvalConfig, device: torch.device) -> Report:
    """Evaluate a checkpoint on a split.

    Args:
        checkpoint: Network, settings and description of the data.
        config: What to report, and of which samples.
        device: Where to compute.

    Raises:
        DataError: The data are not here, have changed, or do not fit the network.
        CheckpointError: The network cannot be built from the checkpoint.
        ConfigError: Metrics, draws or baselines are asked for of data that have none.
        DlkitError: Outputs are NaN or infinite, and that is not allowed.
    """
    model = restore_model(checkpoint, device)
    dataset = load_dataset(
        checkpoint.config, checkpoint.description, context_in(checkpoint.weights), other=config.data
    )
    part = dataset.split(config.split)
    objective = objective_of(checkpoint.config, dataset, torch.device("cpu"))
    _check_asked(dataset, config)
    outputs, targets = predict(model, Batches(part, _BATCH_SIZE, device).in_order())
    spread = None
    drawings = kind_of(dataset).drawings
    if config.draws is not None and drawings is not None:
        drawn = drawings(part, config.draws)
        each = predict_draws(model, [Batches(one, _BATCH_SIZE, device) for one in drawn])
        outputs, spread = each.mean(0), objective.predictions(each).std(0, correction=0).numpy()
    preds, truth = objective.predictions(outputs).numpy(), targets.numpy()
    places, broken, scored = dataset.places(config.split), ~finite(preds), known(truth, preds)
    notes = [*dataset.notes, *_non_finite_notes(checkpoint.path, places, broken, config)]
    results = results_of(Outputs(dataset=dataset, split=part, targets=truth, preds=preds, spread=spread))
    metrics = scores_of_results(results, config.metric_names)
    measured = [metric for metric in results.metrics() if metric.name in metrics]
    certainty = Certainty(
        draws=config.ci,
        seed=checkpoint.config.seed,
        groups=_groups(checkpoint.config, dataset, config.split, scored),
    )
    few = few_groups_note(certainty)
    return Report(
        checkpoint=checkpoint.path,
        data=dataset.description.name,
        split=config.split,
        loss=_loss(objective, outputs, targets, scored),
        metrics=metrics,
        measured=measured,
        intervals=intervals(measured, metrics, *results.pairs(), certainty) if metrics else {},
        certainty=certainty,
        places=places,
        results=results,
        non_finite=int(broken.sum()),
        notes=[*notes, *few],
        baselines=_baselines(dataset, config.split, checkpoint.config.seed) if config.baselines else {},
    )


def _non_finite_notes(
    path: Path, places: Sequence[int | str], broken: np.ndarray, config: EvalConfig
) -> Iterator[str]:
    """Report the samples whose outputs are NaN or infinite.

    Raises:
        DlkitError: There are some, and they are not allowed.
    """
    if not broken.any():
        return
    first = f"the first at index {places[int(broken.argmax())]}"
    text = f"{path} gives NaN or infinity for {broken.sum():,} of {len(broken):,} samples, {first}"
    if not config.allow_nan:
        raise DlkitError(text, "dlkit eval --allow-nan counts them and scores the others")
    yield f"{text}; they are not scored"


def _loss(objective: Objective, outputs: Tensor, targets: Tensor, scored: np.ndarray) -> float:
    """Return the mean loss over the samples that are scored; NaN where none is."""
    there = torch.from_numpy(scored)
    return objective.loss(outputs[there], targets[there]).item() if there.any() else math.nan


def _groups(config: TrainConfig, dataset: DataSet, split: str, there: np.ndarray) -> np.ndarray | None:
    """Return the group of each sample whose target is known, where the split was by group and they are here."""
    table = dataset.table
    if config.group is None or table is None or config.group not in table.columns:
        return None
    rows = dataset.stored_rows(split)[there]
    read = table.codes if table.column(config.group).kind == "text" else table.numbers
    return read(config.group, rows)


def _check_asked(dataset: DataSet, config: EvalConfig) -> None:
    kind, name = kind_of(dataset), dataset.description.name
    if config.draws is not None and kind.drawings is None:
        raise ConfigError(f"--draws {config.draws} is for points; {name} has none", "leave it out")
    if config.baselines and kind.baselines is None:
        raise ConfigError(f"--baselines is for tables and points; {name} has none", "leave it out")


def _baselines(dataset: DataSet, split: str, seed: int) -> Mapping[str, Mapping[str, float]]:
    """Score simpler methods on the samples whose target is known."""
    score = kind_of(dataset).baselines
    assert score is not None, "it was checked"
    return score(dataset, split, seed)
