"""A run folder: the names of its files, how it is made, locked and opened."""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlkit.errors import (
    CheckpointError,
    ConfigError,
    RunExistsError,
    file_error,
    reason,
)
from dlkit.files import atomic
from dlkit.files.atomic import backups, error_context, make_folder, probe_folder, sweep_temporaries
from dlkit.files.run_lock import MOUNTS, hold_lock, last_process, shared_by_network

_NUMBERED = re.compile(r"step-[0-9]{8,18}\.safetensors")


@dataclass(frozen=True)
class RunDir:
    """The folder that training writes and the other commands read.

    Args:
        path: The folder.
        new: It is for a new run: a run that is in it once it is locked is another process's.
    """

    path: Path
    new: bool = False

    @property
    def config(self) -> Path:
        """Every setting, resolved."""
        return self.path / "config.toml"

    @property
    def history(self) -> Path:
        """One row an epoch."""
        return self.path / "history.csv"

    @property
    def probes(self) -> Path:
        """Signals of each layer at sampled steps."""
        return self.path / "probes.csv"

    @property
    def best(self) -> Path:
        """The weights of the best epoch."""
        return self.path / "best.safetensors"

    @property
    def best_prev(self) -> Path:
        """The `best` of whole epochs, while that of a run stopped within one stands in its place."""
        return self.path / "best.prev.safetensors"

    @property
    def last(self) -> Path:
        """The newest weights and all that resuming needs."""
        return self.path / "last.safetensors"

    @property
    def last_prev(self) -> Path:
        """The `last` before `last`."""
        return self.path / "last.prev.safetensors"

    @property
    def last_corrupt(self) -> Path:
        """A `last` that was found damaged, set aside."""
        return self.path / "last.safetensors.corrupt"

    @property
    def nan(self) -> Path:
        """The batch at which training diverged, and the weights that it met."""
        return self.path / "nan.safetensors"

    @property
    def lock(self) -> Path:
        """Held while training; says who holds it."""
        return self.path / "run.lock"

    @property
    def curves(self) -> Path:
        """The plot of history.csv."""
        return self.path / "curves.png"

    @property
    def log_lines(self) -> Path:
        """Readings and epochs as lines of JSON."""
        return self.path / "log.jsonl"

    def predictions(self, split: str) -> Path:
        """Return what the best weights predict for a split, kept for plots."""
        return self.path / f"predictions-{split}.csv"

    def baselines(self, split: str) -> Path:
        """Return what simpler methods predict for a split."""
        return self.path / f"baselines-{split}.safetensors"

    def worst(self, split: str) -> Path:
        """Return the worst samples of a split; their images lie in a folder of the same name without the suffix."""
        return self.path / f"worst-{split}.csv"

    @property
    def importance(self) -> Path:
        """How much each column of a table counts."""
        return self.path / "importance.csv"

    @property
    def findings(self) -> Path:
        """What the diagnosis of the run found."""
        return self.path / "findings.json"

    def events(self) -> list[Path]:
        """Return the files that TensorBoard reads."""
        return sorted(self.path.glob("events.out.tfevents.*"))

    def numbered(self, step: int) -> Path:
        """Return the checkpoint that --save-every keeps after a step."""
        return self.path / f"step-{step:08d}.safetensors"

    def keep_newest(self, number: int) -> None:
        """Remove all numbered checkpoints but the newest.

        Raises:
            DlkitError: One cannot be removed.
        """
        for file in self.all_numbered()[:-number]:
            _remove(file)

    def restore_best(self) -> None:
        """Put the `best` of whole epochs back, if another stands in its place.

        Raises:
            DlkitError: It cannot be renamed.
        """
        if self.best_prev.exists():
            with error_context(self.best, "put back"):
                atomic.disk.rename(self.best_prev, self.best)
                atomic.disk.sync(self.path)

    def set_last_aside(self) -> None:
        """Return a damaged `last` another name, so that it is neither used nor lost.

        Raises:
            DlkitError: It cannot be renamed.
        """
        with error_context(self.last, "set aside"):
            atomic.disk.rename(self.last, self.last_corrupt)
            atomic.disk.sync(self.path)

    def last_stamp(self) -> tuple[int, int, int]:
        """Return inode, size and time of `last`, so that one of another process is noticed; zeros if there is none."""
        try:
            found = self.last.stat()
        except OSError:
            return 0, 0, 0
        return found.st_ino, found.st_size, found.st_mtime_ns

    def all_numbered(self) -> list[Path]:
        """Return the checkpoints that --save-every kept, the oldest first."""
        found = [file for file in self.path.glob("step-*.safetensors") if _NUMBERED.fullmatch(file.name)]
        return sorted(found, key=lambda file: int(file.stem.removeprefix("step-")))

    def vanished(self) -> list[str]:
        """Return a message if the last process that trained here ended without a word."""
        last = last_process(self.lock)
        if last is None or last.state != "vanished":
            return []
        return [
            f"the run ended without a message ({last.holder}): it was killed, or its code crashed or exited Python; "
            "steps after the last save are trained again"
        ]

    def files(self) -> list[Path]:
        """Return the files of a run that are there, the lock left out."""
        names = (self.config, self.history, self.probes, self.best, self.last, self.last_prev, self.curves)
        aside = (
            *backups(self.history),
            *backups(self.probes),
            self.last_corrupt,
            self.best_prev,
            self.nan,
            self.log_lines,
            self.findings,
            *self.evaluations(),
        )
        return [file for file in (*names, *aside, *self.all_numbered(), *self.events()) if file.exists()]

    def evaluations(self) -> list[Path]:
        """Return what evaluations left: predictions, those of simpler methods, importance and worst samples."""
        by_split = [
            path(split)
            for split in ("train", "val", "test", "all")
            for path in (self.predictions, self.baselines, self.worst)
        ]
        return [*by_split, self.importance, *self.path.glob("worst-*/[0-9]*.png")]

    def shortage(self, needed: int) -> list[str]:
        """Return a warning when the disk has too little room for what a run will write.

        Args:
            needed: Bytes of all its files, roughly; what is there already counts towards them.
        """
        try:
            free = atomic.disk.free_bytes(self.path)
            more = needed - sum(file.stat().st_size for file in self.files())
        except OSError as err:
            return [f"cannot read the free space on the disk of {self.path}: {reason(err)}"]
        if free >= more:
            return []
        return [f"the disk of {self.path} has {free:,} bytes free; the checkpoints may need {more:,}"]

    def shared(self, mounts: Path = MOUNTS) -> list[str]:
        """Return a warning when the folder is on a network file system.

        Args:
            mounts: Where the system lists what is mounted.
        """
        kind = shared_by_network(self.path, mounts)
        if not kind:
            return []
        return [
            f"{self.path} is on a network file system ({kind}), where the lock may not be seen by other machines: "
            "train in it on one machine at a time"
        ]

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process from training in this folder; the lock dies with the process.

        Raises:
            RunExistsError: The folder is for a new run, and another process has made one in it meanwhile.
            DlkitError: Another process holds it, or the folder takes no files.
        """
        with hold_lock(self.lock):
            if self.new:
                _refuse_taken(self)
            probe_folder(self.path)
            sweep_temporaries(self.path)
            yield


def check_out(out: Path | None, *, force: bool = False) -> None:
    """Refuse a folder that a new run cannot have, before anything is loaded or computed.

    Args:
        out: The folder asked for; None stands for the next free `runs/<name>-NNN`.
        force: Allow a folder that holds a run.

    Raises:
        RunExistsError: The folder holds a run and `force` is not set.
        ConfigError: The folder holds files of these names that are no run's.
        DlkitError: No file can be made there.
    """
    folder = Path("runs") if out is None else out
    try:
        if out is not None:
            _refuse_taken(RunDir(out), force=force)
        there = next(place for place in (folder, *folder.parents) if place.exists())
    except OSError as err:
        raise file_error(err, folder, "look into") from err
    probe_folder(there)


def create_run(out: Path | None, name: str, *, force: bool = False) -> RunDir:
    """Make a run folder.

    Args:
        out: The folder asked for; None takes the next free `runs/<name>-NNN`.
        name: What the run is of, e.g. `mlp-digits`.
        force: Allow a folder that holds a run; `clear_run` empties it once it is locked.

    Raises:
        RunExistsError: The folder holds a run and `force` is not set.
        ConfigError: The folder holds files of these names that are no run's.
        DlkitError: It cannot be made.
    """
    if out is None:
        return RunDir(next_numbered(Path("runs"), name), new=True)
    check_out(out, force=force)
    make_folder(out)
    return RunDir(out, new=not force)


def open_run(path: Path) -> RunDir:
    """Open the run folder that a path names: the folder itself or a file in it.

    Raises:
        CheckpointError: There is no run.
    """
    try:
        run = RunDir(path if path.is_dir() else path.parent)
        found = path.exists() and (run.last.exists() or run.last_prev.exists())
    except OSError as err:
        raise CheckpointError(f"cannot read {path}: {reason(err)}") from err
    if not found:
        raise CheckpointError(f"no run to resume at {path}", "name a run folder, e.g. runs/mlp-digits-001")
    return run


def clear_run(run: RunDir) -> None:
    """Remove the files of the run that stood here before; nothing else in the folder is touched.

    Raises:
        DlkitError: A file cannot be removed.
    """
    for file in run.files():
        _remove(file)


def _remove(file: Path) -> None:
    with error_context(file, "remove"):
        atomic.disk.remove(file)


def _refuse_taken(run: RunDir, *, force: bool = False) -> None:
    """Refuse a folder with a run in it; and one where a file of such a name is not a run's, even with --force."""
    files = run.files()
    if files and not any(mark.exists() for mark in (run.lock, run.last, run.last_prev)):
        raise ConfigError(
            f"--out {run.path} holds {files[0].name} but no run of dlkit",
            "choose a separate folder for the run",
        )
    if files and not force:
        raise RunExistsError(
            f"--out {run.path} already holds a run",
            f"--resume {run.path} continues it, --force replaces it",
        )


def next_numbered(parent: Path, name: str) -> Path:
    """Make the next free folder `<name>-NNN` and return it.

    Raises:
        DlkitError: It cannot be made.
    """
    make_folder(parent)
    taken = [path.name.removeprefix(f"{name}-") for path in parent.glob(f"{name}-*")]
    number = max((int(text) for text in taken if text.isdecimal()), default=0)
    while True:
        number += 1
        folder = parent / f"{name}-{number:03d}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        except OSError as err:
            raise file_error(err, folder, "make the folder") from err
        return folder


def stamp_as(path: Path, source: Path) -> None:
    """Give a file the time of the one that it was made from; a clock that is set back cannot make it look new."""
    found = source.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def is_made_from(path: Path, source: Path) -> bool:
    """Return whether a file is there and was made from another as that is now; see `stamp_as`."""
    return path.exists() and path.stat().st_mtime_ns == source.stat().st_mtime_ns


def is_newer(path: Path, source: Path) -> bool:
    """Return whether a file is there and was written after another."""
    return path.exists() and path.stat().st_mtime_ns >= source.stat().st_mtime_ns
