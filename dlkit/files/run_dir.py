"""A run folder: the names of its files, what is there, and the lock that one process at a time holds."""

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlkit.errors import ConfigError, RunExistsError, reason
from dlkit.files import atomic
from dlkit.files.atomic import backups, error_context, probe_folder, sweep_temporaries
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

    def clear(self) -> None:
        """Remove the files of the run that stood here before; nothing else in the folder is touched.

        Raises:
            DlkitError: A file cannot be removed.
        """
        for file in self.files():
            _remove(file)

    def refuse_taken(self, *, force: bool = False) -> None:
        """Refuse a folder with a run in it; and one where a file of such a name is not a run's, even with --force.

        Raises:
            RunExistsError: It holds a run and `force` is not set.
            ConfigError: It holds files of these names that are no run's.
        """
        files = self.files()
        if files and not any(mark.exists() for mark in (self.lock, self.last, self.last_prev)):
            raise ConfigError(
                f"--out {self.path} holds {files[0].name} but no run of dlkit",
                "choose a separate folder for the run",
            )
        if files and not force:
            raise RunExistsError(
                f"--out {self.path} already holds a run",
                f"--resume {self.path} continues it, --force replaces it",
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process from training in this folder; the lock dies with the process.

        Raises:
            RunExistsError: The folder is for a new run, and another process has made one in it meanwhile.
            DlkitError: Another process holds it, or the folder takes no files.
        """
        with hold_lock(self.lock):
            if self.new:
                self.refuse_taken()
            probe_folder(self.path)
            sweep_temporaries(self.path)
            yield


def _remove(file: Path) -> None:
    with error_context(file, "remove"):
        atomic.disk.remove(file)
