"""TIFF files: bands, types and missing values by their headers, and the pixels of those that are no photographs."""

import contextlib
import logging
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
import tifffile

from dlkit.data.images.frame import (
    BYTES,
    FLOATS,
    WORDS,
    Frame,
    ImageFault,
    Kind,
    Measure,
    held_to_limit,
    resize_bands,
)
from dlkit.errors import MissingError

_NODATA, _METADATA, _ORIENTATION = 42113, 42112, 274  # the first two are GDAL's
_BAND_NAME = re.compile(r'<Item(?=[^>]*name="DESCRIPTION")(?=[^>]*sample="(\d+)")[^>]*>([^<]+)</Item>')
_ALPHA = (tifffile.EXTRASAMPLE.ASSOCALPHA, tifffile.EXTRASAMPLE.UNASSALPHA)
_GREY = (tifffile.PHOTOMETRIC.MINISWHITE, tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.PALETTE)
_NARROW = 8
_MAX_VALUES = 2**29
_BYTES_TO_WORDS = 257
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels[:, ::-1].swapaxes(0, 1),
}
logging.getLogger("tifffile").propagate = False  # what is wrong with a file is reported as its fault
logging.getLogger("tifffile").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Tiff:
    """A TIFF file that is open.

    Args:
        file: As tifffile has it.
        width: Of the image as it is looked at.
        height: Likewise.
        bands: Samples a pixel, alpha among them, or pages of a stack.
        values: `uint8`, `uint16`, or `float32` for all other types.
        alpha: The last band is declared to be alpha.
        nodata: The value that marks missing ones; None if none does.
        names: The names of the bands; empty where they have none.
        photograph: Pillow reads it as well: one grey, three coloured bands or a palette, of 8 bits or grey of 16.
        more: There are further images in the file.
    """

    file: tifffile.TiffFile
    width: int
    height: int
    bands: int
    values: str
    alpha: bool
    nodata: float | None
    names: tuple[str, ...]
    photograph: bool
    more: bool

    def pixels(self) -> np.ndarray:
        """Decode all bands, shape (H, W, C), turned as the header asks for.

        Raises:
            MissingError: It is compressed in a way that needs imagecodecs.
        """
        series = self.file.series[0]
        check_codecs(self.file.pages.first)
        array: np.ndarray = series.asarray(maxworkers=1)
        axes = series.axes
        order = [axes.index("Y"), axes.index("X"), *(at for at in range(array.ndim) if axes[at] not in "YX")]
        array = array.transpose(order).reshape(array.shape[order[0]], array.shape[order[1]], -1)
        turn = _TURNS.get(_orientation(self.file.pages.first))
        return array if turn is None else turn(array)


def measure_tiff(file: IO[bytes]) -> tuple[Measure, bool]:
    """Read the header of a TIFF file; tell also whether Pillow reads all of it. The file is at its beginning again.

    Raises:
        ImageFault: It holds what is not read.
        MissingError: It is compressed in a way that needs imagecodecs.
    """
    with open_tiff(file) as tiff:
        if not tiff.photograph:
            check_codecs(tiff.file.pages.first)
        alpha, nodata = "tiff" * tiff.alpha, tiff.nodata is not None
        kind = Kind(tiff.bands - tiff.alpha, tiff.values, alpha, nodata, tiff.names, tiff.more)
        measured = held_to_limit(Measure(tiff.width, tiff.height, kind))
    file.seek(0)
    return measured, tiff.photograph


def decode_tiff(file: IO[bytes], frame: Frame) -> np.ndarray | None:
    """Decode a TIFF file; None for one that Pillow reads as well, at whose beginning the file then is.

    Returns:
        Pixels, shape (C, H, W), of the frame.

    Raises:
        ImageFault: It holds what is not read, or lacks bands.
        MissingError: It is compressed in a way that needs imagecodecs.
    """
    with open_tiff(file) as tiff:
        if tiff.photograph and frame.read not in (2, 4) and not frame.missing:
            file.seek(0)
            return None
        pixels = _banded(tiff.pixels(), frame, alpha=tiff.alpha)
        missing = missing_in(pixels, tiff.nodata) if frame.missing else None
    values = _converted(pixels, frame)
    if missing is not None:
        values = np.where(missing, np.float32(np.nan), values)
    return resize_bands(np.moveaxis(values, 2, 0), frame)


def _banded(pixels: np.ndarray, frame: Frame, *, alpha: bool) -> np.ndarray:
    """Take the bands of the frame, of pixels of shape (H, W, C)."""
    found = pixels.shape[2]
    if found - alpha == frame.read:
        pixels = pixels[..., : frame.read]
    elif found - alpha == 1 and frame.read == 3:
        pixels = np.repeat(pixels[..., :1], 3, axis=2)
    if frame.picked and max(frame.picked) < pixels.shape[2]:
        return pixels[..., frame.picked]
    if pixels.shape[2] != frame.read:
        raise ImageFault(f"has {found} band{'s' * (found != 1)}, not {frame.read} like the others")
    return pixels


def _converted(pixels: np.ndarray, frame: Frame) -> np.ndarray:
    """Bring values to the type of the frame; bytes among words, or words among bytes, keep their share of the whole."""
    values = "uint8" if pixels.dtype == np.bool_ else pixels.dtype.name
    if pixels.dtype == np.bool_:
        pixels = pixels.astype(np.uint8) * 255
    if values not in (BYTES, WORDS) and frame.values != FLOATS:
        raise ImageFault(f"holds values of type {values}, not {frame.values} like the others")
    if frame.values == BYTES and values == WORDS:
        pixels = (pixels // _BYTES_TO_WORDS).astype(np.uint8)
    elif frame.values == WORDS and values == BYTES:
        pixels = pixels.astype(np.uint16) * _BYTES_TO_WORDS
    with np.errstate(over="ignore"):
        return pixels.astype(frame.dtype, copy=False)


@contextlib.contextmanager
def open_tiff(file: IO[bytes]) -> Iterator[Tiff]:
    """Read the header of a TIFF file.

    Raises:
        ImageFault: It holds what is not read. Damaged ones make tifffile raise nearly anything.
    """
    with tifffile.TiffFile(file) as opened:
        yield _read(opened)


def missing_in(pixels: np.ndarray, nodata: float | None) -> np.ndarray:
    """Return which values, shape (H, W, C), are missing: NaN, infinite, or the one that marks them."""
    missing: np.ndarray = ~np.isfinite(pixels)
    if nodata is not None and math.isfinite(nodata):
        with np.errstate(over="ignore"):
            marked = pixels.dtype.type(nodata) if pixels.dtype.kind == "f" else nodata
        missing |= pixels == marked
    return missing


def check_codecs(page: Any) -> None:
    """Check that what a page is compressed by can be undone here.

    Raises:
        MissingError: It needs imagecodecs.
    """
    for table, key in (
        (tifffile.TIFF.DECOMPRESSORS, page.compression),
        (tifffile.TIFF.UNPREDICTORS, page.predictor),
    ):
        try:
            table[key]
        except KeyError as err:
            name = getattr(key, "name", str(key))
            raise MissingError(
                f"TIFF files compressed by {name} need the package imagecodecs", "pip install 'dlkit[tiff]'"
            ) from err


def _read(opened: tifffile.TiffFile) -> Tiff:
    page, series = opened.pages.first, opened.series[0]
    alpha = bool(page.extrasamples) and page.extrasamples[-1] in _ALPHA
    sizes = dict(zip(series.axes, series.shape, strict=True))
    stacked = [size for axis, size in sizes.items() if axis not in "YXS" and size > 1]
    samples = int(page.samplesperpixel)
    photograph = _is_photograph(page, alpha=alpha) and (samples - alpha > 1 or not stacked)
    if not photograph and (len(stacked) > (samples == 1) or not {"Y", "X"} <= sizes.keys()):
        shape = "x".join(map(str, series.shape))
        raise ImageFault(
            f"holds a stack of the axes {series.axes} ({shape}), and not one image of some bands"
        )
    if not photograph and stacked and samples == 1:
        _refuse_rows(stacked[0], int(page.imagelength), int(page.imagewidth))
    if page.dtype is None or page.dtype.kind not in "uifb":
        raise ImageFault(f"holds values of type {page.dtype}; put such images into a .npz file")
    bands = samples if photograph else samples * math.prod(stacked)
    if page.imagewidth * page.imagelength * bands > _MAX_VALUES:
        raise ImageFault(
            f"has {page.imagewidth:,} x {page.imagelength:,} pixels of {bands} bands, which are too many"
        )
    width, height = page.imagewidth, page.imagelength
    if _orientation(page) >= 5:
        width, height = height, width
    others = opened.series[1:] if len(opened.pages) > 1 else []
    return Tiff(
        opened,
        int(width),
        int(height),
        bands,
        page.dtype.name if page.dtype.name in ("uint8", "uint16") else "float32",
        alpha,
        _nodata(page),
        _names(page, samples),
        photograph,
        bool(photograph and stacked) or any(not other.keyframe.is_reduced for other in others),
    )


def _refuse_rows(pages: int, height: int, width: int) -> None:
    """Refuse pages that seem to be the rows of an image, as tifffile writes an array of shape (H, W, C) by default."""
    if pages == height != width or width < _NARROW <= min(pages, height):
        raise ImageFault(
            f"holds {pages} pages of {height}x{width}, which seem to be {pages}x{height} pixels of {width} bands; "
            "write such arrays by tifffile.imwrite(..., photometric='minisblack', planarconfig='contig')"
        )


def _is_photograph(page: Any, *, alpha: bool) -> bool:
    """Return whether Pillow reads all that a page holds."""
    samples, bits = int(page.samplesperpixel) - alpha, int(page.bitspersample)
    if page.sampleformat != tifffile.SAMPLEFORMAT.UINT:
        return False
    if page.photometric in _GREY:
        return samples == 1 and (bits <= 8 or (bits == 16 and not alpha))
    four = page.photometric == tifffile.PHOTOMETRIC.SEPARATED
    return bits == 8 and samples == (4 if four else 3)


def _orientation(page: Any) -> int:
    tag = page.tags.get(_ORIENTATION)
    return int(tag.value) if tag is not None and isinstance(tag.value, int) else 1


def _nodata(page: Any) -> float | None:
    tag = page.tags.get(_NODATA)
    with contextlib.suppress(ValueError):
        return None if tag is None else float(str(tag.value).strip("\0 ").replace(",", "."))
    return None


def _names(page: Any, samples: int) -> tuple[str, ...]:
    tag = page.tags.get(_METADATA)
    found = dict(_BAND_NAME.findall(str(tag.value))) if tag is not None else {}
    names = tuple(found.get(str(band), "").strip() for band in range(samples))
    return names if all(names) and len(set(names)) == samples else ()
