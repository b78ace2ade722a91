"""Single images: measured by their headers, decoded whole, brought to size."""

import os
from pathlib import Path

import numpy as np
import pytest
from images_made import noise, save, spoil
from PIL import Image

from dlkit.data.images.frame import WORDS, Frame, ImageFault, Kind, Measure
from dlkit.data.images.image_file import decode, measure

GREY, COLOUR = Frame(1, 8, 8), Frame(3, 8, 8)


@pytest.mark.parametrize(
    ("name", "pixels", "mode", "kind"),
    [
        ("a.png", noise(8, 9), None, Kind(1, "uint8")),
        ("a.png", noise(8, 9), "1", Kind(1, "uint8")),
        ("a.png", noise(8, 9, 2), None, Kind(1, "uint8", "alpha")),
        ("a.png", noise(8, 9, 3), None, Kind(3, "uint8")),
        ("a.png", noise(8, 9, 4), None, Kind(3, "uint8", "alpha")),
        ("a.gif", noise(8, 9, 3), "P", Kind(3, "uint8")),
        ("a.jpg", noise(8, 9, 3), None, Kind(3, "uint8")),
        ("a.jpg", noise(8, 9, 3), "CMYK", Kind(3, "uint8")),
        ("a.jpg", noise(8, 9), None, Kind(1, "uint8")),
        ("a.bmp", noise(8, 9, 3), None, Kind(3, "uint8")),
        ("a.webp", noise(8, 9, 3), None, Kind(3, "uint8")),
        ("a.tif", noise(8, 9, 3), None, Kind(3, "uint8")),
        ("a.ppm", noise(8, 9, 3), None, Kind(3, "uint8")),
        ("a.png", noise(8, 9).astype(np.uint16) * 200, None, Kind(1, "uint16")),
        ("a.tif", noise(8, 9).astype(np.uint16) * 200, None, Kind(1, "uint16")),
    ],
    ids=[
        "L",
        "1",
        "LA",
        "RGB",
        "RGBA",
        "P",
        "jpg",
        "cmyk",
        "grey-jpg",
        "bmp",
        "webp",
        "tif",
        "ppm",
        "I;16",
        "I;16-tif",
    ],
)
def test_images_of_every_kind_are_measured_and_decoded(
    tmp_path: Path, name: str, pixels: np.ndarray, mode: str | None, kind: Kind
) -> None:
    path = str(save(tmp_path / name, pixels, mode))

    assert measure(path) == Measure(9, 8, kind)
    for bands in (1, 3):
        decoded = decode(path, Frame(bands, 8, 9))
        assert (decoded.shape, decoded.dtype) == ((bands, 8, 9), np.uint8)
        assert decoded.std() > 10


def test_pixels_of_the_right_size_stay_as_they_are(tmp_path: Path) -> None:
    colour, grey = noise(8, 8, 3), noise(8, 8, seed=1)

    assert np.array_equal(decode(str(save(tmp_path / "c.png", colour)), COLOUR), colour.transpose(2, 0, 1))
    assert np.array_equal(decode(str(save(tmp_path / "g.png", grey)), GREY)[0], grey)


def test_sixteen_bits_are_kept_or_brought_to_eight_by_scale(tmp_path: Path) -> None:
    pixels = np.array([[0, 257, 4095, 65535]] * 4, dtype=np.uint16)
    path = str(save(tmp_path / "a.png", pixels))
    eight = str(save(tmp_path / "b.png", np.full((4, 4), 7, dtype=np.uint8)))

    assert decode(path, Frame(1, 4, 4, WORDS))[0].tolist() == pixels.tolist()
    assert decode(path, Frame(1, 4, 4))[0, 0].tolist() == [0, 1, 15, 255]
    assert (decode(eight, Frame(1, 4, 4, WORDS)) == 7 * 257).all()


def test_the_middle_is_kept_and_the_proportions_with_it(tmp_path: Path) -> None:
    pixels = np.zeros((40, 100), dtype=np.uint8)
    pixels[:, 30:70] = 200

    wide = decode(str(save(tmp_path / "wide.png", pixels)), Frame(1, 20, 20))
    high = decode(str(save(tmp_path / "high.png", pixels.T)), Frame(1, 20, 20))
    half = decode(str(tmp_path / "wide.png"), Frame(1, 10, 20))

    assert (wide[0, :, 1:-1] == 200).all()
    assert (high[0, 1:-1] == 200).all()
    assert (half[0, :, 6:14] == 200).all()
    assert (half[0, :, :4] == 0).all()


def test_large_jpegs_come_out_as_if_decoded_whole(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 1000).astype(np.uint8)
    path = str(save(tmp_path / "a.jpg", np.broadcast_to(ramp[:, None, None], (1000, 1000, 3)), quality=95))

    decoded = decode(path, Frame(3, 50, 50))[0].astype(float)

    assert np.abs(decoded.mean(1) - ramp.reshape(50, 20).mean(1)).max() < 3


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))])
def test_images_are_turned_as_they_are_looked_at(
    tmp_path: Path, orientation: int, corner: tuple[int, int]
) -> None:
    pixels = np.zeros((32, 64), dtype=np.uint8)
    pixels[:16, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = str(save(tmp_path / "a.jpg", pixels, exif=exif, quality=95))

    found = measure(path)
    decoded = decode(path, Frame(1, found.height, found.width))[0]

    assert (found.width, found.height) == ((64, 32) if orientation < 5 else (32, 64))
    assert decoded[corner] > 200
    assert (decoded > 128).mean() == pytest.approx(1 / 8, abs=0.02)


def test_files_that_are_no_images_say_why(tmp_path: Path) -> None:
    found = {}
    for name in (wanted := spoil(tmp_path)):
        try:
            measure(str(tmp_path / name))
            decode(str(tmp_path / name), COLOUR)
        except ImageFault as fault:
            found[name] = str(fault)

    assert found == {**wanted, "dangling.png": "cannot be opened: no such file or directory"}


def test_pipes_and_folders_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()

    with pytest.raises(ImageFault, match="is not a regular file"):
        measure(str(tmp_path / "pipe.png"))
    with pytest.raises(ImageFault, match="cannot be opened: is a directory"):
        measure(str(tmp_path / "folder.png"))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.webp", "a.tif", "a.bmp"])
def test_no_damage_escapes_as_anything_but_a_fault(tmp_path: Path, name: str) -> None:
    whole = save(tmp_path / name, noise(12, 12, 3)).read_bytes()
    draw = np.random.default_rng(0)
    path = tmp_path / f"x{name}"
    refused = 0
    for turn in range(60):
        damaged = bytearray(whole[: draw.integers(1, len(whole))] if turn % 2 else whole)
        for place in draw.integers(0, len(damaged), 4):
            damaged[place] = draw.integers(0, 256)
        path.write_bytes(damaged)
        try:
            measure(str(path))
            decode(str(path), COLOUR)
        except ImageFault:
            refused += 1

    assert refused > 20


def test_formats_that_start_programs_are_not_read(tmp_path: Path) -> None:
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(canary) (w) file\n"
    (tmp_path / "a.png").write_bytes(eps)

    with pytest.raises(ImageFault, match="is not an image in a supported format"):
        decode(str(tmp_path / "a.png"), COLOUR)


def test_names_that_are_no_text_are_opened(tmp_path: Path) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")
    save(tmp_path / "a.png", noise(8, 8)).rename(odd)

    assert measure(odd) == Measure(8, 8, Kind(1, "uint8"))
