"""The folder of a search: Optuna's journal, and a run folder for each trial."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dlkit.errors import ConfigError, DlkitError
from dlkit.files.run_dir import RunDir

if TYPE_CHECKING:
    from filelock import BaseFileLock


@dataclass(frozen=True)
class SweepDir:
    """The folder of a search."""

    path: Path

    @property
    def journal(self) -> Path:
        """The study, as Optuna's JournalStorage writes it."""
        return self.path / "study.journal"

    @property
    def figure(self) -> Path:
        """The plot of the search."""
        return self.path / "search.png"

    def refuse_taken(self) -> None:
        """Refuse a folder with a search in it.

        Raises:
            ConfigError: There is one.
        """
        if self.journal.exists():
            raise ConfigError(
                f"--out {self.path} holds a search already",
                f"--join {self.path} continues it, --force replaces it",
            )

    def refuse_missing(self) -> None:
        """Refuse a folder without a search in it.

        Raises:
            ConfigError: There is none.
        """
        if not self.journal.exists():
            raise ConfigError(f"no search at {self.path}", "name the folder of a search")

    def run(self, number: int) -> RunDir:
        """Return the run folder of a trial."""
        return RunDir(self.path / f"trial-{number:03d}")

    def study_lock(self) -> "BaseFileLock":
        """Return the lock that one worker at a time holds while it writes to the journal or takes a trial."""
        return _lock(self.path / "study.lock")

    def trial_lock(self, number: int) -> "BaseFileLock":
        """Return the lock that a worker holds while it trains a trial; it ends with the process."""
        folder = self.run(number).path
        folder.mkdir(exist_ok=True)
        return _lock(folder / "trial.lock")

    def cut_torn_line(self) -> None:
        """Cut off a last line of the journal that a worker did not end: the next would be added to it."""
        with self.journal.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - 1, 0))
            if file.read(1) not in (b"", b"\n"):
                file.truncate(self.journal.read_bytes().rfind(b"\n") + 1)

    def clear(self) -> None:
        """Remove the journal, the plots and the trials; other files stay. The lock of the study must be held.

        Raises:
            DlkitError: A worker trains a trial.
        """
        from filelock import Timeout

        with contextlib.ExitStack() as locks:
            folders = [path.parent for path in sorted(self.path.glob("trial-*/trial.lock"))]
            for folder in folders:
                try:
                    locks.enter_context(_lock(folder / "trial.lock").acquire(timeout=0))
                except Timeout as err:
                    raise DlkitError(
                        f"{folder} is being trained by another process",
                        "stop it first, or choose another --out",
                    ) from err
            for folder in folders:
                run = RunDir(folder)
                run.clear()
                for name in (run.lock, folder / "trial.lock"):
                    name.unlink(missing_ok=True)
                with contextlib.suppress(OSError):  # files of the user's own are in it
                    folder.rmdir()
            for path in (self.figure, self.path / "parallel.png", self.journal):
                path.unlink(missing_ok=True)


def count_trials(checkpoint: Path) -> int:
    """Return how many trials have begun in the search that a checkpoint is of; 0 if it is of none."""
    sweep = SweepDir(checkpoint.absolute().parent.parent)
    return sum(1 for _ in sweep.path.glob("trial-*/trial.lock")) if sweep.journal.exists() else 0


def _lock(path: Path) -> "BaseFileLock":
    from filelock import FileLock

    return FileLock(path, thread_local=False, fallback_to_soft=False)
