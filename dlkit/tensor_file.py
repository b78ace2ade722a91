"""Tensors in a safetensors file with sealed metadata: written whole, read back verified."""

import math
import mmap
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dlkit.atomic import OPS, Buffer, FileOps, write_file
from dlkit.errors import CheckpointError, printable
from dlkit.header import TensorEntry, header_bytes, opened
from dlkit.seal import seal, tensor_digest, verify, verify_open

_DTYPE_NAMES = {
    torch.bool: "BOOL",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.int16: "I16",
    torch.int32: "I32",
    torch.int64: "I64",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float32: "F32",
    torch.float64: "F64",
    torch.complex64: "C64",
}
_DTYPES = {name: dtype for dtype, name in _DTYPE_NAMES.items()}
_LAYOUTS = "memory_format"
_LAYOUT_NAMES = {"channels_last": (4, torch.channels_last), "channels_last_3d": (5, torch.channels_last_3d)}


def write_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, Any],
    *,
    keep_previous: Path | None = None,
    ops: FileOps = OPS,
) -> None:
    """Write tensors and metadata so that a kill leaves the old file or the new one.

    Args:
        path: The file to write.
        tensors: By name, on any device and of any layout; what shares memory is written once under each name.
        metadata: What to say of them, as JSON values without NaN or infinities.
        keep_previous: Where the file that stood at `path` stays under a second name.
        ops: The file operations; passed in by tests.

    Raises:
        DlkitError: The file cannot be written, or reads back otherwise than it was written.
        CheckpointError: A tensor is of a dtype that dlkit does not save.
    """
    layouts = {name: layout for name, tensor in tensors.items() if (layout := _layout_of(tensor))}
    plain = _plain(tensors)
    dtypes = {name: _dtype_name(name, tensor) for name, tensor in plain.items()}
    data = {name: _bytes_of(tensor) for name, tensor in plain.items()}
    digests = {
        name: tensor_digest(name, dtypes[name], tuple(tensor.shape), data[name])
        for name, tensor in plain.items()
    }
    said = {**metadata, _LAYOUTS: layouts} if layouts else metadata
    places = {name: (dtypes[name], tuple(tensor.shape), tensor.nbytes) for name, tensor in plain.items()}
    pieces: list[Buffer] = [header_bytes(places, seal(said, digests)), *data.values()]
    write_file(path, pieces, verify=verify, keep_previous=keep_previous, ops=ops)


def read_tensors(path: Path, prefix: str = "") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors whose names begin with a prefix, and the metadata, after checking every byte.

    The tensors are mapped into memory, not copied: they take room only where they are touched. They may be written
    to; the file stays as it is.

    Raises:
        CheckpointError: The file is missing, damaged or not dlkit's.
    """
    with opened(path) as file:
        header, metadata = verify_open(file, path)
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    layouts = metadata.get(_LAYOUTS)
    tensors = {
        name: _tensor_at(mapped, name, entry, path)
        for name, entry in header.tensors.items()
        if name.startswith(prefix)
    }
    if isinstance(layouts, dict):
        for name in tensors.keys() & layouts.keys():
            tensors[name] = _with_layout(tensors[name], layouts[name])
    return tensors, metadata


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give contiguous tensors in main memory, the widest numbers first so that each lies at a multiple of its width."""
    order = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))
    return {name: tensors[name].detach().to("cpu").contiguous() for name in order}


def _dtype_name(name: str, tensor: Tensor) -> str:
    if tensor.dtype not in _DTYPE_NAMES:
        raise CheckpointError(
            f"tensor {printable(name)} is of {tensor.dtype}, which dlkit does not save".replace("torch.", "")
        )
    return _DTYPE_NAMES[tensor.dtype]


def _bytes_of(tensor: Tensor) -> memoryview:
    if sys.byteorder != "little":
        raise CheckpointError("this machine is big-endian; safetensors files are little-endian")
    return tensor.reshape(-1).view(torch.uint8).numpy().data


def _layout_of(tensor: Tensor) -> str:
    """Name the memory format of a tensor whose channels come last; empty for all others."""
    if not tensor.is_contiguous():
        for name, (ndim, layout) in _LAYOUT_NAMES.items():
            if tensor.ndim == ndim and tensor.is_contiguous(memory_format=layout):
                return name
    return ""


def _with_layout(tensor: Tensor, name: object) -> Tensor:
    for known, (ndim, layout) in _LAYOUT_NAMES.items():
        if name == known and tensor.ndim == ndim:
            return tensor.contiguous(memory_format=layout)
    return tensor


def _tensor_at(mapped: mmap.mmap, name: str, entry: TensorEntry, path: Path) -> Tensor:
    if entry.dtype not in _DTYPES:
        raise CheckpointError(
            f"{path}: tensor {printable(name)} has the dtype {entry.dtype}, which dlkit does not read"
        )
    dtype = _DTYPES[entry.dtype]
    count = math.prod(entry.shape)
    if not count:
        return torch.empty(entry.shape, dtype=dtype)
    return torch.frombuffer(mapped, dtype=dtype, count=count, offset=entry.begin).reshape(entry.shape)
