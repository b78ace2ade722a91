import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from dlkit.inspection.gradients import compute_gradients, gradient_rows
from dlkit.inspection.layer_table import COLUMNS


def make_linear() -> nn.Linear:
    model = nn.Linear(2, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[3.0, 4.0]]))
        model.bias.zero_()
    return model


def halved_squares(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs[:, 0] - targets).square().mean() / 2


# Residuals w x - y: 3 - 1 = 2, 4 - 5 = -1, 7 - 7 = 0; the gradient of the mean is sum(residual * x) / 3.
INPUTS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
TARGETS = torch.tensor([1.0, 5.0, 7.0])


@pytest.mark.parametrize("sizes", [[3], [2, 1], [1, 1, 1]], ids=str)
def test_gradients_are_those_of_the_mean_over_all_samples(sizes: list[int]) -> None:
    batches = list(zip(INPUTS.split(sizes), TARGETS.split(sizes), strict=True))

    gradients = compute_gradients(make_linear(), batches, halved_squares)

    torch.testing.assert_close(gradients["weight"], torch.tensor([[2 / 3, -1 / 3]]))
    torch.testing.assert_close(gradients["bias"], torch.tensor([1 / 3]))


def test_rows_hold_every_column_and_the_ratio_to_the_weights() -> None:
    model = make_linear()
    gradients = compute_gradients(model, [(INPUTS, TARGETS)], halved_squares)

    weight, bias = gradient_rows(model, gradients)

    assert tuple(weight) == COLUMNS["grads"]
    assert weight["shape"] == "1x2"
    assert weight["norm"] == pytest.approx(math.sqrt(5) / 3)
    assert weight["mean"] == pytest.approx(1 / 6)
    assert weight["std"] == pytest.approx(0.5)
    assert (weight["min"], weight["max"]) == (pytest.approx(-1 / 3), pytest.approx(2 / 3))
    assert weight["grad_to_weight"] == pytest.approx(math.sqrt(5) / 3 / 5)
    assert bias["grad_to_weight"] is None  # its weights are zero


def test_gradients_equal_those_of_training_without_dropout() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    inputs, targets = torch.randn(16, 4), torch.randint(0, 3, (16,))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    gradients = compute_gradients(model, [(inputs, targets)], F.cross_entropy)

    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    F.cross_entropy(model.train()(inputs), targets).backward()
    for name, parameter in model.named_parameters():
        assert torch.equal(gradients[name], parameter.grad)


def test_gradients_are_reproducible_with_dropout() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 50), nn.Dropout(0.5), nn.Linear(50, 3))
    batches = [(torch.randn(6, 4), torch.randint(0, 3, (6,)))]

    first, second = (compute_gradients(model, batches, F.cross_entropy) for _ in range(2))

    assert all(torch.equal(first[name], second[name]) for name in first)


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used = nn.Linear(2, 1)
        self.unused = nn.Linear(2, 1)
        self.frozen = nn.Parameter(torch.ones(1), requires_grad=False)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.used(inputs) * self.frozen


def test_parameters_the_loss_does_not_reach_have_zero_gradients_and_frozen_ones_none() -> None:
    model = TwoHeads()

    gradients = compute_gradients(model, [(INPUTS, TARGETS)], halved_squares)
    rows = {row["layer"]: row for row in gradient_rows(model, gradients)}

    assert list(rows) == ["used.weight", "used.bias", "unused.weight", "unused.bias"]
    assert rows["unused.weight"]["zeros"] == 1.0
    assert rows["unused.weight"]["grad_to_weight"] == 0.0


def test_gradients_that_are_not_finite_are_counted() -> None:
    model = make_linear()
    gradients = compute_gradients(model, [(INPUTS, torch.tensor([1.0, math.inf, 7.0]))], halved_squares)

    weight, bias = gradient_rows(model, gradients)

    assert (weight["non_finite"], bias["non_finite"]) == (2, 1)
    assert bias["norm"] is None
    assert bias["grad_to_weight"] is None
