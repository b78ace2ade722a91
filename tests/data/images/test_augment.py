"""Images changed at random: a function of seed, epoch and row alone, in training alone."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from descriptions import OF_CLASSES

from dlkit.data.batches import Batches
from dlkit.data.images.augment import Augmentation, augmentation_of, uniform
from dlkit.data.kinds import load_dataset
from dlkit.errors import ConfigError
from dlkit.settings.config import TrainConfig
from dlkit.settings.resolve import resolve

CPU = torch.device("cpu")
IMAGES = torch.rand(50, 3, 16, 20, generator=torch.Generator().manual_seed(0))
ROWS = torch.arange(50)


def change(kind: str, *, mirror: bool = True, seed: int = 0, epoch: int = 1) -> torch.Tensor:
    return Augmentation(kind, seed, mirror=mirror).apply(IMAGES, ROWS, epoch)


def test_numbers_are_uniform_and_independent_of_one_another() -> None:
    draws = uniform(3, 7, torch.arange(20_000), 6).double()

    assert draws.min() >= 0
    assert draws.max() < 1
    assert (draws.mean(0) - 0.5).abs().max() < 0.01
    assert (draws.var(0) - 1 / 12).abs().max() < 0.002
    counts = torch.histc(draws[:, 0], 100, 0, 1)
    assert ((counts - 200) ** 2 / 200).sum() < 150, "chi-square with 99 degrees of freedom"
    together = torch.corrcoef(
        torch.cat([draws.T, draws.roll(1, 0).T, uniform(3, 8, torch.arange(20_000), 6).T])
    )
    assert (together - torch.eye(18)).abs().max() < 0.04


def test_numbers_do_not_depend_on_the_rows_beside_them() -> None:
    rows = torch.tensor([7, 3, 2**40 + 5, 2**33, 0])

    whole = uniform(1, 2, rows, 4)

    for place, row in enumerate(rows):
        assert torch.equal(uniform(1, 2, row[None], 4)[0], whole[place])
    assert len(whole.unique()) == whole.numel()


def test_numbers_are_those_of_every_later_version() -> None:
    torch.testing.assert_close(
        uniform(0, 1, torch.tensor([0, 1]), 2),
        torch.tensor([[0.8858765363693237, 0.5507907867431641], [0.7672650814056396, 0.7681962847709656]]),
        rtol=0,
        atol=0,
    )


@pytest.mark.parametrize("kind", ["light", "strong"])
def test_images_depend_on_seed_epoch_and_row_alone(kind: str) -> None:
    first = change(kind)

    assert torch.equal(change(kind), first)
    assert not torch.equal(change(kind, epoch=2), first)
    assert not torch.equal(change(kind, seed=2), first)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(1))
    shuffled = Augmentation(kind, 0, mirror=True).apply(IMAGES[order], ROWS[order], 1)
    torch.testing.assert_close(shuffled, first[order])
    assert first.shape == IMAGES.shape


def test_light_moves_whole_pixels_by_up_to_an_eighth() -> None:
    place = torch.arange(16 * 16.0).reshape(1, 1, 16, 16).expand(200, 1, 16, 16).contiguous()

    moved = Augmentation("light", 0, mirror=False).apply(place, torch.arange(200), 1)

    centre = moved[:, 0, 8, 8]
    down, right = centre // 16 - 8, centre % 16 - 8
    assert set(down.tolist()) == set(right.tolist()) == {-2, -1, 0, 1, 2}
    assert set(moved.unique().tolist()) <= set(place.unique().tolist())


@pytest.mark.parametrize("kind", ["light", "strong"])
def test_half_of_the_images_are_mirrored_where_that_is_allowed(kind: str) -> None:
    ramp = torch.arange(16.0).expand(400, 1, 16, 16).contiguous()

    def mirrored(*, mirror: bool) -> float:
        changed = Augmentation(kind, 0, mirror=mirror).apply(ramp, torch.arange(400), 1)
        return (changed[:, 0, :, 2].mean(1) > changed[:, 0, :, 13].mean(1)).float().mean().item()

    assert mirrored(mirror=False) == 0
    assert 0.4 < mirrored(mirror=True) < 0.6


def test_strong_crops_and_erases_half() -> None:
    ones = torch.ones(400, 1, 32, 32)

    erased = (
        (Augmentation("strong", 0, mirror=True).apply(ones, torch.arange(400), 1) == 0)
        .float()
        .mean((1, 2, 3))
    )

    assert 0.4 < (erased > 0).float().mean() < 0.6
    assert 0.02 < erased[erased > 0].mean() < 0.2
    assert erased.max() <= 0.25


def test_training_batches_are_changed_and_no_others(home: Any) -> None:
    plain, changed = (
        load_dataset(resolve({"model": "cnn", "augment": kind}, {})) for kind in ("none", "light")
    )

    for name in ("train", "val", "test"):
        batches = [list(Batches(data.splits[name], 32, CPU).shuffled(1)) for data in (plain, changed)]
        same = all(torch.equal(a[0], b[0]) for a, b in zip(*batches, strict=True))
        assert same == (name != "train")
        evaluated = [list(Batches(data.splits[name], 32, CPU).in_order()) for data in (plain, changed)]
        assert all(torch.equal(a[0], b[0]) for a, b in zip(*evaluated, strict=True))
    whole = changed.split("all")
    assert torch.equal(whole.batch(whole.rows, CPU, 1)[0], whole.batch(whole.rows, CPU)[0])
    assert changed.notes == [
        "--augment light: training images are shifted by up to an eighth and never mirrored, since they are characters"
    ]


def test_digits_are_never_mirrored_and_other_images_are() -> None:
    config = TrainConfig(model="cnn", data="digits", augment="strong", seed=5)
    images = replace(OF_CLASSES, input_shape=(1, 8, 8))

    assert augmentation_of(config, replace(images, name="digits")) == Augmentation("strong", 5, mirror=False)
    assert augmentation_of(config, replace(images, name="cifar10")) == Augmentation("strong", 5, mirror=True)
    assert augmentation_of(config, replace(images, name="/home/ada/cats")) == Augmentation(
        "strong", 5, mirror=True
    )


def test_rows_of_numbers_cannot_be_augmented() -> None:
    with pytest.raises(ConfigError) as caught:
        augmentation_of(TrainConfig(augment="light"), OF_CLASSES)

    assert caught.value.message == "--augment light changes images; toy has samples of shape (4,)"
    assert caught.value.hint == "leave it out"


@pytest.mark.gpu
def test_numbers_are_the_same_on_a_gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    assert torch.equal(uniform(1, 2, ROWS.cuda(), 5).cpu(), uniform(1, 2, ROWS, 5))
