import math

import pytest
import torch
from torch import nn

from dlkit.inspection.layer_table import COLUMNS
from dlkit.inspection.weights import weight_rows, weight_tensors


def test_weights_are_parameters_and_running_statistics_in_network_order() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 1))

    assert list(weight_tensors(model)) == [
        "0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var", "2.weight", "2.bias",
    ]  # fmt: skip


def test_rows_hold_every_column() -> None:
    weight = torch.tensor([[3.0, 0.0], [0.0, -4.0], [math.nan, 1.0]])

    (row,) = weight_rows({"weight": weight})

    assert tuple(row) == COLUMNS["weights"]
    assert row == {
        "layer": "weight",
        "shape": "3x2",
        "norm": pytest.approx(math.sqrt(26)),
        "mean": 0.0,
        "std": pytest.approx(math.sqrt(26 / 5)),
        "min": -4.0,
        "q05": pytest.approx(-3.2),
        "median": 0.0,
        "q95": pytest.approx(2.6),
        "max": 3.0,
        "zeros": pytest.approx(1 / 3),
        "non_finite": 1,
        "stable_rank": None,
    }
