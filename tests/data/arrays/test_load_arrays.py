"""Arrays in files as data sets."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from refusals import assert_reports

from dlkit.data.arrays.axes import Reading, readings
from dlkit.data.arrays.inputs import as_stored
from dlkit.data.dataset import DataSet
from dlkit.data.kinds import load_dataset
from dlkit.errors import ConfigError, DataError
from dlkit.settings.config import TrainConfig
from dlkit.settings.resolve import resolve

CPU = torch.device("cpu")
RANDOM = np.random.default_rng(0)


def configure(path: Path, **settings: Any) -> TrainConfig:
    return resolve({"model": "mlp", "data": str(path), **settings}, {})


def inputs_of(dataset: DataSet, name: str) -> torch.Tensor:
    split = dataset.splits[name]
    inputs, _ = split.batch(split.rows, CPU)
    assert isinstance(inputs, torch.Tensor)
    return inputs


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Forty rows of three columns of different size, and a number that follows from them."""
    x = RANDOM.normal(size=(40, 3)) * [1, 100, 1] + [0, 5000, 1e6]
    np.savez(tmp_path / "rows.npz", x=x, y=x[:, 0] * 20 + 7)
    return tmp_path / "rows.npz"


def test_rows_are_normalised_by_column_and_numbers_standardised(rows: Path) -> None:
    dataset = load_dataset(configure(rows))

    about = dataset.description
    assert (about.kind, about.task, about.input_shape, about.num_outputs) == ("arrays", "regression", (3,), 1)
    assert about.split_sizes == {"train": 32, "val": 4, "test": 4}
    train = inputs_of(dataset, "train").double()
    assert train.mean(0).abs().max() < 1e-4
    assert (train.std(0, correction=0) - 1).abs().max() < 1e-4
    assert about.target_scaling is not None
    targets = dataset.splits["train"].targets[dataset.splits["train"].rows]
    assert about.target_scaling.mean == pytest.approx((targets.double().mean().item(),))
    assert about.target_scaling.std == pytest.approx((targets.double().std(correction=0).item(),))


def test_a_column_of_large_numbers_keeps_its_small_spread(tmp_path: Path) -> None:
    x = np.stack([1.7e7 + np.arange(50) % 5, np.arange(50)], axis=1)
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(50) / 7)

    dataset = load_dataset(configure(tmp_path / "a.npz"))

    train = dataset.splits["train"]
    chosen = torch.from_numpy(x)[train.rows]
    expected = (chosen - chosen.mean(0)) / chosen.std(0, correction=0)
    torch.testing.assert_close(inputs_of(dataset, "train"), expected.float())
    assert train.inputs.dtype == torch.float64
    assert as_stored(x * [1, 100] - [1.7e7, 0], Reading("rows"), "a.npz")[0].dtype == torch.float32


@pytest.mark.parametrize(
    ("array", "shape", "dtype", "scale"),
    [
        (np.zeros(5), (5, 1), torch.float32, 1),
        (np.zeros((5, 3), dtype=np.int64), (5, 3), torch.float32, 1),
        (np.zeros((5, 3), dtype=np.uint8), (5, 3), torch.uint8, 1),
        (np.zeros((5, 3), dtype=bool), (5, 3), torch.uint8, 1),
        (np.zeros((5, 9, 8), dtype=np.uint8), (5, 1, 9, 8), torch.uint8, 255),
        (np.zeros((5, 9, 8, 3), dtype=np.uint8), (5, 3, 9, 8), torch.uint8, 255),
        (np.zeros((5, 13, 16, 16), dtype=np.uint16), (5, 13, 16, 16), torch.float32, 65535),
        (np.zeros((5, 3, 8, 8), dtype=">f4"), (5, 3, 8, 8), torch.float32, 1),
        (np.zeros((5, 2, 3, 4, 5)), (5, 2, 3, 4, 5), torch.float32, 1),
    ],
    ids=lambda value: f"{value.dtype}{value.shape}" if isinstance(value, np.ndarray) else "",
)
def test_inputs_are_stored_small_with_bands_first(
    array: np.ndarray, shape: tuple[int, ...], dtype: torch.dtype, scale: float
) -> None:
    (reading,) = readings(array.shape, array.dtype, {"model": "cnn"})

    stored, found = as_stored(array, reading, "a.npz")

    assert (tuple(stored.shape), stored.dtype, found) == (shape, dtype, scale)


def test_bands_that_come_last_are_moved_not_mixed(tmp_path: Path) -> None:
    x = RANDOM.integers(0, 255, (40, 6, 7, 5)).astype(np.uint8)
    np.savez_compressed(tmp_path / "a.npz", images=x, labels=np.arange(40) % 4)

    dataset = load_dataset(configure(tmp_path / "a.npz", normalize="none"))

    assert dataset.description.kind == "images"
    assert dataset.description.input_shape == (5, 6, 7)
    assert dataset.notes[0].startswith(
        "inputs of shape 40x6x7x5 are images of 6x7 with 5 bands, which come last; --layout nchw"
    )
    row = int(dataset.splits["train"].rows[0])
    torch.testing.assert_close(inputs_of(dataset, "train")[0].permute(1, 2, 0), torch.tensor(x[row]) / 255)


def test_images_have_the_recipe_of_images_and_rows_that_of_tables(tmp_path: Path, rows: Path) -> None:
    np.savez(tmp_path / "p.npz", x=np.zeros((20, 9, 9)), y=np.arange(20) % 2)

    assert configure(tmp_path / "p.npz").optimizer == "sgd"
    assert configure(rows).optimizer == "adamw"
    assert configure(tmp_path / "missing.npz").optimizer == "sgd"


def test_parts_are_kept_and_what_is_missing_is_cut_off(tmp_path: Path) -> None:
    y = np.arange(60) % 3
    x = RANDOM.normal(size=(60, 2))
    np.savez(tmp_path / "a.npz", x_train=x[:50], y_train=y[:50], x_test=x[50:], y_test=y[50:])

    dataset = load_dataset(configure(tmp_path / "a.npz"))

    assert dataset.description.split_sizes == {"train": 45, "val": 5, "test": 10}
    assert dataset.splits["test"].rows.tolist() == list(range(10))


def test_a_single_array_takes_its_targets_from_another_file(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", RANDOM.normal(size=(30, 2)).astype(np.float32))
    np.save("y.npy", np.arange(30) / 3)

    config = configure(Path("x.npy"), target="y.npy")

    assert config.target == str(tmp_path / "y.npy")
    assert load_dataset(config).description.split_sizes == {"train": 24, "val": 3, "test": 3}


def test_float_arrays_in_a_file_are_mapped_and_stay_as_they_are(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((30, 2), dtype=np.float32))
    np.save(tmp_path / "y.npy", np.arange(30) / 3)
    before = (tmp_path / "x.npy").read_bytes()

    dataset = load_dataset(configure(tmp_path / "x.npy", target=str(tmp_path / "y.npy")))
    dataset.splits["train"].inputs.add_(1)

    assert (tmp_path / "x.npy").read_bytes() == before


@pytest.mark.parametrize(
    ("arrays", "message", "hint"),
    [
        (
            {"x": np.zeros((4, 2)), "y": np.array([{}, 1, 2, 3], dtype=object)},
            "{file}: array y holds Python objects, which dlkit never unpickles",
            "as plain values (unpickling can run any code",
        ),
        (
            {"x": np.array([[None], [1]], dtype=object), "y": np.zeros(2)},
            "{file}: array x holds Python objects, which dlkit never unpickles",
            "as a table (unpickling can run any code",
        ),
        (
            {"x": np.zeros(3, dtype=[("a", "f4")]), "y": np.zeros(3)},
            "{file}: array x holds several fields",
            "as a table: python -c",
        ),
        (
            {"x": np.array(["a", "b"]), "y": np.zeros(2)},
            "{file}: inputs of type <U1 are not numbers",
            "convert them",
        ),
        (
            {"x": np.zeros((2, 2), dtype="M8[D]"), "y": np.zeros(2)},
            "{file}: inputs of type datetime64[D]",
            "convert",
        ),
        (
            {"x": np.zeros((3, 2)), "y": np.zeros(2)},
            "{file} has 3 inputs and 2 targets",
            "each sample needs one",
        ),
        (
            {"x": np.zeros((0, 2)), "y": np.zeros(0)},
            "{file} has no samples: the inputs have the shape (0, 2)",
            "",
        ),
        (
            {"x": np.array(3.0), "y": np.zeros(2)},
            "{file}: inputs or targets are a single value",
            "one row per sample",
        ),
        (
            {"x": np.where(np.eye(12, 3), np.inf, 0), "y": np.arange(12) / 3},
            "{file} holds infinities or numbers beyond 3e38 in 3 of 12 samples, in rows 0, 1, 2",
            "make them NaN",
        ),
        (
            {"x": np.full((3, 2), 1e200), "y": np.arange(3) / 3},
            "{file} holds infinities or numbers beyond 3e38 in 3 of 3 samples",
            "make them NaN",
        ),
        (
            {"x": np.zeros((2, 2)), "y": np.array([0.5, 1])},
            "--data {file} has too few samples for train and val: train 1, val 0, test 1",
            "training needs two samples, validation and test one each",
        ),
        (
            {"x": np.zeros((1, 2)), "y": np.array([0.5])},
            "--data {file} has too few samples for train and val and test: train 1, val 0, test 0",
            "training needs two samples",
        ),
        (
            {"x": np.zeros((30, 2)), "y": np.full(30, 2.5)},
            "--data {file}: the target is 2.5 in all 24 training samples",
            "there is nothing to learn; leave it out",
        ),
        (
            {
                "x_train": np.zeros((5, 2)),
                "y_train": np.zeros(5),
                "x_test": np.zeros((5, 3)),
                "y_test": np.zeros(5),
            },
            "{file}: samples of the parts differ in shape: train (2,), test (3,)",
            "they must be of one shape",
        ),
    ],
    ids=[
        *(
            "object-targets",
            "object-inputs",
            "fields",
            "texts",
            "dates",
            "lengths",
            "empty",
            "single",
            "nan",
        ),
        *("beyond", "two", "one", "constant", "parts"),
    ],
)
def test_arrays_at_fault_are_told(
    tmp_path: Path, arrays: dict[str, np.ndarray], message: str, hint: str
) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]

    with pytest.raises(DataError) as caught:
        load_dataset(configure(path))

    assert caught.value.message.startswith(message.format(file=path))
    assert caught.value.hint.startswith(hint)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    # The operation codes of a pickle that would call os.system, behind the header of an array of objects.
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"
    stolen = b"cposix\nsystem\n(S'touch canary'\ntR."
    npy = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + stolen
    (tmp_path / "x.npy").write_bytes(npy)
    np.save(tmp_path / "y.npy", np.zeros(1))

    with pytest.raises(DataError, match="which dlkit never unpickles"):
        load_dataset(configure(tmp_path / "x.npy", target=str(tmp_path / "y.npy")))

    assert not Path("canary").exists()


def test_inputs_without_targets_name_the_likely_file(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((3, 2)))
    np.save(tmp_path / "labels.npy", np.zeros(3))

    with pytest.raises(ConfigError) as caught:
        load_dataset(configure(tmp_path / "x.npy"))

    assert_reports(caught.value, "x.npy", f"--target {tmp_path / 'labels.npy'}")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "y"}, "--target y is not a .npy file"),
        ({"features": "x"}, "--features cannot be used with x.npy, which is one array"),
    ],
    ids=["target", "features"],
)
def test_what_does_not_go_with_a_single_array_is_told(
    tmp_path: Path, settings: dict[str, str], message: str
) -> None:
    np.save(tmp_path / "x.npy", np.zeros((3, 2)))

    with pytest.raises(ConfigError) as caught:
        load_dataset(configure(tmp_path / "x.npy", **settings))

    assert caught.value.message == message


def test_augmenting_rows_is_refused(rows: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_dataset(configure(rows, augment="light"))

    assert_reports(caught.value, "--augment light", str(rows), "(3,)")


def test_an_archive_that_unpacks_to_more_than_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((2000, 500)), y=np.zeros(2000))
    monkeypatch.setattr("resource.getrlimit", lambda _: (1, 1))

    with pytest.raises(DataError) as caught:
        load_dataset(configure(tmp_path / "a.npz"))

    assert caught.value.message.startswith(
        f"{tmp_path / 'a.npz'} takes 8 MiB in memory, of which 0 MiB may be used"
    )
    assert "numpy.save" in caught.value.hint


def test_a_damaged_member_is_told(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=RANDOM.normal(size=(50, 4)), y=np.arange(50) / 3)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[600] ^= 255
    (tmp_path / "a.npz").write_bytes(content)

    with pytest.raises(DataError, match=r"a\.npz (is|cannot)"):
        load_dataset(configure(tmp_path / "a.npz"))


def test_other_data_are_evaluated_whole_and_the_same_are_split_alike(rows: Path, tmp_path: Path) -> None:
    config = configure(rows, seed=3)
    trained = load_dataset(config)
    x = np.load(rows)["x"]
    np.savez(tmp_path / "other.npz", x=x[:7], y=np.arange(7))

    again = load_dataset(config, trained.description)
    other = load_dataset(config, trained.description, other=str(tmp_path / "other.npz"))
    by_name = load_dataset(config, trained.description, other=str(rows))

    for name in ("train", "val", "test"):
        assert torch.equal(again.splits[name].rows, trained.splits[name].rows)
        assert torch.equal(by_name.splits[name].rows, trained.splits[name].rows)
    assert {name: len(split) for name, split in other.splits.items()} == {"test": 7}
    assert other.notes == ["every sample is evaluated: the data are not those trained on"]
    assert other.description.normalisation == trained.description.normalisation
    assert other.description.target_scaling == trained.description.target_scaling


def test_data_that_changed_are_refused(rows: Path) -> None:
    config = configure(rows)
    trained = load_dataset(config).description
    x, y = np.load(rows)["x"], np.load(rows)["y"]
    x[3, 1] += 1
    np.savez(rows, x=x, y=y)

    with pytest.raises(DataError, match="has changed since the checkpoint was trained on it"):
        load_dataset(config, trained)


def test_another_single_array_has_no_targets(tmp_path: Path) -> None:
    for name in ("x", "z"):
        np.save(tmp_path / f"{name}.npy", RANDOM.normal(size=(30, 2)))
    np.save(tmp_path / "y.npy", np.arange(30) / 3)
    config = configure(tmp_path / "x.npy", target=str(tmp_path / "y.npy"))
    trained = load_dataset(config).description

    other = load_dataset(config, trained, other=str(tmp_path / "z.npy"))

    _, targets = other.splits["test"].in_memory
    assert targets.isnan().all()
    assert len(targets) == 30


def test_other_data_may_use_the_usual_names(tmp_path: Path) -> None:
    x, y = RANDOM.normal(size=(30, 2)), np.arange(30) / 3
    np.savez(tmp_path / "a.npz", alpha=x, beta=y)
    np.savez(tmp_path / "b.npz", x=x[:5], y=y[:5])
    config = configure(tmp_path / "a.npz", features="alpha", target="beta")

    other = load_dataset(config, load_dataset(config).description, other=str(tmp_path / "b.npz"))

    assert len(other.splits["test"]) == 5


def test_bands_of_arrays_are_picked_by_number(tmp_path: Path) -> None:
    x = RANDOM.normal(size=(40, 5, 8, 9)).astype(np.float32)
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(40) % 4)

    dataset = load_dataset(configure(tmp_path / "a.npz", bands="4,1", normalize="none"))

    np.testing.assert_array_equal(inputs_of(dataset, "train"), x[dataset.splits["train"].rows][:, [3, 0]])


@pytest.mark.parametrize(
    ("shape", "bands", "part"),
    [((40, 5, 8, 9), "6", "5 bands"), ((40, 5, 8, 9), "red", "5 bands"), ((40, 5), "1", "(5,)")],
    ids=["beyond", "by-name", "rows"],
)
def test_bands_that_arrays_do_not_have_are_refused(
    tmp_path: Path, shape: tuple[int, ...], bands: str, part: str
) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros(shape), y=np.arange(40) % 4)

    with pytest.raises(ConfigError) as caught:
        load_dataset(configure(tmp_path / "a.npz", bands=bands))

    assert_reports(caught.value, f"--bands {bands}", part)


@pytest.mark.parametrize("shape", [(40, 6, 5), (6, 40, 5), (6, 5, 40), (5, 6, 3, 40), (7, 40)])
@pytest.mark.parametrize("row", [False, True])
def test_samples_in_another_axis_become_the_first(tmp_path: Path, shape: tuple[int, ...], row: bool) -> None:
    x, y = RANDOM.normal(size=shape), np.arange(40) / 7
    np.savez(tmp_path / "a.npz", x=x, y=y[None] if row else y)

    dataset = load_dataset(configure(tmp_path / "a.npz", normalize="none"))
    split = dataset.splits["train"]
    stored, targets = split.inputs[split.rows], split.targets[split.rows]
    first = np.moveaxis(x, shape.index(40), 0)[split.rows.numpy()]

    assert len(first) == 32
    assert np.sort(stored.reshape(32, -1).numpy()) == pytest.approx(np.sort(first.reshape(32, -1)), abs=1e-6)
    assert targets.numpy() == pytest.approx(y[split.rows.numpy()], abs=1e-6)
    assert any("axis" in note for note in dataset.notes) == (shape[0] != 40)


@pytest.mark.slow
@pytest.mark.parametrize("count", [300, 1000])
def test_a_linear_network_of_ones_own_learns_few_rows_with_the_defaults(
    dlkit: Any, home: Path, count: int
) -> None:
    x = np.random.default_rng(0).normal(size=(count, 2))
    np.savez(home / "a.npz", x=x, y=10 + 9 * x[:, 0] - 2 * x[:, 1])
    (home / "net.py").write_text(
        "from torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.layer = nn.Linear(2, 1)\n    def forward(self, x): return self.layer(x)\n"
    )

    trained = dlkit("train", "net.py:Net", "--data", "a.npz", "--out", "run", "--no-plot")
    scored = dlkit("eval", "run", "--model", "net.py:Net", "--json")

    assert trained.code == 0, trained.stderr
    assert json.loads(scored.stdout)["metrics"]["r2"]["value"] > 0.99
