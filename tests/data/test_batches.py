"""Batches in an order that the seed and the epoch alone decide."""

import pytest
import torch
from torch import Tensor

from dlkit.data.batches import Batches, balanced_order, epoch_order
from dlkit.data.dataset import TensorSplit
from dlkit.distributed.group import Group

CPU = torch.device("cpu")


def make_split(samples: int, width: int = 3, first: int = 0) -> TensorSplit:
    """Samples whose inputs and targets tell their row; stored among others that do not belong."""
    stored = torch.arange(2 * (first + samples))
    inputs = stored[:, None].expand(-1, width).contiguous()
    return TensorSplit(inputs, stored, torch.arange(first, first + samples) * 2, None)


def targets_of(batches: list[tuple[Tensor, Tensor]]) -> list[int]:
    return torch.cat([targets for _, targets in batches]).tolist()


@pytest.mark.parametrize("samples", [1, 2, 63, 64, 65, 66, 128, 129, 130, 1000])
@pytest.mark.parametrize("batch_size", [1, 2, 7, 64])
def test_every_sample_comes_once_an_epoch(samples: int, batch_size: int) -> None:
    split = make_split(samples, first=5)
    batches = Batches(split, batch_size, CPU)

    for walk in (list(batches.shuffled(1)), list(batches.in_order())):
        assert sorted(targets_of(walk)) == split.rows.tolist()
        assert len(walk) == len(batches)
        for inputs, targets in walk:
            assert torch.equal(inputs[:, 0].long(), targets)
    assert targets_of(list(batches.in_order())) == split.rows.tolist()


@pytest.mark.parametrize(
    ("samples", "sizes"),
    [(64, [64]), (65, [65]), (66, [64, 2]), (129, [64, 65]), (130, [64, 64, 2]), (1, [1]), (10, [10])],
)
def test_a_single_sample_left_over_joins_the_batch_before(samples: int, sizes: list[int]) -> None:
    walk = Batches(make_split(samples), 64, CPU).shuffled(1)

    assert [len(targets) for _, targets in walk] == sizes


def test_order_is_a_function_of_seed_and_epoch_alone() -> None:
    orders = {
        (seed, epoch): tuple(epoch_order(100, seed, epoch).tolist())
        for seed in (0, 1, 2)
        for epoch in (1, 2, 3)
    }
    torch.manual_seed(123)
    torch.rand(7)

    assert len(set(orders.values())) == 9
    assert all(tuple(epoch_order(100, *key).tolist()) == order for key, order in orders.items())
    assert all(sorted(order) == list(range(100)) for order in orders.values())


def test_order_draws_nothing_from_the_global_generator() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    list(Batches(make_split(100), 8, CPU).shuffled(1))

    assert torch.equal(torch.rand(3), expected)


def test_batch_size_does_not_change_the_order() -> None:
    split = make_split(100)

    orders = {tuple(targets_of(list(Batches(split, size, CPU, 3).shuffled(2)))) for size in (1, 8, 33, 100)}

    assert len(orders) == 1


@pytest.mark.parametrize("width", [3, 2**14, 2**18], ids=["16-at-once", "several-at-once", "one-at-once"])
@pytest.mark.quick(1)
def test_start_gives_the_tail_of_the_whole_walk(width: int) -> None:
    batches = Batches(make_split(99, width), 4, CPU, seed=1)
    whole = list(batches.shuffled(3))

    for start in (0, 1, 5, 15, 16, 17, 23, len(whole) - 1, len(whole)):
        tail = list(batches.shuffled(3, start))
        assert len(tail) == len(whole) - start
        for (inputs, targets), (same_inputs, same_targets) in zip(tail, whole[start:], strict=True):
            assert torch.equal(inputs, same_inputs)
            assert torch.equal(targets, same_targets)


def test_samples_made_at_once_are_bounded_in_bytes() -> None:
    chunks = [Batches(make_split(10, width), 4, CPU).chunk for width in (3, 2**14, 2**18, 2**20)]

    assert chunks == [16, 16, 1, 1]
    assert Batches(make_split(10, 2**15), 4, CPU).chunk == 8


def test_number_of_samples_is_told() -> None:
    assert Batches(make_split(99), 4, CPU).num_samples == 99


def test_a_balanced_epoch_draws_every_stratum_equally_often() -> None:
    strata = torch.tensor([0] * 90 + [1] * 8 + [2] * 2)

    order = balanced_order(strata, seed=0, epoch=1)

    counts = order.bincount(minlength=100)
    assert len(order) == 100
    assert torch.stack([counts[strata == group].sum() for group in range(3)]).tolist() == [34, 33, 33]
    assert counts[:90].max() == 1
    assert set(counts[90:98].tolist()) == {4, 5}
    assert torch.equal(order, balanced_order(strata, seed=0, epoch=1))
    assert not torch.equal(order, balanced_order(strata, seed=0, epoch=2))


class _Part(Group):
    """One of several processes, without the others."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size


@pytest.mark.parametrize("samples", [40, 65, 70, 129, 200])
@pytest.mark.parametrize("processes", [2, 3, 4])
def test_processes_share_each_batch_without_repeating_or_padding(samples: int, processes: int) -> None:
    split = make_split(samples)
    whole = Batches(split, 16, CPU, seed=3, group=_Part(0, processes)).whole()
    shared = [Batches(split, 16, CPU, seed=3, group=_Part(rank, processes)) for rank in range(processes)]

    for of_all, *slices in zip(*(list(part.shuffled(2)) for part in (whole, *shared)), strict=True):
        assert torch.equal(torch.cat([targets for _, targets in slices]), of_all[1])
        sizes = [len(targets) for _, targets in slices]
        assert max(sizes) - min(sizes) <= 1
        assert min(sizes) >= 2
    assert [len(targets) for _, targets in whole.shuffled(2)] == [
        whole.size_of(index) for index in range(len(whole))
    ]


def test_fewer_than_two_samples_a_process_join_the_batch_before() -> None:
    sizes = {
        size: [
            len(targets)
            for _, targets in Batches(make_split(37), 16, CPU, group=_Part(0, size)).whole().in_order()
        ]
        for size in (1, 2, 3)
    }

    assert sizes == {1: [16, 16, 5], 2: [16, 16, 5], 3: [16, 21]}
