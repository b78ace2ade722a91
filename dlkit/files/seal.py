"""The seal of a file that dlkit writes: SHA-256 sums in its metadata, checked on every load.

safetensors files have no checksum of their own. One sum is over each tensor, and one over all of those and the
metadata.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any

from dlkit.errors import CheckpointError, printable
from dlkit.files.header import (
    DAMAGED_HINT,
    FORMAT_VERSION,
    METADATA_KEY,
    Header,
    TensorEntry,
    opened,
    read_open_header,
    spelled,
)

NO_DIGEST = "0" * 64
_BYTES_AT_ONCE = 2**20


def verify(path: Path) -> dict[str, Any]:
    """Check every byte of a file that dlkit wrote and give its metadata.

    Raises:
        CheckpointError: The file is not whole; the tensor that is damaged is named.
    """
    with opened(path) as file:
        return verify_open(file, path)[1]


def verify_open(file: BufferedReader, path: Path) -> tuple[Header, dict[str, Any]]:
    """Check every byte of an open file that dlkit wrote, and give its header and metadata.

    Whoever goes on to read the tensors does so through the same descriptor, and so reads what was checked even
    when another file has taken the name meanwhile.

    Args:
        file: The file, as `opened` gives it.
        path: Its name, for the messages.

    Raises:
        CheckpointError: The file is not whole; the tensor that is damaged is named.
    """
    header, text = read_open_header(file, path)
    metadata = header.dlkit_metadata(path)
    if spelled(json.loads(text)) != text.rstrip(" "):
        raise CheckpointError(f"{path} is damaged: its header is not as it was written", DAMAGED_HINT)
    _check_metadata(metadata, header, path)
    for name, entry in header.tensors.items():
        if tensor_digest(name, entry.dtype, entry.shape, _pieces(file, entry)) != metadata["tensors"][name]:
            raise CheckpointError(
                f"{path} is damaged: tensor {printable(name)} does not match its checksum", DAMAGED_HINT
            )
    return header, metadata


def tensor_digest(name: str, dtype: str, shape: tuple[int, ...], pieces: Iterable[Any]) -> str:
    """Give the SHA-256 over a tensor's name, dtype, shape and bytes.

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
    """Write metadata as JSON with sorted keys, with the digests of the tensors and one over everything.

    Args:
        metadata: What to say; no key `format`, `tensors` or `sha256`.
        tensors: The digest of each tensor, by name.
    """
    whole: dict[str, Any] = {**metadata, "format": FORMAT_VERSION, "tensors": dict(tensors)}
    whole["sha256"] = hashlib.sha256(_canonical(whole).encode()).hexdigest()
    return _canonical(whole)


def _canonical(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _pieces(file: BufferedReader, entry: TensorEntry) -> Iterator[memoryview]:
    file.seek(entry.begin)
    left = entry.end - entry.begin
    with memoryview(bytearray(min(left, _BYTES_AT_ONCE))) as buffer:
        while left and (count := file.readinto(buffer[: min(left, _BYTES_AT_ONCE)])):
            yield buffer[:count]
            left -= count


def _check_metadata(metadata: dict[str, Any], header: Header, path: Path) -> None:
    """Hold the metadata to their checksum, to the last character, and to the tensors that are there."""
    try:
        exact = _canonical(metadata) == header.metadata[METADATA_KEY]
        claimed = metadata.pop("sha256", None)
        whole = exact and claimed == hashlib.sha256(_canonical(metadata).encode()).hexdigest()
    except (ValueError, RecursionError):
        whole = False
    if not whole:
        raise CheckpointError(f"{path} is damaged: its metadata do not match their checksum", DAMAGED_HINT)
    digests = metadata.get("tensors")
    if not isinstance(digests, dict) or digests.keys() != header.tensors.keys():
        raise CheckpointError(
            f"{path} is damaged: its tensors are not the ones it was written with", DAMAGED_HINT
        )
