"""Images of which each band lies in a file of its own."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from images_made import noise, save
from refusals import assert_refused

from dlkit.data.images.band_files import find_band_files

TILES = [f"{label}/tile_{number:04}_@.tif" for label in ("Crop", "Urban") for number in range(8)]
GUID = "051DAA7C-7042-435F-99F0-1E847D9B42CB"
SCHEMES: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "sentinel": (TILES, ("B02", "B8A", "B11")),
    "resolutions": (TILES, ("B02_10m", "B11_20m")),
    "landsat": ([name.replace("tile", "LC08_L1TP_193024") for name in TILES], ("B2", "B4", "B10")),
    "one folder an image": (
        [f"{label}/{label}{number}/@.tif" for label in ("Crop", "Urban") for number in range(8)],
        ("B02", "B03"),
    ),
    "colours": (TILES, ("blue", "green", "nir", "red")),
    "letters": (TILES, ("b", "g", "r")),
    "lower": (TILES, ("b1", "b2")),
    "channels": (TILES, ("ch00", "ch01")),
    "stains": ([name.replace("_@", "-@") for name in TILES], ("DAPI", "GFP")),
    "operetta": ([name.replace("_@", "-@sk1fk1fl1") for name in TILES], ("ch1", "ch2")),
    "words before": ([name.replace("tile_", "@_").replace("_@.", ".") for name in TILES], ("band1", "band2")),
    "cell profiler": (
        [
            f"{label}/IXMtest_A0{number}_s1_@{GUID[:-1]}{number}.tif"
            for label in ("a", "b")
            for number in range(8)
        ],
        ("w1", "w2"),
    ),
    "png": ([name.replace(".tif", ".png") for name in TILES], ("B02", "B03")),
}


def of_bands(names: Sequence[str], bands: Sequence[str]) -> list[str]:
    return [name.replace("@", band) for name in names for band in bands]


def put(root: Path, names: Sequence[str], bands: Sequence[str], sides: Sequence[int] = (8,)) -> None:
    """Write an image of 16 bits a band; its level is 1,000 times the place of the band."""
    for name in names:
        for place, band in enumerate(bands):
            path = root / name.replace("@", band)
            path.parent.mkdir(parents=True, exist_ok=True)
            side = sides[place % len(sides)]
            pixels = noise(side, side).astype(np.uint16) + 1000 * (place + 1)
            if path.suffix == ".tif":
                tifffile.imwrite(path, pixels)
            else:
                save(path, pixels)


def follow(hint: str) -> None:
    command = re.search(r"python (-c .*); then --data", hint, re.DOTALL)
    assert command
    subprocess.run(f"{sys.executable} {command[1]}", shell=True, check=True)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_bands_in_files_are_told_by_their_names(scheme: str) -> None:
    names, bands = SCHEMES[scheme]

    found = find_band_files(of_bands(names, bands))

    assert found is not None
    assert [band.partition("_")[0] for band in bands] == list(found.bands)
    assert len(found.names) == 16


@pytest.mark.parametrize(
    "names",
    [
        of_bands(TILES, ("left", "right")),
        of_bands(TILES, ("r", "l")),
        of_bands(TILES, ("01", "02")),
        [f"{label}/{label}{one}_{number}.png" for label in "bc" for one in (1, 2) for number in range(20)],
        [f"{name.replace('@', 'red')}" for name in TILES],
        [f"red/{number}.png" for number in range(20)] + [f"blue/{number}.png" for number in range(20)],
        of_bands(TILES, ("red", "blue")) + [f"Crop/x{number}.png" for number in range(20)],
        of_bands(TILES[:8], ("red", "blue")) + of_bands(TILES[8:], ("red",)),
        [],
    ],
    ids=["sides", "r-and-l", "numbers", "classes", "one", "folders", "others", "lacking", "none"],
)
def test_other_names_are_no_bands(names: list[str]) -> None:
    assert find_band_files(names) is None


@pytest.mark.parametrize(
    "scheme",
    [
        "one folder an image",
        "png",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("cell profiler", "operetta", "sentinel")),
    ],
)
def test_the_command_puts_all_bands_of_an_image_into_one_file(scheme: str, dlkit: Any, home: Path) -> None:
    names, bands = SCHEMES[scheme]
    put(home / "my tiles", names, bands)

    refused = dlkit("train", "cnn", "--data", "my tiles", "--epochs", "1")
    follow(refused.stderr)

    assert_refused(
        refused, 3, f"{16 * len(bands)} files seem to be 16 images with a file for each", "--bands 1"
    )
    assert f"{len(bands)} bands ({', '.join(bands)})" in refused.stderr
    written = sorted((home / "my tiles-bands").rglob("*.tif"))
    assert len(written) == 16
    levels = tifffile.imread(written[0]).mean((1, 2)) // 1000
    assert levels.tolist() == list(range(1, len(bands) + 1))
    trained = dlkit("train", "cnn", "--data", "my tiles-bands", "--bands", bands[-1], "--epochs", "1")
    assert trained.code == 0, trained.stderr


def test_a_network_of_several_bands_is_not_given_them_one_by_one(dlkit: Any, home: Path) -> None:
    put(home / "tiles", TILES, ("B02", "B03"))
    follow(dlkit("data", "show", "tiles").stderr)
    dlkit("train", "cnn", "--data", "tiles-bands", "--epochs", "1", "--out", "run")

    refused = dlkit("eval", "run", "--data", "tiles")

    assert_refused(refused, 3, "a file for each of 2 bands", "then --data tiles-bands")
    assert "--bands" not in refused.stderr


def test_bands_of_other_sizes_are_brought_to_the_largest(dlkit: Any, home: Path) -> None:
    put(home / "tiles", TILES, ("B02", "B11", "B12"), sides=(12, 6, 4))

    follow(dlkit("data", "show", "tiles").stderr)

    shapes = {tifffile.imread(path).shape for path in (home / "tiles-bands").rglob("*.tif")}
    assert shapes == {(3, 12, 12)}


def test_bands_in_files_are_taken_as_images_where_bands_are_asked_for(dlkit: Any, home: Path) -> None:
    put(home / "tiles", TILES, ("B02", "B03"))

    (finding,) = json.loads(dlkit("data", "check", "tiles", "--json").stdout)
    trained = dlkit("train", "cnn", "--data", "tiles", "--bands", "1", "--stratify", "--epochs", "1")

    assert (finding["level"], "2 bands (B02, B03)" in finding["message"]) == ("error", True)
    assert trained.code == 0, trained.stderr


def test_coloured_photographs_are_no_bands(dlkit: Any, home: Path) -> None:
    for name in of_bands(TILES, ("red", "blue")):
        save(home / "cars" / name.replace(".tif", ".png"), noise(8, 8, 3))

    trained = dlkit("train", "cnn", "--data", "cars", "--epochs", "1")

    assert trained.code == 0, trained.stderr


@pytest.mark.parametrize("place", ["", "images/"], ids=["beside the table", "in a folder"])
@pytest.mark.quick(1)
def test_bands_beside_a_table_of_labels_become_arrays_of_all_bands(
    place: str, dlkit: Any, home: Path
) -> None:
    rng = np.random.default_rng(0)
    Path(f"tiles/{place}").mkdir(parents=True)
    tiles = {
        f"t_{i}_{band}": rng.integers(0, 900, (64, 64)).astype("u2")
        for i in range(12)
        for band in ("B08", "B03", "B11")
    }
    for name, band in tiles.items():
        tifffile.imwrite(f"tiles/{place}{name}.tif", band)
    rows = [f"t_{i},{('crop', 'forest')[i % 2]}\n" for i in range(12)]
    Path("tiles/labels.csv").write_text("tile,class\n" + "".join(rows))

    refused = [dlkit("train", "cnn", "--data", data) for data in ("tiles", "tiles/labels.csv")]
    command = re.search(r"python (-c '.*'); then --data labels-images.npz", refused[0].stderr, re.DOTALL)
    assert command
    subprocess.run(f"{sys.executable} {command[1]}", shell=True, check=True)
    made = np.load("labels-images.npz")

    assert [each.code for each in refused] == [3, 3]
    assert "3 files of bands each" in refused[1].stderr
    np.testing.assert_array_equal(made["x"][7], [tiles[f"t_7_{band}"] for band in ("B03", "B08", "B11")])
    assert made["y"].tolist() == ["crop", "forest"] * 6
    assert dlkit("train", "cnn", "--data", "labels-images.npz", "--epochs", "1", "--no-plot").code == 0
