"""Short runs on the digits, stopped where a test wants, and all that two of them must have in common."""

import csv
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from dlkit.errors import InterruptedRun
from dlkit.files.checkpoint import load_checkpoint
from dlkit.files.run_dir import RunDir
from dlkit.files.run_places import open_run
from dlkit.settings.config import TrainConfig
from dlkit.settings.resolve import resolve
from dlkit.training.resume import resume_run
from dlkit.training.run import TrainRun

TIMES = ("seconds", "samples_per_second", "memory_mib")
STEPS_PER_EPOCH = 19


def configure(arguments: Mapping[str, str] | None = None, **settings: Any) -> TrainConfig:
    """Three epochs of 19 steps, more than one chunk of batches each, with a smaller last batch."""
    defaults = {"model": "mlp", "epochs": 3, "limit": 150, "batch_size": 8, "device": "cpu", "plot": False}
    return resolve({**defaults, **settings}, arguments or {})


def drive(run: TrainRun, stop_at: int | None = None, signal_number: int = 15) -> InterruptedRun | None:
    """Train to the end, or until a step after which a signal comes."""
    try:
        for step, _ in run:
            if step.step == stop_at:
                run.stop_signal = signal_number
    except InterruptedRun as err:
        return err
    return None


def replace_parts(run: TrainRun, **parts: Any) -> None:
    """Let a run train with other parts."""
    run.assembly = replace(run.assembly, parts=replace(run.parts, **parts))


def resume(folder: Path, **typed: Any) -> TrainRun:
    """Return the run that continues in a folder, with what a user would have typed."""
    run_dir = open_run(folder)
    stored = asdict(load_checkpoint(run_dir.last).config)
    return resume_run(resolve(typed, {}, stored), run_dir)


def essence(folder: Path, *, settings: bool = True) -> dict[str, Any]:
    """All that must not differ by a bit: tensors of both checkpoints, position, counters, history, probes.

    The settings too, unless a run was given others on the way: `best` keeps those of its own time.
    """
    run_dir = RunDir(folder)
    found: dict[str, Any] = {"probes": run_dir.probes.read_text(), "history": history(folder)}
    for path in (run_dir.best, run_dir.last):
        metadata = load_checkpoint(path).metadata
        progress = metadata["progress"]
        found[path.name] = {
            "tensors": metadata["tensors"],
            "config": metadata["config"] if settings else None,
            "description": metadata["description"],
            "position": {k: v for k, v in progress["position"].items() if not k.endswith("seconds")},
            "best": {key: value for key, value in progress["best"].items() if key not in TIMES},
            "threads": progress["threads"],
            "counters": (progress["early_stopping"], progress["plateau"]),
        }
    return found


def history(folder: Path) -> list[dict[str, str]]:
    """The rows of history.csv without the columns of time and memory."""
    with RunDir(folder).history.open(newline="") as file:
        return [
            {name: cell for name, cell in row.items() if name not in TIMES} for row in csv.DictReader(file)
        ]
