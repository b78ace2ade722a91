"""Outputs and scores of a network on a split."""

import pytest
import torch
from descriptions import OF_CLASSES
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from dlkit.evaluation.evaluate import mean_scores, predict
from dlkit.objectives import build_objective

INPUTS = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
TARGETS = torch.arange(50) % 3


def make_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))


def batches(size: int) -> list[tuple[Tensor, Tensor]]:
    return list(zip(INPUTS.split(size), TARGETS.split(size), strict=True))


@pytest.mark.parametrize("size", [1, 7, 50])
def test_scores_equal_a_direct_computation_whatever_the_batches(size: int) -> None:
    model = make_network()

    loss, accuracy = mean_scores(model, batches(size), build_objective(OF_CLASSES))

    with torch.no_grad():
        outputs = model.eval()(INPUTS)
    assert loss == pytest.approx(F.cross_entropy(outputs, TARGETS).item(), rel=1e-6)
    assert accuracy == (outputs.argmax(1) == TARGETS).double().mean().item()


def test_predictions_come_in_order_and_without_gradients() -> None:
    model = make_network()

    outputs, targets = predict(model, batches(7))

    with torch.no_grad():
        torch.testing.assert_close(outputs, model.eval()(INPUTS))
    assert torch.equal(targets, TARGETS)
    assert not outputs.requires_grad


def test_evaluation_changes_neither_weights_nor_statistics() -> None:
    model = make_network()
    before = {name: value.clone() for name, value in model.state_dict().items()}

    mean_scores(model, batches(7), build_objective(OF_CLASSES))
    predict(model, batches(7))

    assert not model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
