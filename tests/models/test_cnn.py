import pytest
import torch
from torch import nn

from dlkit.models.cnn import Cnn
from dlkit.settings.models import MODELS


def make_cnn(
    input_shape: tuple[int, int, int] = (1, 28, 28), num_outputs: int = 10, **arguments: object
) -> Cnn:
    return Cnn(input_shape, num_outputs, **{**MODELS["cnn"].resolve({}), **arguments})


def conv_channels(model: nn.Module) -> list[int]:
    return [module.out_channels for module in model.modules() if isinstance(module, nn.Conv2d)]


def test_cnn_has_about_100000_parameters_on_mnist() -> None:
    count = sum(parameter.numel() for parameter in make_cnn().parameters())

    assert 80_000 <= count <= 120_000


@pytest.mark.parametrize(
    ("size", "channels"),
    [
        ((8, 8), [20, 40, 40]),
        ((15, 99), [20, 40, 40]),
        ((16, 16), [20, 40, 40, 80, 80]),
        ((28, 28), [20, 40, 40, 80, 80]),
    ],
    ids=str,
)
def test_cnn_has_two_stages_below_16_pixels_and_three_from_there(
    size: tuple[int, int], channels: list[int]
) -> None:
    assert conv_channels(make_cnn((3, *size))) == channels


@pytest.mark.parametrize(
    "input_shape",
    [(1, 8, 8), (3, 8, 31), (1, 15, 15), (4, 16, 16), (1, 28, 28), (3, 32, 32), (13, 64, 40)],
    ids=str,
)
def test_cnn_trains_on_images_of_any_size_and_number_of_bands(input_shape: tuple[int, int, int]) -> None:
    model = make_cnn(input_shape, 4, dropout=0.5).train()

    outputs = model(torch.randn(2, *input_shape))
    outputs.square().sum().backward()

    assert outputs.shape == (2, 4)
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_every_stage_doubles_the_width() -> None:
    assert conv_channels(make_cnn(width=3)) == [3, 6, 6, 12, 12]


def test_dropout_is_off_in_eval() -> None:
    model = make_cnn(dropout=0.5).eval()
    inputs = torch.randn(3, 1, 28, 28)

    assert torch.equal(model(inputs), model(inputs))


def test_cnn_learns_one_batch_by_heart() -> None:
    torch.manual_seed(0)
    model = make_cnn((1, 8, 8)).train()
    inputs, targets = torch.randn(16, 1, 8, 8), torch.arange(16) % 10
    parameters = list(model.parameters())

    for _ in range(60):
        loss = nn.functional.cross_entropy(model(inputs), targets)
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            torch._foreach_add_(parameters, gradients, alpha=-0.3)

    assert loss.item() < 0.02
    assert (model(inputs).argmax(1) == targets).all()
