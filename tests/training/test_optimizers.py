"""Optimizers against their formulas, and their state by parameter name."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from toys import make_blobs, make_network

from dlkit.errors import CheckpointError
from dlkit.training.optimizers import build_optimizer, optimizer_state, restore_optimizer

SPLIT = make_blobs(32)
LR, MOMENTUM, DECAY = 0.05, 0.9, 0.1


def gradients(model: nn.Module) -> list[Tensor]:
    for parameter in model.parameters():
        parameter.grad = None
    inputs = SPLIT.inputs.to(next(model.parameters()).dtype)
    F.cross_entropy(model(inputs), SPLIT.targets).backward()
    return [parameter.grad for parameter in model.parameters()]


def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    gradients(model)
    optimizer.step()


HAND_WORKED = {
    # mu 0.5, eta 0.1, lambda 0.2, gradients 1, -2, 0.5; from 1 on: weight after each step, then bias, not decayed.
    "plain": (0.0, False, [0.88, 1.0624, 0.991152], [0.9, 1.1, 1.05]),
    "momentum": (0.5, False, [0.88, 1.0024, 0.993552], [0.9, 1.05, 1.075]),
    "nesterov": (0.5, True, [0.82, 1.0654, 0.989338], [0.85, 1.125, 1.0875]),
}


@pytest.mark.parametrize(("momentum", "nesterov", "weights", "biases"), HAND_WORKED.values(), ids=HAND_WORKED)
def test_sgd_comes_to_the_numbers_of_pencil_and_paper(
    momentum: float, nesterov: bool, weights: list[float], biases: list[float]
) -> None:
    model = nn.Linear(1, 1).double()
    nn.init.ones_(model.weight)
    nn.init.ones_(model.bias)
    optimizer = build_optimizer(model, "sgd", lr=0.1, momentum=momentum, nesterov=nesterov, weight_decay=0.2)

    seen = []
    for gradient in (1.0, -2.0, 0.5):
        model.weight.grad = torch.full_like(model.weight, gradient)
        model.bias.grad = torch.full_like(model.bias, gradient)
        optimizer.step()
        seen.append((model.weight.item(), model.bias.item()))

    assert [weight for weight, _ in seen] == pytest.approx(weights, abs=1e-12)
    assert [bias for _, bias in seen] == pytest.approx(biases, abs=1e-12)


KINDS = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
}


@pytest.mark.parametrize("decay", [0.0, DECAY])
@pytest.mark.parametrize("name", KINDS)
def test_fifty_steps_equal_those_of_torchs_plain_implementation(name: str, decay: float) -> None:
    model, twin = make_network().double(), make_network().double()
    optimizer = build_optimizer(model, name, lr=0.01, momentum=0.5, nesterov=True, weight_decay=decay)
    weights, biases = (
        [w for w in twin.parameters() if w.ndim == 2],
        [w for w in twin.parameters() if w.ndim == 1],
    )
    groups = [{"params": weights, "weight_decay": decay}, {"params": biases, "weight_decay": 0.0}]
    own = {"momentum": 0.5, "nesterov": True} if name == "sgd" else {}
    fused = {} if name == "rmsprop" else {"fused": False}
    reference = KINDS[name](groups, lr=0.01, foreach=False, **fused, **own)

    for _ in range(50):
        step(model, optimizer)
        step(twin, reference)

    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", KINDS)
def test_torchs_fast_implementation_is_taken_where_there_is_one(name: str) -> None:
    optimizer = build_optimizer(make_network(), name, lr=0.01, momentum=0.5, weight_decay=0.0)

    assert type(optimizer).__base__ is KINDS[name]
    fused = [bool(group.get("fused")) for group in optimizer.param_groups]
    assert fused == [name != "rmsprop"]
    assert optimizer.param_groups[0]["foreach"] in ([True] if name == "rmsprop" else [None, False])


@pytest.mark.parametrize("name", KINDS)
def test_decay_spares_biases_and_normalisation(name: str) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 2))

    optimizer = build_optimizer(model, name, lr=0.1, momentum=0.0, weight_decay=DECAY)

    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decay = {
        names[id(parameter)]: group["weight_decay"]
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert decay == {
        "0.weight": DECAY,
        "0.bias": 0.0,
        "1.weight": 0.0,
        "1.bias": 0.0,
        "3.weight": DECAY,
        "3.bias": 0.0,
    }


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("sgd", {"momentum_buffer"}),
        ("adam", {"step", "exp_avg", "exp_avg_sq"}),
        ("adamw", {"step", "exp_avg", "exp_avg_sq"}),
        ("rmsprop", {"step", "square_avg"}),
        ("adagrad", {"step", "sum"}),
    ],
)
def test_state_goes_by_parameter_name_and_resumes_with_the_same_bits(name: str, kinds: set[str]) -> None:
    settings = {"lr": LR, "momentum": MOMENTUM, "nesterov": True, "weight_decay": DECAY}
    model = make_network()
    optimizer = build_optimizer(model, name, **settings)
    for _ in range(3):
        step(model, optimizer)
    state = {key: value.clone() for key, value in optimizer_state(optimizer, model).items()}
    twin = make_network(seed=1)
    twin.load_state_dict(model.state_dict())
    restored = build_optimizer(twin, name, **settings)
    restore_optimizer(restored, twin, state)

    for _ in range(3):
        step(model, optimizer)
        step(twin, restored)

    assert {key.partition(".")[0] for key in state} == kinds
    assert {key.partition(".")[2] for key in state} == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert all(map(torch.equal, model.state_dict().values(), twin.state_dict().values()))


def test_restored_state_shares_no_memory_with_what_was_read() -> None:
    model = make_network()
    optimizer = build_optimizer(model, "sgd", lr=LR, momentum=MOMENTUM, weight_decay=0.0)
    stored = {"momentum_buffer.0.bias": torch.zeros(16)}
    restore_optimizer(optimizer, model, stored)

    step(model, optimizer)

    assert not stored["momentum_buffer.0.bias"].any()


def test_state_of_another_network_is_refused() -> None:
    model = make_network()
    optimizer = build_optimizer(model, "sgd", lr=LR, momentum=MOMENTUM, weight_decay=0.0)

    with pytest.raises(CheckpointError) as caught:
        restore_optimizer(optimizer, model, {"momentum_buffer.9.weight": torch.zeros(1)})

    assert "9.weight" in caught.value.message
    assert "another network" in caught.value.message
