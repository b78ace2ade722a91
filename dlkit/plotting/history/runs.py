"""Several runs: the settings in which they differ, pieces joined to one, means over seeds; no matplotlib needed."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlkit.files.history import History

_NOT_COMPARED = ("seed", "plot", "out", "threads", "num_workers", "log")
_MOST_SETTINGS = 3

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed alone, as one curve.

    Args:
        mean: Means over the runs, epoch by epoch.
        spread: Standard deviations (n - 1), likewise; None where fewer than two runs have the epoch.
        count: How many runs.
    """

    mean: History
    spread: History
    count: int


@dataclass(frozen=True)
class Setting:
    """The one setting in which runs differ, and its number in each of them."""

    name: str
    values: Sequence[float]


def read_settings(history: Path) -> Settings:
    """Return the settings in the config.toml beside a history, those of the network among them; empty without one."""
    try:
        settings = tomllib.loads((history.parent / "config.toml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}
    arguments = settings.pop("arguments", {})
    return {**settings, **{f"s.{name}": value for name, value in arguments.items()}}


def differing(runs: Sequence[Settings]) -> list[str]:
    """Return the settings that are not the same in all runs; seeds and what changes no result are left out."""
    names = dict.fromkeys(name for settings in runs for name in settings)
    return [
        name
        for name in names
        if name not in _NOT_COMPARED and any(run.get(name) != runs[0].get(name) for run in runs)
    ]


def name_runs(runs: Sequence[Settings], fallback: Sequence[str]) -> list[str]:
    """Name runs by the settings that differ, `lr 0.001`, or as given where these do not distinguish them.

    Args:
        runs: The settings of each; empty ones are not known.
        fallback: A name for each run.
    """
    names = differing(runs)
    if not all(runs) or not 0 < len(names) <= _MOST_SETTINGS:
        return list(fallback)
    labels = [
        ", ".join(f"{name.removeprefix('s.')} {shown(run.get(name))}" for name in names) for run in runs
    ]
    return labels if len(set(labels)) == len(labels) else list(fallback)


def single_setting(runs: Sequence[Settings]) -> Setting | None:
    """Return the setting that alone differs, if it is a number in every run."""
    names = differing(runs)
    if len(names) != 1:
        return None
    values = [run.get(names[0]) for run in runs]
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return None
    return Setting(names[0].removeprefix("s."), [float(value) for value in values if value is not None])


def join_pieces(histories: Sequence[History]) -> History:
    """Return pieces of one run as a single history: a piece that begins again at epoch 1 is moved to the end.

    Where two pieces have the same epoch, the later piece counts. Columns that a piece lacks are empty there.

    Args:
        histories: The pieces, in the order of time.
    """
    names = list(dict.fromkeys(name for history in histories for name in history.columns))
    rows: dict[float, dict[str, float | None]] = {}
    for history in histories:
        shift = _end(rows) if rows and _first(history) <= min(rows) else {}
        for place in range(len(history)):
            row = {name: _at(history, name, place) for name in names}
            row.update({name: row[name] + by for name, by in shift.items() if row[name] is not None})  # type: ignore[operator]
            epoch = row["epoch"]
            if epoch is not None:
                rows[epoch] = row
    ordered = [rows[epoch] for epoch in sorted(rows)]
    return History({name: [row[name] for row in ordered] for name in names})


def group_runs(histories: Sequence[History], keys: Sequence[Any]) -> dict[Any, Group]:
    """Return the mean and the spread of the runs with the same key, epoch by epoch.

    Args:
        histories: The runs.
        keys: One a run.
    """
    groups: dict[Any, list[History]] = {}
    for history, key in zip(histories, keys, strict=True):
        groups.setdefault(key, []).append(history)
    return {key: _group(members) for key, members in groups.items()}


def _group(members: Sequence[History]) -> Group:
    import statistics  # takes as long as all of this module

    names = list(dict.fromkeys(name for history in members for name in history.columns))
    by_epoch: dict[float, list[tuple[History, int]]] = {}
    for history in members:
        for place, epoch in enumerate(history.columns["epoch"]):
            if epoch is not None:
                by_epoch.setdefault(epoch, []).append((history, place))
    mean: dict[str, list[float | None]] = {name: [] for name in names}
    spread: dict[str, list[float | None]] = {name: [] for name in names}
    for epoch in sorted(by_epoch):
        for name in names:
            found = [_at(history, name, place) for history, place in by_epoch[epoch]]
            values = [value for value in found if value is not None and math.isfinite(value)]
            mean[name].append(statistics.fmean(values) if values else None)
            spread[name].append(statistics.stdev(values) if len(values) > 1 else None)
    return Group(History(mean), History(spread), len(members))


def _at(history: History, name: str, place: int) -> float | None:
    return history.columns[name][place] if name in history.columns else None


def _first(history: History) -> float:
    return min((epoch for epoch in history.columns["epoch"] if epoch is not None), default=math.inf)


def _end(rows: Mapping[float, Mapping[str, float | None]]) -> dict[str, float]:
    """Return where the pieces so far end: their last epoch, step and second."""
    last = rows[max(rows)]
    return {name: value for name in ("epoch", "step", "seconds") if (value := last.get(name)) is not None}


def shown(value: Any) -> str:
    """Return the value of a setting as it is named."""
    if isinstance(value, list):
        return "-".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
