"""A folder of images as a data set: prepared once, or streamed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from images_made import make_folder, noise, save, spoil
from PIL import Image
from refusals import assert_reports

from dlkit.data.batches import Batches
from dlkit.data.check import check_data, check_dataset
from dlkit.data.dataset import DataSet, Request, TensorSplit
from dlkit.data.home import data_home
from dlkit.data.images.listing import list_images
from dlkit.data.images.load import load_folder
from dlkit.data.images.plan import find_faults
from dlkit.data.images.streaming import StreamedSplit
from dlkit.data.kinds import load_dataset
from dlkit.data.preparing import watched
from dlkit.errors import DataError, DlkitError
from dlkit.settings.config import TrainConfig
from dlkit.settings.resolve import resolve
from dlkit.settings.spec import parse_spec

CPU = torch.device("cpu")


def configure(root: Path, **settings: Any) -> TrainConfig:
    return resolve({"model": "cnn", "data": f"{root}/", **settings}, {})


def load(root: Path, *, room: int | None = None, trained_on: Any = None, **settings: Any) -> DataSet:
    config = configure(root, **settings)
    return load_folder(Request(spec=parse_spec(config.data), config=config, trained_on=trained_on), room)


def prepared() -> list[Path]:
    return sorted((data_home() / "prepared" / "folders").glob("*.safetensors"))


@pytest.fixture
def root(home: Path) -> Path:
    return make_folder(home / "p", each=20)


def test_images_of_one_size_stay_as_they_are(root: Path) -> None:
    dataset = load_dataset(configure(root))

    about = dataset.description
    assert (about.kind, about.task, about.input_shape) == ("images", "classification", (3, 10, 12))
    assert about.class_names == ("blue", "red")
    assert about.split_sizes == {"train": 32, "val": 4, "test": 4}
    assert dataset.notes == []
    train = dataset.splits["train"]
    assert isinstance(train, TensorSplit)
    assert train.inputs.dtype == torch.uint8
    blue, red = (train.inputs[train.targets == index].float().mean((0, 2, 3)) for index in (0, 1))
    assert blue[2] > blue[0] + 100
    assert red[0] > red[2] + 100
    inputs, _ = train.batch(train.rows, CPU)
    assert inputs.mean((0, 2, 3)).abs().max() < 1e-5


def test_the_second_run_maps_what_the_first_prepared(root: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    first = load(root)
    with watched(lambda *said: seen.append(said)):
        second = load(root)

    assert seen == []
    assert len(prepared()) == 1
    assert second.description == first.description
    for name in ("train", "val", "test"):
        assert torch.equal(first.splits[name].rows, second.splits[name].rows)


def test_preparing_says_how_far_it_is(root: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    with watched(lambda *said: seen.append(said)):
        load(root)

    assert seen == [("p: sizes", 40, 40), ("p", 40, 40)]


@pytest.mark.parametrize(
    "change",
    [
        lambda p: save(p / "red" / "zzz.png", noise(10, 12, 3)),
        lambda p: (p / "red" / "000.png").unlink(),
        lambda p: save(p / "red" / "000.png", noise(10, 12, 3)),
        lambda p: (p / "red" / "000.png").rename(p / "blue" / "new.png"),
    ],
    ids=["added", "removed", "rewritten", "moved"],
)
def test_a_folder_that_changed_is_prepared_anew_in_the_same_place(root: Path, change: Any) -> None:
    before = load(root).description
    change(root)

    after = load(root).description

    assert after.fingerprint != before.fingerprint
    assert len(prepared()) == 1
    with pytest.raises(DataError, match="has changed since the checkpoint was trained on it"):
        load(root, trained_on=before)


def test_a_copy_of_the_folder_is_the_same_data(root: Path) -> None:
    trained = load(root).description
    shutil.copytree(root, root.parent / "q")

    again = load(root.parent / "q", trained_on=trained)

    assert again.description.split_sizes == trained.split_sizes


def test_a_damaged_prepared_file_is_made_anew(root: Path) -> None:
    before = load(root).description
    (path,) = prepared()
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)

    assert load(root).description == before


@pytest.mark.parametrize(
    ("settings", "sizes", "shape", "note"),
    [
        (
            {},
            [(30, 40), (50, 20), (40, 40)],
            (3, 30, 30),
            "images of 20x50 to 40x40 are resized to 30x30: ",
        ),
        ({"size": 16}, [(30, 40), (50, 20)], (3, 16, 16), ""),
        ({"size": 16}, [(10, 12), (10, 12)], (3, 16, 16), ""),
        ({}, [(300, 400), (300, 400)], (3, 224, 224), "images of 400x300 are resized to 224x224: "),
        ({}, [(20, 400), (20, 400)], (3, 20, 400), ""),
    ],
    ids=["mixed", "size", "larger", "photographs", "wide"],
)
def test_images_are_brought_to_one_size(
    home: Path, settings: Any, sizes: list[tuple[int, int]], shape: tuple[int, ...], note: str
) -> None:
    for index in range(12):
        height, width = sizes[index % len(sizes)]
        save(home / "p" / str(index % 2) / f"{index}.png", noise(height, width, 3, seed=index))

    dataset = load(home / "p", **settings)

    assert dataset.description.input_shape == shape
    assert [text[: len(note)] for text in dataset.notes] == ([note] if note else [])


@pytest.mark.parametrize(
    ("pixels", "bands", "scale", "note"),
    [
        ([noise(9, 9), noise(9, 9)], 1, 255, ""),
        ([noise(9, 9), noise(9, 9, 3)], 3, 255, ""),
        ([noise(9, 9).astype(np.uint16) * 9, noise(9, 9).astype(np.uint16)], 1, 65535, ""),
        (
            [noise(9, 9).astype(np.uint16) * 199, noise(9, 9)],
            1,
            65535,
            "8-bit images (6) are converted to 16 bits, like the others",
        ),
        (
            [noise(9, 9).astype(np.uint16) * 199, noise(9, 9, 3)],
            3,
            255,
            "16-bit images (6) are converted to 8 bits, like the coloured ones",
        ),
    ],
    ids=["grey", "mixed", "deep", "deep-and-grey", "deep-and-colour"],
)
def test_bands_and_bits_are_those_that_the_images_have(
    home: Path, pixels: list[np.ndarray], bands: int, scale: float, note: str
) -> None:
    for index in range(12):
        save(home / "p" / f"{index % 2}" / f"{index}.png", pixels[index % 2])

    dataset = load(home / "p", normalize="none")

    assert dataset.description.input_shape == (bands, 9, 9)
    assert dataset.description.normalisation is not None
    assert dataset.description.normalisation.scale == scale
    grey = (
        ["grey images (6 of 12) are read with three equal bands, like the coloured ones"]
        if bands == 3
        else []
    )
    assert dataset.notes == ([note] if note else []) + grey
    inputs, _ = dataset.splits["train"].batch(dataset.splits["train"].rows, CPU)
    assert inputs.min() >= 0
    assert inputs.max() <= 1


def test_images_that_cannot_be_read_are_all_told_at_once(root: Path) -> None:
    faults = spoil(root / "red")

    with pytest.raises(DataError) as caught:
        load_dataset(configure(root))

    message = caught.value.message
    assert message.startswith(f"--data {root}: 9 images of 49 cannot be read: red/complex.tif holds ")
    told = [f"red/{name} {text}" for name, text in sorted(faults.items())]
    assert message.endswith("; ".join(told[:8]) + "; and 1 more")
    assert caught.value.exit_code == 3
    assert prepared() == []
    assert [f"{name} {text}" for name, text in find_faults(list_images(root))] == told
    assert caught.value.hint is not None
    subprocess.run(caught.value.hint.partition("rename them: ")[2], shell=True, check=True)
    assert sum(load(root).description.split_sizes.values()) == 40


def test_a_single_fault_found_late_is_told_too(root: Path) -> None:
    pixels = save(root / "red" / "x.jpg", noise(60, 60, 3)).read_bytes()
    (root / "red" / "x.jpg").write_bytes(pixels[: len(pixels) // 2])

    with pytest.raises(DataError) as caught:
        load(root, size=16)

    assert_reports(caught.value, f"--data {root}", "1 image of 41", "red/x.jpg")


def test_names_that_are_no_text_do_no_harm(root: Path) -> None:
    (root / "red" / "000.png").rename(os.fsdecode(os.fsencode(root) + b"/red/caf\xe9.png"))

    assert sum(load(root).description.split_sizes.values()) == 40


def test_other_files_are_counted(root: Path) -> None:
    (root / "red" / "Thumbs.db").write_text("x")

    assert load(root, num_workers="2").notes == [
        f"files other than images were ignored (1) in {root}",
        "--num-workers 2 has no effect: the images are in memory",
    ]


def test_a_limit_takes_of_every_class(root: Path) -> None:
    train = load(root, limit=10).splits["train"]

    assert train.strata().bincount().tolist() == [5, 5]


def test_parts_of_a_folder_are_kept(home: Path) -> None:
    root = make_folder(home / "p", each=10, parts=("train", "test"))

    assert load(root).description.split_sizes == {"train": 18, "val": 2, "test": 20}


def test_too_few_images_are_told(home: Path) -> None:
    root = make_folder(home / "p", each=1)

    with pytest.raises(DataError, match="has too few samples for val and test: train 2, val 0, test 0"):
        load(root)


def test_a_full_disk_is_told_before_the_work(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = shutil._ntuple_diskusage(100, 99, 1)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)

    with pytest.raises(DlkitError) as caught:
        load(root)

    assert caught.value.message.endswith("has 0 MiB free; to prepare the images takes 0 MiB")
    assert_reports(caught.value, "--size", "DLKIT_HOME")


def test_other_folders_are_brought_to_what_the_network_takes(root: Path, home: Path) -> None:
    trained = load(root).description
    for index in range(5):
        save(home / "q" / "red" / f"{index}.png", noise(40 + index, 50))

    config = configure(root)
    other = load_dataset(config, trained, other=f"{home / 'q'}/")

    assert other.description.input_shape == (3, 10, 12)
    assert {name: len(split) for name, split in other.splits.items()} == {"test": 5}
    assert set(other.splits["test"].strata().tolist()) == {1}
    assert other.notes == ["every sample is evaluated: the data are not those trained on"]
    assert other.description.normalisation == trained.normalisation


def test_a_class_that_the_network_does_not_know_is_told(root: Path, home: Path) -> None:
    trained = load(root).description
    save(home / "q" / "green" / "a.png", noise(10, 12, 3))

    with pytest.raises(DataError, match="has the class green, none of the 2 trained on: blue, red"):
        load_dataset(configure(root), trained, other=f"{home / 'q'}/")


def test_what_does_not_fit_into_memory_is_streamed_alike(root: Path) -> None:
    kept, streamed = (
        load(root, augment="light"),
        load(root.rename(root.parent / "s"), room=100, augment="light", num_workers="1"),
    )

    assert isinstance(streamed.splits["train"], StreamedSplit)
    assert streamed.splits["train"].stored_bytes == 0
    assert streamed.notes[0].startswith(
        "the images take 0 MiB in memory, of which 0 MiB may be used: they are"
    )
    assert streamed.notes[-1] == "mean and std are those of at most 2,048 training images"
    assert kept.description.normalisation == streamed.description.normalisation
    assert kept.description.split_sizes == streamed.description.split_sizes
    for name in ("train", "val", "test"):
        for epoch in (1, None):
            pairs = [
                list(batches.in_order() if epoch is None else batches.shuffled(epoch))
                for batches in (Batches(data.splits[name], 6, CPU, 3) for data in (kept, streamed))
            ]
            assert len(pairs[0]) == len(pairs[1])
            for ours, theirs in zip(*pairs, strict=True):
                torch.testing.assert_close(ours[0], theirs[0])
                assert torch.equal(ours[1], theirs[1])
    whole = streamed.split("all")
    assert len(whole) == 40
    assert whole.with_rows(whole.rows[:3]).strata().tolist() == whole.strata()[:3].tolist()


def test_a_run_can_go_on_where_there_is_less_or_more_memory(root: Path) -> None:
    kept = load(root).description
    streamed = load(root.rename(root.parent / "s"), room=100, num_workers="0").description

    again = load(root.parent / "s", room=100, num_workers="0", trained_on=kept)
    shutil.rmtree(data_home() / "prepared")
    more = load(root.parent / "s", trained_on=streamed)

    assert isinstance(again.splits["train"], StreamedSplit)
    assert again.description.split_sizes == kept.split_sizes
    assert isinstance(more.splits["train"], TensorSplit)
    assert more.description.split_sizes == streamed.split_sizes
    save(root.parent / "s" / "red" / "new.png", noise(10, 12, 3))
    with pytest.raises(DataError, match="has changed since"):
        load(root.parent / "s", room=100, num_workers="0", trained_on=kept)


def test_a_stream_measures_its_images_once(root: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    load(root, room=100, num_workers="0")
    with watched(lambda *said: seen.append(said)):
        load(root, room=100, num_workers="0")

    assert seen == []


def test_an_image_that_cannot_be_read_ends_a_stream(root: Path) -> None:
    pixels = save(root / "red" / "x.png", noise(10, 12, 3)).read_bytes()
    (root / "red" / "x.png").write_bytes(pixels[:200])

    def read_all() -> None:
        for split in load(root, room=100, num_workers="0").splits.values():
            list(Batches(split, 8, CPU).in_order())

    with pytest.raises(DataError) as caught:
        read_all()

    assert_reports(caught.value, f"--data {root}", "red/x.png")


def test_a_check_names_the_files(root: Path) -> None:
    shutil.copy(root / "red" / "000.png", root / "red" / "copy.png")
    shutil.copy(root / "red" / "001.png", root / "blue" / "red.png")
    shutil.copy(root / "red" / "002.png", root / "red" / "003.jpg")

    found = {finding.rule: finding for finding in check_data(configure(root))}

    assert {rule: finding.level for rule, finding in found.items()} == dict.fromkeys(
        ("shared", "duplicates", "conflicts", "misnamed"), "warning"
    )
    assert found["duplicates"].count == 3
    assert {"blue/red.png", "red/001.png"} == set(found["conflicts"].where.split(" and "))
    assert found["misnamed"].where == "red/003.jpg"
    assert found["misnamed"].message == "the name ends in .jpg, the image is of the kind .png"


def test_a_check_of_a_stream_finds_the_same(root: Path) -> None:
    shutil.copy(root / "red" / "001.png", root / "blue" / "red.png")

    whole, streamed = (check_dataset(load(root, room=room, num_workers="0")) for room in (2**30, 0))

    assert streamed == whole
    assert [finding.rule for finding in whole] == ["shared", "duplicates", "conflicts"]


def test_a_check_gives_each_image_that_cannot_be_read(root: Path) -> None:
    spoilt = spoil(root / "red")

    findings = check_data(configure(root))

    assert {finding.rule for finding in findings} == {"readable"}
    assert {finding.where: finding.message for finding in findings} == {
        f"red/{name}": f"the image {text}" for name, text in spoilt.items()
    }


@pytest.mark.parametrize("room", [None, 0])
def test_samples_are_called_by_their_files(home: Path, room: int | None) -> None:
    root = make_folder(home / "p", parts=("train", "test"))

    dataset = load(root, room=room, num_workers="0")

    test = dataset.places("test")
    assert test == [f"test/{name}/{index:03}.png" for name in ("blue", "red") for index in range(12)]
    assert all(str(place).startswith("train/") for place in dataset.places("val"))
    assert sorted(dataset.places("all"), key=str) == sorted(
        str(path.relative_to(root)) for path in root.rglob("*.png")
    )


def test_a_folder_of_nothing_but_empty_files_is_refused_by_name(tmp_path: Path) -> None:
    for name in ("a/1.png", "b/2.png"):
        (tmp_path / "p" / name).parent.mkdir(parents=True)
        (tmp_path / "p" / name).touch()

    with pytest.raises(DataError) as caught:
        load_dataset(configure(tmp_path / "p"))

    assert "a/1.png" in caught.value.message
    assert "b/2.png" in caught.value.message


def test_many_images_of_one_fault_are_reported_in_one_line(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / "p" / name).mkdir(parents=True)
        for number in range(10):
            (tmp_path / "p" / name / f"{number:02}.png").touch()

    with pytest.raises(DataError) as caught:
        load_dataset(configure(tmp_path / "p"))

    assert "20 images of 20 cannot be read: a/00.png is empty; and 19 more" in caught.value.message


def test_a_split_with_a_folder_of_its_own_is_known_as_given(home: Path) -> None:
    dataset = load(make_folder(home / "p", each=20, parts=("train", "val")))

    assert dataset.given == {"train", "val"}


@pytest.mark.parametrize(("highest", "dark"), [(3000, True), (60_000, False)])
def test_images_of_16_bits_of_which_few_are_used_are_refused_beside_others_of_8(
    home: Path, highest: int, *, dark: bool
) -> None:
    root = make_folder(home / "my pictures", each=10)
    for number in range(4):
        pixels = (noise(10, 12, seed=number).astype(np.uint16) * (highest // 254)).astype(np.uint16)
        save(root / "red" / f"deep{number}.png", pixels)
    if not dark:
        assert load(root).description.input_shape == (3, 10, 12)
        return
    with pytest.raises(DataError) as caught:
        load(root)
    assert "12 bits" in caught.value.message

    command = caught.value.hint.removeprefix("a copy with 8 bits: ")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(command, shell=True, check=True, env={"PATH": path})
    dataset = load(home / "my pictures-8")
    deep = np.asarray(Image.open(home / "my pictures-8" / "red" / "deep0.png"))
    np.testing.assert_array_equal(deep, noise(10, 12).astype(np.uint16) * (highest // 254) >> 4)
    assert dataset.description.input_shape == (3, 10, 12)


def test_a_folder_called_as_a_part_beside_classes_is_not_taken_as_a_class(home: Path) -> None:
    root = make_folder(home / "my scans", each=6)
    for old, new in (("red", "Normal cases"), ("blue", "Ill cases")):
        (root / old).rename(root / new)
    for number in range(6):
        save(root / "Test cases" / f"{number}.png", noise(10, 12, seed=number))

    with pytest.raises(DataError) as caught:
        load(root)

    command = caught.value.hint.removeprefix("as a part, move it away: ").split("; ")[0]
    subprocess.run(command, shell=True, check=True)
    assert load(root).description.class_names == ("Ill cases", "Normal cases")
