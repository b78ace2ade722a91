"""A safetensors header: eight bytes and JSON, checked before anything is believed.

The format: https://huggingface.co/docs/safetensors.
"""

import contextlib
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

from dlkit.errors import CheckpointError, file_error, printable
from dlkit.files.strict_json import OversizedError, is_oversized, parse_strictly, uncollected

METADATA_KEY = "dlkit"
FORMAT_VERSION = 1
MAX_HEADER_BYTES = 16 * 2**20
MAX_TENSORS = 30_000
MAX_PARTS = 400_000  # keys and values: dtype, shape, place and checksum of as many four-dimensional tensors
MAX_DIMENSIONS = 32
_MAX_ELEMENTS = 2**48
_MAX_OBJECTS = MAX_TENSORS + 10_000
_BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}
_TENSOR_KEYS = {"dtype", "shape", "data_offsets"}
_ALIGNMENT = 8
_OTHER_FORMATS = {
    "a pickle (torch.save)": tuple(bytes([0x80, protocol]) for protocol in range(2, 6)),
    "a zip archive (torch.save puts pickles into one)": (b"PK\x03\x04", b"PK\x05\x06"),
    "compressed with gzip": (b"\x1f\x8b",),
}
DAMAGED_HINT = "take another copy; a run folder keeps last.prev.safetensors beside last.safetensors"
_NEVER_UNPICKLED = (
    "dlkit never unpickles, since that can run any code; write it again with safetensors.torch.save_file"
)


class TensorEntry(NamedTuple):
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
        with uncollected():
            metadata = _parse_json(self.metadata[METADATA_KEY], path)
        if not isinstance(metadata, dict) or not isinstance(metadata.get("format"), int):
            raise CheckpointError(f"{path} is damaged: its metadata are not dlkit's")
        if metadata["format"] > FORMAT_VERSION:
            raise CheckpointError(
                f"{path} has format {metadata['format']}; this dlkit reads up to {FORMAT_VERSION}",
                "update dlkit",
            )
        return metadata


@contextlib.contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Open a file for reading; what the system has against it, now or while it is read, is told in one line.

    Raises:
        CheckpointError: The file is missing, is no file, or cannot be read.
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise CheckpointError(f"{path} is a pipe or a device, not a file", "write it to a file first")
            yield file
    except IsADirectoryError as err:
        raise CheckpointError(
            f"{path} is a folder, not a checkpoint", f"try {path}/best.safetensors"
        ) from err
    except FileNotFoundError as err:
        raise CheckpointError(f"no checkpoint at {path}", _nearby(path)) from err
    except OSError as err:
        told = file_error(err, path, "read")
        raise CheckpointError(told.message, told.hint) from err


def read_header(path: Path) -> Header:
    """Read and check the header of a safetensors file, touching nothing behind it.

    Raises:
        CheckpointError: The file is missing, truncated, oversized, a pickle, or lies about its tensors.
    """
    with opened(path) as file:
        return read_open_header(file, path)[0]


def read_open_header(file: BufferedReader, path: Path) -> tuple[Header, str]:
    """Read and check the header of an open file; give its text too.

    Args:
        file: The file, as `opened` gives it.
        path: Its name, for the messages.

    Raises:
        CheckpointError: The file is truncated, oversized, a pickle, or lies about its tensors.
    """
    file_bytes = os.fstat(file.fileno()).st_size
    first = file.read(9)
    length = int.from_bytes(first[:8], "little")
    complete = len(first) >= 8
    if complete and (not 2 <= length <= MAX_HEADER_BYTES or first[8:] not in (b"{", b"")):
        raise _foreign(first, length, path)
    if not complete or 8 + length > file_bytes:
        needed = 8 + (length if complete else 2)
        raise CheckpointError(
            f"{path} is truncated at byte {file_bytes:,} of at least {needed:,}", DAMAGED_HINT
        )
    try:
        text = (first[8:] + file.read(length - 1)).decode()
    except UnicodeDecodeError as err:
        raise CheckpointError(
            f"{path} is damaged: its header is not UTF-8 at byte {8 + err.start:,}", DAMAGED_HINT
        ) from err
    with uncollected():
        return _check(_parse_json(text, path), 8 + length, file_bytes, path), text


def header_bytes(tensors: Mapping[str, tuple[str, tuple[int, ...], int]], metadata: str) -> bytes:
    """Give what stands before the bytes of the tensors: the length of a JSON text in 8 bytes, and the text.

    Args:
        tensors: By name, in the order in which they follow one another: dtype as the format names it, shape, and
            size in bytes.
        metadata: What `seal` gave.

    Raises:
        CheckpointError: It would be more than is ever read back.
    """
    header: dict[str, Any] = {"__metadata__": {METADATA_KEY: metadata}}
    position = 0
    for name, (dtype, shape, size) in tensors.items():
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [position, position + size]}
        position += size
    letters = spelled(header)
    text = letters.encode()
    if (
        len(tensors) > MAX_TENSORS
        or len(text) > MAX_HEADER_BYTES - _ALIGNMENT
        or is_oversized(letters, max_parts=MAX_PARTS, max_objects=_MAX_OBJECTS)
    ):
        raise CheckpointError(
            f"too much for one file: {len(tensors):,} tensors, described in {len(text):,} bytes",
            f"a file holds at most {MAX_TENSORS:,} tensors and {MAX_PARTS:,} names, sizes, checksums and settings",
        )
    text += b" " * (-len(text) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def spelled(header: Mapping[str, Any]) -> str:
    """Write a header as JSON the one way in which dlkit writes it."""
    return json.dumps(header, ensure_ascii=False, separators=(",", ":"))


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe in its place would wait for ever for somebody to write."""
    return os.open(path, flags | os.O_NONBLOCK)


def _foreign(first: bytes, length: int, path: Path) -> CheckpointError:
    """Name what a file is that does not begin as a safetensors file does."""
    for kind, magics in _OTHER_FORMATS.items():
        if first.startswith(magics):
            return CheckpointError(f"{path} is {kind}, not a safetensors file", _NEVER_UNPICKLED)
    if length > MAX_HEADER_BYTES:
        return CheckpointError(
            f"{path} is not a safetensors file: its header claims {length:,} bytes",
            f"a header may have {MAX_HEADER_BYTES:,} bytes",
        )
    return CheckpointError(f"{path} is not a safetensors file: its header is no JSON object")


def _nearby(path: Path) -> str:
    folder = path.parent
    found = sorted(file.name for file in folder.glob("*.safetensors")) if folder.is_dir() else []
    return (
        f"{folder} has {', '.join(map(printable, found[:4]))}"
        if found
        else "dlkit train prints the path of one"
    )


def _parse_json(text: str, path: Path) -> Any:
    try:
        return parse_strictly(text, max_parts=MAX_PARTS, max_objects=_MAX_OBJECTS)
    except OversizedError as err:
        raise CheckpointError(
            f"{path} has an oversized header; at most {MAX_TENSORS:,} tensors are read"
        ) from err
    except ValueError as err:
        raise CheckpointError(
            f"{path} is damaged: its header is not JSON ({printable(str(err))})", DAMAGED_HINT
        ) from err


def _check(parsed: dict[str, Any], data_start: int, file_bytes: int, path: Path) -> Header:
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
    if position > file_bytes:
        raise CheckpointError(f"{path} is truncated at byte {file_bytes:,} of {position:,}", DAMAGED_HINT)
    if position < file_bytes:
        raise CheckpointError(
            f"{path} is damaged: {file_bytes - position:,} bytes behind its last tensor", DAMAGED_HINT
        )
    return Header(tensors, metadata, file_bytes)


def _check_tensor(name: str, value: Any, data_start: int, path: Path) -> TensorEntry:
    if not isinstance(value, dict) or value.keys() != _TENSOR_KEYS:
        raise CheckpointError(
            f"{path} is damaged: tensor {printable(name)} is not described by dtype, shape and data_offsets"
        )
    dtype, shape, place = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _BITS:
        raise CheckpointError(
            f"{path}: tensor {printable(name)} has the unknown dtype {printable(str(dtype))}"
        )
    if not _are_sizes(shape, most=MAX_DIMENSIONS) or not _are_sizes(place, most=2) or len(place) != 2:
        raise CheckpointError(f"{path} is damaged: tensor {printable(name)} has an impossible shape or place")
    begin, end = place
    # The sizes beside a zero are bounded too: strides are made of them.
    if (
        math.prod(size or 1 for size in shape) >= _MAX_ELEMENTS
        or end - begin != math.prod(shape) * _BITS[dtype] // 8
    ):
        raise CheckpointError(
            f"{path} is damaged: tensor {printable(name)} has another size than its shape says"
        )
    return TensorEntry(dtype, tuple(shape), data_start + begin, data_start + end)


def _are_sizes(values: Any, most: int) -> bool:
    if not isinstance(values, list) or len(values) > most:
        return False
    return not values or (set(map(type, values)) == {int} and min(values) >= 0 and max(values) < 2**63)
