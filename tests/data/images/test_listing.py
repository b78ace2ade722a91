"""Folders of images: parts, classes, and what is refused before an image is opened."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from images_made import make_folder, noise, save

from dlkit.data.images.listing import list_images
from dlkit.errors import DataError


def test_sub_folders_are_classes_sorted_by_name(tmp_path: Path) -> None:
    listing = list_images(make_folder(tmp_path / "p", each=3))

    assert listing.class_names == ("blue", "red")
    assert listing.names == [f"{name}/{index:03}.png" for name in ("blue", "red") for index in range(3)]
    assert listing.targets == [0, 0, 0, 1, 1, 1]
    assert (listing.sizes, listing.faults, listing.ignored) == ({"all": 6}, [], 0)


@pytest.mark.parametrize(
    ("parts", "sizes"),
    [
        (("train", "val", "test"), {"train": 4, "val": 4, "test": 4}),
        (("train", "valid"), {"train": 4, "val": 4}),
        (("Train", "TEST"), {"train": 4, "test": 4}),
        (("train",), {"train": 4}),
    ],
    ids=["three", "no-test", "capitals", "train"],
)
def test_parts_stand_above_the_classes(tmp_path: Path, parts: tuple[str, ...], sizes: dict[str, int]) -> None:
    listing = list_images(make_folder(tmp_path / "p", each=2, parts=parts))

    assert listing.class_names == ("blue", "red")
    assert listing.sizes == sizes
    assert listing.names[0] == f"{parts[0]}/blue/000.png"


def test_classes_may_be_called_as_parts_are(tmp_path: Path) -> None:
    for name in ("train", "plane"):
        save(tmp_path / "p" / name / "a.png", noise(8, 8))

    assert list_images(tmp_path / "p").class_names == ("plane", "train")


def test_hidden_and_other_files_are_passed_over_and_deeper_ones_found(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "p", each=2)
    save(root / "red" / "deep" / "er" / "x.PNG", noise(8, 8))
    for name in (".DS_Store", "red/.hidden.png", "red/Thumbs.db", "red/readme.txt", "notes.txt"):
        (root / name).write_text("x")
    (root / ".git").mkdir()
    (root / "__MACOSX").mkdir()

    listing = list_images(root)

    assert "red/deep/er/x.PNG" in listing.names
    assert (len(listing), listing.ignored) == (5, 2)


def test_links_to_images_and_folders_are_followed(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "p", each=2)
    (root / "red" / "link.png").symlink_to(root / "blue" / "000.png")
    (root / "green").symlink_to(make_folder(tmp_path / "q", each=3) / "red")

    listing = list_images(root)

    assert listing.class_names == ("blue", "green", "red")
    assert len(listing) == 8


@pytest.mark.parametrize(
    ("change", "state", "content"),
    [
        (lambda p: (p / "red" / "000.png").touch, True, True),
        (lambda p: os.utime(p / "red" / "000.png", (1, 1)), False, True),
        (lambda p: (p / "red" / "000.png").rename(p / "red" / "00x.png"), False, False),
        (lambda p: save(p / "red" / "000.png", noise(30, 30, 3)), False, False),
        (lambda p: (p / "red" / "000.png").unlink(), False, False),
        (lambda p: (p / "red").rename(p / "rot"), False, False),
    ],
    ids=["nothing", "touched", "renamed", "rewritten", "removed", "class"],
)
def test_a_change_shows(tmp_path: Path, change: Callable[[Path], object], state: bool, content: bool) -> None:
    root = make_folder(tmp_path / "p", each=2)
    before = list_images(root)
    change(root)
    after = list_images(root)

    assert (before.state == after.state) is state
    assert (before.content == after.content) is content


def test_a_copy_has_the_same_content(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "p", each=2)
    shutil.copytree(root, tmp_path / "q")

    assert list_images(root).content == list_images(tmp_path / "q").content


def loop(root: Path) -> None:
    (root / "red" / "up").symlink_to("..")


def foreign_class(root: Path) -> None:
    shutil.copytree(root, root / "train")
    shutil.copytree(root / "train", root / "test")
    shutil.rmtree(root / "red")
    shutil.rmtree(root / "blue")
    save(root / "test" / "green" / "a.png", noise(8, 8))


def two_vals(root: Path) -> None:
    for name in ("train", "val", "valid"):
        save(root / name / "a" / "a.png", noise(8, 8))
    shutil.rmtree(root / "red")
    shutil.rmtree(root / "blue")


def bare_train(root: Path) -> None:
    shutil.rmtree(root / "red")
    shutil.rmtree(root / "blue")
    save(root / "train" / "a.png", noise(8, 8))


def empty_val(root: Path) -> None:
    shutil.move(root / "red", root / "train" / "red")
    shutil.move(root / "blue", root / "train" / "blue")
    (root / "val" / "red").mkdir(parents=True)


def odd_name(root: Path) -> None:
    (root / "red").rename(os.fsdecode(os.fsencode(root) + b"/caf\xe9"))


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        (loop, "{root}/red/up is a link that leads back into a folder above it", "remove the link"),
        (
            lambda p: (p / "mice").mkdir(),
            "--data {root}: no image in mice/",
            "remove folders that are not classes; images end",
        ),
        (
            lambda p: shutil.rmtree(p / "red"),
            "--data {root} has one class, blue",
            "it needs one sub-folder per class",
        ),
        (
            lambda p: (shutil.rmtree(p), p.mkdir()),
            "--data {root} holds no sub-folders",
            "it needs one sub-folder",
        ),
        (
            lambda p: (shutil.rmtree(p), save(p / "a.png", noise(8, 8))),
            "--data {root} holds no sub-folders, but 1 image",
            "it needs one sub-folder per class",
        ),
        (shutil.rmtree, "--data {root} cannot be read: no such file or directory", "check the path"),
        (
            foreign_class,
            "--data {root}: test has the class green, none of the 2 trained on: blue, red",
            "put images of it into train",
        ),
        (two_vals, "--data {root} has val/ and valid/, which are both val", "keep one"),
        (empty_val, "--data {root}: val/ holds no images", "remove it"),
        (bare_train, "--data {root}: train/ holds no sub-folders", "it needs one sub-folder per class"),
        (
            odd_name,
            "{root}/caf\N{REPLACEMENT CHARACTER}: the name of a class is not UTF-8 text",
            "rename the folder",
        ),
    ],
    ids=[
        "loop",
        "empty-class",
        "one-class",
        "nothing",
        "loose",
        "gone",
        "foreign",
        "twice",
        "empty-part",
        "bare",
        "bytes",
    ],
)
def test_a_folder_that_is_laid_out_otherwise_is_told(
    tmp_path: Path, change: Callable[[Path], object], message: str, hint: str
) -> None:
    root = make_folder(tmp_path / "p", each=2)
    change(root)

    with pytest.raises(DataError) as caught:
        list_images(root)

    assert caught.value.message == message.format(root=root)
    assert caught.value.hint.startswith(hint)


def test_a_folder_to_evaluate_may_lack_classes_and_parts(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "p", each=2, parts=("test",))
    shutil.rmtree(root / "test" / "blue")

    listing = list_images(root, ["blue", "green", "red"])

    assert (listing.sizes, listing.targets) == ({"test": 2}, [2, 2])
    with pytest.raises(DataError, match="has the class red, none of the 1 trained on"):
        list_images(root, ["blue"])
