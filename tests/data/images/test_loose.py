"""Images that lie in no class folder: the way out that is named works."""

import shutil
import subprocess
from pathlib import Path

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
