"""Evaluate a checkpoint on a split: predictions, metrics with their certainty, baselines, and where it fails."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dlkit.data.dataset import DataSet
from dlkit.data.images.series import number_series
from dlkit.data.kinds import kind_of
from dlkit.errors import ConfigError, DlkitError, counted
from dlkit.evaluation.baselines.judge import Judged, judge
from dlkit.evaluation.bench import measure
from dlkit.evaluation.calibration import calibrated
from dlkit.evaluation.certainty.conformal import with_intervals
from dlkit.evaluation.certainty.intervals import Certainty, few_groups_note, intervals
from dlkit.evaluation.failures.sections import failures_of
from dlkit.evaluation.report import Report
from dlkit.evaluation.subject import load_subject
from dlkit.evaluation.tasks import results_of, scores_of_results
from dlkit.files.checkpoint import Checkpoint
from dlkit.files.run_dir import RunDir
from dlkit.files.sweep_dir import count_trials
from dlkit.metrics import finite, known
from dlkit.objectives import Objective
from dlkit.settings.config import TrainConfig
from dlkit.settings.eval_config import EvalConfig


def evaluate_checkpoint(checkpoint: Checkpoint, config: EvalConfig, device: torch.device) -> Report:
    """Evaluate a checkpoint on a split.

    Args:
        checkpoint: Network, settings and description of the data.
        config: What to report, and of which samples.
        device: Where to compute.

    Raises:
        DataError: The data are not here, have changed, or do not fit the network.
        CheckpointError: The network cannot be built from the checkpoint.
        ConfigError: Something is asked for that the data or the task do not have.
        DlkitError: Outputs are NaN or infinite, and that is not allowed.
    """
    subject = load_subject(checkpoint, config, device)
    dataset = subject.dataset
    part = dataset.split(config.split)
    _check_asked(dataset, config)
    raw, found = subject.predict(part, config.draws)
    places, broken, scored = (
        dataset.places(config.split),
        ~finite(found.preds),
        known(found.targets, found.preds),
    )
    notes = [*dataset.notes, *_non_finite_notes(checkpoint.path, places, broken, config)]
    results = results_of(found)
    if config.calibrate:
        results, raw, text = calibrated(subject, results, raw)
        notes.append(text)
    if config.interval is not None or config.draws is not None:
        results, text = with_intervals(subject, part, results, config.interval, config.draws)
        notes.append(text)
    also = {gate.metric: gate.option for gate in config.gates if gate.metric != "loss"}
    metrics = scores_of_results(results, config.metric_names, also)
    measured = [metric for metric in results.metrics() if metric.name in metrics]
    rows = dataset.stored_rows(config.split)[scored]
    certainty = Certainty(
        draws=config.ci,
        seed=checkpoint.config.seed,
        groups=_groups(checkpoint.config, dataset, config.split, scored),
    )
    run = _run_of(checkpoint, dataset)
    ends = intervals(measured, metrics, *results.pairs(), certainty) if metrics else {}
    judged = Judged()
    if metrics:
        how = (measured, ends, certainty, run)
        judged = judge(subject, found, config.split, *how, asked=config.baselines)
    report = Report(
        checkpoint=checkpoint.path,
        data=dataset.description.name,
        split=config.split,
        loss=_loss(subject.objective, raw, torch.from_numpy(found.targets), scored),
        metrics=metrics,
        measured=measured,
        intervals=ends,
        certainty=certainty,
        places=places,
        run=run,
        results=results,
        non_finite=int(broken.sum()),
        notes=[
            *notes,
            *few_groups_note(certainty),
            *judged.notes,
            *_notes_on_choice(checkpoint.path, config),
        ],
        warnings=judged.warnings,
        baselines=judged.scores,
        leads=judged.leads,
    )
    sections, images = failures_of(report, subject, found, rows, config) if metrics else ([], [])
    if config.bench:
        sections.append(measure(subject, config.split))
        notes = [*report.notes, f"forward passes on {device}, {torch.get_num_threads()} threads on a CPU"]
        report = replace(report, notes=notes)
    return replace(report, sections=sections, images=images)


def _check_asked(dataset: DataSet, config: EvalConfig) -> None:
    """Refuse what the data do not have, before anything is computed."""
    name = dataset.description.name
    if config.draws is not None and kind_of(dataset).drawings is None:
        raise ConfigError(f"--draws {config.draws} is for points; {name} has none", "leave it out")
    if config.baselines and "train" not in dataset.splits:
        raise ConfigError(
            f"--baselines learn from the training samples; {name} is not the training data",
            "leave --data out",
        )


def _run_of(checkpoint: Checkpoint, dataset: DataSet) -> RunDir | None:
    """Return the run folder that a checkpoint lies in, if the data are those of the run."""
    run = RunDir(checkpoint.path.parent)
    same = dataset.description.fingerprint == checkpoint.description.fingerprint
    return run if same and run.config.exists() else None


def _notes_on_choice(path: Path, config: EvalConfig) -> Iterator[str]:
    """Report of a trial of a search how many there are: the best of many looks better on val than it is."""
    if trials := count_trials(path):
        of = counted(trials, "trial")
        note = f"{path.parent.name} is one of {of} of a search, which compares them by the val split"
        optimistic = config.split in ("val", "all") and config.data is None
        yield f"{note}: scores on it are optimistic for the best" if optimistic else note


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
        raise DlkitError(text, "dlkit eval RUN --allow-nan counts them and scores the others")
    yield f"{text}; they are not scored"


def _loss(objective: Objective, outputs: Tensor, targets: Tensor, scored: np.ndarray) -> float:
    """Return the mean loss over the samples that are scored; NaN where none is."""
    there = torch.from_numpy(scored)
    return objective.loss(outputs[there], targets[there]).item() if there.any() else math.nan


def _groups(config: TrainConfig, dataset: DataSet, split: str, scored: np.ndarray) -> np.ndarray | None:
    """Return the group of each sample that is scored, where the split was by group and groups are here."""
    if config.group is not None and dataset.files:
        names = [str(place) for place in dataset.places(split)]
        every = number_series(names, dataset.description.class_names)
        return np.asarray(every[scored])
    table = dataset.table
    if config.group is None or table is None or config.group not in table.columns:
        return None
    read = table.codes if table.column(config.group).kind == "text" else table.numbers
    return read(config.group, dataset.stored_rows(split)[scored])
