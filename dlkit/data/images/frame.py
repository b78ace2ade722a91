"""What images are: their kind by the header, the frame that they are brought to, and how bands are resized."""

from typing import Any, NamedTuple

import numpy as np
from PIL import Image

MAX_PIXELS = 2**27
_LARGEST = 2**24
BYTES, WORDS, FLOATS = "uint8", "uint16", "float32"


class ImageFault(Exception):  # noqa: N818 - a finding, reported with those of other files
    """Why a file cannot be used as an image, as the rest of a sentence that begins with its name."""


class Kind(NamedTuple):
    """What a header says of an image beside its size.

    Args:
        bands: How many it has, alpha left out.
        values: `uint8`, `uint16` or `float32`, in which all other types are read.
        alpha: `alpha`, or `tiff` in a TIFF file, where a band of data may be declared as such; empty without.
        nodata: It marks missing values.
        names: The names of its bands; empty where they have none.
        more: The file holds further images.
    """

    bands: int
    values: str
    alpha: str = ""
    nodata: bool = False
    names: tuple[str, ...] = ()
    more: bool = False


class Measure(NamedTuple):
    """What a header says: width and height as the image is looked at, and its kind."""

    width: int
    height: int
    kind: Kind


class Frame(NamedTuple):
    """What images are brought to.

    Args:
        bands: How many are stored.
        height: In pixels.
        width: In pixels.
        values: The type that they are brought to: `uint8`, `uint16` or `float32`.
        of: How many bands an image has, of which `bands` are stored; alpha is the last of 2 or 4 bands of a photograph.
        picked: Which of them, counted from 0, if not all.
        missing: Some may be missing, stored as NaN.
    """

    bands: int
    height: int
    width: int
    values: str = BYTES
    of: int = 0
    picked: tuple[int, ...] = ()
    missing: bool = False

    @property
    def dtype(self) -> type[np.uint8] | type[np.float32]:
        """The type that they are stored in."""
        return np.uint8 if self.values == BYTES and not self.missing else np.float32

    @property
    def bytes(self) -> int:
        """Bytes of one image as it is stored; at least 1."""
        return max(1, self.bands * self.height * self.width * np.dtype(self.dtype).itemsize)

    @property
    def read(self) -> int:
        """How many bands are read of each image."""
        return self.of or self.bands

    def to_json(self) -> list[Any]:
        """Return plain values."""
        return [*self[:5], list(self.picked), self.missing]

    @classmethod
    def from_json(cls, plain: Any) -> "Frame | None":
        """Read back what `to_json` gave; None for anything else."""
        if not isinstance(plain, list) or len(plain) != len(cls._fields):
            return None
        *sizes, values, of, picked, missing = plain
        numbers = [*sizes, of, *picked] if isinstance(picked, list) else [None]
        sound = all(type(number) is int and 0 <= number < _LARGEST for number in numbers)
        if not sound or values not in (BYTES, WORDS, FLOATS) or not isinstance(missing, bool):
            return None
        bands, height, width = sizes
        return cls(bands, height, width, values, of, tuple(picked), missing)


CHECK = Frame(0, 8, 8)  # decodes each image as what it is, and keeps nothing


def held_to_limit(measured: Measure) -> Measure:
    """Return what was measured.

    Raises:
        ImageFault: It is too large.
    """
    if measured.width * measured.height > MAX_PIXELS:
        raise ImageFault(
            f"has {measured.width:,} x {measured.height:,} pixels; at most {MAX_PIXELS:,} are decoded"
        )
    return measured


def resize_bands(pixels: np.ndarray, frame: Frame) -> np.ndarray:
    """Resize bands, shape (C, H, W); a pixel of which more than half is missing is missing, others are of the rest."""
    height, width = pixels.shape[1:]
    if (width, height) == (frame.width, frame.height):
        return pixels
    box = middle_of((width, height), frame)

    def resized(band: np.ndarray) -> np.ndarray:
        image = Image.fromarray(np.ascontiguousarray(band))
        size = (frame.width, frame.height)
        return np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=3.0))

    if not frame.missing:
        return np.stack([resized(band) for band in pixels])
    there = ~np.isnan(pixels)
    weights = np.stack([resized(band.astype(np.float32)) for band in there])
    sums = np.stack([resized(band) for band in np.where(there, pixels, np.float32(0))])
    return np.where(weights >= 0.5, sums / np.maximum(weights, 0.5), np.float32(np.nan)).astype(np.float32)


def middle_of(size: tuple[int, int], frame: Frame) -> tuple[float, float, float, float]:
    """Return the largest box in the middle of an image that has the proportions asked for."""
    width, height = size
    across = min(width, height * frame.width / frame.height)
    down = across * frame.height / frame.width
    left, top = (width - across) / 2, (height - down) / 2
    return left, top, left + across, top + down
