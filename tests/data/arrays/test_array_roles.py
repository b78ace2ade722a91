"""Which arrays are inputs and targets where their names are not the usual ones, and groups of samples."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlkit.data.arrays.headers import ArrayEntry
from dlkit.data.arrays.roles import find_roles
from dlkit.data.kinds import load_dataset
from dlkit.errors import ConfigError, DataError
from dlkit.settings.resolve import resolve

WIDE, ONE = (300, 8, 20), (300,)


def entries(**shapes: tuple[int, ...]) -> dict[str, ArrayEntry]:
    return {name: ArrayEntry(name, np.dtype("f4"), shape) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("shapes", "roles"),
    [
        ({"spectra": (300, 90), "brix": ONE, "wavelengths": (90,)}, {"all": ("spectra", "brix")}),
        (
            {"eeg": WIDE, "stage_onehot": (300, 5), "subj": ONE, "epoch_idx": ONE},
            {"all": ("eeg", "stage_onehot")},
        ),
        (
            {"eeg_epochs": WIDE, "stage_onehot": (300, 5), "epoch_idx": ONE},
            {"all": ("eeg_epochs", "stage_onehot")},
        ),
        ({"feats": (300, 7), "grade": (1, 300), "info": ()}, {"all": ("feats", "grade")}),
        ({"signals": WIDE, "labels": ONE}, {"all": ("signals", "labels")}),
        ({"X": (300, 4), "price": (300, 1), "patient_id": ONE}, {"all": ("X", "price")}),
        (
            {"Xtr": (300, 4), "ytr": ONE, "Xte": (50, 4), "yte": (50,)},
            {"train": ("Xtr", "ytr"), "test": ("Xte", "yte")},
        ),
        (
            {"trainX": (300, 4), "trainY": ONE, "valX": (50, 4), "valY": (50,)},
            {"train": ("trainX", "trainY"), "val": ("valX", "valY")},
        ),
        (
            {"X_training": (300, 4), "y_training": ONE, "X_dev": (50, 4), "y_dev": (50,)},
            {"train": ("X_training", "y_training"), "val": ("X_dev", "y_dev")},
        ),
        (
            {"train_spectra": (300, 9), "train_brix": ONE, "test_spectra": (50, 9), "test_brix": (50,)},
            {"train": ("train_spectra", "train_brix"), "test": ("test_spectra", "test_brix")},
        ),
    ],
)
def test_arrays_are_found_by_name_and_shape(
    shapes: dict[str, tuple[int, ...]], roles: dict[str, tuple[str, str]]
) -> None:
    assert find_roles(entries(**shapes), "a.npz", None, None) == roles


@pytest.mark.parametrize(
    ("shapes", "option"),
    [
        ({"left": WIDE, "right": WIDE, "y": ONE}, "--features NAME"),
        ({"x": WIDE, "height": ONE, "age": ONE}, "--target NAME"),
        ({"x": WIDE, "subject": ONE}, "--target NAME"),
    ],
)
def test_what_may_be_either_is_refused(shapes: dict[str, tuple[int, ...]], option: str) -> None:
    with pytest.raises(DataError) as caught:
        find_roles(entries(**shapes), "a.npz", None, None)

    assert option in caught.value.hint


def write(folder: Path) -> Path:
    draw = np.random.default_rng(0)
    x, subj = draw.normal(size=(120, 6)), np.repeat(np.arange(12) * 7, 10)
    np.savez(folder / "a.npz", signals=x, y=(x[:, 0] > 0), subj=subj, names=subj.astype(str))
    return folder / "a.npz"


def load(path: Path, **settings: Any) -> Any:
    return load_dataset(resolve({"model": "mlp", "data": str(path), **settings}, {}))


@pytest.mark.parametrize("form", ["file", "function"])
@pytest.mark.parametrize("group", ["subj", "names"])
def test_groups_are_never_divided(tmp_path: Path, group: str, form: str) -> None:
    file = write(tmp_path)
    (tmp_path / "data.py").write_text(
        f"import numpy as np\ndef make(): return dict(np.load({str(file)!r}))\n"
    )
    place = file if form == "file" else Path(f"{tmp_path}/data.py:make")
    assert any("--group subj" in note for note in load(place).notes)
    dataset = load(place, group=group)

    subjects = np.repeat(np.arange(12), 10)
    parts = {name: set(subjects[split.rows.numpy()]) for name, split in dataset.splits.items()}
    assert set.union(*parts.values()) == set(range(12))
    assert sum(map(len, parts.values())) == 12
    assert not any("--group" in note for note in dataset.notes)


def test_groups_and_the_arrays_taken_are_reported(tmp_path: Path) -> None:
    notes = load(write(tmp_path)).notes

    assert any("--group subj" in note for note in notes)
    assert any("signals (120x6" in note and "left out: subj" in note for note in notes)


@pytest.mark.parametrize(("group", "hint"), [("sbj", "subj"), ("signals", "y, subj, names")])
def test_an_unknown_group_is_refused(tmp_path: Path, group: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path), group=group)

    assert f"--group {group}" in caught.value.message
    assert hint in caught.value.hint


def test_missing_values_become_the_mean_of_the_training_rows(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(60, 3)) * [1, 50, 3] + [5, 100, 0]
    x[7, 1] = x[9, 0] = np.nan
    np.savez(tmp_path / "a.npz", x=x, y=x[:, 2])

    dataset = load(tmp_path / "a.npz")
    about, train = dataset.description, dataset.splits["train"]
    rows = train.rows.numpy()
    batch, _ = train.batch(train.rows, torch.device("cpu"))

    mean = np.nanmean(x[rows], 0)
    wanted = np.where(np.isnan(x[rows]), mean, x[rows])
    assert about.normalisation.mean == pytest.approx(tuple(mean), rel=1e-5)
    assert batch.numpy() == pytest.approx((wanted - mean) / np.nanstd(x[rows], 0), abs=1e-4)
    assert any("1.1 %" in note and "2 samples" in note for note in dataset.notes)


@pytest.mark.parametrize("form", ["file", "function"])
def test_a_part_without_targets_is_left_out_and_reported(tmp_path: Path, form: str) -> None:
    x = np.random.default_rng(0).normal(size=(40, 3))
    np.savez(tmp_path / "a.npz", X_train=x, y_train=x[:, 0], X_test=x[:9])
    (tmp_path / "data.py").write_text(
        f"import numpy as np\ndef make(): return dict(np.load({str(tmp_path / 'a.npz')!r}))\n"
    )

    place = tmp_path / "a.npz" if form == "file" else Path(f"{tmp_path}/data.py:make")
    dataset = load(place)

    assert dataset.description.split_sizes == {"train": 32, "val": 4, "test": 4}
    assert any("X_test left out" in note for note in dataset.notes)
