"""The header of a safetensors file, read without safetensors itself, which needs numpy or torch to open a file.

The format: https://huggingface.co/docs/safetensors.
"""

import contextlib
import gc
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

from dlkit.errors import CheckpointError, file_error, printable

METADATA_KEY = "dlkit"
FORMAT_VERSION = 1
MAX_HEADER_BYTES = 16 * 2**20
MAX_PARTS = 400_000  # names and values: JSON takes up to 30 times its length once it is parsed
DAMAGED_HINT = "use another copy; a run folder keeps last.prev.safetensors beside last.safetensors"
_OTHER_FORMATS = {
    "a pickle (torch.save)": tuple(bytes([0x80, protocol]) for protocol in range(2, 6)),
    "a zip archive (torch.save puts pickles into one)": (b"PK\x03\x04", b"PK\x05\x06"),
    "compressed with gzip": (b"\x1f\x8b",),
}
_NEVER_UNPICKLED = (
    "dlkit never unpickles, since that can run any code; to start from such weights, load them in the constructor of a "
    "network of your own: see Pretrained weights in own-code.md"
)


class TensorEntry(NamedTuple):
    """Where one tensor lies in the file: dtype as the format names it, shape, first byte and end."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    """A header.

    Args:
        text: The JSON as it stands in the file.
        tensors: By name, offsets counted from the start of the file.
        metadata: What stands under `__metadata__`.
        file_bytes: Size of the file.
    """

    text: str
    tensors: Mapping[str, TensorEntry]
    metadata: Mapping[str, str]
    file_bytes: int

    def dlkit_metadata(self, path: Path) -> dict[str, Any]:
        """Return what dlkit wrote beside the tensors.

        Raises:
            CheckpointError: The file was not written by dlkit, or by a later version of its format.
        """
        if METADATA_KEY not in self.metadata:
            raise CheckpointError(
                f"{path} was not written by dlkit: its metadata have no '{METADATA_KEY}' key",
                "dlkit reads its own checkpoints: best.safetensors or last.safetensors of a run folder",
            )
        text = self.metadata[METADATA_KEY]
        check_size(text, path)
        try:
            metadata = _parse(text)
        except (ValueError, RecursionError) as err:
            raise damaged(path, f"its metadata are not JSON ({printable(str(err))})") from err
        if not isinstance(metadata, dict) or not isinstance(metadata.get("format"), int):
            raise damaged(path, "its metadata are not dlkit's")
        if metadata["format"] > FORMAT_VERSION:
            raise CheckpointError(
                f"{path} has format {metadata['format']}; this dlkit reads up to {FORMAT_VERSION}",
                "update dlkit",
            )
        return metadata


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[BufferedReader, Header]]:
    """Open a safetensors file and read its header; an error of the system becomes one line, also a later one.

    Raises:
        CheckpointError: The file is missing, truncated, oversized, a pickle, or no safetensors file.
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise CheckpointError(f"{path} is a pipe or a device, not a file", "write it to a file first")
            yield file, _read(file, path)
    except IsADirectoryError as err:
        raise CheckpointError(
            f"{path} is a folder, not a checkpoint", f"try {path}/best.safetensors"
        ) from err
    except FileNotFoundError as err:
        raise CheckpointError(f"no checkpoint at {path}", _nearby(path)) from err
    except OSError as err:
        error = file_error(err, path, "read")
        raise CheckpointError(error.message, error.hint) from err


def read_header(path: Path) -> Header:
    """Read the header of a safetensors file, touching nothing behind it.

    Raises:
        CheckpointError: As `opened`.
    """
    with opened(path) as (_, header):
        return header


def spelled(header: Header) -> str:
    """Return the JSON of a header the one way in which safetensors writes it."""
    start = 8 + len(header.text.encode())
    tensors = {
        name: {"dtype": dtype, "shape": shape, "data_offsets": (begin - start, end - start)}
        for name, (dtype, shape, begin, end) in header.tensors.items()
    }
    parts = {"__metadata__": header.metadata, **tensors}
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))


def check_size(text: str, path: Path) -> None:
    """Check that JSON is not too much to be parsed.

    Raises:
        CheckpointError: It is.
    """
    if len(text) > MAX_HEADER_BYTES or text.count(",") + text.count(":") > MAX_PARTS:
        raise CheckpointError(
            f"{path} has an oversized header",
            f"a file holds at most {MAX_PARTS:,} names, sizes, checksums and settings",
        )


def _parse(text: str) -> Any:
    """Parse JSON without the garbage collector, which would go through all of its values again and again."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        return json.loads(text)
    finally:
        if collecting:
            gc.enable()


def damaged(path: Path, what: str) -> CheckpointError:
    """Return the error for a damaged file."""
    return CheckpointError(f"{path} is damaged: {what}", DAMAGED_HINT)


def _read(file: BufferedReader, path: Path) -> Header:
    file_bytes = os.fstat(file.fileno()).st_size
    first = file.read(9)
    length = int.from_bytes(first[:8], "little")
    if len(first) == 9 and (not 2 <= length <= MAX_HEADER_BYTES or first[8:] != b"{"):
        raise _foreign(first, path)
    if len(first) < 9 or 8 + length > file_bytes:
        raise _truncated(path, file_bytes, f"at least {8 + max(length, 2):,}")
    try:
        text = (first[8:] + file.read(length - 1)).decode()
        check_size(text, path)
        tensors = _parse(text)
        metadata = tensors.pop("__metadata__", None) or {}
        entries = {name: _entry(value, 8 + length) for name, value in tensors.items()}
        if not all(isinstance(value, str) for value in metadata.values()):
            raise ValueError("metadata are not text")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as err:
        raise damaged(path, f"its header is not valid ({printable(str(err))})") from err
    end = max((entry.end for entry in entries.values()), default=8 + length)
    if end > file_bytes:
        raise _truncated(path, file_bytes, f"{end:,}")
    if end < file_bytes:
        raise damaged(path, f"{file_bytes - end:,} bytes after its last tensor")
    return Header(text, entries, metadata, file_bytes)


def _entry(value: dict[str, Any], start: int) -> TensorEntry:
    dtype, shape, (begin, end) = value["dtype"], value["shape"], value["data_offsets"]
    sizes = (*shape, begin, end)
    if not isinstance(dtype, str) or not all(type(size) is int and 0 <= size < 2**63 for size in sizes):
        raise ValueError("dtype, shape or place of a tensor")
    return TensorEntry(dtype, tuple(shape), start + begin, start + end)


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe in its place would wait for ever for somebody to write."""
    return os.open(path, flags | os.O_NONBLOCK)


def _truncated(path: Path, file_bytes: int, needed: str) -> CheckpointError:
    return CheckpointError(f"{path} is truncated at byte {file_bytes:,} of {needed}", DAMAGED_HINT)


def _foreign(first: bytes, path: Path) -> CheckpointError:
    """Name what a file is that does not begin as a safetensors file does."""
    for name, magics in _OTHER_FORMATS.items():
        if first.startswith(magics):
            return CheckpointError(f"{path} is {name}, not a safetensors file", _NEVER_UNPICKLED)
    if path.suffix.lower() in (".csv", ".tsv", ".parquet"):
        return CheckpointError(f"{path} is a table, not a checkpoint", f"--data {path} evaluates a run on it")
    return CheckpointError(
        f"{path} is not a safetensors file",
        f"its header would begin with a brace, of {MAX_HEADER_BYTES:,} bytes at most",
    )


def _nearby(path: Path) -> str:
    folder = path.parent
    found = sorted(file.name for file in folder.glob("*.safetensors")) if folder.is_dir() else []
    return (
        f"{folder} has {', '.join(map(printable, found[:4]))}"
        if found
        else "dlkit train prints the path of one"
    )
