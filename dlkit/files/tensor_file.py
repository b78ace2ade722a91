"""Tensors in a safetensors file with their digests: written whole, checked on every read."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, TensorSpec
from torch import Tensor

from dlkit.errors import CheckpointError, printable
from dlkit.files import atomic
from dlkit.files.digest import seal, tensor_digest, verified
from dlkit.files.header import METADATA_KEY, Header, TensorEntry, check_size, spelled

DTYPES = {
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
_NO_DIGEST = "0" * 64

_WORTH_A_THREAD = 2**22
_LAYOUTS = "memory_format"
_LAYOUT_NAMES = {"channels_last": (4, torch.channels_last), "channels_last_3d": (5, torch.channels_last_3d)}


def write_tensors(
    path: Path,
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, Any],
    *,
    keep_previous: Path | None = None,
) -> None:
    """Write tensors and metadata so that a kill leaves the old file or the new one.

    Args:
        path: The file to write.
        tensors: By name, on any device and of any layout; what shares memory is written once under each name.
        metadata: JSON values without NaN or infinities.
        keep_previous: Where the file that stood at `path` stays under a second name.

    Raises:
        DlkitError: The file cannot be written.
        CheckpointError: A tensor is of a dtype that dlkit does not save, or there are too many.
    """
    layouts = {name: layout for name, tensor in tensors.items() if (layout := _layout_of(tensor))}
    if layouts:
        metadata = {**metadata, _LAYOUTS: layouts}
    plain = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    specs = {name: _spec_of(name, tensor) for name, tensor in plain.items()}
    size = sum(tensor.nbytes for tensor in plain.values())
    small = size < _WORTH_A_THREAD
    digests = dict(map(_digest_of, plain.items())) if small else dict.fromkeys(plain, _NO_DIGEST)
    text = seal(metadata, digests)
    check_readable(path, plain, text)
    with atomic.new_file(path, size + len(text), keep_previous=keep_previous) as new:
        if small:
            atomic.disk.write_tensors(new, specs, {METADATA_KEY: text})
            return
        with ThreadPoolExecutor(1) as pool:
            hashed = pool.map(_digest_of, plain.items())  # while the disk writes
            atomic.disk.write_tensors(new, specs, {METADATA_KEY: text})
            atomic.disk.sync(new)
            _set_metadata(new, text, seal(metadata, dict(hashed)))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read all tensors by name, and the metadata, after checking every byte.

    The tensors are mapped into memory, not copied: they take room only where they are touched. They may be written
    to; the file stays as it is.

    Raises:
        CheckpointError: The file is missing, damaged or not dlkit's.
    """
    with verified(path, "pt") as (stored, metadata):
        try:
            tensors = {name: stored.get_tensor(name) for name in metadata["tensors"]}
            _restore_layouts(tensors, metadata.get(_LAYOUTS))
        except (SafetensorError, RuntimeError, ValueError, AttributeError) as err:
            raise CheckpointError(
                f"{path} holds a tensor that torch cannot read: {printable(str(err))}"
            ) from err
    return tensors, metadata


def _spec_of(name: str, tensor: Tensor) -> TensorSpec:
    """Describe a contiguous tensor to safetensors, which reads it where it lies in memory."""
    dtype = str(tensor.dtype).removeprefix("torch.")
    if tensor.dtype not in DTYPES:
        raise CheckpointError(f"tensor {printable(name)} is of {dtype}, which dlkit does not save")
    return TensorSpec(
        dtype=dtype, shape=list(tensor.shape), data_ptr=tensor.data_ptr(), data_len=tensor.nbytes
    )


def _digest_of(item: tuple[str, Tensor]) -> tuple[str, str]:
    name, tensor = item
    data = tensor.reshape(-1).view(torch.uint8).numpy()
    return name, tensor_digest(name, DTYPES[tensor.dtype], tuple(tensor.shape), [data])


def check_readable(path: Path, tensors: Mapping[str, Tensor], text: str | None = None) -> None:
    """Check that the header will not be larger than is ever read back.

    Args:
        path: The file that is to be written.
        tensors: What it will hold, by name.
        text: Its metadata; None takes the digests alone.

    Raises:
        CheckpointError: It would be.
    """
    text = seal({}, dict.fromkeys(tensors, _NO_DIGEST)) if text is None else text
    entries = {
        name: TensorEntry("BOOL", tuple(tensor.shape), 2**48, 2**48) for name, tensor in tensors.items()
    }
    check_size(spelled(Header("", entries, {METADATA_KEY: text}, 0)), path)


def _set_metadata(path: Path, before: str, after: str) -> None:
    """Write the final metadata over those that a file was written with, of the same length."""
    with path.open("rb") as file:
        header = file.read(int.from_bytes(file.read(8), "little"))
    position = 8 + header.index(json.dumps(before).encode())
    atomic.disk.overwrite(path, json.dumps(after).encode(), position)


def _layout_of(tensor: Tensor) -> str:
    """Name the memory format of a tensor whose channels come last; empty for all others."""
    if not tensor.is_contiguous():
        for name, (ndim, layout) in _LAYOUT_NAMES.items():
            if tensor.ndim == ndim and tensor.is_contiguous(memory_format=layout):
                return name
    return ""


def _restore_layouts(tensors: dict[str, Tensor], layouts: object) -> None:
    """Restore the memory format of tensors; what an untrusted file says of other tensors is ignored."""
    for name, layout in layouts.items() if isinstance(layouts, dict) else ():
        for known, (ndim, memory_format) in _LAYOUT_NAMES.items():
            if name in tensors and layout == known and tensors[name].ndim == ndim:
                tensors[name] = tensors[name].contiguous(memory_format=memory_format)
