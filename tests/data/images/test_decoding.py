"""Threads that decode images: results in order and equal to the calling thread's, faults with their files."""

from pathlib import Path

import numpy as np
import pytest
from images_made import make_folder, noise, save

from dlkit.data.images.decoding import Decoder, decode_files, pick_threads
from dlkit.data.images.frame import Frame

FRAME = Frame(3, 10, 12)


@pytest.fixture
def batches(tmp_path: Path) -> list[list[str]]:
    root = make_folder(tmp_path / "p", each=10)
    (root / "red" / "003.png").write_text("<html>")
    files = sorted(map(str, root.rglob("*.png")))
    return [files[start : start + 3] for start in range(0, len(files), 3)]


@pytest.mark.parametrize("frame", [None, FRAME], ids=["measured", "decoded"])
def test_threads_give_what_the_calling_thread_gives(batches: list[list[str]], frame: Frame | None) -> None:
    with Decoder(0) as here, Decoder(3) as pool:
        alone, together = list(here.run(batches, frame)), list(pool.run(batches, frame))

    assert [one.faults for one in alone] == [one.faults for one in together]
    assert [one.measures for one in alone] == [one.measures for one in together]
    assert [text for one in together for _, text in one.faults] == ["is HTML or XML, not an image"]
    if frame is not None:
        assert all(
            np.array_equal(one.pixels, other.pixels) for one, other in zip(alone, together, strict=True)
        )


def test_pixels_of_a_damaged_image_are_zeros_and_the_others_stay(batches: list[list[str]]) -> None:
    files = [name for batch in batches for name in batch]
    (fault,) = decode_files(files, FRAME).faults

    pixels = decode_files(files, FRAME).pixels

    assert pixels is not None
    assert files[fault[0]].endswith("red/003.png")
    assert not pixels[fault[0]].any()
    assert all(image.any() for index, image in enumerate(pixels) if index != fault[0])


def test_pixels_of_sixteen_bits_are_floats(tmp_path: Path) -> None:
    save(tmp_path / "a.png", noise(10, 12).astype(np.uint16) * 257)

    pixels = decode_files([str(tmp_path / "a.png")], Frame(1, 10, 12, "uint16")).pixels

    assert pixels is not None
    assert pixels.dtype == np.float32
    assert pixels.max() > 256


def test_few_batches_are_decoded_ahead(batches: list[list[str]]) -> None:
    taken = []

    def watched() -> object:
        for batch in batches * 10:
            taken.append(batch)
            yield batch

    with Decoder(1) as decoder:
        next(decoder.run(watched(), FRAME))

    assert len(taken) < 10


def test_threads_are_as_many_as_asked_or_one_a_core() -> None:
    assert pick_threads("3") == 3
    assert pick_threads("0") == 0
    assert 1 <= pick_threads() <= 16
