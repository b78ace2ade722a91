"""The columns of a table as they grow, in memory or on disk, and the prepared file that later runs map into memory."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from dlkit.data.home import data_home
from dlkit.data.tables.reading.options import Asked
from dlkit.data.tables.table import Column, Stray, Table
from dlkit.errors import CheckpointError, file_error
from dlkit.files.atomic import make_folder
from dlkit.files.tensor_file import read_tensors, write_tensors

_FORMAT = 5
_CATEGORIES = "categories"
_LINES = "lines"
_WIDTH = 8  # bytes a value, at most


class GrowingColumns:
    """Columns that are read batch by batch.

    Args:
        file: Takes the values of a large table; None keeps them in memory. It has a region for each column, and takes
            no more space on the disk than what is written.
        max_rows: No column has more values than that.
    """

    def __init__(self, file: IO[bytes] | None, max_rows: int) -> None:
        self._file = file
        self._region = max_rows * _WIDTH
        self._parts: dict[str, list[np.ndarray]] = {}
        self._starts: dict[str, int] = {}
        self._written: dict[str, tuple[np.dtype[Any], int]] = {}

    def add(self, name: str, values: np.ndarray) -> None:
        """Append values to a column, shape (N,).

        Raises:
            DlkitError: The disk is full.
        """
        if self._file is None:
            self._parts.setdefault(name, []).append(values)
            return
        start = self._starts.setdefault(name, len(self._starts) * self._region)
        dtype, count = self._written.get(name, (values.dtype, 0))
        try:
            self._file.seek(start + count * dtype.itemsize)
            self._file.write(np.ascontiguousarray(values).data)
        except OSError as err:
            raise file_error(err, prepared_folder(), "prepare a table in") from err
        self._written[name] = dtype, count + len(values)

    def drop(self, name: str) -> None:
        """Forget the values of a column."""
        self._parts.pop(name, None)
        self._written.pop(name, None)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the values of each column, shape (N,); those on the disk are mapped."""
        if self._file is None:
            return {
                name: np.concatenate(parts) if len(parts) > 1 else parts[0]
                for name, parts in self._parts.items()
            }
        self._file.flush()
        mapped = np.memmap(self._file, np.uint8, mode="r+")
        return {
            name: mapped[self._starts[name] : self._starts[name] + count * dtype.itemsize].view(dtype)
            for name, (dtype, count) in self._written.items()
        }


def prepared_folder() -> Path:
    """Return the folder of prepared tables, made if need be."""
    folder = data_home() / "prepared" / "tables"
    make_folder(folder)
    return folder


def keep_table(table: Table, path: Path | None, asked: Asked) -> None:
    """Write a table's prepared file.

    Args:
        table: What to keep.
        path: The file it was read from; None for standard input.
        asked: What was asked for when it was read.

    Raises:
        DlkitError: It cannot be written.
    """
    texts = {name: column.categories for name, column in table.columns.items() if column.categories}
    tensors = {str(index): torch.from_numpy(table.values[name]) for index, name in enumerate(table.names)}
    tensors[_CATEGORIES] = torch.frombuffer(bytearray(json.dumps(texts).encode()), dtype=torch.uint8)
    if table.lines is not None:
        tensors[_LINES] = torch.from_numpy(table.lines)
    metadata = {
        "table": _FORMAT,
        "columns": [asdict(replace(column, categories=())) for column in table.columns.values()],
        "fingerprint": table.fingerprint,
        "file": _state_of(path),
        "notes": list(table.notes),
        "in_lines": table.in_lines,
        "first_line": table.first_line,
        "dialect": table.dialect,
    }
    write_tensors(_place(path, table.fingerprint, asked), tensors, metadata)


def kept_table(path: Path | None, source: str, asked: Asked, fingerprint: str = "") -> Table | None:
    """Map the prepared file of a table, if there is one of this very content.

    Args:
        path: The file the table is in; None for standard input.
        source: What it is called in messages.
        asked: What it has to be read by.
        fingerprint: SHA-256 over the content; without it, the file's size and time decide.
    """
    for place in dict.fromkeys((_place(path, fingerprint, asked.plain), _place(path, fingerprint, asked))):
        if (table := _read(place, path, source, fingerprint)) is not None and _fits(table, asked):
            return table
    return None


def prepared_place(path: Path, asked: Asked) -> Path:
    """Return the place of the prepared file of a table that is read as asked."""
    return _place(path, "", asked)


def is_prepared(path: Path, asked: Asked) -> bool:
    """Return whether there is a prepared file of this path, be it of what it holds now or of what it held before."""
    return _place(path, "", asked).is_file() or _place(path, "", asked.plain).is_file()


def _read(place: Path, path: Path | None, source: str, fingerprint: str) -> Table | None:
    if not place.is_file():
        return None
    try:
        tensors, about = read_tensors(place)
    except CheckpointError:
        return None  # it is prepared again from the file, which is at hand
    same = about.get("fingerprint") == fingerprint if fingerprint else about.get("file") == _state_of(path)
    if about.get("table") != _FORMAT or not same:
        return None
    texts = json.loads(tensors.pop(_CATEGORIES).numpy().tobytes())
    lines = tensors.pop(_LINES, None)
    columns = [_column(plain, texts) for plain in about["columns"]]
    return Table(
        source,
        {column.name: column for column in columns},
        {column.name: tensors[str(index)].numpy() for index, column in enumerate(columns)},
        str(about["fingerprint"]),
        None if lines is None else lines.numpy(),
        tuple(about["notes"]),
        bool(about["in_lines"]),
        int(about["first_line"]),
        str(about["dialect"]),
    )


def _column(plain: Mapping[str, Any], texts: Mapping[str, list[str]]) -> Column:
    stray = Stray(**{**plain["stray"], "more": tuple(plain["stray"]["more"])}) if plain["stray"] else None
    return Column(**{**plain, "categories": tuple(texts.get(plain["name"], ())), "stray": stray})


def _fits(table: Table, asked: Asked) -> bool:
    return all(
        table.columns[name].kind == kind for name, kind in asked.kinds.items() if name in table.columns
    )


def _place(path: Path | None, fingerprint: str, asked: Asked) -> Path:
    named = [str(path.resolve()) if path else fingerprint, asked.key()]
    digest = hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]
    stem = path.stem[:40] if path else "stdin"
    return data_home() / "prepared" / "tables" / f"{stem}-{digest}.safetensors"


def _state_of(path: Path | None) -> dict[str, int]:
    if path is None:
        return {}
    status = path.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
