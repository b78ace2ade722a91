"""Neighbour lists kept in a prepared file: built once for a table, its split and what counts as near."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlkit.data.home import data_home
from dlkit.data.spatial.neighbors import Points, find_neighbors
from dlkit.errors import CheckpointError, DlkitError
from dlkit.files.atomic import make_folder
from dlkit.files.tensor_file import read_tensors, write_tensors

_FORMAT = 1
_LISTS = "candidates"


def kept_lists(
    name: str,
    points: Points,
    context: Points,
    own: np.ndarray,
    *,
    reach: float,
    window: float,
    note: Callable[[str], None],
) -> Tensor:
    """Return the neighbours of each point, out of the prepared file where there is one for just these.

    Args:
        name: Of the data, for the file's name.
        points: What neighbours are wanted of, N points.
        context: Where they are taken from.
        own: Where each point itself stands in the context, -1 where it does not, shape (N,).
        reach: Straight line to the farthest that counts.
        window: Span of time before a point that counts.
        note: Called if the file cannot be written; the lists are given all the same.

    Returns:
        Positions in the context, nearest first, padded with -1, shape (N, C), int32, as wide as the longest list.
    """
    said: dict[str, Any] = {
        "lists": _FORMAT,
        "of": _digest(points, context, own, [repr(reach), repr(window)]),
    }
    path = data_home() / "prepared" / "neighbors" / f"{name[:40]}-{said['of'][:16]}.safetensors"
    if (kept := _read(path, said)) is not None:
        return kept
    found = find_neighbors(points, context, own=own, reach=reach, window=window)
    lists = torch.from_numpy(found[:, : max(1, int((found >= 0).sum(1).max(initial=0)))].copy())
    try:
        make_folder(path.parent)
        write_tensors(path, {_LISTS: lists}, said)
    except DlkitError as err:
        note(f"the neighbour lists are not stored and will be computed again next time: {err.message}")
    return lists


def _read(path: Path, said: Mapping[str, Any]) -> Tensor | None:
    if not path.is_file():
        return None
    try:
        tensors, found = read_tensors(path)
    except CheckpointError:
        return None  # what it was made of is at hand
    return tensors.get(_LISTS) if found.get("of") == said["of"] and found.get("lists") == _FORMAT else None


def _digest(points: Points, context: Points, own: np.ndarray, settings: list[str]) -> str:
    """Return the SHA-256 over all that the lists depend on."""
    digest = hashlib.sha256(json.dumps(settings).encode())
    for part in (points.places, points.times, context.places, context.times, own):
        digest.update(b"none" if part is None else f"{part.dtype} {part.shape}".encode())
        if part is not None:
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()
