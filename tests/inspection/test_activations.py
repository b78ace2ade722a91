import math

import pytest
import torch
from torch import Tensor, nn

from dlkit.inspection.activations import ActivationRecorder
from dlkit.inspection.layer_table import COLUMNS, Row

NO_TARGETS = torch.zeros(0)


def watch(model: nn.Module, *inputs: Tensor) -> dict[str, Row]:
    recorder = ActivationRecorder()
    recorder.watch(model, [(part, NO_TARGETS) for part in inputs])
    return {str(row["layer"]): row for row in recorder.rows()}


def identity_layer(size: int) -> nn.Linear:
    layer = nn.Linear(size, size, bias=False)
    nn.init.eye_(layer.weight)
    return layer


# Unit 0 is positive once, unit 1 never, unit 2 is zero and negative: two of three are dead.
INPUTS = torch.tensor([[1.0, -1.0, 0.0], [-2.0, -3.0, -4.0]])


def test_rows_equal_those_worked_by_hand() -> None:
    rows = watch(nn.Sequential(identity_layer(3), nn.ReLU()), INPUTS)

    assert list(rows) == ["0", "1"]
    assert rows["0"]["norm"] == pytest.approx(math.sqrt(31))
    assert rows["1"] == {
        "layer": "1",
        "shape": "3",
        "norm": 1.0,
        "mean": pytest.approx(1 / 6),
        "std": pytest.approx(math.sqrt(5) / 6),
        "min": 0.0,
        "q05": 0.0,
        "median": 0.0,
        "q95": pytest.approx(0.75),
        "max": 1.0,
        "zeros": pytest.approx(5 / 6),
        "non_finite": 0,
        "stable_rank": pytest.approx(1),
        "dead": pytest.approx(2 / 3),
        "saturated": None,
    }
    assert tuple(rows["1"]) == COLUMNS["acts"]


def test_several_batches_count_as_one() -> None:
    model = nn.Sequential(identity_layer(3), nn.ReLU(), nn.Tanh())
    inputs = torch.cat([INPUTS, torch.tensor([[0.0, 5.0, 0.0]])])

    assert watch(model, inputs[:1], inputs[1:]) == watch(model, inputs)
    assert watch(model, inputs[:1], inputs[1:])["1"]["dead"] == pytest.approx(1 / 3)


def test_unit_of_an_image_is_a_channel() -> None:
    images = torch.full((2, 4, 3, 3), -1.0)
    images[1, 2, 0, 1] = 0.5

    assert watch(nn.Sequential(nn.ReLU()), images)["0"]["dead"] == 0.75


@pytest.mark.parametrize(
    ("layer", "inputs", "expected"),
    [
        (nn.Tanh(), [-9.0, -2.0, 0.0, 2.2], 0.5),  # tanh(2) = 0.964, tanh(2.2) = 0.976
        (nn.Sigmoid(), [-4.0, -3.0, 0.0, 4.0], 0.5),  # sigmoid(-4) = 0.018, sigmoid(-3) = 0.047
        (nn.Hardsigmoid(), [-3.0, 0.0, 1.0, 2.0], 0.25),
    ],
    ids=["tanh", "sigmoid", "hardsigmoid"],
)
def test_saturated_is_the_share_at_the_flat_ends(
    layer: nn.Module, inputs: list[float], expected: float
) -> None:
    row = watch(nn.Sequential(layer), torch.tensor([inputs]))["0"]

    assert row["saturated"] == expected
    assert row["dead"] is None


@pytest.mark.parametrize("layer", [nn.GELU(), nn.LeakyReLU(), nn.Linear(3, 3)], ids=str)
def test_other_layers_have_neither_dead_nor_saturated_units(layer: nn.Module) -> None:
    row = watch(nn.Sequential(layer), INPUTS)["0"]

    assert (row["dead"], row["saturated"]) == (None, None)


def test_layers_that_return_their_input_have_no_row() -> None:
    model = nn.Sequential(
        nn.Flatten(), nn.Identity(), identity_layer(3), nn.Dropout(0.5), nn.Dropout(0.5, inplace=True)
    )

    assert list(watch(model, INPUTS)) == ["2"]


def test_layer_that_works_in_place_does_not_change_the_row_before_it() -> None:
    recorder = ActivationRecorder(keep_outputs=True)
    recorder.watch(nn.Sequential(identity_layer(3), nn.ReLU(inplace=True)), [(INPUTS, NO_TARGETS)])

    assert torch.equal(recorder.outputs()["0"], INPUTS)
    assert torch.equal(recorder.outputs()["1"], INPUTS.relu())
    assert recorder.rows()[0]["min"] == -4.0


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.activation = nn.ReLU()

    def forward(self, inputs: Tensor) -> Tensor:
        return self.activation(self.activation(inputs) - 1)


def test_layer_that_is_called_twice_has_a_row_for_each_call() -> None:
    rows = watch(Shared(), INPUTS, INPUTS)

    assert list(rows) == ["activation", "activation:2"]
    assert rows["activation:2"]["max"] == 0.0
    assert rows["activation:2"]["dead"] == 1.0


def test_outputs_are_kept_only_when_asked_for() -> None:
    model = nn.Sequential(identity_layer(3))
    recorder = ActivationRecorder(keep_outputs=True)
    recorder.watch(model, [(INPUTS[:1], NO_TARGETS), (INPUTS[1:], NO_TARGETS)])
    forgetful = ActivationRecorder()
    forgetful.watch(model, [(INPUTS, NO_TARGETS)])

    assert torch.equal(recorder.outputs()["0"], INPUTS)
    assert forgetful.outputs() == {}


def test_model_is_left_unchanged_and_without_hooks() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    watch(model, INPUTS)

    assert all(not module._forward_hooks for module in model.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_non_finite_activations_are_counted() -> None:
    rows = watch(nn.Sequential(identity_layer(3)), torch.tensor([[math.nan, 1.0, 2.0]]))

    assert rows["0"]["non_finite"] == 3  # a NaN reaches every unit of a linear layer
