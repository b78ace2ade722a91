"""The digests of a file that dlkit writes: SHA-256 sums in its metadata, checked on every load.

safetensors files have no checksum of their own. One sum is over each tensor, and one over all of those and the
metadata.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from dlkit.errors import printable
from dlkit.files.header import (
    FORMAT_VERSION,
    METADATA_KEY,
    Header,
    TensorEntry,
    damaged,
    opened,
    spelled,
)

_BYTES_AT_ONCE = 2**20


def verify(path: Path) -> dict[str, Any]:
    """Check every byte of a file that dlkit wrote and return its metadata.

    Raises:
        CheckpointError: The file is not whole; the tensor that is damaged is named.
    """
    with verified(path, "numpy") as (_, metadata):
        return metadata


@contextlib.contextmanager
def verified(path: Path, framework: str) -> Iterator[tuple[safe_open, dict[str, Any]]]:
    """Open a file that dlkit wrote, after safetensors checked its structure and the digests every byte.

    Args:
        path: The file.
        framework: What its tensors are read for, `pt` or `numpy`.

    Raises:
        CheckpointError: The file is not whole; the tensor that is damaged is named.
    """
    with opened(path) as (file, header):
        metadata = header.dlkit_metadata(path)
        try:  # under a name that stays right when another file takes the path
            stored = safe_open(f"/dev/fd/{file.fileno()}", framework=framework)
        except SafetensorError as err:
            raise damaged(path, printable(str(err), limit=200)) from err
        if fault := _fault_of_header(header, metadata) or _fault_of_tensors(file, header, metadata):
            raise damaged(path, fault)
        with stored:
            yield stored, metadata


def tensor_digest(name: str, dtype: str, shape: tuple[int, ...], pieces: Iterable[Any]) -> str:
    """Return the SHA-256 over a tensor's name, dtype, shape and bytes.

    Args:
        name: Its name in the file.
        dtype: As the format names it, e.g. `F32`.
        shape: Its shape.
        pieces: Its bytes one after the other, anything with the buffer protocol, little-endian and contiguous.
    """
    digest = hashlib.sha256(json.dumps([name, dtype, list(shape)]).encode())
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def seal(metadata: Mapping[str, Any], tensors: Mapping[str, str]) -> str:
    """Return metadata as JSON with sorted keys, with the digests of the tensors and one over everything.

    Args:
        metadata: JSON values; no key `format`, `tensors` or `sha256`.
        tensors: The digest of each tensor, by name.
    """
    whole = {**metadata, "format": FORMAT_VERSION, "tensors": dict(tensors)}
    parts = {name: _canonical(value) for name, value in whole.items()}  # which may be long: 100,000 columns
    return _joined({**parts, "sha256": _canonical(_digest_of(parts))})


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _joined(parts: Mapping[str, str]) -> str:
    """Return the JSON of a dictionary, with sorted keys, of the JSON of its values."""
    return f"{{{','.join(f'{json.dumps(name)}:{parts[name]}' for name in sorted(parts))}}}"


def _digest_of(parts: Mapping[str, str]) -> str:
    """Return the SHA-256 of metadata, each value as JSON, without the digest itself."""
    text = _joined({name: value for name, value in parts.items() if name != "sha256"})
    return hashlib.sha256(text.encode()).hexdigest()


def _fault_of_header(header: Header, metadata: Mapping[str, Any]) -> str:
    """Compare the header with how it was written, to the last character; return what is wrong, empty if nothing is."""
    if spelled(header) != header.text.rstrip(" "):
        return "its header has changed since it was written"
    try:
        parts = {name: _canonical(value) for name, value in metadata.items()}
        whole = _joined(parts) == header.metadata[METADATA_KEY]
        whole = whole and metadata.get("sha256") == _digest_of(parts)
    except (ValueError, RecursionError):
        whole = False
    if not whole:
        return "its metadata do not match their checksum"
    digests = metadata.get("tensors")
    if not isinstance(digests, dict) or digests.keys() != header.tensors.keys():
        return "its tensors are not the ones it was written with"
    return ""


def _fault_of_tensors(file: BufferedReader, header: Header, metadata: Mapping[str, Any]) -> str:
    for name, entry in header.tensors.items():
        if tensor_digest(name, entry.dtype, entry.shape, _pieces(file, entry)) != metadata["tensors"][name]:
            return f"tensor {printable(name)} does not match its checksum"
    return ""


def _pieces(file: BufferedReader, entry: TensorEntry) -> Iterator[memoryview]:
    file.seek(entry.begin)
    left = entry.end - entry.begin
    with memoryview(bytearray(min(left, _BYTES_AT_ONCE))) as buffer:
        while left and (count := file.readinto(buffer[: min(left, _BYTES_AT_ONCE)])):
            yield buffer[:count]
            left -= count
