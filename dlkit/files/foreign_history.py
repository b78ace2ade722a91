"""Histories that other programs wrote: their names for columns, and rows that hold a part of an epoch each."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, pairwise
from pathlib import Path

from dlkit.errors import DataError, first_of, printable
from dlkit.files.foreign_runs import RANGES, Rows, is_export, run_and_name, split_runs, with_underscores
from dlkit.files.history import History, is_ours, parse_history
from dlkit.files.long_logs import is_long, widened

_TRAIN = ("train", "training")
_VAL = ("val", "valid", "validation", "eval", "dev")
_EMPTY = ("", "none", "null", "na", "n/a", "-")
_SHOWN = 6
_TENSORBOARD = {"wall_time", "step", "value"}


@dataclass(frozen=True)
class ForeignHistory(History):
    """A history that another program wrote: a cell that is empty is measured in another row, and no gap.

    Args:
        notes: What had to be decided, in words.
        uncounted: Why its epochs count nothing, in words; empty where they do.
        names: Its columns by what the file calls them.
        run: Its name, where the file holds several.
        others: The other runs of the file, at the first of them.
    """

    notes: tuple[str, ...] = ()
    uncounted: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    run: str = ""
    others: tuple["ForeignHistory", ...] = ()


def runs_of(history: History) -> list[History]:
    """Return the runs of a file: several only where another program wrote it."""
    return [history, *history.others] if isinstance(history, ForeignHistory) else [history]


def is_history(header: Sequence[str]) -> bool:
    """Return whether a file with this header is a history of training, by whatever program."""
    names = set(_renamed(header).values())
    pairs = any(name.startswith("val_") and f"train_{name[4:]}" in names for name in names)
    known = bool(names & {"epoch", "train_loss", "val_loss"}) or names >= _TENSORBOARD
    return known or pairs or is_export(header) or is_long(header)


def parse_any_history(path: Path, header: Sequence[str], rows: Rows) -> History:
    """Read a history of training: dlkit's own, or one of Keras, Lightning, fastai, timm and the like.

    `loss` beside `val_loss` is the training loss, `valid_`, `validation_`, `eval_` and `dev_` are `val_`, and rows that
    follow one another with the same epoch are one. Of several runs in a file the first is returned, with the others.

    Raises:
        DataError: There is no row, no column of training or validation, or a loss or epoch that is no number.
    """
    long = is_long(header)
    metrics, (header, rows) = widened(header, rows) if long and rows else ((), (header, rows))
    names = set(_renamed(header).values())
    known = long or any(map(_has_split, names)) or names >= _TENSORBOARD or is_export(header)
    if is_ours(header) or not known:
        return parse_history(path, header, rows)
    if not rows:
        raise DataError(f"{path} has no epochs yet", "a row is written when an epoch ends")
    tables = split_runs(header, rows)
    runs = [replace(_parse_run(path, run, *table), run=run) for run, table in tables.items() if table[1]]
    if not runs:
        raise DataError(f"{path} has no value of any of its {len(tables)} runs", "it holds their names alone")
    notes = []
    if len(tables) > 1:
        notes.append(f"{path} holds {len(tables)} runs: {first_of(list(tables), _SHOWN, 80)}")
    if empty := [run for run, table in tables.items() if not table[1]]:
        notes.append(f"{path}: left out, since they have no values: {first_of(empty, _SHOWN, 80)}")
    if any(name.endswith(RANGES) for name in header):
        notes.append(f"{path}: left out, since they are ranges: columns that end in {' or '.join(RANGES)}")
    if metrics:
        notes.append(f"{path} has a metric in each row: {first_of(metrics, _SHOWN, 80)}")
    first, *others = runs
    return replace(first, notes=(*notes, *first.notes), others=tuple(others))


def _parse_run(path: Path, run: str, header: Sequence[str], rows: Rows) -> ForeignHistory:
    """Read the rows of one run; its name is empty where the file holds no other."""
    names = _renamed(header)
    place = f"{path}, {printable(run)}" if run else str(path)
    columns, notes = _numbers(place, header, rows, names)
    uncounted = ""
    if "epoch" not in columns:
        columns = {"epoch": [float(row) for row in range(1, len(rows) + 1)], **columns}
        uncounted = f"{path} has no column epoch: its rows are counted from 1"
    elif len(rows) > 1 and len(set(columns["epoch"])) == 1:
        uncounted = f"{place}: all rows are of epoch {columns['epoch'][0]:g}"
    else:
        columns, joined = _one_row_an_epoch(place, columns)
        notes += joined
    changed = [
        f"{old.strip() or 'the first column'} as {new}"
        for old, new in names.items()
        if old.strip().lower() != new and new in columns and new not in _TENSORBOARD
    ]
    if changed:
        notes.insert(0, f"{path} comes from another program: {first_of(changed, _SHOWN, 80)}")
    same = [name for name in header if name not in names and not name.endswith(RANGES) and name.strip()]
    if same:
        notes.append(f"{place}: left out, since another column stands for it: {first_of(same, _SHOWN, 80)}")
    known = {old.strip(): new for old, new in names.items() if new in columns}
    return ForeignHistory(columns, notes=tuple(notes), uncounted=uncounted, names=known)


def _renamed(header: Sequence[str]) -> dict[str, str]:
    """Return the names that dlkit has for columns, by those in the file; the first of those that come to one wins.

    A later one keeps the name that it has, if no column has that.
    """
    plain = {name: _plain(name) for name in header if not name.endswith(RANGES)}
    names = set(plain.values())
    tested = not any(name.startswith("val_") for name in names)
    found: dict[str, str] = {}
    for old, new in plain.items():
        if new.endswith("_step") and f"{new[:-5]}_epoch" in names:
            continue
        new = re.sub(r"_(epoch|step)$", "", new) if _has_split(new) else new
        if tested and new.startswith("test_"):
            new = f"val_{new[5:]}"
        elif f"val_{new}" in names or (new == "loss" and tested and ("epoch" in names or is_export(header))):
            new = f"train_{new}"
        own = with_underscores(run_and_name(old)[1])
        new = own if new in found.values() and own not in names else new
        if new not in found.values():
            found[old] = new
    if "epoch" not in found.values() and not header[0].strip() and any(map(_has_split, found.values())):
        found[header[0]] = "epoch"  # the index that pandas writes
    return {old: new for old, new in found.items() if new}


def _has_split(name: str) -> bool:
    return name.startswith(("train_", "val_"))


def _plain(name: str) -> str:
    """Return a column's name in the form that dlkit's have: `Valid Loss` and `loss/val` are `val_loss`."""
    plain = with_underscores(run_and_name(name)[1])
    if re.fullmatch(r"(trainer_)?global_step", plain):
        return "step"
    if re.fullmatch(r"relative_time_\(.*\)|runtime", plain):
        return "seconds"
    if re.fullmatch(r"(lr|learning_rate)(_.*)?", plain):
        return "lr"
    first, _, rest = plain.partition("_")
    before, _, last = plain.rpartition("_")
    for split, words in (("train", _TRAIN), ("val", _VAL)):
        if rest and first in words:
            return f"{split}_{rest}"
        if before and last in words:
            return f"{split}_{before}"
    return plain


def _numbers(
    path: str, header: Sequence[str], rows: Rows, names: Mapping[str, str]
) -> tuple[dict[str, list[float | None]], list[str]]:
    """Return the columns that are numbers, and what is left out."""
    columns: dict[str, list[float | None]] = {}
    left_out = []
    for place, old in enumerate(header):
        if old not in names:
            continue
        values: list[float | None] = []
        for line, row in rows:
            value = _number(row[place])
            if value == math.inf and names[old] in ("epoch", "step", "train_loss", "val_loss"):
                raise DataError(
                    f"{path} line {line}: {printable(old)} is '{printable(row[place])}', not a number"
                )
            values.append(value)
        if any(value == math.inf for value in values):
            left_out.append(printable(old))
        else:
            columns[names[old]] = values
    notes = (
        [f"{path}: left out, since they are not numeric: {', '.join(left_out[:_SHOWN])}"] if left_out else []
    )
    return columns, notes


def _number(cell: str) -> float | None:
    """Return a number, NaN where it is none that can be drawn, None for an empty cell, infinity for a text."""
    cell = cell.strip()
    if cell.lower() in _EMPTY:
        return None
    try:
        value = float(cell.replace(",", ".")) if cell.count(",") == 1 else float(cell)
    except ValueError:
        return math.inf
    return value if math.isfinite(value) else math.nan


def _one_row_an_epoch(
    path: str, columns: Mapping[str, list[float | None]]
) -> tuple[dict[str, list[float | None]], list[str]]:
    """Join rows that follow one another with the same epoch: the mean of training, the last of everything else."""
    epochs, notes = columns["epoch"], []
    pieces = [list(group) for _, group in groupby(range(len(epochs)), key=lambda row: epochs[row])]
    joined = {
        name: [_joined(name, [values[row] for row in piece]) for piece in pieces]
        for name, values in columns.items()
    }
    if len(pieces) < len(epochs):
        notes.append(f"{path}: {len(epochs):,} rows are joined to {len(pieces):,} epochs")
    notes += _restarts(path, joined["epoch"])
    return joined, notes


def _joined(name: str, values: Sequence[float | None]) -> float | None:
    given = [value for value in values if value is not None]
    if not given:
        return None
    return sum(given) / len(given) if name.startswith("train_") else given[-1]


def _restarts(path: str, epochs: Sequence[float | None]) -> Iterator[str]:
    given = [epoch for epoch in epochs if epoch is not None]
    again = sum(later < earlier for earlier, later in pairwise(given))
    if again:
        yield f"{path}: epochs begin again {again} time{'s' * (again != 1)}, as several runs in one file do"
