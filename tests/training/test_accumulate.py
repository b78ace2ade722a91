"""Several batches that make one step."""

from typing import Any

import pytest
import torch
from descriptions import OF_CLASSES
from torch import Tensor, nn
from toys import make_blobs, make_network, make_parts, train

from dlkit.objectives import RunningMean, build_objective
from dlkit.training.loop import Parts, Position, fit

SIZES = {
    "whole-groups": (72, 8, 3),
    "a-smaller-last-group": (60, 8, 3),
    "a-smaller-last-batch": (68, 8, 3),
    "a-single-sample-left-over": (57, 8, 3),
    "one-group": (30, 8, 9),
}


class InDouble(nn.Module):
    """Computes in float64, so that nothing but a wrong share of a batch shows."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = make_network().double()

    def forward(self, inputs: Tensor) -> Tensor:
        return self.inner(inputs.double())


def parts_of(samples: int, batch_size: int, accumulate: int, **others: Any) -> Parts:
    return make_parts(make_blobs(samples), InDouble(), batch_size=batch_size, accumulate=accumulate, **others)


def gradients_of_each_step(parts: Parts) -> list[list[Tensor]]:
    return [
        [parameter.grad.clone() for parameter in parts.model.parameters()] for _ in fit(parts, Position(), 1)
    ]


@pytest.mark.parametrize(("samples", "batch_size", "accumulate"), SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "class-weights"])
def test_gradients_equal_those_of_one_batch_as_large(
    samples: int, batch_size: int, accumulate: int, weighted: bool
) -> None:
    weights = torch.tensor([1.0, 5.0, 0.2], dtype=torch.float64) if weighted else None
    objective = build_objective(OF_CLASSES, weights=weights)
    both = {"objective": objective, "running": RunningMean(objective), "l1": 0.01}

    several = gradients_of_each_step(parts_of(samples, batch_size, accumulate, **both))
    at_once = gradients_of_each_step(parts_of(samples, batch_size * accumulate, 1, **both))

    assert len(several) == len(at_once)
    for ours, theirs in zip(several, at_once, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_weights_equal_those_of_one_batch_as_large() -> None:
    several = make_parts(make_blobs(60), make_network(), batch_size=8, accumulate=3, grad_clip=0.3)
    at_once = make_parts(make_blobs(60), make_network(), batch_size=24, grad_clip=0.3)

    ours, theirs = train(several, 3)[-1].record, train(at_once, 3)[-1].record

    for mine, other in zip(several.model.parameters(), at_once.model.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-6)
    assert (ours.step, theirs.step) == (9, 9)
    assert ours.train_loss == pytest.approx(theirs.train_loss, rel=1e-5)
    assert ours.grad_norm is not None


def test_steps_and_places_are_counted_in_groups() -> None:
    parts = make_parts(make_blobs(60), make_network(), batch_size=8, accumulate=3)
    position = Position()
    seen = [
        (step.epoch, step.in_epoch, step.step, position.batch, step.record is not None)
        for step in fit(parts, position, 2)
    ]

    assert parts.steps_per_epoch == 3
    assert seen == [
        (1, 1, 1, 3, False),
        (1, 2, 2, 6, False),
        (1, 3, 3, 0, True),
        (2, 1, 4, 3, False),
        (2, 2, 5, 6, False),
        (2, 3, 6, 0, True),
    ]


def test_the_rate_is_asked_for_once_a_step() -> None:
    asked = []

    def schedule(step: int) -> float:
        asked.append(step)
        return 0.1 / (1 + step)

    parts = make_parts(make_blobs(60), make_network(), batch_size=8, accumulate=3, schedule=schedule)

    rates = [step.lr for step in train(parts, 2)]

    assert rates == [0.1 / (1 + step) for step in range(6)]
    assert set(asked) == set(range(6))


class Forgetful(nn.Module):
    """Notes whether gradients of earlier batches are there at a forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = make_network()
        self.fresh: list[bool] = []

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training:
            self.fresh.append(all(parameter.grad is None for parameter in self.parameters()))
        return self.inner(inputs)


def test_gradients_are_forgotten_only_between_steps() -> None:
    model = Forgetful()

    train(make_parts(make_blobs(40), model, batch_size=8, accumulate=2), 1)

    assert model.fresh == [True, False, True, False, True]
