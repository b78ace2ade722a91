"""One image file: measured by its header, or decoded whole and brought to size."""

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import (  # Pillow knows a format once its plugin is imported
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageOps,
    JpegImagePlugin,
    MpoImagePlugin,  # noqa: F401 - the JPEG plugin hands images of several views to it
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

# How a file of each kind begins, and what its name may end in.
_BEGINNINGS = (
    (rb"\x89PNG", (".png",)),
    (rb"\xff\xd8\xff", (".jpg", ".jpeg", ".jpe")),
    (rb"BM", (".bmp",)),
    (rb"GIF8", (".gif",)),
    (rb"II[*+]\0|MM\0[*+]", (".tif", ".tiff")),
    (rb"RIFF....WEBP", (".webp",)),
    (rb"P[1-6]", (".ppm", ".pgm", ".pbm", ".pnm")),
)
SUFFIXES = frozenset(suffix for _, suffixes in _BEGINNINGS for suffix in suffixes)
MAX_PIXELS = 2**27
GREY, COLOUR, DEEP = "grey", "colour", "deep"
# Formats that nothing but pixels is read from; Pillow would hand others on to programs such as Ghostscript.
_FORMATS = tuple(
    plugin.format
    for plugin in (
        PngImagePlugin.PngImageFile,
        JpegImagePlugin.JpegImageFile,
        BmpImagePlugin.BmpImageFile,
        GifImagePlugin.GifImageFile,
        TiffImagePlugin.TiffImageFile,
        WebPImagePlugin.WebPImageFile,
        PpmImagePlugin.PpmImageFile,
    )
)
_KINDS = {"1": GREY, "L": GREY, "LA": GREY, "La": GREY, "I": DEEP}
_ORIENTATION = 0x0112
_SIDEWAYS = 5  # from this orientation on, width and height change places
_BYTES_TO_WORDS = 257.0
_WORD = 65535

Image.MAX_IMAGE_PIXELS = None  # held to MAX_PIXELS here, before a pixel is decoded


class ImageFault(Exception):  # noqa: N818 - a finding, reported with those of other files
    """Why a file cannot be used as an image, as the rest of a sentence that begins with its name."""


class Measure(NamedTuple):
    """What a header says: width and height as the image is looked at, and `grey`, `colour` or `deep` (16 bits)."""

    width: int
    height: int
    kind: str


class Frame(NamedTuple):
    """What images are brought to: bands, height, width, and whether values are kept with 16 bits."""

    bands: int
    height: int
    width: int
    deep: bool


def suffixes_of(path: Path) -> tuple[str, ...]:
    """Return what the name of an image may end in, by how the file begins; nothing where that does not tell."""
    try:
        with path.open("rb") as file:
            first = file.read(16)
    except OSError:
        return ()
    return next((suffixes for start, suffixes in _BEGINNINGS if re.match(start, first, re.DOTALL)), ())


def measure(path: str) -> Measure:
    """Read the header of an image.

    Raises:
        ImageFault: It cannot be read, or is too large.
    """
    with _opened(path) as image:
        return _measured(image)


def decode(path: str, frame: Frame) -> np.ndarray:
    """Decode a whole image, turned as its EXIF data ask for; of another size, its middle is taken and resized.

    Args:
        path: The file.
        frame: What to bring it to.

    Returns:
        Pixels, shape (C, H, W): uint8, or float32 from 0 to 65535 where 16 bits are kept.

    Raises:
        ImageFault: It cannot be read, or is too large.
    """
    with _opened(path) as image:
        found = _measured(image)
        if (found.width, found.height) != (frame.width, frame.height):
            image.draft(None, (2 * frame.width, 2 * frame.height))
        image.load()
        upright: Image.Image = ImageOps.exif_transpose(image) if _has_exif(image) else image
        values = _deep(upright, found.kind) if frame.deep else _banded(upright, frame.bands)
        if values.size != (frame.width, frame.height):
            values = values.resize(
                (frame.width, frame.height),
                Image.Resampling.BILINEAR,
                box=_middle(values.size, frame),
                reducing_gap=3.0,
            )
        pixels = np.asarray(values)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)  # (C, H, W)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Image.Image]:
    """Open an image, and tell whatever Pillow raises meanwhile as a fault."""
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ImageFault("is no regular file")
            with Image.open(file, formats=_FORMATS) as image:
                yield image
    except ImageFault:
        raise
    except Exception as err:  # a damaged file makes Pillow raise nearly anything
        raise _fault(err, path) from err


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe in its place would wait for ever for somebody to write."""
    return os.open(path, flags | os.O_NONBLOCK)


def _measured(image: Image.Image) -> Measure:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageFault(f"has {width:,} x {height:,} pixels; at most {MAX_PIXELS:,} are decoded")
    if image.mode == "F":
        raise ImageFault("holds floating-point numbers; put such images into a .npz file")
    kind = DEEP if image.mode.startswith("I;16") else _KINDS.get(image.mode, COLOUR)
    if _has_exif(image) and image.getexif().get(_ORIENTATION, 1) >= _SIDEWAYS:
        width, height = height, width
    return Measure(width, height, kind)


def _has_exif(image: Image.Image) -> bool:
    return "exif" in image.info or image.format in ("TIFF", "MPO")


def _banded(image: Image.Image, bands: int) -> Image.Image:
    """Return an image of one or three bytes a pixel."""
    mode = "L" if bands == 1 else "RGB"
    if image.mode == mode:
        return image
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.float32) / _BYTES_TO_WORDS
        image = Image.fromarray(values.clip(0, 255).astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert(mode)


def _deep(image: Image.Image, kind: str) -> Image.Image:
    """Return an image of one number a pixel, from 0 to 65535."""
    if kind != DEEP:
        values = np.asarray(image.convert("L")).astype(np.float32) * _BYTES_TO_WORDS
    else:
        values = np.asarray(image).astype(np.float32)
        if values.min() < 0 or values.max() > _WORD:
            raise ImageFault("holds numbers beyond 16 bits; put such images into a .npz file")
    return Image.fromarray(values)


def _middle(size: tuple[int, int], frame: Frame) -> tuple[float, float, float, float]:
    """Return the largest box in the middle of an image that has the proportions asked for."""
    width, height = size
    across = min(width, height * frame.width / frame.height)
    down = across * frame.height / frame.width
    left, top = (width - across) / 2, (height - down) / 2
    return left, top, left + across, top + down


def _fault(err: Exception, path: str) -> ImageFault:
    """Return what is wrong with a file, in words that lead to the cure."""
    if isinstance(err, UnidentifiedImageError):
        return ImageFault(_what_else(path))
    if isinstance(err, MemoryError):
        return ImageFault("does not fit into memory")
    shown = " ".join(str(err).split()) or type(err).__name__
    if isinstance(err, OSError) and err.strerror:
        return ImageFault(f"cannot be opened: {err.strerror.lower()}")
    if "truncated" in shown.lower():
        return ImageFault("is cut off")
    return ImageFault(f"is damaged: {shown[:100]}")


def _what_else(path: str) -> str:
    """Return what a file is that is no image."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - a path may be no text
            first = file.read(64).lstrip()
    except OSError:
        first = b"?"
    if not first:
        return "is empty"
    if first[:1] == b"<":
        return "is HTML or XML, not an image"
    if not first.strip(b"\0"):
        return "holds nothing but zeros"
    return "is no image of a kind that is read"
