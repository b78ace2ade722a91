"""Measured or simulated concentration curves in an .npz file, its arrays held to their names and shapes."""

import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dlkit.data.arrays.headers import ArrayEntry, read_entries
from dlkit.data.arrays.reading import check_room, load_zipped, refuse_objects
from dlkit.data.pbpk.organs import ORGANS, Compounds
from dlkit.errors import DataError, did_you_mean, printable

_SHAPES = {
    "doses": "(N,)",
    "clearances_hepatic": "(N,)",
    "clearances_renal": "(N,)",
    "partition_coeffs": f"(N, {len(ORGANS)})",
    "concentrations": f"(N, {len(ORGANS)}, T) or (N, T, {len(ORGANS)})",
    "time_points": "(T,)",
}
_TARGETS = "concentrations"
_MUST_BE_ABOVE_ZERO = ("doses", "partition_coeffs")
_LAYOUT = f"the arrays are {', '.join(f'{name} {shape}' for name, shape in _SHAPES.items())}"


@dataclass(frozen=True, kw_only=True)
class CurvesFile:
    """What a file holds.

    Args:
        compounds: N compounds.
        concentrations: mg/L, shape (N, 14, T); NaN where the file has none.
        times: h, shape (T,), rising.
        unused: Arrays that are not of the layout, and were not read.
    """

    compounds: Compounds
    concentrations: np.ndarray
    times: np.ndarray
    unused: tuple[str, ...]


def holds_curves(path: Path) -> bool:
    """Return whether an .npz file holds arrays of all the names; their values are not looked at."""
    try:
        with zipfile.ZipFile(path) as file:
            return {f"{name}.npy" for name in _SHAPES} <= set(file.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def read_curves(path: Path, *, unlabelled: bool = False) -> CurvesFile:
    """Read the curves of N compounds; nothing in the file is ever run.

    Args:
        path: The file.
        unlabelled: Concentrations may be missing.

    Raises:
        DataError: It is missing, damaged or no .npz; an array is not there, has another shape, or holds what it
            cannot.
    """
    entries = read_entries(path)
    names = [name for name in _SHAPES if name != _TARGETS or name in entries or not unlabelled]
    _check_headers(path, entries, names)
    arrays = {name: array.astype(np.float64) for name, array in load_zipped(path, names).items()}
    _check_values(path, arrays)
    if _TARGETS not in arrays:
        arrays[_TARGETS] = np.full((len(arrays["doses"]), len(ORGANS), len(arrays["time_points"])), np.nan)
    return CurvesFile(
        compounds=Compounds(
            doses=arrays["doses"],
            hepatic=arrays["clearances_hepatic"],
            renal=arrays["clearances_renal"],
            partition=arrays["partition_coeffs"],
        ),
        concentrations=_organs_first(arrays["concentrations"], arrays["time_points"]),
        times=arrays["time_points"],
        unused=tuple(name for name in entries if name not in _SHAPES),
    )


def _check_headers(path: Path, entries: Mapping[str, ArrayEntry], names: Sequence[str]) -> None:
    """Hold names, types and shapes to the layout, before any array is loaded."""
    for name in names:
        if name not in entries:
            raise DataError(
                f"{path} has no array {name}; it has {printable(', '.join(entries), 200) or 'none'}",
                did_you_mean(name, entries) or _LAYOUT,
            )
    read = [entries[name] for name in names]
    refuse_objects(path, *read)
    for entry in read:
        if entry.kind not in "fiu":
            raise DataError(f"{path}: {entry.name} holds {entry.dtype}, not real numbers", _LAYOUT)
    samples, times = (math.prod(entries[name].shape) for name in ("doses", "time_points"))
    organs = len(ORGANS)
    allowed: dict[str, list[tuple[int, ...]]] = {
        "doses": [(samples,)],
        "time_points": [(times,)],
        "clearances_hepatic": [(samples,)],
        "clearances_renal": [(samples,)],
        "partition_coeffs": [(samples, organs)],
        "concentrations": [(samples, organs, times), (samples, times, organs)],
    }
    for name, shapes in allowed.items():
        if name in names and entries[name].shape not in shapes:
            shown = " or ".join(map(str, dict.fromkeys(shapes)))
            raise DataError(f"{path}: {name} has the shape {entries[name].shape}, not {shown}", _LAYOUT)
    check_room(path, read, "write fewer compounds or times to a file")


def _check_values(path: Path, arrays: dict[str, np.ndarray]) -> None:
    if arrays["doses"].size == 0 or arrays["time_points"].size == 0:
        raise DataError(f"{path} has no compound or no time", _LAYOUT)
    for name, array in arrays.items():
        above = name in _MUST_BE_ABOVE_ZERO
        wrong = ~np.isfinite(array) | ((array <= 0) if above else (array < 0))
        if wrong.any():
            place = tuple(int(index) for index in np.argwhere(wrong)[0])
            allowed = "above 0" if above else "0 or above"
            raise DataError(
                f"{path}: {name}{list(place)} is {array[place]:g}; {int(wrong.sum()):,} of {array.size:,} values are "
                f"not finite numbers {allowed}",
                "leave those compounds out; what was not measured cannot be distinguished from 0",
            )
    if (np.diff(arrays["time_points"]) <= 0).any():
        raise DataError(
            f"{path}: time_points are not increasing",
            "they are hours since the dose, each later than the last",
        )


def _organs_first(concentrations: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return concentrations as (N, 14, T).

    With 14 times both layouts have one shape; then the dose tells: at t = 0 it is all in the blood.
    """
    organs = len(ORGANS)
    if concentrations.shape[1] != organs:
        return concentrations.transpose(0, 2, 1)
    if (
        len(times) == organs
        and times[0] == 0
        and concentrations[:, 1:, 0].sum() > concentrations[:, 0, 1:].sum()
    ):
        return concentrations.transpose(0, 2, 1)
    return concentrations
