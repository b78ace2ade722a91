"""Data sets by name: split, normalised and described."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dlkit.data.builtin.digits import load_digits
from dlkit.data.builtin.load import SOURCES
from dlkit.data.dataset import DataSet, TensorSplit
from dlkit.data.kinds import load_dataset
from dlkit.data.prepared import write_prepared
from dlkit.data.stored import mean_and_std
from dlkit.errors import CheckpointError, ConfigError, DataError
from dlkit.files.description import DataDescription, Normalisation
from dlkit.settings.config import TrainConfig
from dlkit.settings.resolve import resolve

CPU = torch.device("cpu")


def configure(**settings: Any) -> TrainConfig:
    return resolve({"model": "mlp", **settings}, {})


def all_inputs(split: TensorSplit) -> torch.Tensor:
    return split.batch(split.rows, CPU)[0]


@pytest.fixture
def colours(home: Path) -> DataSet:
    """A prepared file under the name of CIFAR-10: three bands of different brightness, two parts."""
    generator = torch.Generator().manual_seed(0)
    top = torch.tensor([50, 100, 256]).view(1, 3, 1, 1)
    parts = {
        name: (
            (torch.rand(samples, 3, 8, 8, generator=generator) * top).to(torch.uint8),
            torch.arange(samples) % 10,
        )
        for name, samples in (("train", 200), ("test", 50))
    }
    write_prepared("cifar10", parts)
    return load_dataset(configure(data="cifar10"))


def test_digits_are_split_as_in_every_earlier_version() -> None:
    splits = load_dataset(configure()).splits

    assert {name: len(split) for name, split in splits.items()} == {"train": 1455, "val": 162, "test": 180}
    assert splits["train"].rows[:10].tolist() == [1, 2, 3, 4, 5, 6, 8, 9, 10, 11]
    assert splits["val"].rows[:10].tolist() == [0, 7, 59, 90, 104, 112, 113, 114, 135, 137]
    assert splits["test"].rows[:10].tolist() == [18, 19, 38, 43, 44, 47, 60, 72, 74, 77]


def test_splits_are_disjoint_complete_and_stratified() -> None:
    splits = load_dataset(configure(seed=3, val=0.2, test=0.3)).splits
    targets = load_digits().parts["all"][1]

    rows = torch.cat([split.rows for split in splits.values()])
    assert rows.sort().values.tolist() == list(range(1797))
    share = targets.bincount() / 1797
    for split in splits.values():
        found = targets[split.rows].bincount(minlength=10) / len(split)
        assert (found - share).abs().max() < 0.01


def test_splits_depend_on_the_seed_and_on_nothing_else() -> None:
    first, again, other = (
        load_dataset(configure(**settings)).splits
        for settings in ({"seed": 1}, {"seed": 1, "lr": 0.5, "epochs": 3, "normalize": "none"}, {"seed": 2})
    )

    for name in first:
        assert torch.equal(first[name].rows, again[name].rows)
        assert not torch.equal(first[name].rows, other[name].rows)


def test_a_source_with_a_test_part_keeps_it(colours: DataSet) -> None:
    assert colours.description.split_sizes == {"train": 180, "val": 20, "test": 50}
    assert colours.split("test").rows.tolist() == list(range(50))


def test_limit_shortens_the_training_split_alone() -> None:
    splits = load_dataset(configure(limit=50)).splits

    assert {name: len(split) for name, split in splits.items()} == {"train": 50, "val": 162, "test": 180}
    assert torch.equal(splits["train"].rows, load_dataset(configure()).splits["train"].rows[:50])


def test_auto_gives_the_training_inputs_mean_zero_and_spread_one(colours: DataSet) -> None:
    for dataset in (load_dataset(configure()), colours):
        inputs = all_inputs(dataset.split("train")).double()
        assert inputs.mean((0, 2, 3)).abs().max() < 1e-6
        assert (inputs.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-6
        assert all_inputs(dataset.split("val")).mean().abs() > 1e-6


@pytest.mark.parametrize(
    ("normalize", "low", "high"), [("0.5,0.5", -1, 1), ("none", 0, 1), ("0,2", 0, 0.5), ("0.25,0.25", -1, 3)]
)
def test_numbers_map_the_stored_range(normalize: str, low: float, high: float) -> None:
    inputs = all_inputs(load_dataset(configure(normalize=normalize)).split("train"))

    assert inputs.dtype == torch.float32
    assert inputs.min().item() == pytest.approx(low, abs=1e-6)
    assert inputs.max().item() == pytest.approx(high, abs=1e-6)


def test_numbers_for_each_channel(colours: DataSet) -> None:
    dataset = load_dataset(configure(data="cifar10", normalize="0.1,0.2,0.5,0.1,0.2,0.5"))

    expected = all_inputs(load_dataset(configure(data="cifar10", normalize="none")).split("train"))
    mean = std = torch.tensor([0.1, 0.2, 0.5]).view(1, 3, 1, 1)
    torch.testing.assert_close(all_inputs(dataset.split("train")), (expected - mean) / std)


def test_numbers_that_do_not_fit_the_channels_are_refused(colours: DataSet) -> None:
    with pytest.raises(ConfigError) as caught:
        load_dataset(configure(data="cifar10", normalize="0.1,0.2,0.5,0.1"))

    assert caught.value.message == "--normalize 0.1,0.2,0.5,0.1 gives 2 means for 3 channels"
    assert "one mean and one std for all channels" in caught.value.hint


def test_batch_gives_inputs_and_targets_of_the_rows_asked_for() -> None:
    split = load_dataset(configure(normalize="none")).split("train")

    inputs, targets = split.batch(torch.tensor([7, 3]), CPU)

    stored, classes = load_digits().parts["all"]
    torch.testing.assert_close(inputs, stored[[7, 3]] / 16)
    assert targets.tolist() == classes[[7, 3]].tolist()


def test_stored_samples_stay_as_they_are() -> None:
    split = load_dataset(configure()).split("train")
    before = split.inputs.clone()

    inputs, _ = split.batch(split.rows, CPU)
    inputs.zero_()

    assert torch.equal(split.inputs, before)


def test_all_is_train_val_and_test_in_this_order() -> None:
    dataset = load_dataset(configure())

    whole = dataset.split("all")

    parts = [dataset.split(name) for name in ("train", "val", "test")]
    assert len(whole) == 1797
    torch.testing.assert_close(all_inputs(whole), torch.cat([all_inputs(part) for part in parts]))


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        load_dataset(configure()).split("tset")

    assert caught.value.message == "--split tset is not known; choose from train, val, test, all"
    assert caught.value.hint == "did you mean test?"


def test_an_unknown_source_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        load_dataset(TrainConfig(model="mlp", data="mnits"))

    assert "--data mnits is not known; choose from digits, mnist" in caught.value.message
    assert "did you mean mnist" in caught.value.hint


@pytest.mark.parametrize("name", sorted(set(SOURCES) - {"digits"}))
def test_data_that_are_not_here_say_how_to_get_them(name: str, home: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_dataset(configure(data=name))

    assert caught.value.message == f"--data {name} is not downloaded yet"
    assert f"dlkit data get {name}" in caught.value.hint
    assert caught.value.exit_code == 3


def test_description_says_what_the_data_are() -> None:
    description = load_dataset(configure()).description

    assert description.name == "digits"
    assert description.task == "classification"
    assert description.input_shape == (1, 8, 8)
    assert description.num_outputs == 10
    assert description.fingerprint == load_digits().fingerprint
    assert description.normalisation.scale == 16
    assert 0.2 < description.normalisation.mean[0] < 0.4


def test_evaluation_takes_the_normalisation_trained_with() -> None:
    trained_on = load_dataset(configure()).description
    odd = replace(trained_on, normalisation=Normalisation(scale=16.0, mean=(9.0,), std=(1.0,)))

    dataset = load_dataset(configure(), odd)

    assert dataset.description.normalisation == odd.normalisation
    assert all_inputs(dataset.split("test")).max().item() == pytest.approx(-8)


def test_data_that_changed_since_training_are_refused() -> None:
    trained_on = load_dataset(configure()).description
    other = DataDescription.from_dict({**trained_on.to_dict(), "fingerprint": "another"})

    with pytest.raises(DataError) as caught:
        load_dataset(configure(), other)

    assert "--data digits has changed since the checkpoint was trained on it" in caught.value.message
    assert "--data" in caught.value.hint


def test_mean_and_std_are_exact_over_more_rows_than_are_read_at_once() -> None:
    inputs = torch.randint(256, (5000, 2, 3, 3), dtype=torch.uint8)
    rows = torch.randperm(5000)[:4500]

    mean, std = mean_and_std(inputs, rows)

    chosen = inputs[rows].double()
    torch.testing.assert_close(mean, chosen.mean((0, 2, 3)), rtol=1e-12, atol=0)
    torch.testing.assert_close(std, chosen.std((0, 2, 3), correction=0), rtol=1e-9, atol=0)


def test_a_channel_without_spread_is_given_one() -> None:
    inputs = torch.full((20, 1, 2, 2), 7, dtype=torch.uint8)

    mean, std = mean_and_std(inputs, torch.arange(20))

    assert (mean.item(), std.item()) == (7, 1)


def test_data_of_a_kind_of_another_version_are_refused() -> None:
    description = replace(load_dataset(configure()).description, kind="pictures")

    with pytest.raises(CheckpointError, match="of the kind pictures, which this dlkit does not have"):
        load_dataset(configure(), description)
