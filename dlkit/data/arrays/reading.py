"""Arrays of a file in memory: those of an .npz loaded, those of an .npy mapped, those of Python objects refused."""

import json
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dlkit.data.arrays.headers import ArrayEntry, read_entries
from dlkit.data.memory import available_memory, size_text
from dlkit.errors import DataError, file_error, printable

_TRUST = "unpickling can run any code, so only with a file that you trust"
_COMPLEX = (("r", "i"), ("real", "imag"))  # as h5py and MATLAB have them
_PLAIN = "(lambda p: p.astype(str) if p.dtype == object else p)(np.array({0}.tolist()))"


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
    if entry.kind == "V" or (with_targets and len(entry.shape) == 2):
        return _without_fields(path, entry, with_targets, are_targets=are_targets)
    if not entry.shape:
        return _unpacked(path, entry)
    old, new = json.dumps(str(path)), json.dumps(f"{path.stem}-plain{path.suffix}")
    read = f"import numpy as np; d = np.load({old}, None, True); s = d" + (
        f"[{json.dumps(entry.name)}]" if entry.name else ""
    )
    if are_targets:
        kept = (
            f"np.savez({new}, **{{**d, {json.dumps(entry.name)}: t}})" if entry.name else f"np.save({new}, t)"
        )
        option = "--data" if entry.name else "--target"
        made = shlex.quote(f"{path.stem}-plain{path.suffix}")
        code = f"{read}; t = {_PLAIN.format('s')}; {kept}"
        return f"as plain values ({_TRUST}): python -c {shlex.quote(code)}; then {option} {made}"
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
    return f"sequences padded to one length, by missing values ({_TRUST}): {command}; then --data {made}"


def _unpacked(path: Path, entry: ArrayEntry) -> str:
    """Return the command that makes arrays of a dictionary; empty in an .npz."""
    if entry.name:
        return ""
    old, new = json.dumps(str(path)), f"{path.stem}.npz"
    code = f"import numpy as np; d = np.load({old}, None, True); np.savez({json.dumps(new)}, **d.item())"
    return (
        f"if it holds a dictionary ({_TRUST}): python -c {shlex.quote(code)}; then --data {shlex.quote(new)}"
    )


def _without_fields(path: Path, entry: ArrayEntry, with_targets: str, *, are_targets: bool) -> str:
    """Return the command that makes a table of fields or mixed columns, or plain numbers where there are more axes."""
    names, pickled = entry.dtype.names or (), entry.dtype.hasobject
    trust = f" ({_TRUST})" if pickled else ""
    read = f"d = np.load({json.dumps(str(path))}{', None, True' * pickled}); s = d" + (
        f"[{json.dumps(entry.name)}]" if entry.name else ""
    )
    if not are_targets and (not names or len(entry.shape) < 2) and names not in _COMPLEX:
        new, target = f"{path.stem}.csv", json.dumps(with_targets)
        table = "pd.DataFrame(s)" if names else 'pd.DataFrame(s).add_prefix("c")'
        table += f".assign(**{{{target}: d[{target}]}})" if with_targets else ""
        if any(entry.dtype[name].kind == "S" for name in names):
            table += '.map(lambda v: v.decode() if hasattr(v, "decode") else v)'
        code = f"import numpy as np, pandas as pd; {read}; {table}.to_csv({json.dumps(new)}, index=False)"
        option = f" --target {shlex.quote(with_targets)}" if with_targets else ""
        return f"as a table{trust}: python -c {shlex.quote(code)}; then --data {shlex.quote(new)}{option}"
    new = f"{path.stem}-plain{path.suffix}"
    plain = "np.stack([s[n] for n in s.dtype.names], -1)"
    if names in _COMPLEX:
        plain = " + 1j * ".join(f"s[{json.dumps(name)}]" for name in names)
    kept = f"np.savez({json.dumps(new)}, **{{**d, {json.dumps(entry.name)}: {plain}}})"
    if not entry.name:
        kept = f"np.save({json.dumps(new)}, {plain})"
    option = "--target" if are_targets and not entry.name else "--data"
    code = f"import numpy as np; {read}; {kept}"
    return f"as plain numbers{trust}: python -c {shlex.quote(code)}; then {option} {shlex.quote(new)}"


def joined_files(pairs: Sequence[tuple[Path, Path]]) -> str:
    """Return the option that names the file of the targets, or the command that joins the files of several parts."""
    if len(pairs) < 2:
        named = shlex.quote(str(pairs[0][1])) if pairs else "y.npy"
        return f"name the file of the targets: --target {named}"
    arrays = ", ".join(
        f"{json.dumps(file.stem)}: r({json.dumps(str(file))})" for pair in pairs for file in pair
    )
    new = f"{pairs[0][0].stem}-joined.npz"
    pickled = any(
        entry.kind == "O" for pair in pairs for file in pair for entry in read_entries(file).values()
    )
    read, trust = "r = np.load; ", ""
    if pickled:
        plain = f"t = lambda a: {_PLAIN.format('a')} if a.dtype == object else a"
        read = f"{plain}; r = lambda p: t(np.load(p, None, True)); "
        trust = f" ({_TRUST})"
    code = f"import numpy as np; {read}np.savez({json.dumps(new)}, **{{{arrays}}})"
    return f"all parts in one file{trust}: python -c {shlex.quote(code)}; then --data {shlex.quote(new)}"


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
