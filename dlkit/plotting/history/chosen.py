"""The runs in the files that were named, and what of them was asked for; no matplotlib needed."""

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dlkit.errors import ConfigError, first_of, printable
from dlkit.files.foreign_history import ForeignHistory, runs_of
from dlkit.files.foreign_runs import run_and_name
from dlkit.files.history import History
from dlkit.plotting.history.panels import SELDOM_DRAWN, Panel, finite_values

_SHOWN = 6


@dataclass(frozen=True)
class Run:
    """One run to be drawn.

    Args:
        history: What it came to.
        path: The file that it is in.
        name: Its name there, where the file holds several; else empty.
    """

    history: History
    path: Path
    name: str

    @property
    def place(self) -> str:
        """The file and the run in it, for messages."""
        return f"{self.path} ({self.name})" if self.name else str(self.path)


def list_runs(histories: Sequence[History], paths: Sequence[Path]) -> list[Run]:
    """Return the runs in files, in their order."""
    return [
        Run(run, path, run.run if isinstance(run, ForeignHistory) else "")
        for history, path in zip(histories, paths, strict=True)
        for run in runs_of(history)
    ]


def as_named_in_files(
    runs: Sequence[Run], columns: Sequence[str] | None
) -> tuple[list[Run], list[str] | None]:
    """Return the runs and the columns that -y means, which may be called as in the file.

    `train/loss` is the column that was read as `train_loss`; `sun-3 - train/loss` is that of the run sun-3, and where
    every name has a run, only those are drawn.
    """
    if columns is None:
        return list(runs), None
    found = [_as_named_in_file(runs, name) for name in columns]
    asked = {run for run, _ in found}
    kept = [run for run in runs if run.name in asked] if "" not in asked else list(runs)
    return kept, [name for _, name in found]


def _as_named_in_file(runs: Sequence[Run], column: str) -> tuple[str, str]:
    """Return the run, empty for any, and the column that a name means; a name that is not known stays as it is."""
    if any(column in run.history.columns for run in runs):
        return "", column
    of_run, name = run_and_name(column)
    for run in runs:
        known = run.history.names if isinstance(run.history, ForeignHistory) else {}
        if column in known:
            return "", known[column]
        if run.name and run.name == of_run and (name in known or name in run.history.columns):
            return of_run, known.get(name, name)
    return "", column


def choose_x(runs: Sequence[Run], x: str | None) -> str:
    """Return the x axis: what was asked for, or steps or seconds where a run has no epochs but all have those."""
    if x is not None:
        return x
    uncounted = any(isinstance(run.history, ForeignHistory) and run.history.uncounted for run in runs)
    there = (name for name in ("step", "seconds") if all(finite_values(run.history, name) for run in runs))
    return next(there, "epoch") if uncounted else "epoch"


def notes_on(runs: Sequence[Run], x: str) -> list[str]:
    """Return what reading the files had to decide, each once."""
    notes: list[str] = []
    for run in runs:
        if isinstance(run.history, ForeignHistory):
            notes += run.history.notes
            if run.history.uncounted and x == "epoch":
                steps = "; -x step draws them over steps" if finite_values(run.history, "step") else ""
                notes.append(run.history.uncounted + steps)
    return list(dict.fromkeys(notes))


def not_drawn(runs: Sequence[Run], panels: Sequence[Panel]) -> Iterator[str]:
    """Say which columns of other programs' files are in no panel, and how to draw them."""
    drawn = {column for panel in panels for column in panel.columns}
    for path in dict.fromkeys(run.path for run in runs):
        columns = dict.fromkeys(
            name
            for run in runs
            if run.path == path and isinstance(run.history, ForeignHistory)
            for name in run.history.columns
            if name not in drawn and not _is_seldom_drawn(run, name) and finite_values(run.history, name)
        )
        if columns:
            names = list(columns)
            draws = "draws it" if len(names) == 1 else "draws the first two"
            yield (
                f"{path}: not drawn: {first_of(names, _SHOWN, 80)}; "
                f"-y {shlex.quote(','.join(printable(name, 80) for name in names[:2]))} {draws}"
            )


def _is_seldom_drawn(run: Run, name: str) -> bool:
    """Return whether nobody misses a column; where groups have rates of their own, the first is named as the others."""
    of_groups = name == "lr" and any(other.startswith("lr_") for other in run.history.columns)
    return name in SELDOM_DRAWN and not of_groups


def check_labels(runs: Sequence[Run], labels: Sequence[str] | None) -> None:
    """Check that there is a name for every run.

    Raises:
        ConfigError: There are more or fewer.
    """
    if labels is not None and len(labels) != len(runs):
        raise ConfigError(
            f"--label {','.join(labels)} names {len(labels)} of {len(runs)} runs",
            "one name per run, separated by commas",
        )


def check_one_run_a_file(runs: Sequence[Run], *, join: bool) -> None:
    """Check that --join has pieces of one run.

    Raises:
        ConfigError: A file holds several runs.
    """
    if join and (several := next((run for run in runs if run.name), None)):
        count = sum(run.path == several.path for run in runs)
        raise ConfigError(
            f"--join makes one run of all inputs; {several.path} holds {count}", "leave --join out"
        )


def label_runs(runs: Sequence[Run]) -> list[str]:
    """Name several runs as their file does, by their folders, or by their paths where those are alike.

    One alone needs no name.
    """
    if len(runs) == 1:
        return [runs[0].name]
    short = [
        run.name or (run.path.resolve().parent.name if run.path.name == "history.csv" else run.path.stem)
        for run in runs
    ]
    counts = Counter(short)
    return [name if counts[name] == 1 else run.place for name, run in zip(short, runs, strict=True)]
