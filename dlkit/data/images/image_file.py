"""One image file: measured by its header, or decoded whole and brought to size."""

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

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

from dlkit.data.images.frame import (
    BYTES,
    CHECK,
    WORDS,
    Frame,
    ImageFault,
    Kind,
    Measure,
    held_to_limit,
    middle_of,
    resize_bands,
)
from dlkit.errors import MissingError

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
_GREY = ("1", "L", "LA", "La", "I")
_WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_ORIENTATION = 0x0112
_SIDEWAYS = 5  # from this orientation on, width and height change places
_BYTES_TO_WORDS = 257.0
_WORD = 65535
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

Image.MAX_IMAGE_PIXELS = None  # held to MAX_PIXELS here, before a pixel is decoded
_KINDS = {
    (bands, deep, alpha): Kind(bands, WORDS if deep else BYTES, "alpha" * alpha)
    for bands in (1, 3)
    for deep in (False, True)
    for alpha in (False, True)
}


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
    with _opened(path) as file:
        if not _is_tiff(file):
            with Image.open(file, formats=_FORMATS) as image:
                return _measured(image)
        from dlkit.data.images.tiff import measure_tiff

        measured, photograph = measure_tiff(file)
        if not photograph:
            return measured
        with Image.open(file, formats=_FORMATS) as image:  # which knows palettes and the like
            found = _measured(image)
        return found._replace(kind=measured.kind._replace(bands=found.kind.bands, values=found.kind.values))


def decode(path: str, frame: Frame) -> np.ndarray:
    """Decode a whole image, turned as its EXIF data ask for; of another size, its middle is taken and resized.

    Args:
        path: The file.
        frame: What to bring it to.

    Returns:
        Pixels, shape (C, H, W): uint8, or float32 where the frame has another type or missing values, which are NaN.

    Raises:
        ImageFault: It cannot be read, is too large, or lacks bands.
    """
    with _opened(path) as file:
        if _is_tiff(file):
            from dlkit.data.images.tiff import decode_tiff

            if (pixels := decode_tiff(file, frame)) is not None:
                return pixels
        with Image.open(file, formats=_FORMATS) as image:
            return _decode_photograph(image, frame)


def check(path: str) -> None:
    """Decode a whole image, whatever its kind.

    Raises:
        ImageFault: It cannot be read.
    """
    kind = measure(path).kind
    decode(path, Frame(kind.bands, CHECK.height, CHECK.width, kind.values))


def _decode_photograph(image: Image.Image, frame: Frame) -> np.ndarray:
    """Decode an image that Pillow has opened."""
    found = _measured(image)
    bands = frame.read if frame.read <= 4 else 3 + (max(frame.picked, default=frame.read) > 2)
    if bands > 4 or (bands in (2, 4) and not found.kind.alpha):
        raise ImageFault(f"has {found.kind.bands} bands, not {frame.read} like the others")
    if (found.width, found.height) != (frame.width, frame.height):
        image.draft(None, (2 * frame.width, 2 * frame.height))
    image.load()
    upright: Image.Image = ImageOps.exif_transpose(image) if _has_exif(image) else image
    if frame.values == BYTES:
        values = _banded(upright, bands)
        if values.size != (frame.width, frame.height):
            box = middle_of(values.size, frame)
            size = (frame.width, frame.height)
            values = values.resize(size, Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)
        pixels = np.asarray(values)
        pixels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)  # (C, H, W)
    else:
        pixels = resize_bands(_deep(upright, found.kind, frame.values, bands), frame)
    return pixels[list(frame.picked)] if frame.picked else pixels


@contextlib.contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    """Open a file, and tell whatever is raised meanwhile as a fault."""
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ImageFault("is not a regular file")
            yield file
    except (ImageFault, MissingError):
        raise
    except Exception as err:  # a damaged file makes Pillow and tifffile raise nearly anything
        raise _fault(err, path) from err


def _is_tiff(file: IO[bytes]) -> bool:
    beginning = file.read(4)
    file.seek(0)
    return beginning in _TIFF


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe in its place would wait for ever for somebody to write."""
    return os.open(path, flags | os.O_NONBLOCK)


def _measured(image: Image.Image) -> Measure:
    width, height = image.size
    deep = image.mode.startswith("I;16") or image.mode == "I"
    bands = 1 if deep or image.mode in _GREY else 3
    alpha = image.mode in _WITH_ALPHA or (image.mode in ("P", "L", "RGB") and "transparency" in image.info)
    kind = _KINDS[bands, deep, alpha]
    if _has_exif(image) and image.getexif().get(_ORIENTATION, 1) >= _SIDEWAYS:
        width, height = height, width
    return held_to_limit(Measure(width, height, kind))


def _has_exif(image: Image.Image) -> bool:
    return "exif" in image.info or image.format in ("TIFF", "MPO")


def _banded(image: Image.Image, bands: int) -> Image.Image:
    """Return an image of one byte for each of one to four bands."""
    mode = _MODES[bands]
    if image.mode == mode:
        return image
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.float32) / _BYTES_TO_WORDS
        image = Image.fromarray(values.clip(0, 255).astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert(mode)


def _deep(image: Image.Image, kind: Kind, values_as: str, bands: int) -> np.ndarray:
    """Return numbers from 0 to 65535, shape (C, H, W), float32; bytes as they are where words are not asked for."""
    if kind.values != WORDS:
        values = np.asarray(_banded(image, bands)).astype(np.float32)
        values *= _BYTES_TO_WORDS if values_as == WORDS else 1
        return values[None] if values.ndim == 2 else values.transpose(2, 0, 1)
    values = np.asarray(image).astype(np.float32)
    if values.min() < 0 or values.max() > _WORD:
        raise ImageFault("holds numbers beyond 16 bits; put such images into a .npz file")
    return np.repeat(values[None], bands, axis=0)


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
    return "is not an image in a supported format"
