import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from dlkit.data.spatial.neighbors import EARTH_RADIUS_KM
from dlkit.models.mlp import ACTIVATIONS
from dlkit.models.spatial.geometry import Geometry
from dlkit.models.spatial.network import Spatial
from dlkit.settings.models import MODELS

FLAT = Geometry(distance="euclidean", centre=(0.0, 0.0), extent=(1.0, 1.0), spacing=0.5)
TIMED = Geometry(distance="euclidean", centre=(0.0, 0.0), extent=(1.0, 2.0), spacing=0.5, timed=True)


def make_context(size: int = 40, features: int = 3, *, timed: bool = False) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    context = {
        "coords": torch.randn(size, 2, generator=generator),
        "features": torch.randn(size, features, generator=generator),
        "values": torch.randn(size, generator=generator),
    }
    return {**context, "times": torch.rand(size, generator=generator)} if timed else context


def make_model(
    context: Mapping[str, Tensor] | None = None, geometry: Geometry = FLAT, **arguments: str
) -> Spatial:
    torch.manual_seed(0)
    small = {"phi": "8,8", "omega": "8", "theta": "8", "heads": "2"}
    resolved = MODELS["spatial"].resolve({**small, **arguments})
    return Spatial(context or make_context(timed=geometry.timed), geometry, **resolved)  # type: ignore[arg-type]


def make_inputs(
    lengths: list[int], width: int = 12, features: int = 3, *, timed: bool = False
) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    neighbors = torch.stack([torch.randperm(40, generator=generator)[:width] for _ in lengths])
    neighbors[torch.arange(width) >= torch.tensor(lengths).unsqueeze(1)] = -1
    inputs = {
        "coords": torch.randn(len(lengths), 2, generator=generator),
        "features": torch.randn(len(lengths), features, generator=generator),
        "neighbors": neighbors,
    }
    return {**inputs, "times": torch.ones(len(lengths))} if timed else inputs


LENGTHS = [12, 1, 0, 5, 12, 7]
ALL_KINDS = pytest.mark.parametrize(
    ("geometry", "arguments"),
    [
        (FLAT, {}),
        (TIMED, {}),
        (FLAT, {"heads": "1", "norm": "layer"}),
        (FLAT, {"activation": "tanh", "omega": "", "theta": ""}),
    ],
    ids=["places", "times", "one head, norm", "tanh, linear"],
)


@ALL_KINDS
def test_permuting_the_neighbours_changes_nothing(geometry: Geometry, arguments: dict[str, str]) -> None:
    model, inputs = make_model(geometry=geometry, **arguments), make_inputs(LENGTHS, timed=geometry.timed)
    order = torch.stack(
        [torch.randperm(12, generator=torch.Generator().manual_seed(row)) for row in range(6)]
    )
    mixed = {**inputs, "neighbors": inputs["neighbors"].gather(1, order)}

    torch.testing.assert_close(model(**mixed), model(**inputs))


@ALL_KINDS
def test_more_padding_changes_nothing(geometry: Geometry, arguments: dict[str, str]) -> None:
    model, inputs = make_model(geometry=geometry, **arguments), make_inputs(LENGTHS, timed=geometry.timed)
    padded = {**inputs, "neighbors": nn.functional.pad(inputs["neighbors"], (0, 30), value=-1)}

    assert torch.equal(model(**padded), model(**inputs))


@ALL_KINDS
def test_pairs_and_padded_batches_give_the_same_values_and_gradients(
    geometry: Geometry, arguments: dict[str, str]
) -> None:
    model, inputs = make_model(geometry=geometry, **arguments), make_inputs(LENGTHS, timed=geometry.timed)
    given = (inputs["coords"], inputs["features"], inputs["neighbors"], inputs.get("times"))
    both = []
    for summed in (model._of_pairs(*given), model._of_padded(*given)):
        gradients = torch.autograd.grad(
            summed.square().sum(), [*model.phi.parameters(), *model.omega.parameters()]
        )
        both.append((summed, gradients))

    torch.testing.assert_close(both[0], both[1])


def test_a_batch_in_several_pieces_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model, inputs = make_model(), make_inputs(LENGTHS)
    whole = model(**inputs)
    monkeypatch.setattr("dlkit.models.spatial.network._PAIRS_AT_ONCE", 24)

    torch.testing.assert_close(model(**inputs), whole)


def test_nothing_is_computed_for_padding_on_the_cpu() -> None:
    model, inputs = make_model(), make_inputs(LENGTHS)
    seen = []
    model.phi.register_forward_hook(lambda _module, given, _output: seen.append(given[0].shape[0]))

    model(**inputs)

    assert seen == [sum(LENGTHS)]


def test_the_attention_is_a_softmax_over_the_neighbours_there_are() -> None:
    """Work a point out by hand: phi gives the distance, omega minus it, the trend is 5 everywhere."""
    context = {
        "coords": torch.tensor([[1.0, 0.0], [0.0, 2.0], [9.0, 9.0]]),
        "features": torch.zeros(3, 0),
        "values": torch.tensor([10.0, 20.0, 99.0]),
    }
    model = make_model(context, phi="1", omega="", theta="", heads="1")
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    with torch.no_grad():
        model.trend[-1].bias[0] = 5  # type: ignore[index,operator]
        model.phi[0].linear.weight[0, 2] = 1  # type: ignore[union-attr,operator,index]
        model.omega[0].weight[0, 2] = -1  # type: ignore[index,operator]
        model.theta[0].weight[0, 0] = 1  # type: ignore[index,operator]

    value = model(coords=torch.zeros(1, 2), features=torch.zeros(1, 0), neighbors=torch.tensor([[0, 1, -1]]))

    near, far = math.exp(-1 / 0.5), math.exp(-2 / 0.5)
    mean, distance = ((one * near + other * far) / (near + far) for one, other in ((10, 20), (2, 4)))
    assert value.item() == pytest.approx(mean + distance)


def test_every_parameter_matters() -> None:
    model, inputs = make_model().double(), make_inputs(LENGTHS)
    inputs = {name: part.double() if part.is_floating_point() else part for name, part in inputs.items()}
    model(**inputs).square().sum().backward()

    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 1e-9, name


def test_what_neighbours_leave_over_the_trend_is_added_to_that_of_the_point() -> None:
    context = {
        "coords": torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
        "features": torch.tensor([[2.0], [4.0]]),
        "values": torch.tensor([7.0, 15.0]),
    }
    model = make_model(context, phi="1", omega="", theta="", trend="", heads="1")
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    with torch.no_grad():
        model.trend[0].weight[0, 2] = 3  # type: ignore[index,operator]

    value = model(
        coords=torch.zeros(1, 2), features=torch.tensor([[10.0]]), neighbors=torch.tensor([[0, 1, -1]])
    )

    assert value.item() == pytest.approx(3 * 10 + ((7 - 3 * 2) + (15 - 3 * 4)) / 2)


@pytest.mark.parametrize("width", [0, 4])
def test_points_without_neighbours_are_predicted_by_place_and_features(width: int) -> None:
    model = make_model()
    inputs = make_inputs([0, 0], width=width)

    values = model(**inputs)
    values.sum().backward()

    assert values.isfinite().all()
    assert values[0] != values[1]
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_dropout_and_norm_reach_every_part(activation: str) -> None:
    model = make_model(activation=activation, dropout="0.5", norm="layer", phi="6,4")
    for part in (model.phi, model.omega, model.theta, model.trend):
        kinds = [type(module) for module in part.modules()]
        assert type(ACTIVATIONS[activation]()) in kinds
        assert nn.Dropout in kinds
        assert nn.LayerNorm in kinds
    assert [layer.linear.out_features for layer in model.phi] == [6, 4]  # type: ignore[union-attr]


def test_the_observations_are_buffers_and_no_parameters() -> None:
    model = make_model()

    assert {name for name in model.state_dict() if name.startswith("context.")} == {
        "context.coords",
        "context.features",
        "context.values",
    }
    assert not any(name.startswith("context") for name, _ in model.named_parameters())
    assert {name.partition(".")[0] for name, _ in model.named_parameters()} == {
        "phi",
        "omega",
        "theta",
        "trend",
    }


def test_a_small_set_is_memorised() -> None:
    torch.manual_seed(0)
    model = make_model(phi="32,32", omega="32", theta="64")
    inputs, targets = make_inputs([12] * 20), torch.randn(20, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(**inputs), targets)
        loss.backward()
        optimizer.step()

    assert loss.item() < 0.01


GLOBE = Geometry(distance="haversine", centre=(10.0, 50.0), extent=(1.0, 1.0), spacing=1.0)
DEGREE = math.pi * EARTH_RADIUS_KM / 180


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((0.0, 0.0), (0.0, 1.0), (0.0, DEGREE, DEGREE)),
        ((0.0, 10.0), (1.0, 10.0), (DEGREE / 2, 0.0, 55.60)),
        ((169.5, -50.0), (-189.5, -50.0), (DEGREE, 0.0, DEGREE)),
        ((0.0, -50.0), (180.0, -50.0), (180 * DEGREE, 0.0, 180 * DEGREE)),
    ],
    ids=["north", "east at 60 degrees", "over the date line", "antipodes"],
)
def test_on_the_globe_offsets_and_distances_are_kilometres(
    one: tuple[float, float], other: tuple[float, float], expected: tuple[float, float, float]
) -> None:
    east, north, length, _ = GLOBE.pair(torch.tensor(one), torch.tensor(other)).tolist()

    assert (abs(east), north, length) == pytest.approx(expected, rel=1e-3, abs=0.01)


def test_a_lag_is_positive_for_the_past_and_its_logarithm_finite_at_zero() -> None:
    lag = TIMED.lag(torch.tensor([3.0, 3.0]), torch.tensor([1.0, 3.0]))

    assert lag[:, 0].tolist() == [2, 0]
    assert lag.isfinite().all()


@pytest.mark.parametrize(
    "plain",
    [
        {"distance": "manhattan", "centre": [0, 0], "extent": [1, 1], "spacing": 1.0},
        {"distance": "euclidean", "centre": [0, 0], "extent": [1, 1], "spacing": 0.0},
        {"distance": "euclidean", "centre": [0, math.nan], "extent": [1, 1], "spacing": 1.0},
        {"distance": "euclidean", "centre": [0], "extent": [1, 1], "spacing": 1.0},
        {"distance": "euclidean", "centre": [0, 0], "extent": [1, 1]},
        {"distance": "euclidean", "centre": [0, 0], "extent": [1, 1], "spacing": "1"},
    ],
    ids=["distance", "zero", "nan", "one coordinate", "missing", "text"],
)
def test_a_geometry_that_is_none_is_refused(plain: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="geometry"):
        Geometry.from_dict(plain)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_gpu_gives_what_the_cpu_gives_without_waiting() -> None:
    model, inputs = make_model(), make_inputs(LENGTHS)
    expected = model(**inputs)
    on_gpu = {name: tensor.cuda() for name, tensor in inputs.items()}
    model.cuda()
    with torch.cuda.device("cuda"):
        torch.cuda.set_sync_debug_mode("error")
        try:
            values = model(**on_gpu)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    torch.testing.assert_close(values.cpu(), expected, rtol=1e-4, atol=1e-5)
