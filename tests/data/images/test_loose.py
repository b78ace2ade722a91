"""Images that lie in no class folder: the way out that is named works."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from images_made import noise, save
from refusals import assert_reports

from dlkit.data.images.listing import list_images
from dlkit.errors import DataError


def test_classes_in_file_names_are_moved_by_the_command_of_the_hint(tmp_path: Path) -> None:
    root = tmp_path / "p"
    for number in range(4):
        for name in ("cat", "dog"):
            save(root / f"{name}.{number}.png", noise(8, 8))
    (tmp_path / "other.csv").write_text("a,y\n1,2\n")

    with pytest.raises(DataError) as caught:
        list_images(root)

    assert "other.csv" not in caught.value.hint
    subprocess.run([shutil.which("bash") or "sh", "-c", caught.value.hint.split("classes: ")[1]], check=True)
    listing = list_images(root)
    assert (listing.class_names, sorted(listing.targets)) == (("cat", "dog"), [0] * 4 + [1] * 4)


@pytest.mark.parametrize(
    "parts",
    [("train", "test1"), ("train set", "valid", "test1"), ("train",)],
    ids=["kaggle", "three", "train"],
)
def test_classes_in_file_names_of_parts_are_moved_by_the_command_of_the_hint(
    tmp_path: Path, parts: tuple[str, ...]
) -> None:
    root = tmp_path / "p"
    for part in parts:
        for number in range(4):
            for name in ("",) if part == "test1" else ("cat.", "dog."):
                save(root / part / f"{name}{number}.png", noise(8, 8))

    with pytest.raises(DataError) as caught:
        list_images(root)

    assert "--layout" not in caught.value.hint
    subprocess.run([shutil.which("bash") or "sh", "-c", caught.value.hint.split("classes: ")[1]], check=True)
    listing = list_images(root)
    assert listing.class_names == ("cat", "dog")
    assert len(listing.targets) == 8 * sum(part != "test1" for part in parts)


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (("X.npy", "y.npy"), "--data {root}/X.npy --target {root}/y.npy"),
        (("only.csv",), "name the file in it: --data {root}/only.csv"),
        (("a.csv", "b.csv"), "name one of the files in it: a.csv, b.csv"),
        ((), "it needs one sub-folder per class"),
    ],
    ids=["pair", "table", "tables", "nothing"],
)
def test_a_folder_without_images_is_answered_with_its_files(
    tmp_path: Path, names: tuple[str, ...], hint: str
) -> None:
    for name in names:
        (tmp_path / name).write_bytes(b"1")

    with pytest.raises(DataError) as caught:
        list_images(tmp_path)

    assert hint.format(root=tmp_path) in caught.value.hint


def test_arrays_of_parts_in_a_folder_are_joined_by_the_command_of_the_hint(tmp_path: Path) -> None:
    for name, count in (("X_train", 5), ("y_train", 5), ("X_test", 3), ("y_test", 3)):
        np.save(tmp_path / f"{name}.npy", np.full(count, count))

    with pytest.raises(DataError) as caught:
        list_images(tmp_path)

    assert "unpickling" not in caught.value.hint
    command, _, made = caught.value.hint.removeprefix("all parts in one file: ").partition("; then --data ")
    command = command.replace("python", sys.executable, 1)
    subprocess.run([shutil.which("bash") or "sh", "-c", command], check=True, cwd=tmp_path)
    with np.load(tmp_path / made) as joined:
        assert {name: len(joined[name]) for name in joined} == {
            "X_train": 5,
            "y_train": 5,
            "X_test": 3,
            "y_test": 3,
        }


def test_a_table_is_named_only_if_it_has_the_names_of_the_images(tmp_path: Path) -> None:
    root = tmp_path / "p"
    for number in range(4):
        save(root / f"{number}.png", noise(8, 8))
    (root / "a.csv").write_text("a,y\n7,2\n")
    (tmp_path / "labels.csv").write_text("id,y\n0.png,2\n")

    with pytest.raises(DataError) as caught:
        list_images(root)

    assert_reports(caught.value, "labels.csv")
    assert "a.csv" not in caught.value.hint
