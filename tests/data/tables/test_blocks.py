"""Tables whose rows stand in places: coordinates are guessed by name, and whole squares are held out."""

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import assert_refused, assert_reports

from dlkit.data.check import check_data
from dlkit.data.kinds import load_dataset
from dlkit.data.tables.blocks import guess_coordinates, suggested_side
from dlkit.errors import ConfigError, DataError
from dlkit.settings.config import TrainConfig
from dlkit.settings.resolve import resolve

GUESSES: dict[str, tuple[Sequence[str], tuple[str, str] | None]] = {
    "degrees": (["age", "longitude", "latitude"], ("longitude", "latitude")),
    "short": (["Lat", "Lon", "z"], ("Lon", "Lat")),
    "lng": (["lat", "lng"], ("lng", "lat")),
    "of a station": (["station_lat", "station_lon"], ("station_lon", "station_lat")),
    "with unit": (["lon (deg)", "lat (deg)"], ("lon (deg)", "lat (deg)")),
    "grid": (["Easting", "Northing"], ("Easting", "Northing")),
    "utm": (["utm_x", "utm_y"], ("utm_x", "utm_y")),
    "plain": (["x", "y", "zinc"], ("x", "y")),
    "two places": (["lat1", "lon1", "lat2", "lon2"], None),
    "start and end": (["start lat", "start lon", "end lat", "end lon"], None),
    "half": (["lon", "a"], None),
    "other words": (["plate", "along", "flat", "relation"], None),
}


@pytest.mark.parametrize("case", GUESSES)
def test_coordinates_are_guessed_by_their_names(case: str) -> None:
    names, expected = GUESSES[case]

    assert guess_coordinates(names) == expected


@pytest.fixture
def places(home: Path) -> np.ndarray:
    """Write a table of 600 places on 10 x 10 degrees; gives its numbers, shape (600, 4)."""
    random = np.random.default_rng(0)
    coords = random.uniform(0, 10, (600, 2)).round(4)
    table = np.c_[coords, random.normal(size=600), np.sin(coords[:, 0]) + random.normal(0, 0.1, 600)]
    np.savetxt("t.csv", table, "%.6f", ",", header="lon,lat,a,y", comments="")
    return table


def test_no_square_is_in_two_splits(places: np.ndarray) -> None:
    config = resolve(
        {"model": "mlp", "data": "t.csv", "target": "y", "coords": "lon,lat", "split_by_block": 2.0}, {}
    )

    dataset = load_dataset(config)

    squares = [
        {tuple(square) for square in np.floor(places[split.rows.numpy(), :2] / 2).tolist()}
        for split in dataset.splits.values()
    ]
    assert sum(map(len, squares)) == len(set.union(*squares)) == 25
    assert sum(map(len, dataset.splits.values())) == 600
    assert "lon" in dataset.description.feature_names
    again = load_dataset(config, dataset.description)
    assert all(np.array_equal(again.splits[name].rows, dataset.splits[name].rows) for name in again.splits)


def test_tables_and_points_are_split_alike(places: np.ndarray) -> None:
    settings = {
        "data": "t.csv",
        "target": "y",
        "coords": "lon,lat",
        "split_by_block": 2.0,
        "test": 0.2,
        "val": 0.2,
    }

    one, two = (
        load_dataset(resolve({"model": model, **settings}, {})).splits for model in ("mlp", "spatial")
    )

    assert all(np.array_equal(one[name].rows, two[name].rows) for name in one)


def test_folds_of_squares_cover_all_rows_once(places: np.ndarray) -> None:
    settings = {
        "model": "mlp",
        "data": "t.csv",
        "target": "y",
        "coords": "lon,lat",
        "split_by_block": 2.0,
        "folds": 3,
    }

    tested = [load_dataset(resolve({**settings, "fold": fold}, {})).splits["test"].rows for fold in (1, 2, 3)]

    assert np.array_equal(np.sort(np.concatenate(tested)), np.arange(600))


def test_the_cure_of_a_random_split_is_an_option_that_works(
    places: np.ndarray, dlkit: Callable[..., Any]
) -> None:
    (found,) = (
        each
        for each in check_data(TrainConfig(model="mlp", data="t.csv", target="y"))
        if each.rule == "random-split"
    )
    options = shlex.split(found.cure)[:4]

    trained = dlkit("train", "mlp", "--data", "t.csv", "--target", "y", *options, "--epochs", 1, "--no-plot")
    checked = dlkit("data", "check", "t.csv", "--target", "y", *options, "--strict")
    split = dlkit("data", "split", "t.csv", *options)

    assert options == ["--coords", "lon,lat", "--split-by-block", "1"]
    assert (trained.code, split.code) == (0, 0)
    assert len(split.stdout.splitlines()) == 601
    assert (checked.code, checked.stdout) == (0, "")


@pytest.mark.parametrize(
    "settings", [{"by_time": "a"}, {"group": "a"}, {"coords": "lon,lat", "split_by_block": 1.0}], ids=str
)
def test_other_ways_to_split_need_no_cure(settings: dict[str, Any], places: np.ndarray) -> None:
    found = check_data(TrainConfig(model="mlp", data="t.csv", target="y", **settings))

    assert not [each for each in found if each.rule == "random-split"]


def test_narrow_x_and_y_are_no_places(home: Path) -> None:
    random = np.random.default_rng(0)
    for name, scale in (("sizes.csv", 10), ("metres.csv", 1000)):
        table = np.c_[random.uniform(0, scale, (100, 2)), random.normal(size=100)]
        np.savetxt(name, table, "%.3f", ",", header="x,y,price", comments="")

    found = {
        name: {each.rule for each in check_data(TrainConfig(model="mlp", data=name, target="price"))}
        for name in ("sizes.csv", "metres.csv")
    }

    assert "random-split" not in found["sizes.csv"]
    assert "random-split" in found["metres.csv"]


REFUSED: dict[str, tuple[list[str], int, str, str]] = {
    "no coordinates": (["--split-by-block", "1"], 2, "--coords", "--coords lon,lat"),
    "no block": (["--coords", "lon,lat"], 2, "--split-by-block", "--split-by-block"),
    "one coordinate": (["--coords", "lon", "--split-by-block", "1"], 2, "--coords lon", "--coords lon,lat"),
    "twice": (["--coords", "lon,lon", "--split-by-block", "1"], 2, "--coords lon,lon", "--coords lon,lat"),
    "no column": (["--coords", "lon,lta", "--split-by-block", "1"], 3, "--coords lta", "lat"),
    "too large": (["--coords", "lon,lat", "--split-by-block", "99"], 3, "--split-by-block 99", " 1"),
    "group": (
        ["--coords", "lon,lat", "--split-by-block", "1", "--group", "a"],
        2,
        "--split-by-block cannot be used with --group",
        "",
    ),
    "points": (["--neighbors", "3"], 2, "--neighbors", ""),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_split_by_blocks_is_refused(
    case: str, places: np.ndarray, dlkit: Callable[..., Any]
) -> None:
    words, code, message, hint = REFUSED[case]

    result = dlkit("train", "mlp", "--data", "t.csv", "--target", "y", *words)

    assert_refused(result, code, message, hint)


def test_a_row_without_a_place_is_named(home: Path) -> None:
    rows = [f"{row % 7},{row % 5 if row != 12 else ''},{row}" for row in range(60)]
    Path("t.csv").write_text("\n".join(["lon,lat,y", *rows]) + "\n")
    config = resolve(
        {"model": "mlp", "data": "t.csv", "target": "y", "coords": "lon,lat", "split_by_block": 2.0}, {}
    )

    with pytest.raises(DataError) as caught:
        load_dataset(config)

    assert_reports(caught.value, "--coords lat", "1 row", "line 14")


def test_images_have_no_places() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve({"model": "mlp", "data": "digits", "coords": "a,b", "split_by_block": 1.0}, {})

    assert_reports(caught.value, "--coords", "spatial")


@pytest.mark.parametrize(("extent", "side"), [(10, 1), (2785, 300), (0.0123, 0.001), (0, 0)])
def test_a_side_is_suggested_that_makes_ten_squares_a_row(extent: float, side: float) -> None:
    assert suggested_side(np.array([[0.0, 0.0], [extent, extent / 3]])) == pytest.approx(side)
