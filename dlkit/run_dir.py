"""A run folder: the names of its files, how it is made, locked and opened."""

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlkit.atomic import make_folder, probe_folder, sweep_temporaries
from dlkit.errors import CheckpointError, DlkitError, RunExistsError, file_error


@dataclass(frozen=True)
class RunDir:
    """The folder that training writes and the other commands read."""

    path: Path

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
    def last(self) -> Path:
        """The newest weights and all that resuming needs."""
        return self.path / "last.safetensors"

    @property
    def last_prev(self) -> Path:
        """The `last` before `last`."""
        return self.path / "last.prev.safetensors"

    @property
    def curves(self) -> Path:
        """The picture of history.csv."""
        return self.path / "curves.png"

    def files(self) -> list[Path]:
        """Give the files of a run that are there."""
        names = (self.config, self.history, self.probes, self.best, self.last, self.last_prev, self.curves)
        backups = (self.history.with_name("history.csv.bak"), self.probes.with_name("probes.csv.bak"))
        return [file for file in (*names, *backups) if file.exists()]

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process from training in this folder; the lock dies with the process.

        Raises:
            DlkitError: Another process holds it, or the folder takes no files.
        """
        path = self.path / "run.lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as err:
            raise file_error(err, self.path, "write into") from err
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as err:
                holder = path.read_text(encoding="utf-8", errors="replace").strip() or "another process"
                raise DlkitError(
                    f"{self.path} is locked: {holder} is training there",
                    "wait for it, or choose another --out",
                ) from err
            os.ftruncate(descriptor, 0)
            started = time.strftime("%Y-%m-%d %H:%M:%S")
            os.write(
                descriptor, f"process {os.getpid()} on {socket.gethostname()} since {started}\n".encode()
            )
            probe_folder(self.path)
            sweep_temporaries(self.path)
            yield
        finally:
            os.close(descriptor)


def create_run(out: Path | None, name: str, *, force: bool = False) -> RunDir:
    """Make a run folder.

    Args:
        out: The folder asked for; None takes the next free `runs/<name>-NNN`.
        name: What the run is of, e.g. `mlp-digits`.
        force: Allow a folder that holds a run; `clear_run` empties it once it is locked.

    Raises:
        RunExistsError: The folder holds a run and `force` is not set.
        DlkitError: It cannot be made.
    """
    if out is None:
        return RunDir(_next_numbered(Path("runs"), name))
    run = RunDir(out)
    if run.files() and not force:
        raise RunExistsError(
            f"--out {out} holds a run already",
            f"--resume {out} goes on with it, --force replaces it",
        )
    make_folder(out)
    return run


def open_run(path: Path) -> RunDir:
    """Open the run folder that a path names: the folder itself or a file in it.

    Raises:
        CheckpointError: There is no run.
    """
    folder = path if path.is_dir() else path.parent
    run = RunDir(folder)
    if not path.exists() or not (run.last.exists() or run.last_prev.exists()):
        raise CheckpointError(f"no run to resume at {path}", "name a run folder, e.g. runs/mlp-digits-001")
    return run


def clear_run(run: RunDir) -> None:
    """Remove the files of the run that stood here before; nothing else in the folder is touched.

    Raises:
        DlkitError: A file cannot be removed.
    """
    for file in run.files():
        try:
            file.unlink()
        except OSError as err:
            raise file_error(err, file, "remove") from err


def _next_numbered(parent: Path, name: str) -> Path:
    make_folder(parent)
    taken = [path.name.removeprefix(f"{name}-") for path in parent.glob(f"{name}-*")]
    number = max((int(text) for text in taken if text.isdigit()), default=0)
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
