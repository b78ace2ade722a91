"""The runs in a folder: what each trained, in which settings they differ, how far each came, and how it ended."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlkit.errors import CheckpointError, DlkitError
from dlkit.files.history import read_history
from dlkit.files.run_dir import RunDir
from dlkit.files.run_lock import last_process
from dlkit.plotting.history.runs import differing, read_settings, shown

_UNFINISHED = ("stopped", "failed", "vanished")
_NAMED = ("model", "data", "epochs")  # they have columns of their own


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One run of a folder.

    Args:
        run: Its folder.
        state: `done`, `stopped`, `diverged`, `failed`, `running` or `vanished`; empty if the folder does not say.
        epoch: Epochs that it has trained.
        epochs: Epochs that it was to train.
        best_epoch: The epoch with the lowest validation loss; None before the first.
        val_loss: Its validation loss.
        metric: Name of the metric.
        value: Its validation metric in that epoch.
        settings: Those in which it differs from the other runs of the same network and data.
        model: The network.
        data: The data.
        process: The process that trained last: its number and its machine.
    """

    run: str
    state: str
    epoch: int
    epochs: int | None
    best_epoch: int | None
    val_loss: float | None
    metric: str
    value: float | None
    settings: str
    model: str
    data: str
    process: str


def find_runs(folder: Path) -> list[RunDir]:
    """Return the runs in a folder and the folders in it, the one that trained last at the end.

    Raises:
        CheckpointError: The folder is missing.
    """
    if not folder.is_dir():
        raise CheckpointError(f"no folder at {folder}", "dlkit train makes runs/")
    runs = [RunDir(path.parent) for path in folder.rglob("config.toml") if RunDir(path.parent).lock.exists()]
    return sorted(runs, key=lambda run: run.lock.stat().st_mtime_ns)


def list_runs(folder: Path) -> list[RunRow]:
    """Return a row for each run in a folder, the newest at the end.

    Raises:
        CheckpointError: The folder is missing.
    """
    runs = find_runs(folder)
    settings = [read_settings(run.history) for run in runs]
    alike: dict[Any, list[int]] = {}
    for place, found in enumerate(settings):
        alike.setdefault((found.get("model"), found.get("data")), []).append(place)
    names: dict[int, list[str]] = {}
    for places in alike.values():
        differ = [name for name in differing([settings[place] for place in places]) if name not in _NAMED]
        names |= dict.fromkeys(places, differ)
    return [_row(run, settings[place], names[place]) for place, run in enumerate(runs)]


def is_folder_of_runs(path: Path) -> bool:
    """Return whether a folder is no run itself; one that is not there may be the `runs` of later."""
    run = RunDir(path)
    return path == Path("runs") or (path.is_dir() and not (run.last.exists() or run.last_prev.exists()))


def newest_unfinished(folder: Path) -> RunDir:
    """Return the run in a folder that trained last and did not come to its end.

    Raises:
        CheckpointError: The folder is missing, or there is none.
    """
    for run in reversed(find_runs(folder)):
        last = last_process(run.lock)
        if last is not None and last.state in _UNFINISHED and (run.last.exists() or run.last_prev.exists()):
            return run
    raise CheckpointError(
        f"no unfinished run in {folder}",
        f"dlkit inspect runs {shlex.quote(str(folder))} lists them; --resume RUN --epochs N continues one that is done",
    )


def _row(run: RunDir, settings: Any, names: Sequence[str]) -> RunRow:
    last = last_process(run.lock)
    facts = dict(_facts(run))
    return RunRow(
        run=str(run.path),
        state=last.state if last else "",
        epochs=settings.get("epochs"),
        settings=", ".join(f"{name.removeprefix('s.')} {shown(settings.get(name))}" for name in names),
        model=str(settings.get("model", "")),
        data=str(settings.get("data", "")),
        process=last.holder.removeprefix("process ").partition(" since ")[0] if last else "",
        **{"epoch": 0, "best_epoch": None, "val_loss": None, "metric": "", "value": None, **facts},
    )


def _facts(run: RunDir) -> Iterator[tuple[str, Any]]:
    """Yield what history.csv says; nothing where it cannot be read."""
    try:
        history = read_history(run.history)
    except DlkitError:
        return
    columns, best = history.columns, history.best_row()
    epochs = [epoch for epoch in columns["epoch"] if epoch is not None]
    yield "epoch", int(max(epochs, default=0))
    yield "metric", history.metric or ""
    if best is not None:
        yield "best_epoch", int(columns["epoch"][best] or 0)
        yield "val_loss", columns["val_loss"][best]
        if history.metric:
            yield "value", columns[f"val_{history.metric}"][best]
