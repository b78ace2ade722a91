"""How the axes of arrays are meant: rows, images whose bands come first or last, sequences, codes."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dlkit.errors import ConfigError
from dlkit.files.description import DataDescription
from dlkit.settings.config import TrainConfig
from dlkit.settings.models import MODELS
from dlkit.settings.spec import parse_code

ROWS, OTHER, SIGNAL = "rows", "other", "signal"
IMAGES = ("nchw", "nhwc", "nhw")
SEQUENCES = ("ntf", "nft")
_LAYOUTS = {3: ("nhw", "ntf", "nft"), 4: ("nchw", "nhwc")}
_PHOTOGRAPH = (1, 3, 4)
_IMAGE_NAMES = ("images", "image", "img", "imgs", "pictures")
_SAMPLED = 512
_CLEARLY, _LEAST = 4.0, 0.1


@dataclass(frozen=True)
class Reading:
    """One way to read inputs.

    Args:
        layout: `nchw`, `nhwc`, `nhw`, `ntf`, `nft`, `rows`, `signal` (rows as one channel, as Conv1d takes them) or
            `other`.
        codes: They are whole numbers that a network of the user's own gets as they are.
        turned: The two axes of a sequence are exchanged: steps last for convolutions, features last for others.
        note: What was assumed, for the user.
    """

    layout: str
    codes: bool = False
    note: str = ""
    turned: bool = False

    @property
    def axis(self) -> int:
        """The axis, of stored inputs, whose places are normalised each by itself."""
        return 2 if (self.layout == "ntf") != self.turned else 1

    @property
    def is_image(self) -> bool:
        """Whether samples are images."""
        return self.layout in IMAGES


def readings(
    shape: tuple[int, ...], dtype: np.dtype[Any], given: Mapping[str, Any], name: str = ""
) -> list[Reading]:
    """Return how inputs may be read, the likeliest first; only a network of the user's own has a choice.

    Args:
        shape: Of the array, (N, ...).
        dtype: Of the array.
        given: The settings: `layout`, `model`, `augment`, `bands`.
        name: Of the array.

    Raises:
        ConfigError: --layout is for another number of axes.
    """
    layout = given.get("layout") or "auto"
    if layout not in ("auto", *_LAYOUTS.get(len(shape), ())):
        shown = "x".join(map(str, shape))
        others = " or ".join(_LAYOUTS.get(len(shape), ()))
        raise ConfigError(
            f"--layout {layout} has {len(layout)} axes; the inputs have the shape {shown}",
            f"--layout {others}" if others else "leave it out",
        )
    model = str(given.get("model") or "")
    own = parse_code(model) is not None
    if len(shape) <= 2:
        found = [Reading(ROWS)]
    elif len(shape) > 4:
        found = [Reading(OTHER)]
    elif layout != "auto":
        found = [Reading(layout, note=_note(layout, shape))]
        found += [_turned(found[0], shape)] if own and layout in SEQUENCES else []
    elif len(shape) == 4:
        found = [_of_four(shape)]
    else:
        found = list(_of_three(shape, dtype, given, name, own=own))
    codes = own and dtype.kind in "iu" and (len(shape) == 2 or (dtype.itemsize > 1 and not found[0].is_image))
    if codes and given.get("normalize", "auto") in ("auto", "none"):
        note = "inputs are whole numbers, which the network gets as they are (int64); a float array is normalised"
        return [Reading(found[0].layout, codes=True, note=note), *found]
    return [*found, _signal(shape)] if own and len(shape) == 2 and layout == "auto" else found


def reading_like(shape: tuple[int, ...], given: Mapping[str, Any], trained_on: DataDescription) -> Reading:
    """Return how inputs were read when a network was trained.

    Args:
        shape: Of the array, (N, ...).
        given: The settings.
        trained_on: The description in the checkpoint.
    """
    codes = trained_on.input_dtype == "int64"
    if len(shape) == 3:
        normalisation = trained_on.normalisation
        first = normalisation is not None and normalisation.axis == 1
        turned = bool(trained_on.learned.get("turned"))
        steps_last = "nft" if first != turned else "ntf"
        return Reading("nhw" if len(trained_on.input_shape) == 3 else steps_last, codes, turned=turned)
    if len(shape) == 2 and len(trained_on.input_shape) == 2:
        return Reading(SIGNAL)
    if len(shape) == 4:
        layout = given.get("layout") if given.get("layout") in _LAYOUTS[4] else _of_four(shape).layout
        fitting = [each for each in _LAYOUTS[4] if _stored(each, shape)[1:] == trained_on.input_shape[1:]]
        return Reading(str(layout) if layout in fitting or not fitting else fitting[0], codes)
    return Reading(ROWS if len(shape) <= 2 else OTHER, codes)


def features_last_or_first(reading: Reading, array: np.ndarray) -> Reading:
    """Return a reading of sequences, shape (N, A, B), with their features in the axis where they clearly are.

    Features differ in mean and spread, steps hardly do. Where neither differs, it does not matter.
    """
    if reading.layout != "ntf":
        return reading
    some = array[:: max(1, len(array) // _SAMPLED)]
    some = np.concatenate((some.real, some.imag)) if some.dtype.kind == "c" else some.astype(np.float64)
    with np.errstate(all="ignore"):
        first, last = (_differences(some, axis) for axis in (1, 2))
    layout = "ntf" if first <= max(_LEAST, _CLEARLY * last) else "nft"
    note = _note(layout, array.shape, f"{'nft' if layout == 'ntf' else 'ntf'} or nhw")
    found = Reading(layout, note=reading.note and note)
    return _turned(found, array.shape) if reading.turned else found


def _turned(reading: Reading, shape: tuple[int, ...]) -> Reading:
    """Return a reading of sequences whose two axes are exchanged before a network gets them."""
    passed = f"; passed as (B, {shape[2]}, {shape[1]})"
    return replace(reading, turned=True, note=reading.note and f"{reading.note}{passed}")


def _differences(values: np.ndarray, axis: int) -> float:
    """Return how much the places of an axis, of values of shape (N, A, B), differ in mean and spread."""
    others = tuple(each for each in (0, 1, 2) if each != axis)
    mean, std = values.mean(others), values.std(others)
    spread = np.log(std[std > 0])
    scale = float((std**2).mean())
    differences = (float(mean.var()) / scale if scale else 0.0) + (
        float(spread.var()) if len(spread) else 0.0
    )
    return differences if math.isfinite(differences) else 0.0


def _signal(shape: tuple[int, ...]) -> Reading:
    """Return the reading of rows, shape (N, T), as signals of one channel, shape (N, 1, T)."""
    return Reading(
        SIGNAL, note=f"inputs of shape {shape[0]}x{shape[1]} are signals of one channel: (B, 1, {shape[1]})"
    )


def _of_three(
    shape: tuple[int, ...], dtype: np.dtype[Any], given: Mapping[str, Any], name: str, *, own: bool
) -> Iterator[Reading]:
    """Yield the readings of three axes: images of one band, or sequences."""
    record = MODELS.get(str(given.get("model") or ""))
    small = dtype.kind == "b" or dtype.name in ("uint8", "uint16")
    asked = given.get("augment") not in (None, "none") or given.get("bands") is not None
    image = small or asked or name.lower() in _IMAGE_NAMES
    for_images = record is not None and record.recipe in ("image", "torchvision")
    as_image = Reading("nhw", note=_note("nhw", shape, "" if small or for_images else "ntf"))
    sequence = Reading("ntf", note=_note("ntf", shape, "nft or nhw"))
    if own:
        turned = replace(sequence, turned=True)
        yield from (as_image, sequence, turned) if image else (sequence, turned, as_image)
    else:
        yield as_image if image or for_images or shape[1] == shape[2] else sequence


def _of_four(shape: tuple[int, ...]) -> Reading:
    """Return the reading of four axes: height and width are equal, else the bands are the shorter one of the ends.

    Where that does not tell, the bands come first, as torch has them.
    """
    _, first, middle, last = shape
    squares = [layout for layout, square in (("nchw", middle == last), ("nhwc", first == middle)) if square]
    shorter = "nhwc" if last < min(first, middle) else "nchw"
    layout = squares[0] if len(squares) == 1 else shorter
    bands = first if layout == "nchw" else last
    other = "nhwc" if layout == "nchw" else "nchw"
    certain = len(squares) == 1 and bands in _PHOTOGRAPH
    return Reading(layout, note=_note(layout, shape, "" if certain else other))


def _stored(layout: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of one sample as it is stored."""
    return (shape[3], shape[1], shape[2]) if layout == "nhwc" else tuple(shape[1:])


def _note(layout: str, shape: tuple[int, ...], otherwise: str = "") -> str:
    """Return what was assumed, and the option that decides otherwise."""
    found = "x".join(map(str, shape))
    option = f"; --layout {otherwise} reads them otherwise" if otherwise else ""
    if layout in SEQUENCES:
        steps, features = shape[1:] if layout == "ntf" else (shape[2], shape[1])
        what = f"sequences of {steps} steps with {features} features, each normalised separately"
    else:
        bands, height, width = (1, *shape[1:]) if layout == "nhw" else _stored(layout, shape)
        last = ", which come last" if layout == "nhwc" else ""
        what = f"images of {height}x{width} with {bands} band{'s' * (bands != 1)}{last}"
    return f"inputs of shape {found} are {what}{option}"


def settings_of(config: TrainConfig) -> Mapping[str, Any]:
    """Return the settings that decide how inputs are read."""
    return {name: getattr(config, name) for name in ("layout", "model", "augment", "bands", "normalize")}
