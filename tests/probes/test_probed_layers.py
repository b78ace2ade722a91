"""Signals of the outputs of layers, those of the user's own code included."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the field's own name

from dlkit.probes.layers import LayerProbe, rank_of, std_of


def watch(model: nn.Module, *batches: Tensor, **options: bool) -> dict[tuple[str, str], float]:
    probe = LayerProbe(model, **options)
    for batch in batches:
        with probe.watching():
            model(batch)
    return {
        (layer, signal): float(rank_of(value) if isinstance(value, Tensor) and value.ndim else value)
        for layer, signal, value in probe.finish()
    }


class Own(nn.Module):
    """Activations as functions, one layer used twice, a list of layers that torch does not see."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.second = nn.Linear(4, 4)
        self.hidden = [nn.Linear(4, 4)]
        self.loose = [nn.Parameter(torch.ones(4, 4))]

    def forward(self, inputs: Tensor) -> Tensor:
        seen = F.relu(self.first(inputs))
        seen = torch.tanh(self.second(seen)).sigmoid()
        seen = self.hidden[0](self.second(seen))
        return F.linear(seen.detach(), self.loose[0])


def test_statistics_equal_those_of_the_outputs() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4), nn.Tanh())
    inputs = torch.randn(40, 3)

    found = watch(model, 8 * inputs)

    linear, relu, _, tanh = (model[: end + 1](8 * inputs).detach() for end in range(4))
    assert found["0", "act_mean"] == pytest.approx(linear.mean().item(), rel=1e-5)
    assert std_of(found["0", "act_mean"], found["0", "act_rms"]) == pytest.approx(
        linear.std(correction=0).item(), rel=1e-4
    )
    assert found["1", "zeros"] == pytest.approx((relu == 0).double().mean().item(), abs=1e-6)
    assert found["3", "saturated"] == pytest.approx((tanh.abs() > 0.97).double().mean().item(), abs=1e-6)
    assert ("0", "zeros") not in found
    assert ("1", "dead") not in found


def test_a_unit_is_dead_if_no_pass_saw_it_alive() -> None:
    model = nn.Sequential(nn.Identity(), nn.ReLU())
    first, second = torch.tensor([[1.0, -1.0, -1.0, -1.0]]), torch.tensor([[-1.0, 1.0, -1.0, -2.0]])

    assert watch(model, first, second, find_dead=True)["1", "dead"] == 0.5


@pytest.mark.parametrize(("shape", "unit"), [((2, 3, 4, 4), 1), ((2, 4, 3), 2)], ids=["image", "sequence"])
def test_a_unit_is_a_channel_or_the_last_axis(shape: tuple[int, ...], unit: int) -> None:
    values = torch.ones(shape)
    values.select(unit, 0).fill_(-1)

    assert watch(nn.Sequential(nn.ReLU()), values, find_dead=True)["0", "dead"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(("directions", "scale"), [(1, 1.0), (3, 1e-2), (3, 1e38)])
def test_the_rank_is_the_number_of_directions_that_samples_differ_in(directions: int, scale: float) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(50, directions)

    found = watch(nn.Sequential(nn.Linear(directions, 8)), scale * inputs, find_faults=True)

    assert found["0", "act_rank"] == directions


def test_the_share_of_outputs_that_differs_is_told_beside_a_large_bias() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(5, 8)
    nn.init.constant_(layer.bias, 10.0)
    inputs = torch.randn(50, 5)

    outputs = layer(inputs).detach().numpy()
    found = watch(nn.Sequential(layer), inputs, find_faults=True)

    expected = ((outputs - outputs.mean(0)) ** 2).mean() ** 0.5 / (outputs**2).mean() ** 0.5
    assert found["0", "act_spread"] == pytest.approx(expected, rel=1e-4)
    assert found["0", "act_spread"] < 0.1


def test_outputs_that_are_not_finite_have_a_rank_of_their_own() -> None:
    inputs = torch.full((6, 2), torch.inf)

    assert watch(nn.Sequential(nn.Linear(2, 3)), inputs, find_faults=True)["0", "act_rank"] == 0


def test_functions_of_an_own_network_are_seen_and_its_faults_found() -> None:
    model = Own()

    found = watch(model, torch.ones(2, 3), find_faults=True)

    layers = {layer for layer, signal in found if signal == "act_mean"}
    assert layers == {"first", "relu", "second", "tanh", "sigmoid", "second:2", "Linear"}
    faults = {(layer, signal) for layer, signal in found if signal in ("unregistered", "detached", "no_grad")}
    assert faults == {("self.hidden", "unregistered"), ("self.loose", "unregistered"), ("", "detached")}


def test_layers_that_a_part_of_the_network_keeps_from_it_are_named_by_their_place() -> None:
    elsewhere = nn.Linear(3, 3)

    class Other(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return elsewhere(inputs)

    class Kept(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.by_name = {"first": [nn.Linear(3, 3)]}

        def forward(self, inputs: Tensor) -> Tensor:
            return self.by_name["first"][0](inputs)

    found = watch(nn.Sequential(nn.Linear(3, 3), Kept(), Other()), torch.ones(2, 3), find_faults=True)

    assert {layer for layer, signal in found if signal == "unregistered"} == {"self.1.by_name", "2.Linear"}


def test_a_pass_without_gradients_is_found() -> None:
    model = nn.Sequential(nn.Linear(3, 2))
    probe = LayerProbe(model, find_faults=True)
    with probe.watching(), torch.no_grad():
        model(torch.ones(1, 3))

    assert ("0", "no_grad", 1.0) in probe.finish()


def test_nothing_is_changed_and_nothing_stays_behind() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    inputs = torch.randn(6, 3)
    plain = model(inputs)
    plain.sum().backward()
    before = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    probe = LayerProbe(model, find_dead=True)

    with probe.watching():
        seen = model(inputs)
    seen.sum().backward()

    assert torch.equal(plain, seen)
    assert all(torch.equal(a, b.grad) for a, b in zip(before, model.parameters(), strict=True))
    count = len(probe.finish())
    model(inputs)
    assert len(probe.finish()) == count


def test_a_pass_that_fails_leaves_no_hooks_and_is_watched_again() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(5, 2))
    probe = LayerProbe(model)
    with pytest.raises(RuntimeError), probe.watching():
        model(torch.ones(1, 3))
    model[1] = nn.Linear(4, 2)

    with probe.watching():
        model(torch.ones(1, 3))

    assert [layer for layer, signal, _ in probe.finish() if signal == "act_mean"].count("0") == 1


class Mapped(nn.Module):
    """Calls a layer for each sample."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.after = nn.Linear(3, 4), nn.Tanh()

    def forward(self, inputs: Tensor) -> Tensor:
        return self.after(torch.vmap(self.inner)(inputs))


def test_a_layer_within_vmap_is_left_out() -> None:
    found = watch(Mapped(), torch.randn(5, 3))

    assert ("after", "act_mean") in found
    assert not any(layer == "inner" for layer, _ in found)
