"""TIFF files of many bands, other types and missing values, one by one."""

import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from images_made import noise, save, write_tiff
from refusals import assert_reports

from dlkit.data.images.frame import FLOATS, WORDS, Frame, ImageFault, Kind, Measure
from dlkit.data.images.image_file import decode, measure
from dlkit.errors import MissingError

DRAW = np.random.default_rng(0)
WORD_PIXELS = DRAW.integers(0, 65535, (8, 9, 5)).astype(np.uint16)


@pytest.mark.parametrize(
    ("pixels", "values"),
    [
        (noise(8, 9, 4), "uint8"),
        (noise(8, 9, 12), "uint8"),
        (WORD_PIXELS, "uint16"),
        (WORD_PIXELS[..., :3], "uint16"),
        (WORD_PIXELS.astype(np.int16), "float32"),
        (WORD_PIXELS.astype(np.int32) * 3, "float32"),
        (DRAW.normal(size=(8, 9, 2)), "float32"),
        (DRAW.normal(size=(8, 9, 1)).astype(np.float32), "float32"),
    ],
    ids=["4-bands", "12-bands", "words", "deep-colour", "int16", "int32", "double", "float"],
)
@pytest.mark.parametrize("way", ["contig", "separate", "pages", "big", "zlib"])
def test_all_bands_are_read_as_they_are(tmp_path: Path, pixels: np.ndarray, values: str, way: str) -> None:
    path, bands = tmp_path / "a.tif", pixels.shape[2]
    if way == "separate" and bands > 1:
        tifffile.imwrite(path, pixels.transpose(2, 0, 1), planarconfig="separate", photometric="minisblack")
    elif way == "pages":
        tifffile.imwrite(path, pixels.transpose(2, 0, 1), photometric="minisblack")
    else:
        write_tiff(path, pixels, bigtiff=way == "big", compression="zlib" if way == "zlib" else None)

    found = measure(str(path))
    decoded = decode(str(path), Frame(bands, 8, 9, values))

    assert (found.width, found.height, found.kind.bands, found.kind.values) == (9, 8, bands, values)
    np.testing.assert_array_equal(decoded, pixels.transpose(2, 0, 1).astype(decoded.dtype))
    picked = decode(str(path), Frame(2, 8, 9, values, bands, (bands - 1, 0)))
    np.testing.assert_array_equal(picked, decoded[[-1, 0]])


def test_names_and_missing_values_are_those_of_the_tags(tmp_path: Path) -> None:
    pixels = DRAW.integers(1, 200, (8, 8, 3)).astype(np.uint8)
    pixels[0, 0, 0] = pixels[3, 4, 2] = 0
    path = str(write_tiff(tmp_path / "a.tif", pixels, nodata="0", names=("B2", "B3", "near infrared")))

    assert measure(path).kind == Kind(3, "uint8", nodata=True, names=("B2", "B3", "near infrared"))
    decoded = decode(path, Frame(3, 8, 8, missing=True))
    assert decoded.dtype == np.float32
    assert np.argwhere(np.isnan(decoded)).tolist() == [[0, 0, 0], [2, 3, 4]]
    np.testing.assert_array_equal(np.nan_to_num(decoded), pixels.transpose(2, 0, 1))


@pytest.mark.parametrize("nodata", ["-9999", "-3.4028234663852886e+38", "nan"])
def test_missing_values_of_floats_are_nan(tmp_path: Path, nodata: str) -> None:
    pixels = DRAW.normal(size=(8, 8, 1)).astype(np.float32)
    pixels[0, :2, 0] = np.float32(nodata)
    pixels[1, 0, 0] = np.inf
    path = str(write_tiff(tmp_path / "a.tif", pixels, nodata=nodata))

    decoded = decode(path, Frame(1, 8, 8, FLOATS, missing=True))

    assert np.argwhere(np.isnan(decoded[0])).tolist() == [[0, 0], [0, 1], [1, 0]]


def test_missing_values_do_not_spread_when_images_are_resized(tmp_path: Path) -> None:
    pixels = np.full((16, 16, 1), 5, np.float32)
    pixels[:, :8] = np.nan
    path = str(write_tiff(tmp_path / "a.tif", pixels))

    decoded = decode(path, Frame(1, 8, 8, FLOATS, missing=True))[0]

    assert np.isnan(decoded[:, :3]).all()
    np.testing.assert_allclose(decoded[:, 5:], 5, rtol=1e-6)


def test_alpha_is_read_where_it_is_asked_for(tmp_path: Path) -> None:
    pixels = noise(8, 8, 4)
    png, tif = save(tmp_path / "a.png", pixels), tmp_path / "a.tif"
    tifffile.imwrite(tif, pixels, photometric="rgb", extrasamples=("unassalpha",))

    assert measure(str(tif)).kind == Kind(3, "uint8", "tiff")
    for path in (str(png), str(tif)):
        np.testing.assert_array_equal(decode(path, Frame(4, 8, 8)), pixels.transpose(2, 0, 1))
        np.testing.assert_array_equal(decode(path, Frame(1, 8, 8, "uint8", 4, (3,)))[0], pixels[..., 3])
        np.testing.assert_array_equal(decode(path, Frame(3, 8, 8)), pixels.transpose(2, 0, 1)[:3])


def test_photographs_are_read_by_pillow_with_their_other_pages_reported(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", np.stack([noise(8, 8, 3), noise(8, 8, 3, seed=1)]), photometric="rgb"
    )
    save(tmp_path / "lzw.tif", noise(8, 8, 3), compression="tiff_lzw")

    assert measure(str(tmp_path / "a.tif")).kind == Kind(3, "uint8", more=True)
    assert measure(str(tmp_path / "lzw.tif")) == Measure(8, 8, Kind(3, "uint8"))
    for name in ("a.tif", "lzw.tif"):
        decoded = decode(str(tmp_path / name), Frame(3, 8, 8))
        np.testing.assert_array_equal(decoded, noise(8, 8, 3).transpose(2, 0, 1))


def test_eight_and_sixteen_bits_are_brought_to_the_frame(tmp_path: Path) -> None:
    words = np.array([[[0, 257, 65535]] * 8] * 8, np.uint16)
    path = str(write_tiff(tmp_path / "a.tif", words, photometric="rgb", extrasamples=()))
    eight = str(write_tiff(tmp_path / "b.tif", np.full((8, 8, 4), 7, np.uint8)))

    assert decode(path, Frame(3, 8, 8, WORDS))[:, 0, 0].tolist() == [0, 257, 65535]
    assert decode(path, Frame(3, 8, 8))[:, 0, 0].tolist() == [0, 1, 255]
    assert (decode(eight, Frame(4, 8, 8, WORDS)) == 7 * 257).all()


@pytest.mark.parametrize(
    ("bands", "values", "frame"),
    [
        (4, np.uint8, Frame(3, 8, 8)),
        (3, np.uint8, Frame(4, 8, 8)),
        (12, np.uint8, Frame(4, 8, 8)),
        (2, np.uint8, Frame(1, 8, 8, "uint8", 4, (2,))),
        (2, np.float32, Frame(2, 8, 8)),
    ],
    ids=["4-for-3", "3-for-4", "12-for-4", "picked-beyond", "float-for-bytes"],
)
def test_images_of_other_bands_or_types_are_faults(
    tmp_path: Path, bands: int, values: type[np.generic], frame: Frame
) -> None:
    path = str(write_tiff(tmp_path / "a.tif", noise(8, 8, bands).astype(values)))

    with pytest.raises(ImageFault, match=f"has {bands} bands" if values is np.uint8 else "float32"):
        decode(path, frame)


def test_a_photograph_has_no_fourth_band(tmp_path: Path) -> None:
    with pytest.raises(ImageFault, match="has 3 bands, not 4"):
        decode(str(save(tmp_path / "a.png", noise(8, 8, 3))), Frame(4, 8, 8))


def test_several_axes_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((3, 2, 8, 9), np.uint8), ome=True, metadata={"axes": "ZCYX"}
    )

    with pytest.raises(ImageFault, match=r"ZCYX .*bands"):
        measure(str(tmp_path / "a.tif"))


def lzw_tiff(path: Path) -> Path:
    """A TIFF of four bands that claims to be compressed by LZW."""
    write_tiff(path, noise(8, 8, 4))
    whole = bytearray(path.read_bytes())
    at = whole.index(struct.pack("<HHIH", 259, 3, 1, 1))
    whole[at + 8 : at + 10] = struct.pack("<H", 5)
    path.write_bytes(whole)
    return path


def test_a_compression_that_needs_imagecodecs_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(lzw_tiff(tmp_path / "a.tif"))
    without = {tifffile.COMPRESSION.NONE: None}
    monkeypatch.setattr(tifffile.TIFF, "DECOMPRESSORS", without)

    with pytest.raises(MissingError) as caught:
        measure(path)

    assert_reports(caught.value, "LZW", "imagecodecs", "pip install 'dlkit[tiff]'")
    assert caught.value.exit_code == 7


@pytest.mark.parametrize("way", ["contig", "separate", "zlib"])
def test_no_damage_escapes_as_anything_but_a_fault(tmp_path: Path, way: str) -> None:
    pixels = noise(12, 12, 5)
    if way == "separate":
        tifffile.imwrite(tmp_path / "a.tif", pixels.transpose(2, 0, 1), planarconfig="separate")
    else:
        write_tiff(tmp_path / "a.tif", pixels, compression=None if way == "contig" else way)
    whole, path = (tmp_path / "a.tif").read_bytes(), tmp_path / "x.tif"
    draw, refused = np.random.default_rng(0), 0
    for turn in range(60):
        damaged = bytearray(whole[: draw.integers(1, len(whole))] if turn % 2 else whole)
        for place in draw.integers(0, min(len(damaged), 200), 4):
            damaged[place] = draw.integers(0, 256)
        path.write_bytes(damaged)
        try:
            measure(str(path))
            decode(str(path), Frame(5, 12, 12))
        except (ImageFault, MissingError):
            refused += 1

    assert refused > 20


@pytest.mark.parametrize("shape", [(16, 16, 2), (16, 16, 30), (20, 12, 5)], ids=str)
def test_an_array_written_row_by_row_is_no_stack_of_bands(
    tmp_path: Path, shape: tuple[int, int, int]
) -> None:
    height, width, bands = shape
    pixels, path = DRAW.normal(size=shape).astype(np.float32), tmp_path / "a.tif"
    tifffile.imwrite(path, pixels)

    with pytest.raises(ImageFault) as caught:
        measure(str(path))
    tifffile.imwrite(path, pixels, photometric="minisblack", planarconfig="contig")

    assert f"{height}x{width} pixels of {bands} bands" in str(caught.value)
    assert "photometric='minisblack', planarconfig='contig'" in str(caught.value)
    np.testing.assert_array_equal(
        decode(str(path), Frame(bands, height, width, FLOATS)), pixels.transpose(2, 0, 1)
    )


def test_stacks_are_made_bands_by_the_command_of_the_hint(dlkit: Any, home: Path) -> None:
    draw = np.random.default_rng(0)
    stacks = {}
    for name in ("a", "b"):
        (home / "cells" / name).mkdir(parents=True)
        for index in range(10):
            stacks[name, index] = draw.integers(0, 900, (3, 2, 9, 8)).astype(np.uint16)
            path = home / "cells" / name / f"{index}.tif"
            tifffile.imwrite(path, stacks[name, index], imagej=True, metadata={"axes": "ZCYX"})

    refused = dlkit("train", "cnn", "--data", "cells")
    command = (
        refused.stderr.partition("copy: ")[2]
        .rpartition("; then")[0]
        .replace("python -c", f"{sys.executable} -c")
    )
    subprocess.run(command, shell=True, check=True, cwd=home)
    followed = dlkit("train", "cnn", "--data", "cells-bands", "--epochs", "1", "--no-plot")

    assert refused.code == 3
    assert followed.code == 0, followed.stderr
    assert "6 bands" in followed.stderr
    made = tifffile.imread(home / "cells-bands" / "b" / "7.tif")
    assert (made == stacks["b", 7].reshape(6, 9, 8)).all()
