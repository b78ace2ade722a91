import math

import pytest
import torch
from torch import Tensor

from dlkit.inspection.tally import merge, read_tallies, shape_text, tally

NAN, INF = math.nan, math.inf


def statistics(values: Tensor) -> dict[str, object]:
    return read_tallies([tally(values)], [values.numel()])[0]


def test_statistics_equal_those_worked_by_hand() -> None:
    # Sum 4, squares 9 + 0 + 1 + 16 + 0 = 26; mean 4 / 5; variance 26 / 5 - 0.64 = 4.56.
    values = torch.tensor([-3.0, 0.0, 1.0, 4.0, 0.0]).add(torch.tensor([0.0, 0.0, 0.0, 0.0, 2.0]))

    assert statistics(values) == {
        "norm": pytest.approx(math.sqrt(30)),
        "mean": pytest.approx(0.8),
        "std": pytest.approx(math.sqrt(6 - 0.64)),
        "min": -3.0,
        "max": 4.0,
        "zeros": 0.2,
        "non_finite": 0,
    }


def test_non_finite_values_are_counted_and_left_out_of_the_rest() -> None:
    values = torch.tensor([3.0, NAN, -4.0, INF, -INF, 0.0, 1.0, 0.0])

    assert statistics(values) == {
        "norm": pytest.approx(math.sqrt(26)),
        "mean": 0.0,
        "std": pytest.approx(math.sqrt(26 / 5)),
        "min": -4.0,
        "max": 3.0,
        "zeros": 0.25,
        "non_finite": 3,
    }


@pytest.mark.parametrize(
    ("values", "zeros", "non_finite"),
    [(torch.tensor([NAN, INF]), 0.0, 2), (torch.empty(0, 3), None, 0)],
    ids=["nothing finite", "empty"],
)
def test_nothing_finite_leaves_the_cells_empty(values: Tensor, zeros: float | None, non_finite: int) -> None:
    expected = {"norm": None, "mean": None, "std": None, "min": None, "max": None}

    assert statistics(values) == {**expected, "zeros": zeros, "non_finite": non_finite}


@pytest.mark.parametrize("value", [0.7, 123.456, 1e30, -7.0])
def test_equal_values_have_no_variance(value: float) -> None:
    assert statistics(torch.full((9999,), value))["std"] == 0.0


def test_statistics_agree_with_torch_on_many_values() -> None:
    values = torch.randn(50_000, generator=torch.Generator().manual_seed(0)) * 3 + 100
    found = statistics(values)

    assert found["std"] == pytest.approx(values.double().std(correction=0).item(), rel=1e-9)
    assert found["norm"] == pytest.approx(values.double().norm().item(), rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int64], ids=str)
def test_every_number_type_is_accepted(dtype: torch.dtype) -> None:
    found = statistics(torch.tensor([[1, 2], [3, 0]], dtype=dtype))

    assert (found["mean"], found["max"], found["zeros"]) == (1.5, 3.0, 0.25)


def test_merged_tallies_equal_the_tally_of_the_whole() -> None:
    values = torch.tensor([1.0, -2.0, 0.0, NAN, 5.0, 6.0, 0.5])

    merged = merge(merge(tally(values[:3]), tally(values[3:4])), tally(values[4:]))

    assert read_tallies([merged], [7]) == [statistics(values)]


@pytest.mark.parametrize(("shape", "text"), [((64, 28, 28), "64x28x28"), ((5,), "5"), ((), "1")], ids=str)
def test_shape_text_writes_sizes_with_an_x(shape: tuple[int, ...], text: str) -> None:
    assert shape_text(shape) == text
