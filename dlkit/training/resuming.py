"""What a run that goes on makes of changes since it stopped: a longer schedule, another machine."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from dlkit.errors import CheckpointError, ConfigError, printable
from dlkit.files.checkpoint import Checkpoint
from dlkit.settings.config import TrainConfig
from dlkit.training.assemble import Assembly, build_run_schedule, total_steps
from dlkit.training.loop import Position

_RATES_COMPARED = 200


def resume_schedule(
    assembly: Assembly, config: TrainConfig, checkpoint: Checkpoint, position: Position
) -> Assembly:
    """Give the parts the schedule they go on with, and say so where it changes.

    Args:
        assembly: With the schedule of a new run; its notes are added to.
        config: The settings to go on with.
        checkpoint: The run so far.
        position: Where it stands.

    Raises:
        ConfigError: The length of the run has changed, the schedule depends on it, and --sched-on-resume does not
            say what becomes of it.
        CheckpointError: The checkpoint's schedule has no length.
    """
    stored = checkpoint.config
    spans = config.schedule not in ("none", "plateau") and config.schedule == stored.schedule
    if not spans:
        return assembly
    per_epoch = assembly.parts.steps_per_epoch
    now, before = total_steps(config, per_epoch), total_steps(stored, per_epoch)
    span = _stored_span(checkpoint, before)
    kept = _with_span(assembly, config, span)
    if now == before or position.step >= now:
        return kept
    stretched = _with_span(assembly, config, now)
    steps = range(position.step, now, max(1, (now - position.step) // _RATES_COMPARED))
    rates = [(kept.parts.schedule(step), stretched.parts.schedule(step)) for step in steps]
    if all(math.isclose(one, other, rel_tol=1e-9) for one, other in rates):
        return kept
    choice = config.sched_on_resume
    if choice is None:
        raise _undecided(config, stored, span, *rates[0])
    if choice == "keep":
        text = f"keeps its {span} steps and goes on at a rate of {rates[0][0]:.3g}"
    else:
        text = (
            f"now spans {now} steps and goes on at a rate of {rates[0][1]:.3g} instead of {rates[0][0]:.3g}"
        )
    assembly.notes.append(f"the {config.schedule} schedule {text} (--sched-on-resume {choice})")
    return kept if choice == "keep" else stretched


def hardware(device: torch.device) -> str:
    """Name what computes, as far as its bits may differ from another's."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def changes_since(checkpoint: Checkpoint, device: torch.device) -> Iterator[str]:
    """Say that the run was saved by another version of torch or on another device."""
    progress, versions = checkpoint.metadata["progress"], checkpoint.metadata["versions"]
    pairs = (
        (f"torch {versions['torch']}", f"torch {torch.__version__}"),
        (progress.get("device", hardware(device)), hardware(device)),
    )
    for before, now in pairs:
        if before != now:
            yield (
                f"the run so far was made with {printable(before)}, here is {now}: the bits may differ from an "
                "unbroken run's"
            )


def _stored_span(checkpoint: Checkpoint, before: int) -> int:
    span: Any = checkpoint.metadata["progress"].get("schedule_steps", before)
    if type(span) is not int or span < 1:
        raise CheckpointError(
            f"{checkpoint.path} says that its schedule has {span!r} steps",
            "it was written by another program",
        )
    return span


def _with_span(assembly: Assembly, config: TrainConfig, span: int) -> Assembly:
    schedule = build_run_schedule(
        config, assembly.plateau, steps_per_epoch=assembly.parts.steps_per_epoch, span=span
    )
    return replace(assembly, parts=replace(assembly.parts, schedule=schedule), schedule_steps=span)


def _undecided(
    config: TrainConfig, stored: TrainConfig, span: int, kept: float, stretched: float
) -> ConfigError:
    typed = (
        f"--epochs {config.epochs}" if config.epochs != stored.epochs else f"--max-steps {config.max_steps}"
    )
    return ConfigError(
        f"{typed}: the {config.schedule} schedule was made for {span} steps; its rate would go on at {kept:.3g} "
        f"if it is kept, at {stretched:.3g} if it is stretched",
        "add --sched-on-resume keep or --sched-on-resume stretch",
    )
