"""--dry-run and --overfit: what a run will take, and whether the network can learn; nothing is written."""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import torch

from dlkit.data.batches import Batches
from dlkit.data.dataset import DataSet
from dlkit.device import peak_memory_mib
from dlkit.diagnosis.diagnose import diagnose
from dlkit.diagnosis.findings import to_hint
from dlkit.diagnosis.recording import Recording
from dlkit.diagnosis.table import RULES
from dlkit.errors import ConfigError, DlkitError
from dlkit.evaluation.evaluate import mean_scores
from dlkit.inputs import call, rows_of
from dlkit.objectives import best_constant_loss
from dlkit.settings.config import TrainConfig
from dlkit.settings.texts import parse_duration
from dlkit.training.assemble import assemble_new
from dlkit.training.loop import Position, fit
from dlkit.training.step import Parts

Report = dict[str, str | int | float | None]

_TIMED_SECONDS = 1.0
_TIMED_BATCHES = 20
_MEMORY_STEPS = 300
_SHARE_LEFT = 0.05


def dry_run(config: TrainConfig, note: Callable[[str], object] = str) -> Report:
    """Take a real step, time some more, and estimate the whole run.

    Args:
        config: The settings of the run.
        note: Takes what was inferred and left out, one line each.

    Returns:
        Parameters, steps, seconds for an epoch and in all, validation included, and peak memory.

    Raises:
        DlkitError: The run could not even begin.
    """
    assembly = assemble_new(config)
    for text in assembly.notes[1:]:
        note(text)
    parts = assembly.parts
    validation = _validation_seconds(parts)
    loss, per_step = _first_steps(parts, config.epochs, validation)
    steps = parts.steps_per_epoch * config.epochs
    if config.max_steps is not None:
        steps = min(steps, config.max_steps)
    seconds = per_step * steps + validation * -(-steps // parts.steps_per_epoch)
    if config.max_time is not None:
        seconds = min(seconds, parse_duration(config.max_time))
    return {
        "plan": assembly.notes[0],
        "parameters": sum(parameter.numel() for parameter in parts.model.parameters()),
        "steps_per_epoch": parts.steps_per_epoch,
        "steps": steps,
        "first_loss": loss,
        "seconds_per_epoch": per_step * parts.steps_per_epoch + validation,
        "seconds": seconds,
        "peak_memory_mib": peak_memory_mib(parts.device),
    }


def _first_steps(parts: Parts, epochs: int, validation: float) -> tuple[float, float]:
    """Return the loss of the first step, and the seconds of one of those after it without validation."""
    steps = fit(parts, Position(), epochs)
    start, done = time.perf_counter(), 1
    step = next(steps)
    loss, _ = step.running.read()
    warm, closings = time.perf_counter(), int(step.record is not None)
    for done, step in enumerate(steps, 1):  # noqa: B007 - how many there were
        start, closings = warm, int(step.record is not None)
        if closings or time.perf_counter() - start >= _TIMED_SECONDS:
            step.running.read()
            break
    passed = time.perf_counter() - start
    return loss, max(0.0, passed - closings * validation) / done


def _validation_seconds(parts: Parts) -> float:
    """Return the seconds that validation takes, estimated from its first batches."""
    warm_up, timed = islice(parts.val.in_order(), 1), islice(parts.val.in_order(), _TIMED_BATCHES)
    mean_scores(parts.validated, warm_up, parts.objective, parts.predict)
    start = time.perf_counter()
    mean_scores(parts.validated, timed, parts.objective, parts.predict)
    share = min(_TIMED_BATCHES, len(parts.val)) / len(parts.val)
    return (time.perf_counter() - start) / share


def memorise(config: TrainConfig, samples: int, note: Callable[[str], object] = str) -> Report:
    """Train on a few samples until they are memorised, which any sound network and loop can do.

    At most 300 steps over all of them at once, the schedule, weight decay, L1 and smoothing switched off.

    Args:
        config: The settings of the run.
        samples: How many samples.
        note: Takes what was inferred and left out, one line each.

    Returns:
        Steps taken, the loss at the start and at the end, and the metric at the end.

    Raises:
        DlkitError: More than a twentieth of the best constant answer's loss is left; the hint lists likely causes.
        ConfigError: There are not so many training samples.
    """
    if samples == 1 and config.arguments.get("norm") == "batch":
        raise ConfigError(
            "--overfit 1 cannot be used with -s norm=batch: one sample has no variance",
            "--overfit 2 or more, or -s norm=layer",
        )
    plain = replace(
        config,
        schedule="none",
        warmup_steps=0,
        weight_decay=0.0,
        l1=0.0,
        label_smoothing=0.0,
        target_weights=None,
        accumulate=1,
        ema=None,
        augment="none",
        max_steps=None,
        epochs=_MEMORY_STEPS,
    )
    assembly = assemble_new(plain)
    for text in assembly.notes[1:]:
        note(text)
    few = _first_samples(assembly.dataset, samples, assembly.parts)
    parts = replace(assembly.parts, train=few, val=few)
    first, metric = mean_scores(parts.model, few.in_order(), parts.objective, parts.predict)
    goal = _SHARE_LEFT * _best_constant_loss(parts, few)
    position = Position()
    loss = first
    recording = Recording(config=plain.to_dict())
    for step in fit(parts, position, _MEMORY_STEPS):
        record = step.record
        if record is not None and record.val_loss is not None:
            loss, metric = record.val_loss, record.val_metric or 0.0
            recording.add_epoch(record.to_row())
            recording.add_signals(step.probe_rows)
            if loss <= goal or position.step >= _MEMORY_STEPS or loss != loss:
                break
        if step.diverged:
            loss = math.nan
            recording.add_epoch({"train_loss": loss})
    report: Report = {
        "samples": samples,
        "steps": position.step,
        "first_loss": first,
        "loss": loss,
        "goal": goal,
        parts.objective.metric: metric,
    }
    if not loss <= goal:
        raise DlkitError(
            f"--overfit {samples}: the loss is {loss:.4g} after {position.step} steps, above {goal:.4g}; "
            f"the network cannot memorise {samples} samples",
            _likely_causes(recording, config),
        )
    return report


def _first_samples(dataset: DataSet, samples: int, parts: Parts) -> Batches:
    split = dataset.split("train")
    if samples > len(split):
        raise ConfigError(
            f"--overfit {samples} is more than the {len(split)} training samples",
            f"--overfit {min(32, len(split))}",
        )
    return Batches(split.with_rows(split.rows[:samples]), samples, parts.device)


def _best_constant_loss(parts: Parts, few: Batches) -> float:
    """Return the lowest loss without looking at the inputs; that of a guess where all targets are alike."""
    inputs, _ = next(iter(few.in_order()))
    with torch.inference_mode():
        outputs = call(parts.model, rows_of(inputs, 0, 2))
    targets = torch.cat([targets for _, targets in few.in_order()])
    return best_constant_loss(parts.objective, targets, outputs.shape[1] if outputs.ndim > 1 else 1)


def _likely_causes(recording: Recording, config: TrainConfig) -> str:
    """Return what prevents memorising most often, the likeliest first."""
    found = to_hint(diagnose(recording, [rule for rule in RULES if rule.stage != "generalisation"]))
    if not found:
        other = "" if config.optimizer.startswith("adam") else " or --optimizer adam"
        found = f"it learns, but slowly: try --lr {config.lr * 10:g}{other}"
    return f"{found}; equal inputs with different labels cannot be distinguished"
