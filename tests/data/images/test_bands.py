"""Which bands of images are taken: all, those asked for, never fewer without a word."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from images_made import make_folder, noise, write_tiff
from PIL import Image
from refusals import assert_refused, assert_reports

from dlkit.data.dataset import DataSet, Request
from dlkit.data.images.bands import choose_bands
from dlkit.data.images.frame import Kind
from dlkit.data.images.load import load_folder
from dlkit.errors import ConfigError, DataError
from dlkit.settings.resolve import resolve
from dlkit.settings.spec import parse_spec

CPU = torch.device("cpu")
DRAW = np.random.default_rng(0)
GREY, COLOUR, NIR, S2 = Kind(1, "uint8"), Kind(3, "uint8"), Kind(4, "uint8"), Kind(12, "uint16")
NAMED = Kind(4, "uint8", names=("red", "green", "blue", "nir"))


@pytest.mark.parametrize(
    ("kinds", "asked", "taken", "said"),
    [
        ([GREY], None, (1, ()), []),
        ([GREY, COLOUR], None, (3, ()), ["grey images (1 of 2)"]),
        ([NIR], None, (4, ()), ["4 bands"]),
        ([NIR], "4,3,2", (4, (3, 2, 1)), ["--bands 4,3,2", "4 bands"]),
        ([NAMED], "nir,red", (4, (3, 0)), ["--bands nir,red"]),
        ([NIR, COLOUR], "1,2,3", (4, (0, 1, 2)), ["--bands 1,2,3"]),
        ([COLOUR._replace(alpha="alpha")], None, (3, ()), ["alpha", "--bands 1,2,3,4"]),
        ([COLOUR._replace(alpha="alpha"), COLOUR], None, (3, ()), ["alpha", "of 1 "]),
        ([COLOUR._replace(alpha="alpha")], "4", (4, (3,)), ["--bands 4"]),
        ([GREY._replace(alpha="alpha")], "2,1", (2, (1, 0)), ["--bands 2,1"]),
        ([COLOUR._replace(alpha="tiff")], None, (4, ()), ["band 4", "alpha", "--bands 1,2,3"]),
        ([COLOUR._replace(more=True)], None, (3, ()), ["1 TIFF files"]),
    ],
    ids=[
        *("grey", "grey-and-colour", "four", "picked", "by-name", "those-all-have", "alpha", "alpha-in-some"),
        *("alpha-picked", "grey-alpha-picked", "alpha-that-is-data", "more"),
    ],
)
def test_all_bands_are_taken_or_those_asked_for(
    kinds: list[Kind], asked: str | None, taken: tuple[int, tuple[int, ...]], said: list[str]
) -> None:
    names = None if asked is None else tuple(asked.split(","))

    bands = choose_bands(dict.fromkeys(kinds, 1), names, "p", lambda: True)

    assert (bands.of, bands.picked) == taken
    assert [word for word in said if not any(word in note for note in bands.notes)] == []
    assert bool(bands.notes) is bool(said)


def test_the_names_of_the_bands_taken_are_kept() -> None:
    assert choose_bands({NAMED: 3}, ("4", "red"), "p", lambda: False).names == ("nir", "red")
    assert choose_bands({NAMED: 3}, None, "p", lambda: False).names == NAMED.names
    assert choose_bands({NAMED: 3, NIR: 1}, None, "p", lambda: False).names == ()


@pytest.mark.parametrize(
    ("kinds", "asked", "error", "parts"),
    [
        ([COLOUR, NIR], None, DataError, ["1 of 3 bands; 1 of 4 bands", "--bands 1,2,3"]),
        ([NIR, S2], None, DataError, ["different types", "uint8", "uint16"]),
        ([Kind(1, "float32"), GREY], None, DataError, ["different types", "float32"]),
        ([NIR], "5", ConfigError, ["--bands 5", "4 bands", "from 1 to 4"]),
        ([NIR], "nir", ConfigError, ["--bands nir", "no names"]),
        ([NAMED], "nri", ConfigError, ["--bands nri", "red, green, blue, nir", "did you mean nir?"]),
        ([COLOUR, NIR], "4", ConfigError, ["--bands 4", "3 bands"]),
        ([COLOUR._replace(alpha="alpha"), COLOUR], "4", ConfigError, ["--bands 4", "only some have alpha"]),
    ],
    ids=["counts", "types", "floats", "beyond", "no-names", "other-name", "beyond-some", "alpha-in-some"],
)
def test_bands_that_are_not_there_or_differ_are_refused(
    kinds: list[Kind], asked: str | None, error: type[DataError], parts: list[str]
) -> None:
    with pytest.raises(error) as caught:
        choose_bands(dict.fromkeys(kinds, 1), asked and (asked,), "p", lambda: False)  # type: ignore[arg-type]

    assert_reports(caught.value, *parts)


@pytest.mark.parametrize("text", ["", "1,,2", "0", "2,2", "a, "])
def test_a_wrong_list_of_bands_is_refused(dlkit: Callable[..., Any], tmp_path: Path, text: str) -> None:
    assert_refused(
        dlkit("train", "cnn", "--data", f"{tmp_path}/p/", "--bands", text), 2, f"--bands {text}", "4,3,2"
    )


@pytest.mark.parametrize("data", ["digits", "x.csv", "pbpk"])
def test_bands_are_for_images_of_ones_own(dlkit: Callable[..., Any], data: str) -> None:
    model = "pbpk" if data == "pbpk" else "mlp"

    assert_refused(dlkit("train", model, "--data", data, "--bands", "1"), 2, "--bands 1", "leave it out")


def load(root: Path, *, room: int | None = None, trained_on: Any = None, **settings: Any) -> DataSet:
    config = resolve({"model": "cnn", "data": f"{root}/", **settings}, {})
    return load_folder(Request(spec=parse_spec(config.data), config=config, trained_on=trained_on), room)


def inputs_of(dataset: DataSet, name: str = "train") -> np.ndarray:
    split = dataset.splits[name]
    inputs, _ = split.batch(split.rows, CPU)
    assert isinstance(inputs, torch.Tensor)
    return inputs.numpy()


@pytest.fixture
def scenes(home: Path) -> tuple[Path, dict[str, np.ndarray]]:
    """Float images of five bands of different size, some of whose values are marked as missing."""
    pixels = {}
    for index in range(40):
        scene = (DRAW.normal(size=(8, 9, 5)) * [1, 100, 1e-3, 5, 1] + [0, 5000, 0, 1e4, 2]).astype(np.float32)
        scene[:2, :, 1] = -9999
        scene[3, 4, 0] = np.nan
        path = Path(f"{'ab'[index % 2]}/{index:02}.tif")
        write_tiff(home / "p" / path, scene, nodata="-9999", names=tuple("VWXYZ"))
        pixels[str(path)] = np.where(scene == -9999, np.nan, scene).transpose(2, 0, 1).astype(np.float64)
    return home / "p", pixels


@pytest.mark.parametrize("room", [None, 0], ids=["memory", "streamed"])
@pytest.mark.parametrize(
    ("bands", "order"), [(None, [0, 1, 2, 3, 4]), ("Y,2", [3, 1])], ids=["all", "picked"]
)
def test_bands_are_normalised_each_over_the_values_that_are_there(
    scenes: tuple[Path, dict[str, np.ndarray]], room: int | None, bands: str | None, order: list[int]
) -> None:
    root, pixels = scenes
    dataset = load(root, room=room, bands=bands)

    train = np.stack([pixels[str(name)][order] for name in dataset.places("train")])
    mean, std = np.nanmean(train, (0, 2, 3)), np.nanstd(train, (0, 2, 3))
    expected = np.nan_to_num((train - mean[:, None, None]) / std[:, None, None])
    np.testing.assert_allclose(inputs_of(dataset), expected, atol=2e-3)
    assert dataset.description.learned["bands"] == ["VWXYZ"[band] for band in order]
    assert any("missing" in note for note in dataset.notes)


def test_what_was_trained_on_decides_how_others_are_read(scenes: tuple[Path, dict[str, np.ndarray]]) -> None:
    root, _ = scenes
    trained = load(root, bands="2,1")

    again = load(root, bands="2,1", trained_on=trained.description)
    elsewhere = load(root, bands="2,1", trained_on=trained.description, room=0)

    np.testing.assert_array_equal(inputs_of(again, "test"), inputs_of(trained, "test"))
    np.testing.assert_array_equal(inputs_of(elsewhere, "test"), inputs_of(trained, "test"))


@pytest.mark.parametrize(("kind", "bands"), [("mask", 3), ("data", 4)])
def test_alpha_that_holds_data_is_kept(home: Path, kind: str, bands: int) -> None:
    for index in range(30):
        pixels = noise(8, 8, 4, seed=index)
        pixels[..., 3] = pixels[..., 3] if kind == "data" else np.where(pixels[..., 3] > 50, 255, 0)
        (home / "p" / str(index % 2)).mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(home / "p" / str(index % 2) / f"{index}.tif", pixels, photometric="rgb")

    dataset = load(home / "p")

    assert dataset.description.input_shape == (bands, 8, 8)
    assert any("alpha" in note and "--bands" in note for note in dataset.notes)


def test_images_that_differ_in_bands_are_refused_until_bands_picks(home: Path) -> None:
    for index in range(30):
        write_tiff(home / "p" / str(index % 2) / f"{index}.tif", noise(8, 8, 4 + index // 2 % 2, seed=index))

    with pytest.raises(DataError) as caught:
        load(home / "p")

    assert_reports(caught.value, "of 4 bands", "of 5 bands", "--bands 1,2,3,4")
    assert load(home / "p", bands="1,2,3,4").description.input_shape == (4, 8, 8)


@pytest.mark.slow
def test_a_class_that_only_the_fourth_band_shows_is_learned(dlkit: Callable[..., Any], home: Path) -> None:
    for index in range(90):
        pixels = DRAW.normal(100, 15, (24, 24, 4))
        pixels[..., 3] += 50 * (index % 3) - 50
        write_tiff(home / "p" / "abc"[index % 3] / f"{index}.tif", pixels.clip(0, 255).astype(np.uint8))

    trained = dlkit("train", "cnn", "--data", "p/", "--epochs", 12, "--lr", 0.03, "--no-plot", "--out", "run")
    blind = dlkit(
        "train", "cnn", "--data", "p/", "--bands", "1,2,3", "--epochs", 12, "--no-plot", "--out", "rgb"
    )

    assert (trained.code, blind.code) == (0, 0), trained
    assert "4 bands" in trained.stderr
    scores = [
        json.loads(dlkit("eval", run, "--split", split, "--json").stdout)["metrics"]["accuracy"]["value"]
        for run, split in (("run", "all"), ("rgb", "test"))  # noise is learned by heart, but not foretold
    ]
    assert scores[0] == 1.0
    assert scores[1] < 0.7


def test_alpha_that_a_network_does_not_take_is_reported_where_it_predicts(home: Path, dlkit: Any) -> None:
    root = make_folder(home / "p", each=10)
    assert dlkit("train", "cnn", "--data", "p", "--epochs", "1", "--no-plot", "--out", "run").code == 0
    for path in root.rglob("*.png"):
        Image.open(path).convert("RGBA").save(path)

    said = dlkit("eval", "run", "--data", "p").stderr

    assert "alpha" in said
    assert "20 images" in said
