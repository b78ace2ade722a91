"""A step whose gradients are not finite is never applied."""

import copy
import math
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from toys import make_blobs, make_network, make_parts, train

from dlkit.models.context import Context
from dlkit.training.divergence.guard import FiniteGuard, all_finite, non_finite
from dlkit.training.optimizers import build_optimizer, optimizer_state, restore_optimizer

OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop", "adagrad")
BAD = {"nan": math.nan, "inf": math.inf, "minus-inf": -math.inf}


class Trainer:
    """A network, its guard and its optimizer; a step with or without a bad gradient."""

    def __init__(self, optimizer: str, momentum: float = 0.9, grad_clip: float | None = None) -> None:
        self.model = make_network()
        self.optimizer = build_optimizer(self.model, optimizer, lr=0.1, momentum=momentum, weight_decay=0.01)
        self.guard = FiniteGuard(self.optimizer, list(self.model.parameters()), grad_clip, self.model)
        self.split = make_blobs(32)

    def step(self, bad: float | None = None, losses: Sequence[Tensor] = ()) -> None:
        self.optimizer.zero_grad()
        F.cross_entropy(self.model(self.split.inputs), self.split.targets).backward()
        if bad is not None:
            self.model[2].weight.grad[1, 2] = bad
        self.guard.step(losses)

    def take_up(self, other: "Trainer") -> None:
        """Go on from another's state, as a resumed run does."""
        self.model.load_state_dict(other.model.state_dict())
        restore_optimizer(self.optimizer, self.model, optimizer_state(other.optimizer, other.model))

    def state(self) -> dict[str, Tensor]:
        both = {**self.model.state_dict(), **optimizer_state(self.optimizer, self.model)}
        return {name: value.clone() for name, value in both.items()}


def same_bits(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


# Of each step the bad number in its gradient and the losses of its batches; the first is skipped, and all after it.
SKIPPED: dict[str, list[tuple[float | None, Sequence[Tensor]]]] = {
    **{name: [(value, ())] for name, value in BAD.items()},
    "good-ones-after-it": [(math.nan, ()), (None, ()), (None, ())],
    "the-loss-alone": [(None, [torch.tensor(1.0), torch.tensor(math.inf)])],
}


@pytest.mark.parametrize("grad_clip", [None, 0.5], ids=["unclipped", "clipped"])
@pytest.mark.parametrize("steps", SKIPPED.values(), ids=SKIPPED)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_weights_and_optimizer_keep_their_bits_from_the_first_bad_step_on(
    optimizer: str, steps: list[tuple[float | None, Sequence[Tensor]]], grad_clip: float | None
) -> None:
    trainer = Trainer(optimizer, grad_clip=grad_clip)
    trainer.step()
    assert trainer.guard.skipped() == 0
    before = trainer.state()

    for bad, losses in steps:
        trainer.step(bad, losses)

    assert same_bits(trainer.state(), before)
    assert trainer.guard.skipped() == len(steps)


@pytest.mark.parametrize("momentum", [0.0, 0.9], ids=["plain", "momentum"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_bad_very_first_step_leaves_no_trace(optimizer: str, momentum: float) -> None:
    trainer, spared = Trainer(optimizer, momentum), Trainer(optimizer, momentum)

    trainer.step(math.nan)
    restored = Trainer(optimizer, momentum)
    restored.take_up(trainer)
    for _ in range(3):
        restored.step()
        spared.step()

    assert same_bits(restored.state(), spared.state())
    assert all_finite(restored.state().values())


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


@pytest.mark.parametrize(
    ("name", "value", "broken"),
    [
        ("0.weight", math.inf, True),
        ("1.running_var", math.inf, True),
        ("mask", math.nan, True),
        ("mask", -math.inf, False),
        ("mask", 1.0, False),
    ],
)
def test_infinity_breaks_parameters_and_running_statistics_but_no_mask(
    name: str, value: float, broken: bool
) -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    model.register_buffer("mask", torch.zeros(2, 2))
    model.state_dict()[name].view(-1)[0] = value

    assert non_finite(model) == [name] * broken


def test_loop_ends_with_the_epoch_of_a_bad_batch_and_reports_it() -> None:
    split = make_blobs(48)
    split.inputs[5] = math.nan
    model = make_network()
    parts = make_parts(split, model, val=make_blobs(16))

    steps = train(parts, epochs=2)

    assert [step.diverged for step in steps] == [False, False, True]
    assert steps[-1].record is None
    assert 1 <= parts.guard.skipped() <= 3
    assert all_finite(model.state_dict().values())


class Counting(nn.Module):
    """Buffers of two kinds, one changed in place and one put anew in each pass, and a context that never changes."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.register_buffer("mean", torch.zeros(3))
        self.register_buffer("passes", torch.zeros((), dtype=torch.int64))
        self.context = Context({"table": torch.ones(2)})

    def forward(self, inputs: Tensor) -> Tensor:
        self.mean = 0.5 * self.mean + 0.5 * inputs
        self.passes += 1
        return (self.weight * inputs).sum()


def guarded(values: Sequence[float], size: int) -> tuple[Counting, FiniteGuard]:
    """Return a network with a buffer so long, and its guard, after a step with each value."""
    model = Counting()
    optimizer = build_optimizer(model, "sgd", lr=0.1, momentum=0.0, weight_decay=0.0)
    guard = FiniteGuard(optimizer, list(model.parameters()), model=model)
    model.mean = torch.zeros(size)
    for value in values:
        optimizer.zero_grad()
        model(torch.full((size,), value)).backward()
        guard.step()
    return model, guard


def test_buffers_are_put_back_as_the_last_good_step_left_them() -> None:
    model, guard = guarded((1.0, 2.0, math.nan, 3.0), 3)
    model.context["table"].add_(1)  # not kept: nothing changes it

    guard.restore_buffers()

    assert model.mean.tolist() == [1.25] * 3
    assert model.passes.item() == 2
    assert model.context["table"].tolist() == [2.0, 2.0]


def test_a_buffer_that_grows_is_kept_at_its_newest_length() -> None:
    model, guard = guarded((1.0, math.nan), 5)

    guard.restore_buffers()

    assert model.mean.tolist() == [0.5] * 5
