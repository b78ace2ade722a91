"""Positions in one column of texts: the command of the hint makes two columns of numbers of them."""

import csv
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlkit.data.tables.positions import find_position
from dlkit.data.tables.table import table_of

DRAW = np.random.default_rng(0)
EAST, NORTH = DRAW.uniform(500_000, 600_000, 150).round(2), DRAW.uniform(5e6, 5.1e6, 150).round(2)
LON, LAT = DRAW.uniform(-20, 40, 150).round(4), DRAW.uniform(35, 70, 150).round(4)

Written = Callable[[float, float], str]
FORMS: dict[str, tuple[Written, bool, tuple[str, str]]] = {  # of x and y, in degrees, the columns
    "wkt": (lambda x, y: f"POINT ({x} {y})", False, ("x", "y")),
    "no blank": (lambda x, y: f"Point({x} {y})", False, ("x", "y")),
    "height": (lambda x, y: f"POINT Z ({x} {y} 12.5)", False, ("x", "y")),
    "srid": (lambda x, y: f"SRID=4326;POINT({x} {y})", True, ("x", "y")),
    "geojson": (lambda x, y: f'{{"type": "Point", "coordinates": [{x}, {y}]}}', True, ("x", "y")),
    "degrees": (lambda x, y: f"({y}, {x})", True, ("lat", "lon")),
    "all positive": (lambda x, y: f"({y}, {x})", True, ("lat", "lon")),
    "bare": (lambda x, y: f"{y}, {x}", True, ("lat", "lon")),
    "metres": (lambda x, y: f"({x}, {y})", False, ("x", "y")),
}


def write(path: Path, form: str) -> tuple[np.ndarray, np.ndarray]:
    written, degrees, _ = FORMS[form]
    x, y = (LON, LAT) if degrees else (EAST, NORTH)
    x = (x + 30).round(3) if form == "all positive" else x
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["place", "depth", "soil", "value"])
        for each in zip(x.tolist(), y.tolist(), range(150), strict=True):
            rows.writerow(
                [written(*each[:2]), each[2] % 31, "ab"[each[2] % 2], float(each[0] / 7).__round__(3)]
            )
    return x, y


def follow(stderr: str, home: Path) -> list[str]:
    """Run the command of a hint, and return the options that it names."""
    match = re.search(
        r"to divide place into .*: (python -c .*); then (--data \S+(?: --coords \S+)??)(?:;|$)",
        stderr,
        re.MULTILINE,
    )
    assert match is not None, stderr
    subprocess.run(match[1].replace("python", sys.executable, 1), shell=True, check=True, cwd=home)
    return match[2].split()


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("coords", [(), ("--coords", "place")], ids=["none", "one"])
def test_spatial_is_led_to_two_columns(dlkit: Any, home: Path, form: str, coords: tuple[str, ...]) -> None:
    x, y = write(home / "a.csv", form)

    refused = dlkit("train", "spatial", "--data", "a.csv", "--target", "value", *coords)
    options = follow(refused.stderr, home)
    trained = dlkit("train", "spatial", "--target", "value", "--epochs", "1", "--no-plot", *options)

    assert refused.code == 2
    assert trained.code == 0, trained.stderr
    names = FORMS[form][2]
    with (home / options[1]).open() as file:
        made = list(csv.DictReader(file))
    expected = (y, x) if names[0] == "lat" else (x, y)
    for name, values in zip(names, expected, strict=True):
        assert [float(row[name]) for row in made] == values.tolist()
    assert options[3].split(",") == (["lon", "lat"] if names[0] == "lat" else ["x", "y"])


@pytest.mark.parametrize("form", ["wkt", "degrees", "all positive"])
@pytest.mark.quick(1)
def test_a_table_of_positions_is_refused_and_followed(dlkit: Any, home: Path, form: str) -> None:
    write(home / "a.csv", form)

    refused = dlkit("train", "mlp", "--data", "a.csv", "--target", "value")
    checked = dlkit("data", "check", "a.csv", "--target", "value")
    options = follow(refused.stderr, home)
    command = ("train", "mlp", "--target", "value", "--epochs", "1", "--no-plot")
    trained, as_text = dlkit(*command, *options), dlkit(*command, "--data", "a.csv", "--kinds", "place=text")

    assert (refused.code, checked.code) == (3, 3)
    assert "\tposition\t" in checked.stdout
    assert trained.code == 0, trained.stderr
    assert "left out" not in trained.stderr
    assert as_text.code == 0, as_text.stderr


def test_a_position_beside_its_coordinates_is_left_out(dlkit: Any, home: Path) -> None:
    rows = [
        f'"({40 + i / 100:.3f}, {i / 50:.3f})",{40 + i / 100:.3f},{i / 50:.3f},{i % 9}.5' for i in range(90)
    ]
    (home / "a.csv").write_text("\n".join(["location,latitude,longitude,value", *rows]) + "\n")

    trained = dlkit("train", "mlp", "--data", "a.csv", "--target", "value", "--epochs", "1", "--no-plot")

    assert trained.code == 0, trained.stderr
    assert "location is a position, which longitude and latitude tell as well" in trained.stderr


@pytest.mark.parametrize(
    "texts",
    [
        ["POINT (1 2)", "a"],
        ["1.234,5", "2.345,75"],
        ["(3, 4)", "(5, 6)"],
        ["1.5-2.5", "2.5-3.5"],
        ["POLYGON ((0 0, 1 1, 2 0, 0 0))"],
        ["1.2.3, 4.5", "2.2, 3.1"],
    ],
    ids=["mixed", "decimal-commas", "whole", "ranges", "areas", "versions"],
)
def test_other_texts_are_no_positions(texts: list[str]) -> None:
    assert find_position(table_of("a.csv", {"a": texts})) is None


def test_the_example_of_coords_names_columns_that_exist(dlkit: Any, home: Path) -> None:
    (home / "a.csv").write_text("rechts,hoch,value\n" + "\n".join(f"{i}.5,{i % 7}.5,{i}" for i in range(50)))

    refused = dlkit("train", "spatial", "--data", "a.csv", "--target", "value")

    assert "for example --coords rechts,hoch" in refused.stderr
