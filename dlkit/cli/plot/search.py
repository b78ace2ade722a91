"""dlkit plot SWEEP: a search as a figure."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlkit.errors import ConfigError, DataError, did_you_mean
from dlkit.files.sweep_dir import SweepDir

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SWEEP_KINDS = ("search", "parallel")


def find_sweep(files: Sequence[Path]) -> SweepDir | None:
    """Return the search that a single path names; None for other files."""
    sweep = SweepDir(files[0])
    return sweep if len(files) == 1 and sweep.journal.exists() else None


def check_sweep(kind: str | None, typed: Sequence[str]) -> list[ConfigError]:
    """Find what a figure of a search cannot be asked for.

    Args:
        kind: The value of --kind.
        typed: Options of curves and others that were typed.
    """
    faults = [ConfigError(f"{flag} cannot be used with a search", "leave it out") for flag in typed]
    if kind is not None and kind not in SWEEP_KINDS:
        faults.append(
            ConfigError(
                f"--kind {kind} is not for a search; choose from {', '.join(SWEEP_KINDS)}",
                did_you_mean(kind, SWEEP_KINDS) or "name a trial's folder for the others",
            )
        )
    return faults


def draw_sweep(sweep: SweepDir, kind: str | None) -> "Figure":
    """Return the figure of a search.

    Raises:
        DataError: No trial has been completed.
    """
    from dlkit.plotting.search import plot_parallel, plot_search
    from dlkit.search.results import results_of
    from dlkit.search.study import open_search

    results = results_of(open_search(sweep), importance=True)
    if not results.best():
        raise DataError(
            f"{sweep.path} has no completed trial", f"dlkit train --join {sweep.path} trains more"
        )
    return plot_parallel(results) if kind == "parallel" else plot_search(results)
