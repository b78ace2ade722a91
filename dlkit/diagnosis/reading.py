"""Read what a run recorded: its folder, or a history alone. Needs neither torch nor pandas."""

import csv
import shlex
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dlkit.diagnosis.recording import Recording
from dlkit.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    did_you_mean,
    file_error,
    first_of,
    printable,
)
from dlkit.files.foreign_history import ForeignHistory, parse_any_history, runs_of
from dlkit.files.history import PROBE_COLUMNS, History, parse_history, read_rows
from dlkit.files.run_dir import RunDir


def read_run(path: Path) -> tuple[Recording, list[str]]:
    """Read a run folder, also one that is still being written.

    Args:
        path: The folder, or a file in it.

    Returns:
        What it holds, and notes about what it lacks.

    Raises:
        CheckpointError: It is not a run folder.
        DataError: A file in it is not what dlkit wrote.
    """
    run = RunDir(path if path.is_dir() else path.parent)
    if not path.exists():
        raise CheckpointError(f"no run at {path}", "name a run folder, e.g. runs/mlp-digits-001")
    if not any(file.exists() for file in (run.config, run.history, run.probes)):
        raise CheckpointError(
            f"{run.path} is not a run folder", "name a run folder, e.g. runs/mlp-digits-001"
        )
    notes: list[str] = []
    recording = Recording(config=_read_config(run.config, notes), folder=str(run.path))
    header, rows = read_rows(run.history) if _has_text(run.history) else ([], [])
    if rows:
        recording.history = _columns(parse_history(run.history, header, rows), notes)
    else:
        notes.append(f"{run.history} has no epochs yet: only the first steps are examined")
    if _has_rows(run.probes):
        recording.add_signals(_probe_rows(run.probes, notes))
    else:
        state = "has no rows" if run.probes.exists() else "is missing"
        notes.append(f"{run.probes} {state}: only rules about the loss apply")
    recording.finished = not _is_training(run)
    if not recording.finished:
        notes.append(f"{run.path} is being trained: rules about the outcome are left out")
    return recording, notes


def _has_text(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _has_rows(path: Path) -> bool:
    """Return whether a probes.csv holds more than a part of its header."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        return not ",".join(PROBE_COLUMNS).encode().startswith(file.read(100))


def read_history_alone(path: Path, run: str | None = None) -> tuple[Recording, list[str]]:
    """Read a history.csv by itself, that of a run folder, or the history that another program wrote.

    Args:
        path: The file.
        run: Which of its runs, where it holds several.

    Raises:
        DataError: It is missing, or no history of a training run.
        ConfigError: It holds several runs, and none of this name.
    """
    notes: list[str] = []
    path = RunDir(path).history if path.is_dir() else path
    history = _run_in(path, runs_of(parse_any_history(path, *read_rows(path))), run)
    if isinstance(history, ForeignHistory):
        notes += [*history.notes, *filter(None, [history.uncounted])]
    recording = Recording(history=_columns(history, notes), file=str(path))
    if rates := recording.column("lr"):
        recording.config = {"lr": max(rates)}
    if recording.epochs < 2:
        notes.append(f"{path} has one epoch: rules about the losses need more")
    return recording, notes


def _run_in(path: Path, runs: Sequence[History], asked: str | None) -> History:
    """Return the run of a file that was asked for, or its only one."""
    names = [run.run for run in runs if isinstance(run, ForeignHistory) and run.run]
    if asked is None and len(runs) == 1:
        return runs[0]
    if asked in names:
        return runs[names.index(asked)]
    listed = first_of(names, most=20)
    if asked is None:
        raise ConfigError(
            f"{path} holds {len(runs)} runs: {listed}", f"--run {shlex.quote(names[0])} examines one of them"
        )
    if not names:
        raise ConfigError(f"--run {printable(asked)}: {path} holds one run, without a name", "leave it out")
    raise ConfigError(
        f"--run {printable(asked)} is not in {path}, which holds {listed}", did_you_mean(asked, names)
    )


def _columns(history: History, notes: list[str]) -> dict[str, list[float | None]]:
    known = (
        "epoch",
        "step",
        "seconds",
        "lr",
        "grad_norm",
        "update_ratio",
        "samples_per_second",
        "memory_mib",
    )
    foreign = [
        printable(name)
        for name in history.columns
        if name not in known and not name.startswith(("train_", "val_"))
    ]
    if foreign:
        notes.append(f"columns that no rule reads: {', '.join(foreign[:8])}")
    return dict(history.columns)


def _read_config(path: Path, notes: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        notes.append(f"{path} is missing: cures have no numbers")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        notes.append(f"{path} cannot be read: cures have no numbers")
    except OSError as err:
        error = file_error(err, path, "read")
        raise DataError(error.message, error.hint) from err
    return {}


def _probe_rows(path: Path, notes: list[str]) -> Iterator[tuple[int, str, str, float]]:
    """Yield the rows of a probes.csv; a row that is cut off or not ours is left out and counted."""
    left_out = 0
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            reader = csv.reader(line if line.endswith("\n") else "cut" for line in file)
            if tuple(next(reader, ())) != PROBE_COLUMNS:
                raise DataError(f"{path} was not written by dlkit", "move the file away")
            for row in reader:
                try:
                    step, layer, signal, value = row
                    yield int(step), layer, signal, float(value)
                except ValueError:
                    left_out += 1
    except csv.Error as err:
        raise DataError(f"{path} is not CSV: {err}", "move the file away") from err
    except OSError as err:
        error = file_error(err, path, "read")
        raise DataError(error.message, error.hint) from err
    if left_out:
        notes.append(f"{path}: {left_out} row{'s' * (left_out > 1)} cut off or not numbers, left out")


def _is_training(run: RunDir) -> bool:
    from dlkit.files.run_lock import is_held

    return is_held(run.lock)
