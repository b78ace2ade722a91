"""What arrays a .npz or .npy file holds, found without loading them."""

import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from dlkit.errors import DataError, did_you_mean, file_error, printable

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_MAX_MEMBERS = 10_000
_MAX_BYTES = 2**63


@dataclass(frozen=True)
class ArrayEntry:
    """One array: its name, empty for a file that is one array; its type; its shape."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def kind(self) -> str:
        """The letter of its kind: f, i, u, b, c numbers, U and S texts, O objects, V structures, M and m times."""
        return self.dtype.kind

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in memory."""
        return math.prod(self.shape) * self.dtype.itemsize

    def shown(self) -> str:
        """Return name, shape and type, for messages."""
        shape = "x".join(map(str, self.shape)) or "one value"
        return f"{printable(self.name, 40)} ({shape}, {printable(str(self.dtype), 20)})".lstrip()


def read_entries(path: Path) -> dict[str, ArrayEntry]:
    """Read the headers of all arrays in a file.

    Raises:
        DataError: It is missing, is neither kind of file, or a header is damaged.
    """
    try:
        if path.suffix.lower() == ".npy":
            with path.open("rb") as file:
                return {"": _entry("", file, path)}
        return _zipped_entries(path)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as err:
        raise DataError(
            f"{path} is not a whole .npz archive: {printable(str(err)).lower()}",
            "write it again with numpy.savez",
        ) from err
    except OSError as err:
        fault = file_error(err, path, "read")
        near = did_you_mean(path.name, [file.name for file in path.parent.glob("*.np[yz]")])
        raise DataError(fault.message, near or fault.hint) from err


def _zipped_entries(path: Path) -> dict[str, ArrayEntry]:
    entries: dict[str, ArrayEntry] = {}
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
        if len(members) > _MAX_MEMBERS:
            raise DataError(f"{path} holds {len(members):,} arrays; at most {_MAX_MEMBERS:,} are read")
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name in entries:
                raise DataError(f"{path} holds {printable(name)} twice", "write it again with numpy.savez")
            with archive.open(member) as file:
                entries[name] = _entry(name, file, path)
    return entries


def _entry(name: str, file: IO[bytes], path: Path) -> ArrayEntry:
    """Read one header by numpy's own functions; hostile ones end in ValueError there, and in one line here."""
    where = f"{path}: array {printable(name)}" if name else str(path)
    try:
        version = npy.read_magic(file)
    except ValueError as err:
        raise DataError(
            f"{where} does not begin like a .npy file", "write it with numpy.save or numpy.savez"
        ) from err
    if (
        version not in _HEADERS
    ):  # numpy writes others for structures whose fields have names in other scripts alone
        return ArrayEntry(name, np.dtype([("field", "u1")]), ())
    try:
        shape, _, dtype = _HEADERS[version](file)
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize >= _MAX_BYTES:
            raise ValueError(f"the shape {shape}")
    except (ValueError, TypeError, SyntaxError, TokenError, RecursionError, MemoryError) as err:
        raise DataError(f"{where} has a damaged header", "write it again with numpy.savez") from err
    return ArrayEntry(name, dtype, shape)
