"""Where the first number that is not finite comes from."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from dlkit.training.divergence.replay import Replay, replay


class Exponential(nn.Module):
    """A layer whose output overflows float32 above 88.7."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.exp()


class Half(nn.Module):
    """A layer that computes in half precision, and passes on what came of it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4).half()

    def forward(self, inputs: Tensor) -> Tensor:
        return self.inner(inputs.half()).float()


class Between(nn.Module):
    """Divides by zero between two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.second(self.first(inputs) / torch.zeros(4))


class Root(nn.Module):
    """Its slope at zero is infinite, its value is not."""

    def forward(self, inputs: Tensor) -> Tensor:
        return (inputs - inputs.detach()).abs().sqrt() + inputs


def squares(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs[:, 0] - targets).square().mean()


def look(
    model: nn.Module,
    inputs: Tensor | None = None,
    targets: Tensor | None = None,
    loss_fn: Callable[[Tensor, Tensor], Tensor] = squares,
    *,
    training: bool = True,
) -> Replay:
    inputs = torch.ones(6, 4) if inputs is None else inputs
    targets = torch.zeros(len(inputs)) if targets is None else targets
    return replay(model, [(inputs, targets)], loss_fn, training=training)


def filled(layer: nn.Linear, value: float) -> nn.Linear:
    nn.init.constant_(layer.weight, value)
    nn.init.zeros_(layer.bias)
    return layer


def spoiled_weight() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 3))
    nn.init.constant_(model[2].bias, math.nan)
    return model


FORWARD = {
    "exp": (
        nn.Sequential(filled(nn.Linear(4, 4), 30.0), Exponential(), nn.Linear(4, 3)),
        ("forward", "1", ("layer 1", "Exponential", "120")),
    ),
    "product": (
        nn.Sequential(filled(nn.Linear(4, 4), 1e30), filled(nn.Linear(4, 3), 1e30)),
        ("forward", "1", ("layer 1", "Linear", "4e+30")),
    ),
    "between-layers": (Between(), ("forward", "second", ("before layer second", "Linear"))),
    "weights": (spoiled_weight(), ("weights", "2.bias", ("2.bias",))),
}


@pytest.mark.parametrize("training", [True, False], ids=["training", "validation"])
@pytest.mark.parametrize(("model", "expected"), FORWARD.values(), ids=FORWARD)
def test_first_layer_of_the_forward_pass_is_named(
    model: nn.Module, expected: tuple[str, str, tuple[str, ...]], training: bool
) -> None:
    cause, layer, parts = expected

    found = look(model, training=training).finding

    assert (found.cause, found.layer) == (cause, layer)
    assert [part for part in parts if part not in found.message] == [], found.message


def test_float16_that_overflows_is_distinguished_from_numbers_that_break_down() -> None:
    model = Half()
    filled(model.inner, 1.0)
    inputs = torch.full((6, 4), 15_000.0)  # four of them are 60,000, which fits; the last row's are not
    inputs[5] *= 2

    finding = look(model, inputs).finding

    assert finding.fp16_overflow
    assert finding.layer == "inner"
    for value in ("3e+04", "65,504"):
        assert value in finding.message


def test_float16_that_was_not_finite_for_other_reasons_is_no_overflow() -> None:
    model = Half()
    nn.init.constant_(model.inner.weight, 1.0)
    inputs = torch.ones(6, 4)
    inputs[0, 0] = math.nan

    assert look(model, inputs).finding.cause == "inputs"
    assert not look(model, inputs).first_forward.fp16_overflow


def test_loss_that_overflows_while_the_outputs_do_not() -> None:
    model = nn.Sequential(filled(nn.Linear(4, 3), 1e25))

    found = look(model).finding

    assert found.cause == "loss"
    assert "4e+25" in found.message


def test_first_layer_of_the_backward_pass_is_named() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), Root(), nn.Linear(4, 3))

    seen = look(model)

    assert math.isfinite(seen.loss)
    assert seen.finding.cause == "backward"
    assert seen.finding.layer == "1"
    assert "layer 1 (Tanh)" in seen.finding.message
    assert set(seen.gradients) == {"0.weight", "0.bias"}


def test_gradient_of_a_parameter_alone() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.zeros(()))

        def forward(self, inputs: Tensor) -> Tensor:
            return inputs * self.scale.sqrt()

    seen = look(nn.Sequential(Scaled()), loss_fn=lambda outputs, _: outputs.sum())

    assert (seen.finding.cause, seen.finding.layer) == ("backward", "0.scale")


@pytest.mark.parametrize(
    ("inputs", "targets", "cause"),
    [([1], [], "inputs"), ([1, 4], [2], "inputs"), ([], [0, 5], "targets")],
    ids=["an-input", "inputs-before-targets", "targets"],
)
def test_data_that_are_not_finite_are_named(inputs: list[int], targets: list[int], cause: str) -> None:
    given, wanted = torch.ones(6, 4), torch.zeros(6)
    given[inputs, 2] = math.nan
    wanted[targets] = math.inf

    seen = look(nn.Linear(4, 3), given, wanted)

    assert seen.finding.cause == cause
    assert f"{len(inputs or targets)} sample" in seen.finding.message
    assert (seen.bad_inputs, seen.bad_targets) == (inputs, targets)


def test_batches_of_a_step_are_looked_at_up_to_the_bad_one() -> None:
    bad = torch.ones(2, 4)
    bad[1] = math.inf
    batches = [(torch.ones(3, 4), torch.zeros(3)), (bad, torch.zeros(2)), (bad, torch.zeros(2))]

    seen = replay(nn.Linear(4, 3), batches, squares)

    assert (seen.batch, seen.bad_inputs) == (1, [1])


def test_calls_hold_what_passed_in_order() -> None:
    model = nn.Sequential(filled(nn.Linear(4, 2), 0.5), nn.ReLU(), filled(nn.Linear(2, 3), -1.0))

    seen = look(model)

    assert [(call.layer, call.kind) for call in seen.calls] == [
        ("0", "Linear"),
        ("1", "ReLU"),
        ("2", "Linear"),
    ]
    assert [call.inputs.largest for call in seen.calls] == [1.0, 2.0, 2.0]
    assert [call.outputs.largest for call in seen.calls] == [2.0, 2.0, 4.0]
    assert seen.calls[2].gradient.largest == pytest.approx(8 / 6)
    assert seen.finding.cause == "none"


def test_several_inputs_by_name_are_seen() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(4, 3)

        def forward(self, left: Tensor, right: Tensor) -> Tensor:
            return self.inner(left + right)

    bad = torch.ones(6, 4)
    bad[3, 0] = math.nan
    inputs = {"left": torch.ones(6, 4), "right": bad}

    seen = replay(Two(), [(inputs, torch.zeros(6))], squares)

    assert seen.bad_inputs == [3]
    assert seen.first_forward.layer == "the network"


def test_hooks_are_gone_afterwards() -> None:
    model = nn.Linear(4, 3)

    look(model)

    assert not model._forward_hooks
    assert not model._forward_pre_hooks
