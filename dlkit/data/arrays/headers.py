"""What arrays a .npz or .npy file holds and which of them are inputs and targets, found without loading them."""

import math
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from dlkit.data.arrays.axes import OTHER, readings
from dlkit.errors import DataError, did_you_mean, file_error, printable
from dlkit.settings.spec import Spec

INPUT_NAMES = ("x", "inputs", "input", "images", "image", "features", "data", "arr_0")
TARGET_NAMES = ("y", "targets", "target", "labels", "label", "arr_1")
JOINED = (
    "join them with numpy.concatenate((x1, x2), 1), and split them in forward, e.g. x1, x2 = x.chunk(2, 1)"
)
PARTS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_MAX_MEMBERS = 10_000
_MAX_BYTES = 2**63
_SHOWN = 8


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


def find_roles(
    entries: Mapping[str, ArrayEntry],
    source: str,
    features: str | None,
    target: str | None,
    *,
    need_train: bool = True,
) -> dict[str, tuple[str, str]]:
    """Return which arrays are inputs and which targets.

    Args:
        entries: The arrays of the file.
        source: What the file is called in messages.
        features: What --features names; None takes the usual names.
        target: What --target names, likewise.
        need_train: Parts without one to train on are refused.

    Returns:
        Names of inputs and targets by part: `train`, `val`, `test`, or `all` where there are no parts.

    Raises:
        DataError: There are none, there are several that may be meant, or a part lacks one.
    """
    found: dict[str, list[str]] = {}
    for option, typed, usual in (
        ("--features", features, INPUT_NAMES),
        ("--target", target, TARGET_NAMES),
    ):
        by_part = _by_part(entries, (typed,) if typed is not None else usual, exact=typed is not None)
        if not by_part:
            what = "inputs" if option == "--features" else "targets"
            problem = (
                f"has no array {printable(typed)}"
                if typed
                else f"has no array of {what} that its name identifies"
            )
            raise DataError(
                f"{option + ' ' + printable(typed) + ': ' if typed else ''}{source} {problem}",
                did_you_mean(typed or "", entries) or _naming(option, entries, usual, need_train=need_train),
            )
        for part, names in by_part.items():
            if len(names) > 1:
                raise DataError(
                    f"{source} holds {' and '.join(map(printable, names))}, which may all be {option[2:]}",
                    f"{option} NAME names the one to take",
                )
            found.setdefault(part, []).append(f"{option}={names[0]}")
    return _paired(found, source, entries, need_train=need_train)


def find_inputs(
    entries: Mapping[str, ArrayEntry], features: str | None, target: str | None
) -> dict[str, str]:
    """Return which arrays are inputs, by part, where the file holds nothing else; else nothing.

    Args:
        entries: The arrays of the file.
        features: What --features named in the data trained on; None takes the usual names.
        target: What --target named.
    """
    if len(entries) == 1:
        (name,) = entries
        return {} if name == target or name.lower() in TARGET_NAMES else {"all": name}
    by_part = _by_part(entries, (features,), exact=True) if features is not None else {}
    by_part = by_part or _by_part(entries, INPUT_NAMES, exact=False)
    found = {part: names[0] for part, names in by_part.items()}
    return found if len(found) == len(entries) else {}


def _naming(
    option: str, entries: Mapping[str, ArrayEntry], usual: tuple[str, ...], *, need_train: bool
) -> str:
    """Return the ways out where no array is called as inputs or targets are."""
    ways = [
        f"{option} NAME names one",
        f"it holds {_list(entries)}",
        f"recognised names are {', '.join(usual[:-1])}",
    ]
    if option == "--target" and not need_train:
        ways.append("without labels, leave out all but the inputs")
    targets = [name for part in (_by_part(entries, TARGET_NAMES, exact=False)).values() for name in part]
    if option == "--features" and len(entries) - len(targets) > 1:
        ways.append(f"for several, {JOINED}")
    return "; ".join(ways)


def recipe_of(spec: Spec, given: Mapping[str, Any]) -> str:
    """Return the recipe that suits the inputs in a file: `image` for images, `table` for rows of numbers.

    Raises:
        DataError: It is missing or damaged, or the inputs cannot be found.
    """
    assert spec.path is not None, "arrays lie in a file"
    entries = read_entries(spec.path)
    features, target = given.get("features"), given.get("target")
    roles = {} if "" in entries else find_roles(entries, str(spec.path), features, target)
    inputs = next(iter(roles.values()))[0] if roles else ""
    first = readings(entries[inputs].shape, entries[inputs].dtype, given, inputs or spec.name)[0]
    return "image" if first.is_image or first.layout == OTHER else "table"


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


def _by_part(
    entries: Mapping[str, ArrayEntry], wanted: Iterable[str], *, exact: bool
) -> dict[str, list[str]]:
    """Return the arrays of the wanted names by the part that their names tell, as in `x_train` and `train_x`."""
    found: dict[str, list[str]] = {}
    wanted = tuple(wanted)
    for name in entries:
        if exact and name == wanted[0]:
            return {"all": [name]}
        part, plain = _split_name(name)
        if plain in wanted or (not exact and plain.lower() in wanted):
            found.setdefault(part, []).append(name)
    return found


def _split_name(name: str) -> tuple[str, str]:
    """Take `x_train` or `train_x` apart into part and name."""
    for pattern in (r"(?P<part>[a-zA-Z]+)[_.-](?P<name>.+)", r"(?P<name>.+)[_.-](?P<part>[a-zA-Z]+)"):
        match = re.fullmatch(pattern, name)
        if match and match["part"].lower() in PARTS:
            return PARTS[match["part"].lower()], match["name"]
    return "all", name


def _paired(
    found: Mapping[str, list[str]], source: str, entries: Mapping[str, ArrayEntry], *, need_train: bool
) -> dict[str, tuple[str, str]]:
    """Check that each part has inputs and targets, and that there is a part to train on."""
    pairs: dict[str, tuple[str, str]] = {}
    for part, names in found.items():
        if len(names) < 2:
            option, _, name = names[0].partition("=")
            other = "targets" if option == "--features" else "inputs"
            raise DataError(
                f"{source} holds {printable(name)} without the {other} that belong to it",
                f"it holds {_list(entries)}",
            )
        inputs, targets = (name.partition("=")[2] for name in names)
        pairs[part] = (inputs, targets)
    if "all" in pairs and len(pairs) > 1:
        extra = ", ".join(part for part in pairs if part != "all")
        raise DataError(
            f"{source} holds arrays of {extra} and others that belong to no part", "name all or none by part"
        )
    if need_train and "all" not in pairs and "train" not in pairs:
        raise DataError(
            f"{source} holds no arrays to train on, only {', '.join(pairs)}", "add x_train and y_train"
        )
    return pairs


def _list(entries: Mapping[str, ArrayEntry]) -> str:
    shown = ", ".join(entry.shown() for entry in list(entries.values())[:_SHOWN])
    return shown + (", ..." if len(entries) > _SHOWN else "") if entries else "no arrays"
