"""Images of one series, as of a patient, which splits at random would share."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from images_made import noise, save

from dlkit.data.images.listing import list_images
from dlkit.data.images.series import copies_in, number_series, series_in

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
        ([f"animals/{name}" for name in SLICES], 12),
        ([name.replace("/", "/images/") for name in SLICES], 12),
        ([name.replace("_", "/day1/") for name in SLICES], 12),
        (
            [
                f"{label}/{label}{one}_{number}.png"
                for label in "abc"
                for one in (1, 2)
                for number in range(5)
            ],
            6,
        ),
        ([f"{label}/{label}1_{number}.png" for label in "abcdef" for number in range(5)], 0),
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
        "wrapped",
        "images-folder",
        "deeper",
        "two-a-class",
        "one-a-class",
    ],
)
def test_series_are_found_by_names_and_folders(tmp_path: Path, names: list[str], series: int) -> None:
    names = [name if name.endswith(".png") else f"{name}.png" for name in names]

    found = series_in(list_images(put(tmp_path / "d", names)))

    assert (
        (f"{min(len(names), len(SLICES))} images" in found and f"{series} series" in found)
        if series
        else found == ""
    )


def test_series_are_refused_until_it_is_clear_how_to_split_them(dlkit: Any, home: Path) -> None:
    put(home / "ct", SLICES)
    train = ("train", "cnn", "--data", "ct", "--epochs", "1", "--no-plot", "--force", "--out", "run")

    findings = json.loads(dlkit("data", "check", "ct", "--json").stdout)
    refused = dlkit(*train)
    together = dlkit(*train, "--group", "series")
    dlkit("eval", "run", "--predict", "p.csv")
    tested = [row["index"] for row in csv.DictReader((home / "p.csv").read_text().splitlines())]
    patients = {name[2:5] for name in tested}

    assert [(each["rule"], each["level"]) for each in findings if each["level"] == "error"] == [
        ("series", "error")
    ]
    assert refused.code == 3
    for words in ("12 series", "--group series", "--stratify"):
        assert words in refused.stderr
    assert together.code == 0, together.stderr
    assert len(tested) == 5 * len(patients) == 5  # a tenth of 60 images, in whole series
    assert dlkit(*train, "--stratify").code == 0


def test_series_stay_together_in_folds(dlkit: Any, home: Path) -> None:
    put(home / "ct", SLICES)
    names = sorted(SLICES)
    tested = []
    for fold in "123":
        done = dlkit("data", "split", "ct", "--group", "series", "--folds", "3", "--fold", fold)
        rows = list(csv.DictReader(done.stdout.splitlines()))
        of_patient: dict[str, set[str]] = {}
        for row in rows:
            of_patient.setdefault(names[int(row["row"])][2:5], set()).add(row["split"])
        assert all(len(splits) == 1 for splits in of_patient.values())
        tested += [patient for patient, splits in of_patient.items() if splits == {"test"}]

    assert sorted(tested) == sorted({name[2:5] for name in SLICES})


def test_intervals_draw_whole_series(dlkit: Any, home: Path) -> None:
    put(home / "ct", SLICES)
    dlkit(
        "train", "cnn", "--data", "ct", "--group", "series", "--test", "0.5", "--epochs", "1", "--out", "run"
    )

    said = dlkit("eval", "run").stderr

    assert "6 groups" in said


@pytest.mark.parametrize(
    ("names", "options", "code", "words"),
    [
        (SLICES, ("--group", "patient"), 2, "--group series"),
        (
            [f"{label}/{number:03}.png" for label in "ab" for number in range(20)],
            ("--group", "series"),
            3,
            "--split-file",
        ),
        (
            [f"{part}/{name}" for part in ("train", "test") for name in SLICES],
            ("--group", "series"),
            2,
            "train, test",
        ),
        (SLICES, ("--group", "series", "--stratify"), 2, "--stratify"),
    ],
    ids=["column", "none", "parts", "both"],
)
def test_a_group_that_images_do_not_have_is_refused(
    dlkit: Any, home: Path, names: list[str], options: tuple[str, ...], code: int, words: str
) -> None:
    put(home / "ct", names)

    refused = dlkit("train", "cnn", "--data", "ct", *options)

    assert refused.code == code
    assert words in refused.stderr


def test_a_file_of_splits_keeps_series_together(dlkit: Any, home: Path) -> None:
    put(home / "ct", SLICES)
    rows = sorted(SLICES)
    parts = {f"p{patient:02}": ("train", "val", "test")[max(0, patient // 2 - 3)] for patient in range(12)}
    lines = [f"{row},{parts[name[2:5]]}" for row, name in enumerate(rows)]
    (home / "split.csv").write_text("\n".join(["row,split", *lines]))
    train = ("train", "cnn", "--data", "ct", "--epochs", "1", "--no-plot", "--out", "run")
    done = dlkit(*train, "--split-file", "split.csv")

    assert done.code == 0, done.stderr
    assert " series" not in done.stderr
    assert dlkit("eval", "run", "--predict", "p.csv").code == 0
    tested = {row["index"] for row in csv.DictReader((home / "p.csv").read_text().splitlines())}
    assert tested == {name for name in SLICES if parts[name[2:5]] == "test"}


LEAVES = [
    f"{label}/IMG_{4700 + leaf}{change}.png"
    for label in "ab"
    for leaf in range(10)
    for change in ("", "_flipLR", "_90deg", "_new30degFlip", "_rot", " (1)", "_aug3", "_rot_flip")
]


def test_copies_of_an_image_are_of_its_series(dlkit: Any, home: Path) -> None:
    put(home / "leaves", LEAVES)
    train = ("train", "cnn", "--data", "leaves", "--epochs", "1", "--no-plot", "--out", "run")

    findings = json.loads(dlkit("data", "check", "leaves", "--json").stdout)
    refused = dlkit(*train)
    together = dlkit(*train, "--group", "series")
    dlkit("eval", "run", "--predict", "p.csv")
    tested = [row["index"] for row in csv.DictReader((home / "p.csv").read_text().splitlines())]

    assert [each["rule"] for each in findings if each["level"] == "error"] == ["series"]
    assert refused.code == 3
    assert "140 images seem to be copies of 20 others" in refused.stderr
    assert "--group series" in refused.stderr
    assert together.code == 0, together.stderr
    assert len(tested) == 8 * len({name[:10] for name in tested}) > 0


def test_other_names_are_no_copies() -> None:
    names = [
        "a/benign (1).png",
        "a/benign (1)_mask.png",
        "a/x.png",
        "a/x_1.png",
        "a/x_rotten.png",
        "b/x_flip.png",
    ]

    assert copies_in(names) == {}
    assert copies_in([*names, "a/X_1_rot90.JPG"]) == {"a/X_1_rot90.JPG": "a/x_1.png"}


def test_images_of_no_series_have_a_number_each() -> None:
    names = ["a/p1_1.png", "a/x.png", "b/p1_2.png", "b/y.png"]

    found = number_series(names, ("a", "b"))

    assert found[0] == found[2]
    assert len(set(found.tolist())) == 3


@pytest.mark.parametrize(
    ("name", "joined"),
    [
        ("tile_0001_3.png", False),
        ("IMG_4701_3.png", False),
        ("img12_3.png", False),
        ("patient12_3.png", True),
        ("covid-pt12-3.png", True),
        ("0001234_003.png", True),
        ("p07/3.png", True),
        ("tile7/3.png", False),
    ],
)
def test_a_number_is_counted_within_a_class_unless_it_is_of_a_patient(name: str, joined: bool) -> None:
    first, second = number_series([f"a/{name}", f"b/{name}"], ("a", "b"))

    assert bool(first == second) is joined
