import math

import numpy as np
import pytest
import torch

from dlkit.inspection import distribution
from dlkit.inspection.distribution import quantiles, sample_rows, sample_values, stable_rank


def test_quantiles_are_those_of_numpy() -> None:
    values = torch.randn(10_000, generator=torch.Generator().manual_seed(0))

    found = quantiles(values)

    expected = np.quantile(values.double().numpy(), [0.05, 0.5, 0.95])
    assert list(found.values()) == pytest.approx(expected.tolist(), rel=1e-12)


def test_quantiles_leave_out_what_is_not_finite() -> None:
    assert quantiles(torch.tensor([math.nan, 1.0, 3.0, math.inf]))["median"] == 2.0
    assert quantiles(torch.tensor([math.nan])) == {"q05": None, "median": None, "q95": None}


@pytest.mark.parametrize(
    ("matrix", "rank"),
    [
        pytest.param(torch.eye(5), 5.0, id="all directions alike"),
        pytest.param(torch.outer(torch.arange(1.0, 4), torch.arange(1.0, 6)), 1.0, id="one direction"),
        pytest.param(torch.diag(torch.tensor([2.0, 1.0, 1.0])), 1.5, id="(4 + 1 + 1) / 4"),
        pytest.param(torch.eye(4).reshape(4, 1, 2, 2), 4.0, id="a convolution"),
        pytest.param(torch.diag(torch.tensor([2e30, 1e30])), 1.25, id="squares beyond 32 bits"),
        pytest.param(torch.ones(3), None, id="no matrix"),
        pytest.param(torch.zeros(2, 2), None, id="zeros"),
        pytest.param(torch.tensor([[1.0, math.nan]]), None, id="not finite"),
        pytest.param(torch.ones(0, 3), None, id="empty"),
    ],
)
def test_stable_rank_equals_that_worked_by_hand(matrix: torch.Tensor, rank: float | None) -> None:
    assert stable_rank(matrix) == (rank if rank is None else pytest.approx(rank))


def test_stable_rank_of_a_large_matrix_is_close_to_the_exact_one(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = torch.randn(300, 200, generator=torch.Generator().manual_seed(1)) + 0.2
    singular = np.linalg.svd(matrix.double().numpy(), compute_uv=False)
    monkeypatch.setattr(distribution, "_LARGEST_EXACT", 10)
    before = torch.get_rng_state()

    assert stable_rank(matrix) == pytest.approx((singular**2).sum() / singular[0] ** 2, rel=1e-3)
    assert torch.equal(torch.get_rng_state(), before)


def test_samples_are_all_of_little_and_evenly_spaced_of_much() -> None:
    assert sample_values(torch.arange(5)).tolist() == [0, 1, 2, 3, 4]
    many = sample_values(torch.arange(1_000_000))
    assert len(many) <= 2**18
    assert many[:3].tolist() == [0, 4, 8]
    assert sample_rows(torch.zeros(7, 3)).shape == (7, 3)
    assert len(sample_rows(torch.zeros(5000, 3))) == 500
    assert len(sample_rows(torch.zeros(1000, 100_000))) == 63
