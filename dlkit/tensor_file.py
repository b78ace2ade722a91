"""Tensors in a safetensors file with sealed metadata: written whole, read back verified."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_bytes
from torch import Tensor

from dlkit.atomic import OPS, FileOps, write_file
from dlkit.errors import CheckpointError
from dlkit.header import METADATA_KEY, seal, tensor_digest, verify

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
}


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
        DlkitError: The file cannot be written.
        CheckpointError: What was written reads back differently.
    """
    plain = _plain(tensors)
    digests = {
        name: tensor_digest(name, _DTYPE_NAMES[tensor.dtype], tuple(tensor.shape), _bytes_of(tensor))
        for name, tensor in plain.items()
    }
    data = save_bytes(plain, {METADATA_KEY: seal(metadata, digests)})
    write_file(path, data, verify=verify, keep_previous=keep_previous, ops=ops)


def read_tensors(path: Path, prefix: str = "") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors whose names begin with a prefix, and the metadata, after checking every byte.

    The tensors are mapped into memory, not copied: they take room only where they are touched.

    Raises:
        CheckpointError: The file is missing, damaged or not dlkit's.
    """
    metadata = verify(path)
    try:
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 - no mapping
            return {name: file.get_tensor(name) for name in names}, metadata
    except (SafetensorError, OSError) as err:
        raise CheckpointError(f"cannot read {path}: {err}") from err


def _plain(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give contiguous tensors in main memory, none of which shares its bytes with another."""
    plain: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        here = tensor.detach().to("cpu").contiguous()
        place = here.untyped_storage().data_ptr()
        plain[name] = here.clone() if place in seen else here
        seen.add(place)
    return plain


def _bytes_of(tensor: Tensor) -> memoryview:
    if sys.byteorder != "little":
        raise CheckpointError("this machine is big-endian; safetensors files are little-endian")
    return tensor.reshape(-1).view(torch.uint8).numpy().data
