"""Histories that other programs wrote: their names for columns, and rows that hold a part of an epoch each."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

from dlkit.errors import DataError, first_of, printable
from dlkit.files.history import History, is_ours, parse_history

_TRAIN = ("train", "training")
_VAL = ("val", "valid", "validation", "eval", "dev")
_EMPTY = ("", "none", "null", "na", "n/a", "-")
_SHOWN = 6
_RANGES = ("__MIN", "__MAX")
_TENSORBOARD = {"wall_time", "step", "value"}


@dataclass(frozen=True)
class ForeignHistory(History):
    """A history that another program wrote: a cell that is empty is measured in another row, and no gap.

    Args:
        notes: What had to be decided, in words.
    """

    notes: tuple[str, ...] = ()


def is_history(header: Sequence[str]) -> bool:
    """Return whether a file with this header is a history of training, by whatever program."""
    names = set(_renamed(header).values())
    pairs = (name for name in names if name.startswith("val_") and f"train_{name[4:]}" in names)
    return bool(names & {"epoch", "train_loss", "val_loss"}) or any(pairs) or names >= _TENSORBOARD


def parse_any_history(
    path: Path, header: Sequence[str], rows: Sequence[tuple[int, Sequence[str]]]
) -> History:
    """Read a history of training: dlkit's own, or one of Keras, Lightning, fastai, timm and the like.

    `loss` beside `val_loss` is the training loss, `valid_`, `validation_`, `eval_` and `dev_` are `val_`, and rows that
    follow one another with the same epoch are one.

    Raises:
        DataError: There is no row, no column of training or validation, or a loss or epoch that is no number.
    """
    names = _renamed(header)
    known = any(map(_has_split, names.values())) or set(names.values()) >= _TENSORBOARD
    if is_ours(header) or not known:
        return parse_history(path, header, rows)
    if not rows:
        raise DataError(f"{path} has no epochs yet", "a row is written when an epoch ends")
    columns, notes = _numbers(path, header, rows, names)
    if "epoch" not in columns:
        columns = {"epoch": [float(row) for row in range(1, len(rows) + 1)], **columns}
        steps = "; -x step draws them over steps" if "step" in columns else ""
        notes.append(f"{path} has no column epoch: its rows are counted from 1{steps}")
    columns, note = _one_row_an_epoch(path, columns)
    changed = [
        f"{old.strip() or 'the first column'} as {new}"
        for old, new in names.items()
        if old.strip() != new and new in columns
    ]
    if changed:
        notes.insert(0, f"{path} comes from another program: {first_of(changed, _SHOWN, 80)}")
    return ForeignHistory(columns, notes=(*notes, *note))


def _renamed(header: Sequence[str]) -> dict[str, str]:
    """Return the names that dlkit has for columns, by those in the file; the first of those that come to one wins."""
    plain = {name: _plain(name) for name in header if not name.endswith(_RANGES)}
    names = set(plain.values())
    tested = not any(name.startswith("val_") for name in names)
    found: dict[str, str] = {}
    for old, new in plain.items():
        if new.endswith("_step") and f"{new[:-5]}_epoch" in names:
            continue
        new = re.sub(r"_(epoch|step)$", "", new) if _has_split(new) else new
        if tested and new.startswith("test_"):
            new = f"val_{new[5:]}"
        elif f"val_{new}" in names:
            new = f"train_{new}"
        if new not in found.values():
            found[old] = new
    if "epoch" not in found.values() and not header[0].strip() and any(map(_has_split, found.values())):
        found[header[0]] = "epoch"  # the index that pandas writes
    return {old: new for old, new in found.items() if new}


def _has_split(name: str) -> bool:
    return name.startswith(("train_", "val_"))


def _plain(name: str) -> str:
    """Return a column's name in the form that dlkit's have: `Valid Loss` and `loss/val` are `val_loss`."""
    tag = name.rpartition(" - ")[2]  # Weights & Biases writes the run's name before it
    plain = re.sub(r"[\s/.\-]+", "_", tag.strip().lower()).strip("_")
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
    path: Path, header: Sequence[str], rows: Sequence[tuple[int, Sequence[str]]], names: Mapping[str, str]
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
    path: Path, columns: Mapping[str, list[float | None]]
) -> tuple[dict[str, list[float | None]], list[str]]:
    """Join rows that follow one another with the same epoch: the mean of training, the last of everything else."""
    epochs, notes = columns["epoch"], []
    if all(epoch == epochs[0] for epoch in epochs) and len(epochs) > 1:
        return dict(columns), [f"{path}: all rows are of epoch {epochs[0]:g}; -x step draws them over steps"]
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


def _restarts(path: Path, epochs: Sequence[float | None]) -> Iterator[str]:
    given = [epoch for epoch in epochs if epoch is not None]
    again = sum(later < earlier for earlier, later in pairwise(given))
    if again:
        yield f"{path}: epochs begin again {again} time{'s' * (again != 1)}, as several runs in one file do"
