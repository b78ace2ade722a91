"""The rows of a table as they are read: in memory for a small one, in a prepared file for a large one."""

import contextlib
import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import torch

from dlkit.data.home import data_home
from dlkit.data.tables.column_kinds import Stray
from dlkit.data.tables.table import Column, Table
from dlkit.errors import CheckpointError, file_error
from dlkit.files.atomic import make_folder
from dlkit.files.tensor_file import read_tensors, write_tensors

_FORMAT = 1
_CATEGORIES = "categories"
_LINES = "lines"


class Rows(Protocol):
    """Takes rows one lot after the other and gives them all in the end."""

    def add(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take rows, one array of shape (N, C) a block."""

    def blocks(self) -> dict[str, np.ndarray]:
        """Give all rows, one array of shape (M, C) a block."""


class MemoryRows:
    """Rows kept in memory."""

    def __init__(self) -> None:
        self._lots: dict[str, list[np.ndarray]] = {}

    def add(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take rows, one array of shape (N, C) a block."""
        for name, array in arrays.items():
            self._lots.setdefault(name, []).append(array)

    def blocks(self) -> dict[str, np.ndarray]:
        """Give all rows, one array of shape (M, C) a block."""
        return {name: np.concatenate(lots) for name, lots in self._lots.items()}


class FileRows:
    """Rows kept in nameless files, mapped into memory in the end."""

    def __init__(self, files: contextlib.ExitStack) -> None:
        self._open_files = files
        self._folder = prepared_folder()
        self._files: dict[str, tuple[IO[bytes], np.dtype[Any], int]] = {}

    def add(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Write rows, one array of shape (N, C) a block.

        Raises:
            DlkitError: The disk is full, or the folder takes no files.
        """
        try:
            for name, array in arrays.items():
                if name not in self._files:
                    file = self._open_files.enter_context(tempfile.TemporaryFile(dir=self._folder))  # noqa: SIM115 - the stack closes it
                    self._files[name] = (file, array.dtype, array.shape[1])
                self._files[name][0].write(np.ascontiguousarray(array).data)
        except OSError as err:
            raise file_error(err, self._folder, "prepare a table in") from err

    def blocks(self) -> dict[str, np.ndarray]:
        """Map all rows, one array of shape (M, C) a block."""
        mapped = {}
        for name, (file, dtype, width) in self._files.items():
            file.flush()
            mapped[name] = np.memmap(file, dtype, mode="r+").reshape(-1, width)
        return mapped


def prepared_folder() -> Path:
    """Give the folder of prepared tables, made if need be."""
    folder = data_home() / "prepared" / "tables"
    make_folder(folder)
    return folder


def keep_table(table: Table, path: Path | None, kinds: Mapping[str, str]) -> None:
    """Write a table's prepared file.

    Args:
        table: What to keep.
        path: The file it was read from; None for standard input.
        kinds: Kinds that were asked for when it was read.

    Raises:
        DlkitError: It cannot be written.
    """
    texts = {name: column.categories for name, column in table.columns.items() if column.categories}
    tensors = {name: torch.from_numpy(array) for name, array in table.blocks.items()}
    tensors[_CATEGORIES] = torch.frombuffer(bytearray(json.dumps(texts).encode()), dtype=torch.uint8)
    if table.lines is not None:
        tensors[_LINES] = torch.from_numpy(table.lines)
    columns = [asdict(replace(column, categories=())) for column in table.columns.values()]
    metadata = {
        "table": _FORMAT,
        "columns": columns,
        "fingerprint": table.fingerprint,
        "file": _state_of(path),
        "notes": list(table.notes),
        "in_lines": table.in_lines,
    }
    write_tensors(_place(path, table.fingerprint, kinds), tensors, metadata)


def kept_table(
    path: Path | None, source: str, kinds: Mapping[str, str], fingerprint: str = ""
) -> Table | None:
    """Map the prepared file of a table, if there is one of this very content.

    Args:
        path: The file the table is in; None for standard input.
        source: What it is called in messages.
        kinds: Kinds that its columns have to be of.
        fingerprint: SHA-256 over the content; without it, the file's size and time decide.
    """
    wanted = [_place(path, fingerprint, {}), *([_place(path, fingerprint, kinds)] if kinds else [])]
    for place in wanted:
        if (table := _read(place, path, source, fingerprint)) is not None and _fits(table, kinds):
            return table
    return None


def _read(place: Path, path: Path | None, source: str, fingerprint: str) -> Table | None:
    if not place.is_file():
        return None
    try:
        tensors, said = read_tensors(place)
    except CheckpointError:
        return None  # it is made anew from the file, which is at hand
    same = said.get("fingerprint") == fingerprint if fingerprint else said.get("file") == _state_of(path)
    if said.get("table") != _FORMAT or not same:
        return None
    texts = json.loads(tensors.pop(_CATEGORIES).numpy().tobytes())
    lines = tensors.pop(_LINES, None)
    return Table(
        source,
        {plain["name"]: _column(plain, texts.get(plain["name"], ())) for plain in said["columns"]},
        {name: tensor.numpy() for name, tensor in tensors.items()},
        str(said["fingerprint"]),
        None if lines is None else lines.numpy(),
        tuple(said["notes"]),
        bool(said["in_lines"]),
    )


def _column(plain: Mapping[str, Any], categories: Iterable[str]) -> Column:
    stray = Stray(**plain["stray"]) if plain["stray"] else None
    return Column(**{**plain, "categories": tuple(categories), "stray": stray})


def _fits(table: Table, kinds: Mapping[str, str]) -> bool:
    return all(table.columns[name].kind == kind for name, kind in kinds.items() if name in table.columns)


def _place(path: Path | None, fingerprint: str, kinds: Mapping[str, str]) -> Path:
    named = [str(path.resolve()) if path else fingerprint, sorted(kinds.items())]
    digest = hashlib.sha256(json.dumps(named).encode()).hexdigest()[:16]
    stem = path.stem[:40] if path else "stdin"
    return data_home() / "prepared" / "tables" / f"{stem}-{digest}.safetensors"


def _state_of(path: Path | None) -> dict[str, int]:
    if path is None:
        return {}
    status = path.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
