"""--resume: a run continues where it stopped, and reports what has changed since: schedule, threads, machine."""

import math
from collections.abc import Container, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from dlkit.data.kinds import load_dataset
from dlkit.distributed.alike import check_alike
from dlkit.distributed.join import Joined
from dlkit.errors import CheckpointError, ConfigError, printable
from dlkit.files.checkpoint import Checkpoint, check_named, load_checkpoint
from dlkit.files.run_dir import RunDir
from dlkit.models.build import restore_model
from dlkit.models.context import context_in
from dlkit.settings.config import TrainConfig
from dlkit.settings.resolve import read_config_file
from dlkit.settings.spec import CodeSpec, parse_code
from dlkit.settings.texts import parse_log, parse_threads
from dlkit.training.assemble import (
    Assembly,
    assemble,
    build_run_schedule,
    plan_of,
    prepare_device,
    set_threads,
)
from dlkit.training.compute import resume_threads
from dlkit.training.logs import check_logs
from dlkit.training.loop import Position
from dlkit.training.run import TrainRun
from dlkit.training.state import check_progress, hardware, restore_checked
from dlkit.training.stopping import StopRule, total_steps

_RATES_COMPARED = 200


def resume_run(
    config: TrainConfig, run_dir: RunDir, named: Container[str] = (), joined: Joined | None = None
) -> TrainRun:
    """Return a run that continues where it stopped.

    Args:
        config: The run's settings with what the user changed.
        run_dir: Its folder.
        named: Settings that the command line names; only if `model` or `data` is among them, code of the user's
            own is run for it.
        joined: The other processes that train with this one; None where it trains alone.

    Raises:
        CheckpointError: Neither `last` nor `last.prev` can be used.
        DlkitError: The device or the data are not available.
    """
    check_logs(parse_log(config.log))
    device, group = prepare_device(config, joined)
    stamp = run_dir.last_stamp()
    checkpoint, notes = newest_state(run_dir, parse_code(config.model) if "model" in named else None)
    check_named(checkpoint)
    check_progress(checkpoint)
    progress = checkpoint.metadata["progress"]
    notes = [*run_dir.vanished(), *notes]
    check_alike(group, {"the run resumed": f"at step {progress['position']['step']}"})
    size, before = group.size, progress.get("processes", 1)
    if size == before:
        notes += resume_threads(parse_threads(config.threads), progress["threads"])
    else:
        notes.append(
            f"the run was trained in {_processes(before)} so far, here in {_processes(size)}: its numbers are those of "
            "an unbroken run up to rounding"
        )
    context = context_in(checkpoint.weights)
    dataset = load_dataset(config, checkpoint.description, context, named="data" in named)
    position = Position(**progress["position"])
    new = list(changes_of(config, checkpoint.config, position.step))
    model = restore_model(checkpoint, device)
    if size != before:
        set_threads(config, dataset, model, device, joined)
    header = [plan_of(config, dataset.description, model, device, group), _place(run_dir, position), *new]
    assembly = assemble(config, dataset, model, device, [*header, *notes], group)
    restore_checked(assembly.parts, checkpoint)
    assembly.notes.extend(changed_settings(run_dir, checkpoint))
    for name, value in progress["plateau"].items():
        setattr(assembly.plateau, name, value)
    assembly = resume_schedule(assembly, config, checkpoint, position)
    assembly.notes.extend(changes_since(checkpoint, device))
    run = TrainRun(
        dir=run_dir,
        assembly=assembly,
        position=position,
        stop_rule=StopRule(config, assembly.parts.steps_per_epoch, progress["early_stopping"]),
        best=progress["best"],
        changes=[*progress.get("changes", ()), *new],
        resumed=stamp,
        damaged=checkpoint.path != run_dir.last,
    )
    _note_end(run)
    return run


def _processes(count: int) -> str:
    return f"{count} process{'es' * (count != 1)}"


def _place(run_dir: RunDir, position: Position) -> str:
    within = f"in epoch {position.epoch}" if position.batch else f"after epoch {position.epoch - 1}"
    return f"resuming {run_dir.path} {within}, step {position.step}"


def _note_end(run: TrainRun) -> None:
    """Note whether there is anything to do, and what may be wrong with the folder if there is."""
    if not run.done_reason:
        run.notes.extend(run.notes_on_folder())
        if run.damaged and run.dir.last.exists():
            run.notes.append(f"the damaged file is kept as {run.dir.last_corrupt}")
        return
    run.notes.append(f"nothing to do: {run.done_reason}; raise it to continue")
    if run.dir.best.exists():  # of a run that ended within an epoch, `last` does not know it
        best = load_checkpoint(run.dir.best)
        check_progress(best, run.metric)
        run.best = best.metadata["progress"]["best"]


def newest_state(run_dir: RunDir, code: CodeSpec | None = None) -> tuple[Checkpoint, list[str]]:
    """Load `last`, or `last.prev` where `last` is damaged.

    Args:
        run_dir: The run.
        code: The network of the user's own that the command line names.

    Returns:
        The checkpoint, and messages for the user.

    Raises:
        CheckpointError: Neither can be used.
    """
    try:
        checkpoint = _load_state(run_dir.last, code)
        return checkpoint, list(checkpoint.notes)
    except CheckpointError as err:
        if not run_dir.last_prev.exists():
            raise
        checkpoint = _load_state(run_dir.last_prev, code)
        return checkpoint, [f"{err.message}; resuming from {run_dir.last_prev}", *checkpoint.notes]


def _load_state(path: Path, code: CodeSpec | None) -> Checkpoint:
    checkpoint = load_checkpoint(path, code)
    if "random.torch" not in checkpoint.extras:
        raise CheckpointError(
            f"{path} holds weights but no state to resume from", "best.safetensors is not made for --resume"
        )
    return checkpoint


def changed_settings(run_dir: RunDir, checkpoint: Checkpoint) -> list[str]:
    """Report where config.toml, which is for people to read, differs from the settings that the run resumes with."""
    try:
        written, faults = read_config_file(run_dir.config)
    except ConfigError:
        return [f"{run_dir.config} cannot be read; it is written again from the checkpoint"]
    stored = checkpoint.config.to_dict()
    names = [name for name, value in written.items() if name != "arguments" and value != stored.get(name)]
    if not names and not faults:
        return []
    shown = ", ".join(f"{name} ({printable(str(written[name]))})" for name in names[:4]) or "it"
    return [f"{run_dir.config} is not what the run uses: {shown}; the settings in {checkpoint.path} count"]


def changes_of(now: TrainConfig, before: TrainConfig, step: int) -> Iterator[str]:
    """Report which settings the run continues with that it did not have so far: `lr 0.01 -> 0.1 from step 465`."""
    old, new = before.to_dict(), now.to_dict()
    for name, value in new.items():
        if value != old.get(name):
            shown = [printable(str(each)) for each in (old.get(name), value)]
            yield f"{name} {' -> '.join(shown)} from step {step + 1}"


def resume_schedule(
    assembly: Assembly, config: TrainConfig, checkpoint: Checkpoint, position: Position
) -> Assembly:
    """Return the assembly with the schedule that the run resumes with, and note where it changes.

    Args:
        assembly: With the schedule of a new run; its notes are added to.
        config: The settings to resume with.
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
        text = f"keeps its {span} steps and continues at a rate of {rates[0][0]:.3g}"
    else:
        text = (
            f"now spans {now} steps and continues at a rate of {rates[0][1]:.3g} instead of {rates[0][0]:.3g}"
        )
    assembly.notes.append(f"the {config.schedule} schedule {text} (--sched-on-resume {choice})")
    return kept if choice == "keep" else stretched


def changes_since(checkpoint: Checkpoint, device: torch.device) -> Iterator[str]:
    """Report that the run was saved by another version of torch or on another device."""
    progress, versions = checkpoint.metadata["progress"], checkpoint.metadata["versions"]
    pairs = (
        (f"torch {versions['torch']}", f"torch {torch.__version__}"),
        (progress.get("device", hardware(device)), hardware(device)),
    )
    for before, now in pairs:
        if before != now:
            yield (
                f"the run so far was trained with {printable(before)}, now it uses {now}: the last bits may "
                "differ from those of an uninterrupted run"
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
        f"{typed}: the {config.schedule} schedule was made for {span} steps; its rate would continue at {kept:.3g} "
        f"if it is kept, at {stretched:.3g} if it is stretched",
        "add --sched-on-resume keep or --sched-on-resume stretch",
    )
