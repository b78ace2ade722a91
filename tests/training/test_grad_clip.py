"""Clipping by the gradient's global norm."""

import math

import pytest
import torch
from torch import Tensor, nn
from toys import make_blobs, make_network, make_parts, train

from dlkit.training.guards import all_finite

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


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_is_still_found_and_the_step_left_out(bad: float) -> None:
    split = make_blobs(48)
    split.inputs[5] = bad
    parts = make_parts(split, make_network(), val=make_blobs(16), grad_clip=1.0)

    train(parts, 2)

    assert parts.guard.skipped() == 2
    assert all_finite(parts.model.state_dict().values())
