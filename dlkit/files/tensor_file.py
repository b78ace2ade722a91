"""Tensors in a safetensors file with sealed metadata: written whole, read back verified."""

import math
import mmap
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dlkit.errors import CheckpointError, printable
from dlkit.files.atomic import OPS, FileOps, NewFile, new_file
from dlkit.files.header import TensorEntry, header_bytes, opened
from dlkit.files.seal import NO_DIGEST, seal, tensor_digest, verify_open

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
_THREADS = 4
_WORTH_THREADS = 2**22
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
    places = {
        name: (_dtype_name(name, tensor), tuple(tensor.shape), tensor.nbytes)
        for name, tensor in plain.items()
    }
    data = {name: _bytes_of(tensor) for name, tensor in plain.items()}
    said = {**metadata, _LAYOUTS: layouts} if layouts else metadata
    start = len(header_bytes(places, seal(said, dict.fromkeys(plain, NO_DIGEST))))
    size = sum(map(len, data.values()))
    with new_file(path, start + size, keep_previous=keep_previous, ops=ops) as file:
        positions = dict(zip(data, accumulate(map(len, data.values()), initial=start), strict=False))
        for name, content in data.items():
            file.write(content, positions[name])
        header = header_bytes(places, seal(said, _digests(file, places, data, positions)))
        file.write(header, 0)
        for _ in file.read_back(header, 0):
            pass


def _digests(
    file: NewFile,
    places: Mapping[str, tuple[str, tuple[int, ...], int]],
    data: Mapping[str, memoryview],
    positions: Mapping[str, int],
) -> dict[str, str]:
    """Read back what was written, compare it with what it should be, and give its digests.

    The digests are of what the file holds, so a seal that does not fit is never written. Much of it is hashed by
    several threads, while the disk writes.
    """

    def digests_of(names: Iterable[str]) -> list[tuple[str, str]]:
        return [
            (name, tensor_digest(name, *places[name][:2], file.read_back(data[name], positions[name])))
            for name in names
        ]

    if sum(map(len, data.values())) < _WORTH_THREADS:
        return dict(digests_of(data))
    pool = ThreadPoolExecutor(_THREADS)
    try:
        parts = [pool.submit(digests_of, names) for names in _shared_out(data)]
        file.sync()
        return dict(pair for part in parts for pair in part.result())
    finally:
        pool.shutdown(cancel_futures=True)


def _shared_out(data: Mapping[str, memoryview]) -> list[list[str]]:
    """Give each thread its share of the names, about as many bytes to each."""
    shares: list[list[str]] = [[] for _ in range(_THREADS)]
    sizes = [0] * _THREADS
    for name in sorted(data, key=lambda name: -len(data[name])):
        least = sizes.index(min(sizes))
        shares[least].append(name)
        sizes[least] += len(data[name])
    return shares


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
