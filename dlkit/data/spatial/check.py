"""Whether any point sees a value that it must not: its own, one outside the training points, or the future's."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from dlkit.data.dataset import DataSet
from dlkit.data.findings import Finding, some_of
from dlkit.data.row_hashes import hash_rows
from dlkit.data.spatial.split import SpatialSplit
from dlkit.data.tables.table import Table

_ROWS_AT_ONCE = 4096
_CPU = torch.device("cpu")


def check_neighbors(dataset: DataSet, table: Table | None = None) -> list[Finding]:
    """Look at every neighbour of every point, those that may be drawn and those that a batch holds.

    No finding proves: what a point sees are training points, never the point itself, and with time only what was
    before it; and the values they are seen with are those of the training points.

    Args:
        dataset: Points, with the training points as their context.
        table: The table they are from, to tell lines; None tells rows.
    """
    findings: list[Finding] = []
    splits = {name: split for name, split in dataset.splits.items() if isinstance(split, SpatialSplit)}
    for name, split in splits.items():
        findings += _of_split(name, split, splits["train"], dataset.context, table)
    findings += _copies(splits, table)
    return findings


def _of_split(
    name: str, split: SpatialSplit, train: SpatialSplit, context: Mapping[str, Tensor], table: Table | None
) -> Iterator[Finding]:
    """Find points of a split that see what they must not."""
    wrong: dict[str, list[Tensor]] = {"foreign-neighbor": [], "own-value": [], "future": []}
    for rows in split.rows.split(_ROWS_AT_ONCE):
        listed = split.candidates.index_select(0, rows).long()
        batches = [split.batch(rows, _CPU, epoch)[0]["neighbors"] for epoch in (None, 1)]  # type: ignore[index]
        seen = torch.cat([listed, *batches], dim=1)
        there, which = seen >= 0, seen.clamp(0, len(train.rows) - 1)
        outside = (seen >= len(train.rows)) & there
        wrong["foreign-neighbor"].append(rows[outside.any(1)])
        wrong["own-value"].append(rows[(there & (train.rows[which] == rows.unsqueeze(1))).any(1)])
        if split.times is not None:
            later = context["times"][which] >= split.times[rows].unsqueeze(1)
            wrong["future"].append(rows[(there & later).any(1)])
    shown = {
        "foreign-neighbor": "see points that are not in train",
        "own-value": "see their own value",
        "future": "see values of their own time or later",
    }
    for rule, parts in wrong.items():
        if count := sum(map(len, parts)):
            rows = torch.cat(parts).tolist()
            yield Finding(
                level="error",
                rule=rule,
                where=f"{name} {_places(rows, table)}",
                count=count,
                message=f"{count:,} points of {name} {shown[rule]}",
                cure="every score would be too good: please report this bug in dlkit",
            )
    same = torch.equal(context["coords"], train.coords[train.rows])
    if name == "train" and not same:
        yield Finding(
            level="error",
            rule="context",
            where="train",
            count=len(train.rows),
            message="the observations that neighbours are taken from are not the training points",
            cure="every score would be too good: please report this bug in dlkit",
        )


def _copies(splits: Mapping[str, SpatialSplit], table: Table | None) -> Iterator[Finding]:
    """Find points of val and test that are in train as well, value and all."""
    if "train" not in splits:
        return
    hashes = {name: _hashes(split) for name, split in splits.items()}
    for name in splits.keys() - {"train"}:
        shared = np.flatnonzero(np.isin(hashes[name], hashes["train"]))
        if len(shared):
            rows = splits[name].rows.numpy()[shared].tolist()
            yield Finding(
                level="warning",
                rule="shared",
                where=f"{name} {_places(rows, table)}",
                count=len(shared),
                message=f"{len(shared):,} points of {name} are also in train: same place, time, features and value",
                cure="they see their own value in it: drop the copies, or keep them together with --group",
            )


def _hashes(split: SpatialSplit) -> np.ndarray:
    parts = [split.coords, split.features, split.targets]
    if split.times is not None:
        parts.append(split.times.unsqueeze(1))
    return hash_rows(torch.cat([part.index_select(0, split.rows) for part in parts], dim=1).numpy())


def _places(rows: list[int], table: Table | None) -> str:
    if table is None:
        return f"row {some_of(rows)}"
    return f"line {some_of([table.line(row) for row in rows])}"
