"""The first layer over a table: codes and numbers get vectors."""

import math
from typing import Any

import pytest
import torch
from refusals import assert_reports
from torch import nn

from dlkit.errors import ConfigError
from dlkit.files.description import DataDescription
from dlkit.models.build import build_model
from dlkit.models.mlp import Mlp
from dlkit.models.table_inputs import PiecewiseLinear, TableInputs, TableLayout, embedding_width
from dlkit.settings.models import MODELS

LAYOUT = TableLayout(5, {3: 7}, (0, 2), ((0.0, 1.0, 3.0), (-1.0, 1.0)))
INPUTS = torch.tensor([[0.5, 1.0, -3.0, 6.0, 0.0], [2.0, 0.0, 0.5, 0.0, 1.0]])


def make(numbers: str = "plain", layout: TableLayout = LAYOUT) -> TableInputs:
    return TableInputs(layout, numbers=numbers, number_width=4, frequencies=3, sigma=1.0)


@pytest.mark.parametrize(
    ("numbers", "width"), [("plain", 4), ("piecewise", 2 + 2 * 4), ("periodic", 2 + 2 * 4)]
)
def test_width_counts_the_outputs(numbers: str, width: int) -> None:
    layer = make(numbers)

    assert layer.width == width + embedding_width(7)
    assert layer(INPUTS).shape == (2, layer.width)


def test_codes_are_looked_up_and_the_rest_passes_through() -> None:
    layer = make()
    table = layer.embeddings["3"]
    assert isinstance(table, nn.Embedding)

    outputs = layer(INPUTS)

    torch.testing.assert_close(outputs[:, :4], INPUTS[:, [0, 1, 2, 4]])
    torch.testing.assert_close(outputs[:, 4:], table.weight[[6, 0]])


def reach(numbers: list[float], edges: list[tuple[float, ...]]) -> torch.Tensor:
    """What a piecewise-linear layer makes of each number before its linear map."""
    layer = PiecewiseLinear(edges, 4)
    with torch.no_grad():
        bins = layer.linear.weight.shape[1]
        layer.linear = torch.nn.Identity()  # type: ignore[assignment]
    found = layer(torch.tensor(numbers)[:, None])
    assert found.shape == (len(numbers), 1, bins)
    return found[:, 0]


def test_a_number_fills_the_bins_below_it() -> None:
    found = reach([0.5, 2.0, 3.0], [(0.0, 1.0, 3.0)])

    torch.testing.assert_close(found, torch.tensor([[0.5, 0.0], [1.0, 0.5], [1.0, 1.0]]))


def test_a_number_beyond_the_bins_extrapolates() -> None:
    found = reach([7.0], [(0.0, 1.0, 3.0)])

    torch.testing.assert_close(found, torch.tensor([[1.0, 3.0]]))


def test_a_number_with_fewer_bins_leaves_the_others_empty() -> None:
    layer = PiecewiseLinear([(0.0, 1.0, 3.0, 4.0), (5.0, 6.0), (2.0,)], 4)

    outputs = layer(torch.tensor([[0.5, 5.5, 2.0], [1e6, -1e6, 3.0]]))

    assert outputs.shape == (2, 3, 4)
    assert outputs.isfinite().all()


@pytest.mark.parametrize("numbers", ["piecewise", "periodic"])
def test_a_wave_is_learned_that_a_linear_model_cannot(numbers: str) -> None:
    torch.manual_seed(0)
    inputs = torch.rand(512, 1) * 4 - 2
    targets = torch.sin(4 * inputs)
    edges = tuple(torch.quantile(inputs, torch.linspace(0, 1, 17)).tolist())
    layer = TableInputs(
        TableLayout(1, {}, (0,), (edges,)), numbers=numbers, number_width=16, frequencies=8, sigma=1.0
    )
    model = nn.Sequential(layer, nn.Linear(layer.width, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)

    for _ in range(200):
        loss = nn.functional.mse_loss(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert loss.item() < 0.05 < targets.var().item()


@pytest.mark.parametrize(
    "learned",
    [
        {"embedded": [[5, 7]]},
        {"embedded": [[-1, 7]]},
        {"embedded": [[0, 0]]},
        {"embedded": [[0, "7"]]},
        {"embedded": [[0, 7]], "continuous": [0]},
        {"continuous": [1.0]},
        {"continuous": [0, 1], "edges": [[0, 1]]},
        {"continuous": [0], "edges": [[]]},
        {"continuous": [0], "edges": [[1, 0]]},
        {"continuous": [0], "edges": [[0, math.nan]]},
        {"continuous": [0], "edges": [["x"]]},
    ],
    ids=str,
)
def test_a_layout_that_does_not_fit_is_refused(learned: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        TableLayout.of(5, learned)


def describe(kind: str = "table", **learned: Any) -> DataDescription:
    return DataDescription(
        name="x.csv",
        kind=kind,
        task="regression",
        input_shape=(5,),
        target_shape=(1,),
        learned=learned,
        split_sizes={},
    )


def test_mlp_takes_codes_and_bins_from_what_the_data_learned() -> None:
    arguments = MODELS["mlp"].resolve({"numbers": "piecewise"}, "table")

    model = build_model("mlp", describe(embedded=[[3, 7]], continuous=[0], edges=[[0, 1]]), arguments)

    assert isinstance(model, Mlp)
    assert model.table is not None
    assert model(INPUTS).shape == (2, 1)


def test_mlp_has_no_layer_more_where_all_features_go_in_as_they_are() -> None:
    model = build_model("mlp", describe(continuous=[0]), MODELS["mlp"].resolve({}, "table"))

    assert isinstance(model, Mlp)
    assert model.table is None


def test_numbers_get_vectors_in_tables_alone() -> None:
    arguments = MODELS["mlp"].resolve({"numbers": "periodic"})

    with pytest.raises(ConfigError) as caught:
        build_model("mlp", describe("arrays"), arguments)

    assert_reports(caught.value, "-s numbers=periodic", "x.csv")
    assert caught.value.hint
