"""Images of one series, as of a patient, which splits at random would share."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from images_made import noise, save

from dlkit.data.images.listing import list_images
from dlkit.data.images.series import series_in

SLICES = [
    f"{'ab'[patient % 2]}/p{patient:02}_{number:02}.png" for patient in range(12) for number in range(5)
]


def put(root: Path, names: Sequence[str]) -> Path:
    for name in names:
        save(root / name, noise(8, 8))
    return root


@pytest.mark.parametrize(
    ("names", "series"),
    [
        (SLICES, 12),
        ([name.replace("_", "/") for name in SLICES], 12),
        ([name.replace("_", "-slice") for name in SLICES], 12),
        ([f"a/{name}" for name in "xyz"] + SLICES, 12),
        ([f"{label}/{label}_{number:04}.png" for label in "ab" for number in range(20)], 0),
        ([f"{label}/{number:03}.png" for label in "ab" for number in range(20)], 0),
        ([f"{label}/images/{number:03}.png" for label in "ab" for number in range(20)], 0),
        ([f"{label}/{label}1_{number:03}.png" for label in "ab" for number in range(20)], 0),
        ([f"{label}/{number * 7919}_{number}.png" for label in "ab" for number in range(20)], 0),
        ([f"{part}/{name}" for part in ("train", "test") for name in SLICES], 0),
    ],
    ids=[
        "slices",
        "folders",
        "words",
        "others",
        "classes",
        "numbers",
        "images",
        "one-each",
        "single",
        "split",
    ],
)
def test_series_are_found_by_names_and_folders(tmp_path: Path, names: list[str], series: int) -> None:
    names = [name if name.endswith(".png") else f"{name}.png" for name in names]

    found = series_in(list_images(put(tmp_path / "d", names)))

    assert (f"{len(SLICES)} images" in found and f"{series} series" in found) if series else found == ""


def test_series_are_reported_until_a_file_of_splits_keeps_them_together(dlkit: Any, home: Path) -> None:
    put(home / "ct", SLICES)
    train = ("train", "cnn", "--data", "ct", "--epochs", "1", "--no-plot", "--force", "--out", "run")

    findings = json.loads(dlkit("data", "check", "ct", "--json").stdout)
    said = dlkit(*train).stderr
    rows = sorted(SLICES)
    parts = {f"p{patient:02}": ("train", "val", "test")[max(0, patient // 2 - 3)] for patient in range(12)}
    lines = [f"{row},{parts[name[2:5]]}" for row, name in enumerate(rows)]
    (home / "split.csv").write_text("\n".join(["row,split", *lines]))
    again = dlkit(*train, "--split-file", "split.csv")

    assert [finding["rule"] for finding in findings].count("series") == 1
    assert "12 series" in said
    assert "--split-file" in said
    assert again.code == 0, again.stderr
    assert " series" not in again.stderr
    assert dlkit("eval", "run", "--predict", "p.csv").code == 0
    tested = {row["index"] for row in csv.DictReader((home / "p.csv").read_text().splitlines())}
    assert tested == {name for name in SLICES if parts[name[2:5]] == "test"}
