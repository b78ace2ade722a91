"""Safetensors files put together byte by byte, also such as no honest program writes."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlkit.files.digest import seal, tensor_digest


def entry(dtype: str = "F32", shape: object = (1,), begin: object = 0, end: object = 4) -> dict[str, Any]:
    """Return one tensor's part of a header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def raw_file(
    header: Mapping[str, Any] | str | bytes, payload: bytes = b"", claimed: int | None = None
) -> bytes:
    """Put a file together.

    Args:
        header: As a dictionary, or as the text that stands in the file.
        payload: What follows it.
        claimed: The length that the file claims for the header, if not the true one.
    """
    if isinstance(header, Mapping):
        header = json.dumps(header, ensure_ascii=False, separators=(",", ":"))
    text = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(text) if claimed is None else claimed) + text + payload


def sealed_file(
    tensors: Mapping[str, bytes], metadata: Mapping[str, Any] | None = None, *, said: str | None = None
) -> bytes:
    """Put a file together whose checksums are right, of F32 tensors.

    Args:
        tensors: Their bytes by name.
        metadata: The metadata beside them.
        said: The text that stands in the place of the sealed metadata.
    """
    header: dict[str, Any] = {}
    position = 0
    for name, data in tensors.items():
        header[name] = entry("F32", [len(data) // 4], position, position + len(data))
        position += len(data)
    digests = {name: tensor_digest(name, "F32", (len(data) // 4,), [data]) for name, data in tensors.items()}
    text = seal(metadata or {}, digests) if said is None else said
    return raw_file({"__metadata__": {"dlkit": text}, **header}, b"".join(tensors.values()))


def write(path: Path, data: bytes) -> Path:
    """Write a crafted file and return its path."""
    path.write_bytes(data)
    return path


def flip(path: Path, bit: int) -> None:
    """Turn one bit of a file over."""
    with path.open("r+b") as file:
        file.seek(bit // 8)
        (byte,) = file.read(1)
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


SEALED = sealed_file(
    {"a": bytes(range(16)), "b.weight": b"\x20\x0a\x09\x0d" * 3, "é": b""},
    {"lr": 1e-05, "name": "größe", "list": [1, 2.5, None, True, 10, 100], "text": 'a "quoted" \\ back\nline'},
)
