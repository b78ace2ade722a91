"""The organ network: what holds whatever its weights are, and what it learns."""

from typing import Any

import pytest
import torch
from torch import Tensor

from dlkit.data.pbpk.load import organ_graph
from dlkit.data.pbpk.organs import ORGANS, VOLUMES, draw_compounds, simulate
from dlkit.models.pbpk.network import OrganNet

N = len(ORGANS)
KINDS = pytest.mark.parametrize("linear", [True, False], ids=["linear", "saturable"])


def make_model(seed: int = 0, spread: float = 0.1, **changes: Any) -> OrganNet:
    """A network whose weights have left where they start."""
    torch.manual_seed(seed)
    settings: dict[str, Any] = {"hidden": 8, "rounds": 2, "flows": True, "linear": True, **changes}
    model = OrganNet(organ_graph(), **settings)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=spread)
    return model.eval()


def make_inputs(count: int = 6, last: float = 24.0, times: int = 9) -> dict[str, Tensor]:
    compounds = draw_compounds(count, 0)
    return {
        "doses": torch.from_numpy(compounds.doses).float(),
        "clearances": torch.stack(
            [torch.from_numpy(compounds.hepatic), torch.from_numpy(compounds.renal)], 1
        ).float(),
        "partition": torch.from_numpy(compounds.partition).float(),
        "times": torch.linspace(0, last, times).expand(count, -1),
    }


def amounts(concentrations: Tensor) -> Tensor:
    """The drug in the whole body, mg, shape (B, T)."""
    return torch.einsum("i,bit->bt", torch.from_numpy(VOLUMES).float(), concentrations)


@KINDS
@pytest.mark.parametrize("flows", [True, False])
def test_concentrations_have_a_place_for_each_organ_and_time(linear: bool, flows: bool) -> None:
    found = make_model(linear=linear, flows=flows, rounds=1)(**make_inputs())

    assert found.shape == (6, N, 9)
    assert found.dtype == torch.float32


@KINDS
def test_double_precision_gives_the_same_concentrations(linear: bool) -> None:
    model, inputs = make_model(linear=linear), make_inputs()
    found = model(**inputs)

    exact = model.double()(**{name: each.double() for name, each in inputs.items()})

    assert exact.dtype == torch.float64
    torch.testing.assert_close(found, exact.float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("factor", [0.01, 3.0, 1000.0])
def test_scaling_the_dose_scales_the_curve(factor: float) -> None:
    model, inputs = make_model(), make_inputs()

    found = model(**{**inputs, "doses": factor * inputs["doses"]})

    torch.testing.assert_close(found, factor * model(**inputs), rtol=1e-5, atol=factor * 1e-4)


def test_a_larger_dose_is_cleared_more_slowly_where_that_is_learned() -> None:
    model, inputs = make_model(linear=False), make_inputs()
    assert model.saturation is not None
    with torch.no_grad():
        model.saturation.concentration.fill_(1.0)
        model.saturation.share.fill_(0.5)

    found = model(**{**inputs, "doses": 10 * inputs["doses"]})

    assert (amounts(found)[:, 1:] > 10 * amounts(model(**inputs))[:, 1:]).all()


@pytest.mark.parametrize(("linear", "spread"), [(True, 0.1), (True, 1.0), (False, 0.1)])
@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_negative_and_mass_leaves_by_clearance_alone(
    linear: bool, spread: float, seed: int
) -> None:
    inputs = make_inputs(times=40)

    found = make_model(seed, spread, linear=linear)(**inputs)

    left = amounts(found)
    assert (found >= 0).all()
    torch.testing.assert_close(left[:, 0], inputs["doses"], rtol=1e-4, atol=0)
    assert (left.diff(dim=1) <= 1e-5 * inputs["doses"].unsqueeze(1)).all()


@KINDS
def test_the_time_grid_changes_nothing_but_where_it_is_read(linear: bool) -> None:
    model, inputs = make_model(linear=linear), make_inputs(last=24.0, times=9)
    every_other, longer = (
        inputs["times"][:, ::2],
        torch.cat([inputs["times"], inputs["times"][:, 1:] + 24], 1),
    )

    whole = model(**inputs)

    torch.testing.assert_close(model(**{**inputs, "times": every_other}), whole[..., ::2])
    torch.testing.assert_close(model(**{**inputs, "times": longer})[..., :9], whole, rtol=1e-4, atol=1e-4)


@KINDS
def test_a_compound_does_not_see_the_others_of_its_batch(linear: bool) -> None:
    model, inputs = make_model(linear=linear), make_inputs()

    whole = model(**inputs)

    for row in range(6):
        one = {name: tensor[row : row + 1] for name, tensor in inputs.items()}
        torch.testing.assert_close(model(**one), whole[row : row + 1], rtol=1e-4, atol=1e-4)


@KINDS
def test_every_parameter_has_a_gradient(linear: bool) -> None:
    model = make_model(linear=linear)

    model(**make_inputs()).square().mean().backward()

    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_without_the_flows_the_network_is_not_told_them() -> None:
    graph = organ_graph()
    inputs = make_inputs()
    model = make_model(flows=False)
    torch.manual_seed(0)
    others = OrganNet({**graph, "flows": 7 * graph["flows"]}, hidden=8, rounds=2, flows=False, linear=True)
    others.load_state_dict({**model.state_dict(), "context.flows": 7 * graph["flows"]})

    assert torch.equal(model(**inputs), others.eval()(**inputs))


def test_the_graph_decides_who_exchanges_with_whom() -> None:
    """With the brain's edge cut off the brain stays empty, whatever was learned."""
    graph = organ_graph()
    kept = [row for row, (_, organ) in enumerate(graph["edges"].tolist()) if ORGANS[organ] != "brain"]
    torch.manual_seed(0)
    model = OrganNet(
        {**graph, "edges": graph["edges"][kept], "flows": graph["flows"][kept]},
        hidden=4,
        rounds=1,
        flows=True,
        linear=True,
    )

    found = model.eval()(**make_inputs())

    brain = ORGANS.index("brain")
    assert found[:, brain].max() < 1e-6
    assert (found[:, [organ for organ in range(N) if organ != brain], 1] > 1e-3).all()


def test_clearances_that_leave_from_several_compartments_are_refused() -> None:
    graph = {**organ_graph(), "cleared": torch.tensor([0, 1])}

    with pytest.raises(ValueError, match="several compartments"):
        OrganNet(graph, hidden=4, rounds=1, flows=True, linear=True)


@KINDS
def test_extreme_inputs_give_numbers(linear: bool) -> None:
    inputs = make_inputs()
    inputs["clearances"] = torch.tensor(
        [[0.0, 0.0], [1e9, 1e9], [0.0, 1e9], [1e-30, 1.0], [1.0, 1.0], [1.0, 1.0]]
    )
    inputs["partition"] = inputs["partition"] * torch.tensor([1e-9, 1e9, 1.0, 1.0, 1e6, 1.0]).unsqueeze(1)
    inputs["times"] = torch.tensor([0.0, 1e-9, 1.0, 100.0]).expand(6, -1)

    found = make_model(linear=linear)(**inputs)

    assert found.isfinite().all()
    assert (found >= 0).all()


@KINDS
@pytest.mark.quick(1)
def test_a_few_compounds_are_learned(linear: bool) -> None:
    inputs = make_inputs(8)
    truth = torch.from_numpy(simulate(draw_compounds(8, 0), inputs["times"][0].double().numpy())).float()
    torch.manual_seed(0)
    model = OrganNet(organ_graph(), hidden=8, rounds=1, flows=True, linear=linear)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = (model(**inputs) - truth).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    assert losses[-1] < 0.3 * losses[0]
