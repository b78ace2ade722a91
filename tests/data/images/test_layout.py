"""Which folders are parts of the data, which are classes, and which are neither."""

from collections.abc import Callable
from pathlib import Path

import pytest
from images_made import noise, save
from refusals import assert_reports

from dlkit.data.images.listing import Listing, list_images
from dlkit.errors import ConfigError, DataError


def make(root: Path, *folders: str, each: int = 2) -> Path:
    """Folders with images in each; those whose names end in a dot are left empty."""
    for folder in folders:
        if folder.endswith("."):
            (root / folder[:-1]).mkdir(parents=True)
        for index in range(0 if folder.endswith(".") else each):
            save(root / folder / f"{index}.png", noise(8, 8))
    return root


def laid_out(listing: Listing) -> dict[str, dict[str, int]]:
    """Count the images of each class in each part, from the listing."""
    found: dict[str, dict[str, int]] = {}
    targets = iter(listing.targets)
    for part, size in listing.sizes.items():
        counts: dict[str, int] = {}
        for _ in range(size):
            name = listing.class_names[next(targets)]
            counts[name] = counts.get(name, 0) + 1
        found[part] = counts
    return found


AB = {"a": 2, "b": 2}


@pytest.mark.parametrize(
    ("folders", "expected", "said"),
    [
        ("Training/a Training/b Testing/a Testing/b", {"train": AB, "test": AB}, ["Training/", "test"]),
        ("train_set/a train_set/b dev/a dev/b eval/a eval/b", {"train": AB, "val": AB, "test": AB}, ["eval/"]),
        ("seg_train/seg_train/a seg_train/seg_train/b seg_test/seg_test/a seg_test/seg_test/b seg_pred/seg_pred",
         {"train": AB, "test": AB}, ["seg_pred/"]),
        ("train/a train/b test1", {"train": AB}, ["test1/"]),
        ("train/a train/b valid/a valid/b.", {"train": AB, "val": {"a": 2}}, ["val", "b"]),
        ("x/train/a x/train/b x/val/a x/val/b x/__MACOSX/a", {"train": AB, "val": AB}, ["x/"]),
        ("c/c/train/a c/c/train/b c/train/a c/train/b c/test/a c/test/b", {"train": AB, "test": AB}, ["c/"]),
        ("animals/a animals/b", {"all": AB}, ["animals/"]),
        ("a/train a/test b/train b/test", {"train": AB, "test": AB}, ["a/", "b/", "train"]),
        ("a/images a/masks b/images b/masks", {"all": AB}, ["masks/", "4"]),
        ("a b a/.ipynb_checkpoints .ipynb_checkpoints __MACOSX/a", {"all": AB}, []),
        ("train plane", {"all": {"train": 2, "plane": 2}}, []),
        ("test_tube crash_test", {"all": {"test_tube": 2, "crash_test": 2}}, []),
        ("with_mask without_mask", {"all": {"with_mask": 2, "without_mask": 2}}, []),
        ("entrenamiento/a entrenamiento/B prueba/A prueba/b", {"train": {"B": 2, "a": 2}, "test": {"B": 2, "a": 2}},
         ["prueba/", "A/ in test", "class B"]),
        ("train/caf\u00e9 train/b test/cafe\u0301 test/b", {"train": {"b": 2, "caf\u00e9": 2},
         "test": {"b": 2, "caf\u00e9": 2}}, ["in test"]),
    ],
    ids=[
        *("kaggle", "train_set-dev-eval", "prefixed-and-wrapped", "unlabelled-test", "class-missing", "wrapped-parts"),
        *("copied", "wrapped-classes", "parts-in-classes", "masks", "junk", "classes-called-train"),
        *("classes-that-test", "classes-of-masks", "abroad", "accents"),
    ],
)  # fmt: skip
def test_folders_are_read_as_they_are_meant(
    tmp_path: Path, folders: str, expected: dict[str, dict[str, int]], said: list[str]
) -> None:
    listing = list_images(make(tmp_path / "p", *folders.split()))

    assert laid_out(listing) == expected
    assert [word for word in said if not any(word in note for note in listing.notes)] == []
    assert bool(listing.notes) is bool(said), listing.notes


@pytest.mark.parametrize(
    ("folders", "parts", "option"),
    [
        ("train test", ["train/", "test/"], "classes"),
        ("train/a train/b test/c test/d", ["train/", "test/"], "classes"),
        ("north/a north/b south/a south/b", ["north/", "south/", "a/", "b/"], "classes"),
        ("train/a train/b holdout/a holdout/b", ["train/", "holdout/"], "classes"),
        ("Plants/a Plants/b plants/Plants/a plants/Plants/b", ["Plants/", "plants/", "a/", "b/"], "classes"),
        ("a/train a/test A/train A/test", ["a/", "A/"], "classes"),
        ("a b p/a p/b", ["p/", "a/", "b/", "copy"], "classes"),
        ("images masks", ["images/", "masks/"], "classes"),
        ("images labels.", ["images/", "labels/"], ""),
        ("train/images train/masks val/images val/masks", ["train", "images/", "masks/"], ""),
        ("images/train images/val masks/train masks/val", ["images/", "masks/", "segmentation"], "classes"),
        ("images/train images/val labels/train. labels/val.", ["images/", "labels/", "detection"], ""),
        ("images/a images/b masks/a masks/b", ["images/", "masks/", "a/", "b/"], "classes"),
        ("val/a val/b test/a test/b", ["val/", "test/"], ""),
    ],
    ids=[
        *(
            "flat-parts",
            "other-classes",
            "sites",
            "holdout",
            "packed-twice",
            "parts-twice",
            "packed-in-itself",
            "masks",
            "boxes",
            "masks-in-parts",
            "parts-of-masks",
        ),
        *("parts-of-boxes", "classes-of-masks", "no-train"),
    ],
)
def test_what_may_be_either_is_refused_with_a_way_out(
    tmp_path: Path, folders: str, parts: list[str], option: str
) -> None:
    root = make(tmp_path / "p", *folders.split())

    with pytest.raises(DataError) as caught:
        list_images(root)

    assert_reports(caught.value, *parts, f"--layout {option}" if option else "")
    if option:
        top = {folder.partition("/")[0] for folder in folders.split()}
        assert set(list_images(root, layout=option).class_names) == top


@pytest.mark.parametrize(
    ("folders", "step"),
    [
        ("p/plants/Plants/a p/plants/Plants/b p/PLANTS/a p/PLANTS/b p/docs", "p/PLANTS"),
        ("a b p/a p/b", "p"),
        ("north/a north/b south/a south/b", "north"),
    ],
    ids=["packed-twice", "packed-in-itself", "sites"],
)
def test_the_folder_named_for_classes_that_lie_twice_is_read(tmp_path: Path, folders: str, step: str) -> None:
    root = make(tmp_path / "p", *folders.split())

    with pytest.raises(DataError) as caught:
        list_images(root)

    assert_reports(caught.value, f"--data {root / step} ")
    assert laid_out(list_images(root / step)) == {"all": AB}


def test_classes_are_named_where_each_holds_folders_of_one_name(tmp_path: Path) -> None:
    listing = list_images(make(tmp_path, "cat/left", "cat/x", "dog/left", "dog/y"))

    assert laid_out(listing) == {"all": {"cat": 4, "dog": 4}}
    assert [note for note in listing.notes if "cat/ and dog/" in note and "left/" in note] == [*listing.notes]


def test_layout_splits_reads_parts_whose_classes_differ(tmp_path: Path) -> None:
    root = make(tmp_path / "p", "train/a", "train/b", "train/c", "held_out_test/c")
    make(root, "other/c")

    assert laid_out(list_images(root, layout="splits")) == {"train": {**AB, "c": 2}, "test": {"c": 2}}
    with pytest.raises(ConfigError, match="--layout splits"):
        list_images(make(tmp_path / "q", "a", "b"), layout="splits")


def make_run(folder: Path) -> None:
    save(folder / "curves.png", noise(8, 8))
    for name in ("config.toml", "history.csv", "run.lock"):
        (folder / name).write_text("x")


@pytest.mark.parametrize("place", ["runs/cnn-p-001", "run", "a/run", "sweep/trials/1"])
def test_runs_in_the_data_folder_are_no_classes(tmp_path: Path, place: str) -> None:
    root = make(tmp_path / "p", "a", "b")
    before = list_images(root)
    make_run(root / place)

    assert list_images(root) == before


def test_a_loose_image_and_masks_by_name_are_left_out_and_reported(tmp_path: Path) -> None:
    root = make(tmp_path / "p", "a", "b")
    save(root / "sample.png", noise(8, 8))
    save(root / "a" / "0_mask.png", noise(8, 8))
    save(root / "a" / "0_mask_1.png", noise(8, 8))
    save(root / "b" / "gas_mask.png", noise(8, 8))
    save(root / "b" / "0_quicklook.jpg", noise(8, 8))

    listing = list_images(root)

    assert laid_out(listing) == {"all": {"a": 2, "b": 3}}
    assert any("sample.png" in note for note in listing.notes)
    assert any("3 images" in note and "_mask" in note for note in listing.notes)


def test_images_and_their_masks_are_refused_however_they_lie(tmp_path: Path) -> None:
    folders = [f"{name}/{kind}" for name in "xyz" for kind in ("images", "masks")]
    each = make(tmp_path / "each", *folders, each=1)
    for number in range(5):
        save(tmp_path / "flat" / f"{number}.png", noise(8, 8, 3))
        save(tmp_path / "flat" / f"{number}_mask.png", noise(8, 8))

    for root, shown in ((each, "x/"), (tmp_path / "flat", "0_mask.png")):
        with pytest.raises(DataError) as caught:
            list_images(root)
        assert_reports(caught.value, str(root), shown, "segmentation", "not supported", "--data file.py:make")
    assert len(list_images(each, layout="classes").class_names) == 3


@pytest.mark.parametrize(
    ("folders", "sizes"),
    [("a", {"all": 2}), ("test/a", {"test": 2}), ("new/a new/b", {"all": 4}), ("a b empty.", {"all": 4})],
    ids=["one-class", "one-part", "wrapped", "empty"],
)
def test_a_folder_to_evaluate_needs_neither_all_classes_nor_train(
    tmp_path: Path, folders: str, sizes: dict[str, int]
) -> None:
    assert list_images(make(tmp_path / "p", *folders.split()), ["a", "b"]).sizes == sizes


@pytest.mark.parametrize(
    ("make_it", "hint"),
    [
        (lambda root: (root / "labels.csv").write_text("file,y\n0.png,1\n"), "labels-images.npz"),
        (lambda root: (root.parent / "labels.csv").write_text("file,y\n0.png,1\n"), "labels.csv"),
        (lambda _: None, "sub-folder per class"),
    ],
    ids=["table-inside", "table-beside", "none"],
)
def test_images_in_no_class_folder_lead_to_where_their_labels_are(
    tmp_path: Path, make_it: Callable[[Path], object], hint: str
) -> None:
    root = make(tmp_path / "p", "")
    make_it(root)

    with pytest.raises(DataError) as caught:
        list_images(root)

    assert_reports(caught.value, "2 images")
    assert hint in caught.value.hint


def test_images_in_no_class_folder_have_no_class_for_a_network(tmp_path: Path) -> None:
    root = make(tmp_path / "new", "")

    found = list_images(root, ["a", "b"])

    assert found.sizes == {"all": 2}
    assert found.targets == [-1, -1]
    with pytest.raises(DataError):
        list_images(root)


def test_a_part_with_its_images_in_one_folder_has_no_labels(tmp_path: Path) -> None:
    root = tmp_path / "tiny"
    for name in ("n01", "n02"):
        for index in range(4):
            save(root / "train" / name / "images" / f"{index}.png", noise(8, 8))
    for index in range(3):
        save(root / "val" / "images" / f"{index}.png", noise(8, 8))

    listing = list_images(root)

    assert listing.class_names == ("n01", "n02")
    assert listing.sizes == {"train": 8}
    assert any("val/ left out" in note for note in listing.notes)
