"""Clipping by the gradient's global norm."""

import math

import pytest
import torch
from torch import Tensor, nn
from toys import make_blobs, make_network, make_parts, train

from dlkit.training.guards import all_finite
from dlkit.training.optimizers import build_optimizer

SPLIT = make_blobs(16)


def moved(grad_clip: float | None, l1: float = 0.0) -> tuple[Tensor, float]:
    """One step of plain SGD at rate 1: how far all weights moved, which is the gradient used, and the norm told."""
    model, twin = make_network(), make_network()
    steps = train(make_parts(SPLIT, model, lr=1.0, momentum=0.0, grad_clip=grad_clip, l1=l1), 1)
    vector = nn.utils.parameters_to_vector
    return vector(twin.parameters()).detach() - vector(model.parameters()).detach(), steps[
        -1
    ].record.grad_norm


@pytest.mark.parametrize("limit", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("l1", [0.0, 0.05])
def test_a_long_gradient_is_shortened_to_the_limit_and_keeps_its_direction(limit: float, l1: float) -> None:
    whole, _ = moved(None, l1)
    clipped, _ = moved(limit, l1)

    assert whole.norm() > limit
    assert limit * (1 - 1e-3) < clipped.norm() <= limit * (1 + 1e-5)
    torch.testing.assert_close(clipped / limit, whole / whole.norm(), rtol=1e-3, atol=1e-4)


def test_a_short_gradient_keeps_its_bits() -> None:
    assert torch.equal(moved(1e6)[0], moved(None)[0])


@pytest.mark.parametrize("limit", [1e-3, 0.5])
def test_the_norm_that_is_told_is_the_one_before_clipping(limit: float) -> None:
    whole, told = moved(None)

    assert told == pytest.approx(whole.norm().item(), rel=1e-4)
    assert moved(limit)[1] == told


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_one_bad_number_in_a_gradient_leaves_the_weights_as_they_are(optimizer: str, bad: float) -> None:
    model = make_network()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    parts = make_parts(SPLIT, model, optimizer=optimizer, grad_clip=1.0)
    parts.objective.loss(model(SPLIT.inputs), SPLIT.targets).backward()
    model[2].weight.grad[1, 2] = bad

    parts.guard.step()

    assert parts.guard.skipped() == 1
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "adagrad"])
def test_every_optimizer_sees_the_clipped_gradient(optimizer: str) -> None:
    """One step with the gradient clipped equals one of torch's own with it clipped before."""
    model, twin = make_network(), make_network()
    parts = make_parts(SPLIT, model, optimizer=optimizer, lr=0.01, weight_decay=0.1, grad_clip=0.01)
    reference = build_optimizer(twin, optimizer, lr=0.01, momentum=0.0, weight_decay=0.1)
    for network in (model, twin):
        parts.objective.loss(network(SPLIT.inputs), SPLIT.targets).backward()
    nn.utils.clip_grad_norm_(twin.parameters(), 0.01)

    parts.guard.step()
    reference.step()

    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_is_still_found_and_the_step_left_out(bad: float) -> None:
    split = make_blobs(48)
    split.inputs[5] = bad
    parts = make_parts(split, make_network(), val=make_blobs(16), grad_clip=1.0)

    train(parts, 2)

    assert parts.guard.skipped() == 2
    assert all_finite(parts.model.state_dict().values())
