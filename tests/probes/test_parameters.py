"""Signals of each layer at sampled steps."""

import pytest
import torch
from torch import nn

from dlkit.probes.parameters import Probe

CPU = torch.device("cpu")


def make_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))


def measure(model: nn.Module, probe: Probe, step: int, lr: float = 0.1) -> dict[str, tuple[float, float]]:
    """Take one step of gradient descent under the probe; return gradient norm and update ratio, computed directly."""
    model.zero_grad()
    model(torch.full((5, 3), float(step))).square().sum().backward()
    probe.before_step()
    direct = {}
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.grad is not None:
                direct[name] = (weight.grad.norm().item(), ((lr * weight.grad).norm() / weight.norm()).item())
                weight -= lr * weight.grad
    probe.after_step(step)
    return direct


@pytest.mark.parametrize(
    ("steps", "sampled"), [(1, 1), (5, 1), (40, 1), (100, 1), (101, 2), (860, 9), (10_000, 20)]
)
def test_the_first_and_every_100th_step_of_an_epoch_are_sampled_or_twenty(steps: int, sampled: int) -> None:
    probe = Probe(make_network(), steps)

    due = [position for position in range(steps) if probe.due(position)]

    assert len(due) == sampled
    assert due[0] == 0


def test_signals_equal_a_direct_computation() -> None:
    model = make_network()
    probe = Probe(model, 2)
    direct = {step: measure(model, probe, step, lr=1e-3) for step in (1, 2)}

    grad_norm, update_ratio, rows = probe.close_epoch()

    expected = {
        (step, name, signal): value
        for step, layers in direct.items()
        for name, pair in layers.items()
        for signal, value in zip(("grad_norm", "update_ratio"), pair, strict=True)
    }
    found = {(step, name, signal): value for step, name, signal, value in rows if signal != "weight_norm"}
    assert found == pytest.approx(expected, rel=1e-3)
    whole = [sum(norm**2 for norm, _ in layers.values()) ** 0.5 for layers in direct.values()]
    assert grad_norm == pytest.approx(sum(whole) / 2, rel=1e-5)
    assert 0 < update_ratio < 1


def test_nothing_measured_is_none() -> None:
    probe = Probe(make_network(), 10)

    assert probe.close_epoch() == (None, None, [])
    assert probe.state() == {}


def test_closing_resets() -> None:
    model = make_network()
    probe = Probe(model, 2)
    measure(model, probe, 1, lr=1e-3)
    probe.close_epoch()

    assert probe.close_epoch() == (None, None, [])


def test_state_is_restored_in_another_probe() -> None:
    model = make_network()
    probe, restored, empty = (Probe(model, 2) for _ in range(3))
    measure(model, probe, 1, lr=1e-3)
    restored.restore({name: tensor.clone() for name, tensor in probe.state().items()}, CPU)
    empty.restore({}, CPU)

    assert restored.close_epoch() == probe.close_epoch()
    assert empty.close_epoch() == (None, None, [])


def test_a_parameter_without_a_gradient_counts_as_zero_and_a_frozen_one_is_left_out() -> None:
    model = make_network()
    model[0].requires_grad_(False)
    model.register_parameter("idle", nn.Parameter(torch.ones(2)))
    probe = Probe(model, 2)
    measure(model, probe, 1, lr=1e-3)

    _, _, rows = probe.close_epoch()

    norms = {name: value for _, name, signal, value in rows if signal == "grad_norm"}
    assert norms.keys() == {"1.weight", "1.bias", "idle"}
    assert norms["idle"] == 0
    assert [name for _, name, signal, _ in rows if signal == "grad_missing"] == ["idle"]


def test_weights_that_are_all_zero_have_no_ratio() -> None:
    model = nn.Sequential(nn.Linear(3, 2))
    nn.init.zeros_(model[0].bias)
    probe = Probe(model, 2)
    measure(model, probe, 1, lr=1e-3)

    _, update_ratio, rows = probe.close_epoch()

    assert {name for _, name, signal, _ in rows if signal == "update_ratio"} == {"0.weight"}
    assert 0 < update_ratio < 1


def test_a_network_of_zeros_has_no_ratio_at_all() -> None:
    model = nn.Linear(3, 2)
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    probe = Probe(model, 2)
    model(torch.ones(1, 3)).sum().backward()
    probe.before_step()
    probe.after_step(1)

    grad_norm, update_ratio, rows = probe.close_epoch()

    assert grad_norm > 0
    assert update_ratio is None
    assert {signal for _, _, signal, _ in rows} == {"grad_norm", "weight_norm"}
