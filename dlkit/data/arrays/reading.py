"""Arrays of a file in memory: those of an .npz loaded, those of an .npy mapped, those of Python objects refused."""

import json
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlkit.data.arrays.headers import ArrayEntry
from dlkit.data.memory import available_memory, size_text
from dlkit.errors import DataError, file_error, printable


def refuse_objects(
    path: Path, *entries: ArrayEntry, with_targets: str = "", are_targets: bool = False
) -> None:
    """Refuse arrays of Python objects, which are pickles: unpickling can run any code.

    Args:
        path: The file.
        entries: Its arrays.
        with_targets: The array of the targets beside inputs, for the hint.
        are_targets: They are targets, and so texts or numbers.
    """
    for entry in entries:
        if entry.kind in "OV":
            kind = "Python objects, which dlkit never unpickles" if entry.kind == "O" else "several fields"
            name = f"array {printable(entry.name)} " if entry.name else ""
            plain = "save plain numbers or texts, e.g. numpy.array(values, dtype='float32') or dtype=str"
            converted = _converted(path, entry, with_targets, are_targets=are_targets)
            raise DataError(f"{path}: {name}holds {kind}", converted or plain)


def _converted(path: Path, entry: ArrayEntry, with_targets: str, *, are_targets: bool) -> str:
    """Return the command that makes plain arrays of objects: texts of targets, and of sequences padded ones."""
    if entry.kind == "V" or not entry.shape:
        return _unpacked(path, entry)
    old, new = json.dumps(str(path)), json.dumps(f"{path.stem}-plain{path.suffix}")
    read = f"import numpy as np; d = np.load({old}, None, True); s = d" + (
        f"[{json.dumps(entry.name)}]" if entry.name else ""
    )
    if are_targets:
        kept = (
            f"np.savez({new}, **{{**d, {json.dumps(entry.name)}: s.astype(str)}})"
            if entry.name
            else f"np.save({new}, s.astype(str))"
        )
        option = "--data" if entry.name else "--target"
        made = shlex.quote(f"{path.stem}-plain{path.suffix}")
        return f"as texts: python -c {shlex.quote(f'{read}; {kept}')}; then {option} {made}"
    kept = (
        f"np.savez({new}, x=x, y=np.array(d[{json.dumps(with_targets)}].tolist()))"
        if entry.name
        else f"np.save({new}, x)"
    )
    pad = (
        'x = np.full((len(s), max(map(len, s)), *np.shape(s[0])[1:]), np.nan, "float32"); '
        "[x[i].__setitem__(slice(len(v)), v) for i, v in enumerate(s)]"
    )
    made = shlex.quote(f"{path.stem}-plain{path.suffix}")
    command = f"python -c {shlex.quote(f'{read}; {pad}; {kept}')}"
    return f"sequences padded to one length, by missing values: {command}; then --data {made}"


def _unpacked(path: Path, entry: ArrayEntry) -> str:
    """Return the command that makes a table of an array with fields, or arrays of a dictionary; empty in an .npz."""
    if entry.name:
        return ""
    old, stem = json.dumps(str(path)), path.stem
    read = f"d = np.load({old}, None, True)"
    if entry.kind == "V":
        kept = f"pd.DataFrame(d).to_csv({json.dumps(f'{stem}.csv')}, index=False)"
        code = f"import numpy as np, pandas as pd; {read}; {kept}"
        return f"as a table: python -c {shlex.quote(code)}; then --data {shlex.quote(f'{stem}.csv')}"
    code = f"import numpy as np; {read}; np.savez({json.dumps(f'{stem}.npz')}, **d.item())"
    return (
        f"if it holds a dictionary: python -c {shlex.quote(code)}; then --data {shlex.quote(f'{stem}.npz')}"
    )


def joined_files(pairs: Sequence[tuple[Path, Path]]) -> str:
    """Return the option that names the file of the targets, or the command that joins the files of several parts."""
    if len(pairs) < 2:
        named = shlex.quote(str(pairs[0][1])) if pairs else "y.npy"
        return f"name the file of the targets: --target {named}"
    arrays = ", ".join(
        f"{json.dumps(file.stem)}: r({json.dumps(str(file))})" for pair in pairs for file in pair
    )
    new = f"{pairs[0][0].stem}-joined.npz"
    code = (
        "import numpy as np; t = lambda a: a.astype(str) if a.dtype == object else a; "
        "r = lambda p: t(np.load(p, None, True)); "
        f"np.savez({json.dumps(new)}, **{{{arrays}}})"
    )
    return f"all parts in one file: python -c {shlex.quote(code)}; then --data {shlex.quote(new)}"


def check_room(path: Path, entries: list[ArrayEntry], cure: str) -> None:
    """Refuse arrays that do not fit into memory."""
    needed, free = sum(entry.nbytes for entry in entries), available_memory()
    if needed > free:
        raise DataError(
            f"{path} takes {size_text(needed)} in memory, of which {size_text(free)} may be used",
            cure,
        )


def load_zipped(path: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    """Load arrays of an .npz file, whose headers were read before.

    Raises:
        DataError: It cannot be read, or is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in names}
    except (ValueError, KeyError, EOFError, MemoryError) as err:
        raise DataError(f"{path} cannot be read: {_told(err)}", "write it again with numpy.savez") from err
    except OSError as err:
        raise file_error(err, path, "read") from err
    except Exception as err:  # zipfile and zlib have errors of their own
        raise DataError(f"{path} is damaged: {_told(err)}", "write it again with numpy.savez") from err


def map_array(path: Path) -> np.ndarray:
    """Map an array into memory; what is written to it never reaches the file."""
    try:
        mapped: Any = np.load(path, mmap_mode="c", allow_pickle=False)
    except (ValueError, EOFError) as err:
        raise DataError(f"{path} cannot be read: {_told(err)}", "write it again with numpy.save") from err
    except OSError as err:
        raise file_error(err, path, "read") from err
    array: np.ndarray = mapped
    return array


def _told(err: Exception) -> str:
    return printable(" ".join(str(err).split()) or type(err).__name__, 200)
