"""The folder of a search: Optuna's journal, and a run folder for each trial."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

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


def count_trials(checkpoint: Path) -> int:
    """Return how many trials have begun in the search that a checkpoint is of; 0 if it is of none."""
    sweep = SweepDir(checkpoint.absolute().parent.parent)
    return sum(1 for _ in sweep.path.glob("trial-*/trial.lock")) if sweep.journal.exists() else 0


def _lock(path: Path) -> "BaseFileLock":
    from filelock import FileLock

    return FileLock(path, thread_local=False, fallback_to_soft=False)
