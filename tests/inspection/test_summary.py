import pytest
import torch
from torch import Tensor, nn

from dlkit.files.description import DataDescription
from dlkit.inspection.layer_table import COLUMNS
from dlkit.inspection.summary import summarise
from dlkit.models.build import build_model
from dlkit.settings.models import MODELS


@pytest.mark.slow
def test_rows_equal_those_worked_by_hand() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))

    rows = summarise(model, torch.zeros(1, 1, 4, 4))

    # Convolution: 2 * 2 * 2 outputs of 9 products; linear: 8 * 3 products; two operations each.
    assert [tuple(row.values()) for row in rows] == [
        ("0", "Conv2d", "2x2x2", 20, 144),
        ("1", "ReLU", "2x2x2", 0, 0),
        ("2", "Flatten", "8", 0, 0),
        ("3", "Linear", "3", 27, 48),
        ("total", "Sequential", "3", 47, 192),
    ]
    assert tuple(rows[0]) == COLUMNS["model"]


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"spatial", "pbpk"}))  # whose inputs are not images
@pytest.mark.quick(1)
def test_every_built_in_model_adds_up_to_its_total(name: str) -> None:
    shape = (3, 16, 16)
    description = DataDescription(
        name="x", task="regression", input_shape=shape, target_shape=(5,), split_sizes={}
    )
    model = build_model(name, description, MODELS[name].resolve({}))

    *layers, total = summarise(model, torch.zeros(1, *shape))

    assert total["output"] == "5"
    assert total["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert total["parameters"] == sum(int(row["parameters"] or 0) for row in layers)
    assert total["flops"] == sum(int(row["flops"] or 0) for row in layers) > 0
    assert all(row["output"] for row in layers)
    assert model.training


class Odd(nn.Module):
    """Has a parameter of its own beside a part, a layer that runs twice and one that never does."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.inner = nn.Linear(4, 4)
        self.spare = nn.Linear(2, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.inner(self.inner(inputs)) * self.scale


def test_parameters_of_a_parent_and_of_a_layer_that_never_ran_are_counted() -> None:
    rows = {row["layer"]: row for row in summarise(Odd(), torch.zeros(1, 4))}

    assert list(rows) == ["inner", "Odd", "spare", "total"]
    assert rows["Odd"]["parameters"] == 4
    assert rows["Odd"]["flops"] == 0
    assert rows["spare"]["output"] is None
    assert rows["inner"]["flops"] == rows["total"]["flops"] == 2 * 2 * 16
    assert rows["total"]["parameters"] == 4 + 20 + 6


def test_mode_of_dropout_and_batch_norm_is_restored() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    model[1].eval()

    summarise(model, torch.zeros(1, 3))

    assert [module.training for module in model] == [True, False, True]
    assert model[1].num_batches_tracked == 0
