import pytest
import torch
from torch import Tensor

from dlkit.data.spatial.sampling import draw, nearest

ROWS = torch.arange(400)


def listed(length: int, rows: int = 400) -> Tensor:
    """Candidates 0, 1, 2, ... of each row, padded to 200."""
    places = torch.arange(200, dtype=torch.int32)
    return torch.where(places < length, places, -1).expand(rows, 200)


def test_a_draw_is_a_function_of_salt_and_row_alone() -> None:
    together = draw(listed(120), 50, ROWS, "neighbors/0/1")
    shuffled = torch.randperm(400, generator=torch.Generator().manual_seed(0))

    apart = draw(listed(120), 50, ROWS[shuffled], "neighbors/0/1")

    assert torch.equal(apart, together[shuffled])
    assert not torch.equal(draw(listed(120), 50, ROWS, "neighbors/0/2"), together)
    assert not torch.equal(draw(listed(120), 50, ROWS, "neighbors/1/1"), together)
    assert len(torch.unique(together, dim=0)) == 400


@pytest.mark.parametrize("length", [0, 1, 4, 30, 50, 51, 200])
def test_a_draw_takes_from_two_fifths_to_all_of_what_it_may_and_none_twice(length: int) -> None:
    drawn = draw(listed(length), 50, ROWS, "a")

    counts = (drawn >= 0).sum(1)
    most = min(length, 50)
    assert counts.min() == -(-2 * most // 5)
    assert counts.max() == most
    assert drawn.max() < max(length, 1)
    for row in drawn.tolist():
        there = [place for place in row if place >= 0]
        assert len(set(there)) == len(there)
        assert row[: len(there)] == there  # what is empty comes last


def test_near_candidates_are_drawn_more_often_and_all_now_and_then() -> None:
    drawn = torch.cat([draw(listed(200), 50, ROWS, f"epoch {epoch}") for epoch in range(40)])
    shares = torch.bincount(drawn[drawn >= 0].long(), minlength=200) / len(drawn)

    assert shares[:25].min() > 0.5
    assert shares[:25].max() < 0.75  # none of the nearest is always there
    assert (shares > 0).all()
    assert shares[:20].mean() > shares[40:60].mean() > 4 * shares[80:100].mean() > 16 * shares[150:].mean()


def test_rows_beyond_32_bits_are_told_apart() -> None:
    rows = torch.tensor([3, 3 + 2**32])

    first, second = draw(listed(200, rows=2), 50, rows, "a")

    assert not torch.equal(first, second)


def test_nearest_gives_the_first_and_no_more_than_there_are() -> None:
    assert nearest(listed(200, rows=1), 3).tolist() == [[0, 1, 2]]
    assert nearest(torch.tensor([[4, -1]]), 3).tolist() == [[4, -1]]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_every_device_draws_the_same() -> None:
    on_gpu = draw(listed(200).cuda(), 50, ROWS.cuda(), "a").cpu()

    assert torch.equal(on_gpu.sort(1).values, draw(listed(200), 50, ROWS, "a").sort(1).values)
