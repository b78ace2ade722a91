import math

import pytest
import torch
from torch import nn

from dlkit.models.mlp import ACTIVATIONS, HiddenLayer, Mlp
from dlkit.settings.models import MODELS


def make_mlp(input_shape: tuple[int, ...] = (1, 28, 28), num_outputs: int = 10, **arguments: object) -> Mlp:
    return Mlp(input_shape, num_outputs, **{**MODELS["mlp"].resolve({}), **arguments})


def linear_layers(model: nn.Module) -> list[nn.Linear]:
    return [module for module in model.modules() if isinstance(module, nn.Linear)]


def test_mlp_has_the_layers_784_128_64_10_when_hidden_is_128_64() -> None:
    layers = linear_layers(make_mlp(hidden=(128, 64)))

    assert [(layer.in_features, layer.out_features) for layer in layers] == [(784, 128), (128, 64), (64, 10)]


def test_mlp_has_101770_parameters_by_default() -> None:
    assert sum(parameter.numel() for parameter in make_mlp().parameters()) == 784 * 128 + 128 + 128 * 10 + 10


def test_mlp_is_linear_when_hidden_is_empty() -> None:
    model = make_mlp((3,), 2, hidden=())
    inputs = torch.randn(5, 3)

    torch.testing.assert_close(model(inputs), inputs @ model.output.weight.T + model.output.bias)


@pytest.mark.parametrize("input_shape", [(1, 8, 8), (3, 32, 32), (7,), (2, 5)], ids=str)
@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_mlp_trains_on_samples_of_any_shape(input_shape: tuple[int, ...], norm: str) -> None:
    model = make_mlp(input_shape, 4, hidden=(6, 6), norm=norm, residual=True, dropout=0.5)

    outputs = model(torch.randn(2, *input_shape))
    outputs.sum().backward()

    assert outputs.shape == (2, 4)
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("relu", 0.0),
        ("leaky_relu", -0.01),
        ("gelu", -0.5 * math.erfc(1 / math.sqrt(2))),
        ("tanh", math.tanh(-1)),
        ("sigmoid", 1 / (1 + math.e)),
    ],
)
def test_activation_gives_its_function_of_minus_one(activation: str, expected: float) -> None:
    assert ACTIVATIONS[activation]()(torch.tensor([-1.0])).item() == pytest.approx(expected)


def test_every_activation_of_the_catalogue_is_there() -> None:
    assert tuple(ACTIVATIONS) == MODELS["mlp"].arguments["activation"].choices


def hidden_layer(out_features: int, *, residual: bool) -> HiddenLayer:
    layer = HiddenLayer(3, out_features, activation="relu", dropout=0.0, norm="none", residual=residual)
    nn.init.zeros_(layer.linear.weight)
    nn.init.ones_(layer.linear.bias)
    return layer


def test_residual_adds_the_input_when_the_widths_agree() -> None:
    inputs = torch.tensor([[1.0, 2.0, -3.0]])

    assert hidden_layer(3, residual=True)(inputs).tolist() == [[2.0, 3.0, -2.0]]
    assert hidden_layer(3, residual=False)(inputs).tolist() == [[1.0, 1.0, 1.0]]


def test_residual_is_left_out_when_the_widths_differ() -> None:
    assert hidden_layer(2, residual=True)(torch.tensor([[1.0, 2.0, -3.0]])).tolist() == [[1.0, 1.0]]


def test_dropout_drops_while_training_and_nothing_in_eval() -> None:
    torch.manual_seed(0)
    layer = HiddenLayer(4, 1000, activation="relu", dropout=0.5, norm="none", residual=False)
    nn.init.zeros_(layer.linear.weight)
    nn.init.ones_(layer.linear.bias)
    inputs = torch.zeros(1, 4)

    training = layer(inputs)
    evaluating = layer.eval()(inputs)

    assert 0.4 < (training == 0).float().mean() < 0.6
    assert torch.equal(evaluating, torch.ones(1, 1000))


@pytest.mark.parametrize(
    ("init", "activation", "variance"),
    [
        ("xavier", "tanh", (5 / 3) ** 2 * 2 / (400 + 300)),
        ("xavier", "relu", 2 * 2 / (400 + 300)),
        ("he", "relu", 2 / 400),
        ("he", "gelu", 2 / 400),
        ("he", "leaky_relu", 2 / (1 + 0.01**2) / 400),
        ("he", "sigmoid", 1 / 400),
    ],
)
def test_init_gives_hidden_weights_their_variance(init: str, activation: str, variance: float) -> None:
    torch.manual_seed(0)
    model = make_mlp((400,), 200, hidden=(300,), init=init, activation=activation)
    layer = model.hidden[0].linear

    assert layer.weight.var().item() == pytest.approx(variance, rel=0.02)
    assert not layer.bias.any()


@pytest.mark.parametrize(("init", "variance"), [("xavier", 2 / (300 + 200)), ("he", 1 / 300)])
def test_init_gives_the_output_layer_a_gain_of_one(init: str, variance: float) -> None:
    torch.manual_seed(0)
    model = make_mlp((400,), 200, hidden=(300,), init=init)

    assert model.output.weight.var().item() == pytest.approx(variance, rel=0.02)


def test_init_zeros_leaves_every_weight_and_every_output_zero() -> None:
    model = make_mlp((5,), 3, init="zeros")

    assert not any(parameter.any() for parameter in model.parameters())
    assert not model(torch.randn(2, 5)).any()


def test_init_orthogonal_gives_orthogonal_rows_times_the_gain() -> None:
    torch.manual_seed(0)
    model = make_mlp((20,), 3, hidden=(12,), activation="tanh", init="orthogonal")
    weight = model.hidden[0].linear.weight

    torch.testing.assert_close(weight @ weight.T, torch.eye(12) * (5 / 3) ** 2, rtol=1e-4, atol=1e-5)


def test_init_default_is_torchs_own() -> None:
    torch.manual_seed(0)
    model = make_mlp((5,), 3, hidden=(4,))
    torch.manual_seed(0)
    layers = [nn.Linear(5, 4), nn.Linear(4, 3)]

    for ours, theirs in zip(linear_layers(model), layers, strict=True):
        assert torch.equal(ours.weight, theirs.weight)
        assert torch.equal(ours.bias, theirs.bias)
