"""Small folders of images, sound and otherwise."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image


def save(path: Path, pixels: np.ndarray, mode: str | None = None, **options: Any) -> Path:
    """Write an image of the kind that its name ends in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(path, **options)
    return path


def noise(height: int, width: int, *bands: int, seed: int = 0) -> np.ndarray:
    """Random bytes, shape (height, width, *bands)."""
    return np.random.default_rng(seed).integers(0, 255, (height, width, *bands)).astype(np.uint8)


def make_folder(
    root: Path, *, each: int = 12, size: tuple[int, int] | None = (10, 12), parts: tuple[str, ...] = ("",)
) -> Path:
    """Two classes of colour images, `red` and `blue`, in PNG; of different sizes where none is given."""
    draw = np.random.default_rng(0)
    for part in parts:
        for band, name in ((0, "red"), (2, "blue")):
            for index in range(each):
                height, width = size or draw.integers(16, 40, 2)
                pixels = draw.integers(0, 100, (height, width, 3)).astype(np.uint8)
                pixels[..., band] += 120
                save(root / part / name / f"{index:03}.png", pixels)
    return root


def png_of(width: int, height: int) -> bytes:
    """A PNG file whose header claims a size that its data do not have."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def spoil(folder: Path) -> dict[str, str]:
    """Put files that are no images into a folder; give their names and what has to be said of each."""
    whole = save(folder / "whole.jpg", noise(40, 40, 3)).read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "whole.jpg").unlink()
    (folder / "empty.jpg").touch()
    (folder / "html.jpg").write_text("<!DOCTYPE html>\n<html>404</html>")
    (folder / "text.png").write_text("not an image")
    (folder / "zeros.png").write_bytes(bytes(300))
    (folder / "huge.png").write_bytes(png_of(50_000, 50_000))
    (folder / "dangling.png").symlink_to("nowhere.png")
    (folder / "self.png").symlink_to("self.png")
    tifffile.imwrite(folder / "complex.tif", np.ones((9, 9), np.complex64))
    return {
        "complex.tif": "holds values of type complex64; put such images into a .npz file",
        "cut.jpg": "is cut off",
        "dangling.png": "is a broken link",
        "empty.jpg": "is empty",
        "html.jpg": "is HTML or XML, not an image",
        "huge.png": "has 50,000 x 50,000 pixels; at most 134,217,728 are decoded",
        "self.png": "cannot be opened: too many levels of symbolic links",
        "text.png": "is not an image in a supported format",
        "zeros.png": "holds nothing but zeros",
    }


def write_tiff(
    path: Path, pixels: np.ndarray, *, nodata: str = "", names: tuple[str, ...] = (), **options: Any
) -> Path:
    """Write pixels, shape (H, W, C), as GIS programs do: bands beside grey, GDAL's tags for missing and names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    items = "".join(
        f'<Item name="DESCRIPTION" sample="{band}" role="description">{name}</Item>'
        for band, name in enumerate(names)
    )
    tags = [(42113, "s", 0, nodata, True)] * bool(nodata)
    tags += [(42112, "s", 0, f"<GDALMetadata>{items}</GDALMetadata>", True)] * bool(names)
    options = {
        "photometric": "minisblack",
        "planarconfig": "contig",
        "extrasamples": (0,) * (pixels.shape[2] - 1),
        **options,
    }
    pixels = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    tifffile.imwrite(path, pixels, extratags=tags, metadata=None, **options)
    return path
