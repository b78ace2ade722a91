"""Inputs of arrays as they are stored: their types, which bands are taken, which are missing, that none is infinite."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from dlkit.data.arrays.axes import ROWS, SEQUENCES, SIGNAL, Reading
from dlkit.data.dataset import Request
from dlkit.errors import ConfigError, DataError, first_of
from dlkit.settings.texts import parse_bands

_ROWS_AT_ONCE = 4096
_BYTE = 255.0
_WORD = 65535.0
_BLUR = 1e-3


def as_stored(array: np.ndarray, reading: Reading, source: str) -> tuple[Tensor, float]:
    """Return inputs as they are stored, and the value that counts as 1.

    Bytes stay bytes, codes become int64, and all other numbers float32, but for columns of rows or sequences that vary
    so little around large numbers that they would drown. Images get their bands first. Complex numbers become twice as
    many features, bands or channels: all real parts, then all imaginary ones.

    Args:
        array: Shape (N, ...).
        reading: How its axes are meant.
        source: What they are called in messages.

    Raises:
        DataError: They are not numbers, or some are infinite.
    """
    if array.dtype.kind not in "fiubc":
        cures = dict.fromkeys("Mm", "convert them, e.g. to days: (x - x.min()) / numpy.timedelta64(1, 'D')")
        raise DataError(
            f"{source}: inputs of type {array.dtype} are not numbers",
            cures.get(
                array.dtype.kind, "convert them: x.astype('float32') if they are numbers; a table takes texts"
            ),
        )
    scale = {"uint8": _BYTE, "uint16": _WORD}.get(array.dtype.name, 1.0) if reading.is_image else 1.0
    if reading.layout == "nhwc":
        array = array.transpose(0, 3, 1, 2)
    elif reading.turned:
        array = array.transpose(0, 2, 1)
    elif reading.layout in ("nhw", SIGNAL) or array.ndim == 1:
        array = array[:, None]
    if array.dtype.kind == "c":
        array = np.concatenate((array.real, array.imag), reading.axis)
    if reading.codes:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.int64)), scale
    kind: type[np.generic] = np.uint8 if array.dtype in (np.uint8, np.bool_) else np.float32
    columns = reading.layout == ROWS or reading.layout in SEQUENCES
    if columns and array.dtype.itemsize == 8 and _drowns(array, reading.axis):
        kind = np.float64
    with np.errstate(over="ignore"):
        stored = torch.from_numpy(np.ascontiguousarray(array, dtype=kind))
    if kind != np.uint8:
        _check_finite(stored, source)
    return stored, scale


def pick_bands(inputs: Tensor, request: Request) -> Tensor:
    """Return the bands that --bands names, of stored images, shape (N, C, H, W).

    Raises:
        ConfigError: They are no images, or have fewer bands.
    """
    asked = request.config.bands or ""
    have = inputs.shape[1] if inputs.ndim == 4 else 0
    numbers = [int(band) if band.isdecimal() else 0 for band in parse_bands(asked)]
    wrong = next(
        (band for band, number in zip(parse_bands(asked), numbers, strict=True) if not 0 < number <= have), ""
    )
    if not have or wrong:
        what = (
            f"images of {have} band{'s' * (have != 1)}"
            if have
            else f"samples of shape {tuple(inputs.shape[1:])}, which are not images"
        )
        raise ConfigError(
            f"--bands {wrong or asked}: {request.spec.text} has {what}",
            f"bands are counted from 1 to {have}" if have > 1 else "leave it out",
        )
    return inputs[:, [number - 1 for number in numbers]]


def _drowns(values: np.ndarray, axis: int) -> bool:
    """Return whether float32 would blur a column of values, shape (N, ...), by more than a thousandth of its spread."""
    others = tuple(each for each in range(values.ndim) if each != axis)
    with np.errstate(all="ignore"):
        spread = values.std(others, dtype=np.float64)
        blur = np.abs(values).max(others, initial=0) * np.finfo(np.float32).eps
    return bool((blur > _BLUR * spread)[spread > 0].any())


def complex_note(array: np.ndarray, stored: Tensor, reading: Reading) -> str:
    """Return a message about how complex inputs, shape (N, ...), are stored; empty for others."""
    if array.dtype.kind != "c":
        return ""
    what = "features" if reading.layout == ROWS or reading.layout in SEQUENCES else "bands or channels"
    count = stored.shape[reading.axis]
    return f"the inputs are complex: their real parts, then their imaginary parts, are {count} {what}"


def missing_note(parts: Mapping[str, Tensor]) -> str:
    """Return a message about missing values, NaN, in the inputs of all parts, shape (N, ...); empty without them."""
    missing = samples = values = 0
    for inputs in parts.values():
        values += inputs.numel()
        for part in inputs.split(_ROWS_AT_ONCE) if inputs.is_floating_point() else ():
            absent = part.isnan().reshape(len(part), -1).sum(1)
            missing += int(absent.sum())
            samples += int((absent > 0).sum())
    if not missing:
        return ""
    return (
        f"{100 * missing / values:.2g} % of the values are missing (NaN), in {samples:,} samples: they become the mean "
        "over the training samples"
    )


def _check_finite(inputs: Tensor, source: str) -> None:
    bad: list[int] = []
    for start in range(0, len(inputs), _ROWS_AT_ONCE):
        part = inputs[start : start + _ROWS_AT_ONCE]
        found = part.to(torch.float32).isinf().reshape(len(part), -1).any(1).nonzero()[:, 0]
        bad += (found + start).tolist()
    if bad:
        raise DataError(
            f"{source} holds infinities or numbers beyond 3e38 in {len(bad):,} of {len(inputs):,} samples, "
            f"in rows {first_of(bad)}",
            "make them NaN, which is read as missing, or leave those rows out; row 0 is the first",
        )
