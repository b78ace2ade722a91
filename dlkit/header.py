"""A safetensors header: eight bytes and JSON, checked before anything is believed.

The format (https://huggingface.co/docs/safetensors) has no checksum of its own, so files that dlkit writes
carry a SHA-256 in their metadata: one over each tensor, and one over all of those and the metadata.
"""

import hashlib
import json
import math
import mmap
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlkit.errors import CheckpointError

METADATA_KEY = "dlkit"
FORMAT_VERSION = 1
MAX_HEADER_BYTES = 16 * 2**20
MAX_TENSORS = 100_000
MAX_DIMENSIONS = 32
_DTYPE_BITS = {
    "BOOL": 8,
    "U8": 8,
    "I8": 8,
    "F8_E4M3": 8,
    "F8_E5M2": 8,
    "I16": 16,
    "U16": 16,
    "F16": 16,
    "BF16": 16,
    "I32": 32,
    "U32": 32,
    "F32": 32,
    "I64": 64,
    "U64": 64,
    "F64": 64,
    "C64": 64,
}


@dataclass(frozen=True)
class TensorEntry:
    """Where one tensor lies in the file: dtype as the format names it, shape, first byte and end."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    """A checked header: the tensors by name, offsets counted from the start of the file."""

    tensors: Mapping[str, TensorEntry]
    metadata: Mapping[str, str]
    file_bytes: int

    def dlkit_metadata(self, path: Path) -> dict[str, Any]:
        """Give what dlkit wrote beside the tensors.

        Raises:
            CheckpointError: The file was not written by dlkit, or by a later version of its format.
        """
        if METADATA_KEY not in self.metadata:
            raise CheckpointError(
                f"{path} was not written by dlkit: its metadata have no '{METADATA_KEY}' key",
                "dlkit reads its own checkpoints: best.safetensors or last.safetensors of a run folder",
            )
        metadata = _parse_json(self.metadata[METADATA_KEY], path)
        if not isinstance(metadata, dict) or not isinstance(metadata.get("format"), int):
            raise CheckpointError(f"{path} is damaged: its metadata are not dlkit's")
        if metadata["format"] > FORMAT_VERSION:
            raise CheckpointError(
                f"{path} has format {metadata['format']}; this dlkit reads up to {FORMAT_VERSION}",
                "update dlkit",
            )
        return metadata


def read_header(path: Path) -> Header:
    """Read and check the header of a safetensors file, touching nothing behind it.

    Raises:
        CheckpointError: The file is missing, truncated, oversized, a pickle, or lies about its tensors.
    """
    try:
        with path.open("rb") as file:
            file_bytes = os.fstat(file.fileno()).st_size
            first = file.read(8)
            _refuse_other_formats(first, path)
            if len(first) < 8:
                raise CheckpointError(f"{path} is truncated at byte {len(first)} of at least 8")
            (header_bytes,) = struct.unpack("<Q", first)
            if header_bytes > MAX_HEADER_BYTES:
                raise CheckpointError(
                    f"{path} is not a safetensors file: its header claims {header_bytes:,} bytes",
                    f"a header may have {MAX_HEADER_BYTES:,} bytes",
                )
            if 8 + header_bytes > file_bytes:
                raise CheckpointError(
                    f"{path} is truncated at byte {file_bytes:,}: its header alone ends at {8 + header_bytes:,}"
                )
            text = file.read(header_bytes)
    except IsADirectoryError as err:
        raise CheckpointError(
            f"{path} is a folder, not a checkpoint", f"try {path}/best.safetensors"
        ) from err
    except FileNotFoundError as err:
        raise CheckpointError(f"no checkpoint at {path}", _nearby(path)) from err
    except OSError as err:
        raise CheckpointError(f"cannot read {path}: {(err.strerror or str(err)).lower()}") from err
    return _check(_parse_json(text, path), 8 + header_bytes, file_bytes, path)


def tensor_digest(name: str, dtype: str, shape: tuple[int, ...], data: Any) -> str:
    """Give the SHA-256 over a tensor's name, dtype, shape and bytes.

    Args:
        name: Its name in the file.
        dtype: As the format names it, e.g. `F32`.
        shape: Its shape.
        data: Its bytes, anything with the buffer protocol, little-endian and contiguous.
    """
    digest = hashlib.sha256(json.dumps([name, dtype, list(shape)]).encode())
    digest.update(data)
    return digest.hexdigest()


def seal(metadata: Mapping[str, Any], tensors: Mapping[str, str]) -> str:
    """Write metadata as JSON with sorted keys, with the digests of the tensors and one over everything.

    Args:
        metadata: What to say; no key `format`, `tensors` or `sha256`.
        tensors: The digest of each tensor, by name.
    """
    whole: dict[str, Any] = {**metadata, "format": FORMAT_VERSION, "tensors": dict(tensors)}
    whole["sha256"] = hashlib.sha256(_canonical(whole).encode()).hexdigest()
    return _canonical(whole)


def verify(path: Path) -> dict[str, Any]:
    """Check every byte of a file that dlkit wrote and give its metadata.

    Raises:
        CheckpointError: The file is not whole; the tensor that is damaged is named.
    """
    header = read_header(path)
    metadata = header.dlkit_metadata(path)
    claimed = metadata.pop("sha256", None)
    if claimed != hashlib.sha256(_canonical(metadata).encode()).hexdigest():
        raise CheckpointError(f"{path} is damaged: its metadata do not match their checksum", _DAMAGED_HINT)
    digests = metadata["tensors"]
    if set(digests) != set(header.tensors):
        raise CheckpointError(
            f"{path} is damaged: its tensors are not the ones it was written with", _DAMAGED_HINT
        )
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        memoryview(mapped) as view,
    ):
        for name, entry in header.tensors.items():
            with view[entry.begin : entry.end] as data:
                if tensor_digest(name, entry.dtype, entry.shape, data) != digests[name]:
                    raise CheckpointError(
                        f"{path} is damaged: tensor {printable(name)} does not match its checksum",
                        _DAMAGED_HINT,
                    )
    return metadata


_DAMAGED_HINT = "take another copy; a run folder keeps last.prev.safetensors beside last.safetensors"


def printable(text: str, limit: int = 80) -> str:
    """Make a name from a file safe to show: no control or direction characters, no endless length."""
    shown = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}\N{HORIZONTAL ELLIPSIS}"


def _canonical(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _refuse_other_formats(first: bytes, path: Path) -> None:
    pickled = first[:1] == b"\x80" and first[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    if pickled or first.startswith(b"PK\x03\x04"):
        raise CheckpointError(
            f"{path} is a pickle (torch.save), not a safetensors file",
            "dlkit never unpickles, since that can run any code; write it again with safetensors.torch.save_file",
        )


def _nearby(path: Path) -> str:
    folder = path.parent
    found = sorted(file.name for file in folder.glob("*.safetensors")) if folder.is_dir() else []
    return (
        f"{folder} has {', '.join(map(printable, found[:4]))}"
        if found
        else "dlkit train prints the path of one"
    )


def _unique_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a name stands twice")
    return unique


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _parse_json(text: bytes | str, path: Path) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique_pairs, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as err:
        raise CheckpointError(
            f"{path} is not a safetensors file: its header is not JSON ({printable(str(err))})"
        ) from err


def _check(parsed: Any, data_start: int, file_bytes: int, path: Path) -> Header:
    if not isinstance(parsed, dict):
        raise CheckpointError(f"{path} is not a safetensors file: its header is not a JSON object")
    metadata = parsed.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise CheckpointError(f"{path} is damaged: its metadata are not strings")
    if len(parsed) > MAX_TENSORS:
        raise CheckpointError(f"{path} claims {len(parsed):,} tensors; at most {MAX_TENSORS:,} are read")
    tensors = {name: _check_tensor(name, value, data_start, path) for name, value in parsed.items()}
    position = data_start
    for name, entry in sorted(tensors.items(), key=lambda item: (item[1].begin, item[1].end)):
        if entry.begin != position:
            raise CheckpointError(
                f"{path} is damaged: tensor {printable(name)} does not follow the one before it"
            )
        position = entry.end
    if position != file_bytes:
        how = "truncated at" if position > file_bytes else "damaged: it has"
        raise CheckpointError(f"{path} is {how} byte {file_bytes:,} of {position:,}", _DAMAGED_HINT)
    return Header(tensors, metadata, file_bytes)


def _check_tensor(name: str, value: Any, data_start: int, path: Path) -> TensorEntry:
    try:
        dtype, shape, (begin, end) = value["dtype"], value["shape"], value["data_offsets"]
    except (KeyError, TypeError, ValueError) as err:
        raise CheckpointError(
            f"{path} is damaged: tensor {printable(name)} has no dtype, shape and place"
        ) from err
    numbers = [*shape, begin, end] if isinstance(shape, list) else [None]
    if (
        not all(type(number) is int and 0 <= number < 2**63 for number in numbers)
        or len(shape) > MAX_DIMENSIONS
    ):
        raise CheckpointError(f"{path} is damaged: tensor {printable(name)} has an impossible shape or place")
    if not isinstance(dtype, str) or dtype not in _DTYPE_BITS:
        raise CheckpointError(
            f"{path}: tensor {printable(name)} has the unknown dtype {printable(str(dtype))}"
        )
    if (
        math.prod(size for size in shape if size) >= 2**48
        or end - begin != math.prod(shape) * _DTYPE_BITS[dtype] // 8
    ):
        raise CheckpointError(
            f"{path} is damaged: tensor {printable(name)} has another size than its shape says"
        )
    return TensorEntry(dtype, tuple(shape), data_start + begin, data_start + end)
