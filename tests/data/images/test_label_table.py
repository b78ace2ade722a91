"""Images whose labels stand in a table: the command of the hint makes arrays of them, whatever the table is like."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from images_made import noise, save

from dlkit.data.images.label_table import (
    command_for_classes,
    command_for_names,
    command_for_parts,
    find_label_table,
    read_label_table,
)

BREEDS = ["pug", "collie", "beagle"]


def images(folder: Path, names: list[str]) -> None:
    for name in names:
        save(folder / name, noise(9, 9))


def make(home: Path, form: str) -> tuple[Path, list[Any]]:
    """Write a table and its images; return the table and the labels."""
    names = [f"{index:03}" for index in range(30)]
    breeds, ages = [BREEDS[index % 3] for index in range(30)], [20.5 + index for index in range(30)]
    if form == "ids":
        images(home / "train", [f"{name}.png" for name in names])
        pd.DataFrame({"id": names, "breed": breeds}).to_csv(home / "labels.csv", index=False)
        pd.DataFrame({"id": names[:3], "breed": 0}).to_csv(home / "a_sample_submission.csv", index=False)
        return home / "labels.csv", breeds
    if form == "ages":
        images(home / "deep" / "faces", [f"{name}.JPG" for name in names])
        table = pd.DataFrame(
            {"": range(30), "file": [f"{name}.JPG" for name in names], "age": ages, "sex": "f"}
        )
        table.to_csv(home / "faces.csv", index=False, sep=";")
        return home / "faces.csv", ages
    images(home / "img", [f"{name}.png" for name in names])
    table = pd.DataFrame({"path": [f"img/{name}.png" for name in names], **dict.fromkeys(BREEDS, 0)})
    for row, breed in enumerate(breeds):
        table.loc[row, breed] = 1
    table.to_csv(home / "onehot.tsv", index=False, sep="\t")
    return home / "onehot.tsv", [BREEDS.index(breed) for breed in breeds]


def run_hint(text: str, home: Path) -> Path:
    command, _, name = text[text.index("python -c ") :].strip().rpartition("; then --data ")
    subprocess.run(command.replace("python", sys.executable, 1), shell=True, check=True, cwd=home)
    return home / name


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("ids", ()),
        ("ids", ("--size", "16")),
        ("ages", ("--target", "age", "--size", "16")),
        ("onehot", ("--augment", "light")),
    ],
)
@pytest.mark.quick(1)
def test_the_hint_for_a_table_makes_arrays_that_are_learned(
    dlkit: Any, home: Path, form: str, options: tuple[str, ...]
) -> None:
    table, labels = make(home, form)
    refused = dlkit("train", "cnn", "--data", table.name, *options)
    arrays = run_hint(refused.stderr, home)
    followed = dlkit("train", "cnn", "--data", arrays.name, "--epochs", "1", "--no-plot")

    with np.load(arrays) as made:
        size = 16 if "--size" in options else 64
        assert made["x"].shape == (30, size, size, 3)
        assert (made["y"].argmax(1) if form == "onehot" else made["y"]).tolist() == labels
    assert refused.code in (2, 3)
    assert followed.code == 0, followed.stderr
    assert ("mae" in followed.stderr) == (form == "ages")


@pytest.mark.parametrize("folder", [".", "train"])
@pytest.mark.quick(1)
def test_a_folder_beside_its_table_has_the_same_hint(dlkit: Any, home: Path, folder: str) -> None:
    make(home, "ids")
    images(home / "test", ["a.png", "b.png"])

    refused = dlkit("train", "cnn", "--data", folder, "--size", "8")

    assert refused.code == 3
    with np.load(run_hint(refused.stderr, home)) as made:
        assert made["x"].shape == (30, 8, 8, 3)


@pytest.mark.slow
def test_a_column_of_parts_is_kept(home: Path) -> None:
    images(home / "img", [f"{index}.png" for index in range(12)])
    parts = ["train"] * 6 + ["valid"] * 2 + ["test"] * 4
    pd.DataFrame(
        {"f": [f"img/{index}.png" for index in range(12)], "labels": range(12), "data set": parts}
    ).to_csv(home / "cards.csv", index=False)
    table = read_label_table(home / "cards.csv")
    assert table is not None

    with np.load(run_hint(table.command(), home)) as made:
        assert {name: made[name].tolist() for name in made if name[0] == "y"} == {
            "y_train": [0, 1, 2, 3, 4, 5],
            "y_valid": [6, 7],
            "y_test": [8, 9, 10, 11],
        }


@pytest.mark.parametrize("one_hot", [True, False])
@pytest.mark.quick(1)
def test_parts_with_a_table_each_are_learned_by_the_hint(dlkit: Any, home: Path, one_hot: bool) -> None:
    labels = {}
    for part, count in (("train", 18), ("valid", 6), ("test", 9)):
        names = [f"r{part}{index:03}.png" for index in range(count)]
        images(home / "set" / part, names)
        labels[part] = [BREEDS[(index * 2 + count) % 3] for index in range(count)]
        table = pd.DataFrame({"filename": names, "label": labels[part]})
        if one_hot:
            table = table[["filename"]].join(pd.get_dummies(table["label"]).astype(int))
        lines = table.to_csv(index=False).replace(",", ", ")
        (home / "set" / part / "_classes.csv").write_text(lines)

    refused = dlkit("train", "cnn", "--data", "set", "--size", "8")
    arrays = run_hint(refused.stderr, home)
    followed = dlkit("train", "cnn", "--data", "set.npz", "--epochs", "1", "--no-plot")

    assert refused.code == 3
    assert "--layout" not in refused.stderr
    with np.load(arrays) as made:
        assert {name: made[name].tolist() for name in made if name[0] == "y"} == {
            "y_train": labels["train"],
            "y_val": labels["valid"],
            "y_test": labels["test"],
        }
        assert made["x_test"].shape == (9, 8, 8, 3)
    assert "18 train, 6 val, 9 test" in followed.stderr


def test_parts_without_classes_are_not_offered_as_classes(dlkit: Any, home: Path) -> None:
    for part in ("train", "valid", "test"):
        images(home / "set" / part, ["1.png", "2.png"])

    refused = dlkit("train", "cnn", "--data", "set")

    assert refused.code == 3
    assert "--layout" not in refused.stderr


def test_a_table_of_other_things_names_no_images(home: Path) -> None:
    images(home / "img", ["1.png"])
    (home / "a.csv").write_text("id,y\n7,1\n8,2\n")
    (home / "b.csv").write_text("1\n")
    (home / "c.csv").write_bytes(b"\xff\x00,\n1,2\n")

    assert find_label_table(home) is None


def test_numbers_in_file_names_are_learned_by_the_hint(dlkit: Any, home: Path) -> None:
    ages = [20 + index % 9 for index in range(30)]
    images(home / "faces", [f"{age}_{index % 2}_{index:05}.jpg.chip.jpg" for index, age in enumerate(ages)])

    refused = dlkit("train", "cnn", "--data", "faces", "--size", "8")
    arrays = run_hint(refused.stderr, home)
    followed = dlkit(
        "train", "cnn", "--data", "faces.npz", "--task", "regression", "--epochs", "1", "--no-plot"
    )

    with np.load(arrays) as made:
        assert sorted(made["y"].tolist()) == sorted(ages)
        assert made["x"].shape == (30, 8, 8, 3)
    assert followed.code == 0, followed.stderr


def test_names_that_begin_with_running_numbers_tell_nothing(dlkit: Any, home: Path) -> None:
    images(home / "scans", [f"{index:03}_a.png" for index in range(8)])

    assert "python -c" not in dlkit("train", "cnn", "--data", "scans").stderr


def test_class_folders_of_arrays_are_read_by_the_hint(dlkit: Any, home: Path) -> None:
    for name in ("a", "b"):
        (home / "mel" / name).mkdir(parents=True)
        for index in range(15):
            np.save(home / "mel" / name / f"{index:02}.npy", np.full((9, 8), index + 100.0 * (name == "b")))

    refused = dlkit("train", "cnn", "--data", "mel")
    arrays = run_hint(refused.stderr, home)
    followed = dlkit("train", "cnn", "--data", arrays.name, "--epochs", "1", "--no-plot")

    assert refused.code == 3
    with np.load(arrays) as made:
        assert made["y"].tolist() == ["a"] * 15 + ["b"] * 15
        assert made["x"][:, 0, 0].tolist() == [*range(15), *range(100, 115)]
    assert followed.code == 0, followed.stderr


def test_folders_called_by_numbers_are_learned_as_numbers_by_the_hint(dlkit: Any, home: Path) -> None:
    for age in (20, 35, 50):
        images(home / "ages" / str(age), [f"{index}.png" for index in range(10)])

    refused = dlkit("train", "cnn", "--data", "ages", "--task", "regression", "--size", "8")
    arrays = run_hint(refused.stderr, home)

    assert refused.code == 2
    with np.load(arrays) as made:
        assert made["y"].tolist() == [20.0] * 10 + [35.0] * 10 + [50.0] * 10


def test_words_as_folders_are_no_numbers(dlkit: Any, home: Path) -> None:
    for name in ("a", "b"):
        images(home / "p" / name, ["0.png", "1.png"])

    refused = dlkit("train", "cnn", "--data", "p", "--task", "regression")

    assert refused.code == 2
    assert "leave it out" in refused.stderr


@pytest.mark.slow
def test_the_target_of_a_table_beside_images_is_answered_with_the_command_at_once(
    dlkit: Any, home: Path
) -> None:
    images(home / "eyes" / "train_images", [f"e{index:03}.png" for index in range(40)])
    images(home / "eyes" / "test_images", ["a.png", "b.png"])
    table = pd.DataFrame({"id_code": [f"e{index:03}" for index in range(40)], "age": range(40)})
    table.assign(diagnosis=[index % 5 for index in range(40)]).to_csv(
        home / "eyes" / "train.csv", index=False
    )

    refused = dlkit("train", "cnn", "--data", "eyes", "--target", "diagnosis")
    arrays = run_hint(refused.stderr, home)

    assert "without --target" in refused.stderr
    assert "leave it out" in dlkit("train", "cnn", "--data", "eyes", "--target", "none").stderr
    with np.load(arrays) as made:
        assert made["y"].tolist() == [index % 5 for index in range(40)]
    assert dlkit("train", "cnn", "--data", arrays.name, "--epochs", "1", "--no-plot").code == 0


def damage(folder: Path) -> Path:
    """Cut one image short; return it."""
    path = sorted(folder.rglob("*.png"))[4]
    path.write_bytes(path.read_bytes()[:60])
    return path


def ran(text: str, home: Path) -> str:
    command = text[text.index("python -c ") :].strip().rpartition("; then --data ")[0]
    done = subprocess.run(
        command.replace("python", sys.executable, 1),
        shell=True,
        check=True,
        cwd=home,
        capture_output=True,
        text=True,
    )
    return done.stdout


@pytest.mark.slow
def test_an_unreadable_image_is_left_out_and_named_by_every_command(home: Path) -> None:
    table, breeds = make(home, "ids")
    found = read_label_table(table)
    assert found is not None
    bad = damage(home / "train")
    images(home / "named", [f"{index % 7}.5_{index:03}.png" for index in range(30)])
    images(home / "folders", [f"{index % 3}/{index:03}.png" for index in range(30)])
    cut = [damage(home / "named"), damage(home / "folders")]

    said = ran(found.command(), home)
    names = sorted(path.name for path in (home / "named").iterdir())
    others = [
        ran(command_for_names(home / "named", names), home),
        ran(command_for_classes(home / "folders", (), None, numbers=True), home),
    ]

    assert f"left out: {bad}" in said
    assert all(f"left out: {path}" in text for path, text in zip(cut, others, strict=True))
    for name, labels in (
        ("labels-images", np.delete(breeds, 4).tolist()),
        ("named", None),
        ("folders", None),
    ):
        with np.load(home / f"{name}.npz") as made:
            assert len(made["x"]) == len(made["y"]) == 29
            assert labels is None or made["y"].tolist() == labels


@pytest.mark.slow
def test_an_unreadable_image_of_a_part_is_left_out(home: Path) -> None:
    for part in ("train", "valid", "test"):
        names = [f"r{part}{index:03}.png" for index in range(9)]
        images(home / "set" / part, names)
        table = pd.DataFrame({"filename": names, "label": [index % 2 for index in range(9)]})
        table.to_csv(home / "set" / part / "_classes.csv", index=False)
    bad = damage(home / "set" / "valid")

    assert f"left out: {bad}" in ran(command_for_parts(home / "set"), home)
    with np.load(home / "set.npz") as made:
        assert {name: len(made[name]) for name in made if name[0] == "y"} == {
            "y_train": 9,
            "y_val": 8,
            "y_test": 9,
        }
