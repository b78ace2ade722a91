"""The prepared file: a data set as tensors and a few words about it, mapped into memory by later runs."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from dlkit.data.home import prepared_path
from dlkit.errors import CheckpointError, DataError
from dlkit.files.atomic import make_folder
from dlkit.files.tensor_file import read_tensors, write_tensors

_BRIGHTEST = 255.0


@dataclass(frozen=True)
class Source:
    """Samples as they are stored, before they are split and normalised.

    Args:
        parts: Inputs, shape (N, C, H, W) for images, and targets, shape (N,), of each part that the source
            keeps apart: `train` and `test`, or `all`.
        scale: The stored value that counts as 1.
        fingerprint: SHA-256 over all of it.
        files: The file that each sample is from, by part; empty where there is none.
        missing: Inputs may be NaN, which stands for a missing value.
        axis: The axis of the inputs whose places are normalised each by itself.
    """

    parts: Mapping[str, tuple[Tensor, Tensor]]
    scale: float
    fingerprint: str
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)
    missing: bool = False
    axis: int = 1


def fingerprint(parts: Mapping[str, tuple[Tensor, Tensor]]) -> str:
    """Return the SHA-256 over the samples and targets of all parts."""
    digest = hashlib.sha256()
    for name, tensors in sorted(parts.items()):
        for tensor in tensors:
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def write_prepared(name: str, parts: Mapping[str, tuple[Tensor, Tensor]]) -> Path:
    """Write a data set's prepared file and give its place.

    Args:
        name: The data set.
        parts: Inputs, bytes of pixels, and targets of each part.

    Raises:
        DlkitError: It cannot be written.
    """
    path = prepared_path(name)
    make_folder(path.parent)
    tensors = {
        f"{part}.{kind}": tensor
        for part, pair in parts.items()
        for kind, tensor in zip(("inputs", "targets"), pair, strict=True)
    }
    write_tensors(path, tensors, {"data": name, "scale": _BRIGHTEST, "fingerprint": fingerprint(parts)})
    return path


def read_prepared(name: str) -> Source:
    """Map a data set's prepared file into memory.

    Raises:
        DataError: It is not there, or it is damaged.
    """
    path = prepared_path(name)
    if not path.exists():
        raise DataError(
            f"--data {name} is not downloaded yet",
            f"dlkit data get {name} downloads it; add --from DIR for local files",
        )
    try:
        tensors, metadata = read_tensors(path)
    except CheckpointError as err:
        raise DataError(err.message, f"prepare it again: dlkit data get {name}") from err
    if metadata.get("data") != name:
        raise DataError(f"{path} is of another data set", f"prepare it again: dlkit data get {name}")
    names = sorted({key.partition(".")[0] for key in tensors})
    parts = {part: (tensors[f"{part}.inputs"], tensors[f"{part}.targets"]) for part in names}
    return Source(parts, float(metadata["scale"]), str(metadata["fingerprint"]))
