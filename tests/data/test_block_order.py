"""--shuffle blocks reads neighbours together, and still mixes all rows."""

from itertools import islice

import pytest
import torch
from test_batches import make_split, targets_of

from dlkit.data.batches import Batches
from dlkit.data.block_order import block_order

MIB = 2**20
CPU = torch.device("cpu")


def order(samples: int, sample_bytes: int, seed: int = 0) -> torch.Tensor:
    return block_order(samples, sample_bytes, torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("samples", "sample_bytes"),
    [(1, 1), (7, 10), (1000, MIB // 4), (1001, MIB // 3), (130, MIB), (5, 300 * MIB), (4000, MIB // 7)],
)
def test_every_row_comes_once(samples: int, sample_bytes: int) -> None:
    assert sorted(order(samples, sample_bytes).tolist()) == list(range(samples))


def test_a_window_of_64_mib_holds_whole_blocks_of_1_mib_from_all_over() -> None:
    samples = 8192  # of 256 KiB: four a block, 256 a window, 32 windows
    windows = order(samples, MIB // 4).view(32, 256)

    assert not torch.equal(windows, order(samples, MIB // 4, seed=1).view(32, 256))
    for window in windows:
        blocks = (window // 4).unique(return_counts=True)
        assert blocks[1].tolist() == [4] * 64
        assert abs(window.float().mean().item() / samples - 0.5) < 0.15  # its blocks are spread over the file
        neighbours = (window.diff().abs() == 1).sum().item()
        assert neighbours < 12  # 3 expected in a shuffled window, 192 in an ordered one


def test_what_fits_into_one_window_is_shuffled_as_a_whole() -> None:
    places = torch.stack([order(40, MIB // 4, seed).argsort() for seed in range(400)]).float()

    assert (places.mean(0) - 19.5).abs().max() < 2.4  # four standard errors


def test_batches_are_a_function_of_seed_and_epoch_and_start_anywhere() -> None:
    split = make_split(300, width=2**17)  # 1 MiB of int64: more than four windows
    batches = Batches(split, 7, CPU, seed=3, blocks=True)
    whole = [targets.tolist() for _, targets in batches.shuffled(2)]

    assert sorted(row for batch in whole for row in batch) == split.rows.tolist()
    again = Batches(split, 7, CPU, seed=3, blocks=True)
    assert [targets.tolist() for _, targets in again.shuffled(2, start=5)] == whole[5:]
    assert targets_of(list(islice(again.shuffled(3), 2))) != whole[0] + whole[1]
    assert (
        targets_of(list(islice(Batches(split, 7, CPU, seed=4, blocks=True).shuffled(2), 2)))
        != whole[0] + whole[1]
    )
    assert again.rows_in(2, 1, 3).tolist() == whole[1] + whole[2]
