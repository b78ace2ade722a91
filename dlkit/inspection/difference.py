"""What changed between two checkpoints: settings, data, results, and the weights of each layer."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from dlkit.errors import printable
from dlkit.files.checkpoint import RESERVED
from dlkit.inspection.layer_table import Cell, Row
from dlkit.inspection.tally import shape_text

SETTING_COLUMNS = ("name", "a", "b")
_NAMES = {
    "config": "",
    "description": "data",
    "progress.best": "best",
    "progress.position.step": "step",
    "versions": "",
    "code": "code",
}
_OF_THE_MACHINE = ("seconds", "memory_mib", "samples_per_second")
_MAX_TEXT = 80


def setting_rows(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Row]:
    """Return what differs in the metadata of two checkpoints: its name, and the values as text.

    How long training took and on how much memory is left out; what one of them lacks is None.
    """
    left, right = (dict(_settings(metadata)) for metadata in (first, second))
    names = [*left, *(name for name in right if name not in left)]
    return [
        {"name": name, "a": _text(left.get(name)), "b": _text(right.get(name))}
        for name in names
        if left.get(name) != right.get(name)
    ]


def tensor_rows(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> list[Row]:
    """Compare the weights of two networks, a row a tensor, in the order of the first.

    Args:
        first: By name; what only resuming needs is left out.
        second: Likewise.

    Returns:
        `change` (`same`, `changed`, `other shape`, `only in a`, `only in b`), `norm_a`, `norm_b`, `distance` (norm of
        the difference), `relative` (distance / norm_a; None where that is 0) and `cosine` of the angle between them.
    """
    left, right = (
        {name: each for name, each in tensors.items() if not name.startswith(RESERVED)}
        for tensors in (first, second)
    )
    names = [*left, *(name for name in right if name not in left)]
    return [_compare(name, left.get(name), right.get(name)) for name in names]


def _compare(name: str, left: Tensor | None, right: Tensor | None) -> Row:
    shapes = [None if each is None else shape_text(each.shape) for each in (left, right)]
    row: dict[str, Cell] = {
        "layer": name,
        "change": "changed",
        "shape": shapes[0] or shapes[1],
        "norm_a": _norm(left),
        "norm_b": _norm(right),
        "distance": None,
        "relative": None,
        "cosine": None,
    }
    if left is None or right is None:
        return row | {"change": "only in b" if left is None else "only in a"}
    if shapes[0] != shapes[1]:
        return row | {"change": "other shape", "shape": f"{shapes[0]} > {shapes[1]}"}
    if torch.equal(left, right):
        row["change"] = "same"
    old, new = left.double().flatten(), right.double().flatten()
    size, distance = old.norm().item(), (new - old).norm().item()
    product = size * new.norm().item()
    return row | {
        "distance": distance,
        "relative": distance / size if size else None,
        "cosine": (old @ new).item() / product if product else None,
    }


def _norm(tensor: Tensor | None) -> float | None:
    return None if tensor is None else tensor.double().norm().item()


def _settings(metadata: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for path, title in _NAMES.items():
        part: Any = metadata
        for key in path.split("."):
            part = part.get(key) if isinstance(part, Mapping) else None
        yield from _flat(part, title)


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested dictionaries, named by their keys."""
    if not isinstance(value, Mapping):
        if value is not None:
            yield name, value
        return
    for key, inner in value.items():
        if key not in _OF_THE_MACHINE:
            yield from _flat(inner, f"{name} {key}".strip())


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    return printable(", ".join(map(str, value)) if isinstance(value, list) else str(value), limit=_MAX_TEXT)
