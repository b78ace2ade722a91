"""A step whose gradients are not finite is never applied."""

import copy
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from toys import make_blobs, make_network, make_parts, train

from dlkit.training.guards import FiniteGuard, all_finite
from dlkit.training.optimizers import build_optimizer, optimizer_state

OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop", "adagrad")
BAD = {"nan": math.nan, "inf": math.inf, "minus-inf": -math.inf}


class Trainer:
    """A network, its guard and its optimizer; a step with or without a bad gradient."""

    def __init__(self, optimizer: str, momentum: float = 0.9) -> None:
        self.model = make_network()
        self.optimizer = build_optimizer(self.model, optimizer, lr=0.1, momentum=momentum, weight_decay=0.01)
        self.guard = FiniteGuard(self.optimizer, list(self.model.parameters()))
        self.split = make_blobs(32)

    def step(self, bad: float | None = None) -> None:
        self.optimizer.zero_grad()
        F.cross_entropy(self.model(self.split.inputs), self.split.targets).backward()
        if bad is not None:
            self.model[2].weight.grad[1, 2] = bad
        self.guard.step()

    def state(self) -> dict[str, Tensor]:
        both = {**self.model.state_dict(), **optimizer_state(self.optimizer, self.model)}
        return {name: value.clone() for name, value in both.items()}


def same_bits(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_weights_and_optimizer_keep_their_bits_when_a_gradient_is_not_finite(
    optimizer: str, bad: float
) -> None:
    trainer = Trainer(optimizer)
    trainer.step()
    before = trainer.state()

    trainer.step(bad)

    assert same_bits(trainer.state(), before)
    assert trainer.guard.skipped() == 1


@pytest.mark.parametrize("momentum", [0.0, 0.9], ids=["plain", "momentum"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_bad_very_first_step_leaves_no_trace(optimizer: str, momentum: float) -> None:
    trainer, spared = Trainer(optimizer, momentum), Trainer(optimizer, momentum)

    trainer.step(math.nan)
    for _ in range(3):
        trainer.step()
        spared.step()

    assert same_bits(trainer.state(), spared.state())
    assert all_finite(trainer.state().values())


def test_good_steps_are_not_counted() -> None:
    trainer = Trainer("sgd")

    trainer.step()

    assert trainer.guard.skipped() == 0


def test_gradients_that_are_finite_keep_their_bits() -> None:
    trainer, unguarded = Trainer("sgd"), Trainer("sgd")
    F.cross_entropy(unguarded.model(unguarded.split.inputs), unguarded.split.targets).backward()

    trainer.step()

    for guarded, plain in zip(trainer.model.parameters(), unguarded.model.parameters(), strict=True):
        assert torch.equal(guarded.grad, plain.grad)


def test_parameters_without_a_gradient_are_passed_over() -> None:
    model = nn.ModuleDict({"used": nn.Linear(2, 2), "idle": nn.Linear(2, 2)})
    optimizer = build_optimizer(model, "sgd", lr=0.1, momentum=0.0, weight_decay=0.0)
    guard = FiniteGuard(optimizer, list(model.parameters()))
    model["used"](torch.ones(1, 2)).sum().backward()

    guard.step()

    assert guard.skipped() == 0


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_all_finite_finds_one_bad_value(bad: float) -> None:
    tensors = [torch.zeros(3, 4), torch.arange(3), torch.zeros(())]
    assert all_finite(tensors)

    spoiled = copy.deepcopy(tensors)
    spoiled[0][1, 2] = bad
    assert not all_finite(spoiled)


def test_loop_skips_the_step_of_a_bad_batch_and_goes_on() -> None:
    split = make_blobs(48)
    split.inputs[5] = math.nan
    model = make_network()
    parts = make_parts(split, model, val=make_blobs(16))

    train(parts, epochs=2)

    assert parts.guard.skipped() == 2
    assert all_finite(model.state_dict().values())
