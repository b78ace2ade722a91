"""torchvision's networks, their first and last layer fitted to the data."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dlkit.errors import ConfigError, MissingError
from dlkit.files.description import DataDescription
from dlkit.models.cnn import image_shape

_SMALL_BELOW = 64
# `full` halves an image five times. Below 17 pixels a stage would halve a single one; convnext's patches are
# not padded and need whole ones.
_FULL_FROM = 17
_FULL_FROM_CONVNEXT = 32
_PATCH_2_FROM = 16


def build(
    name: str, description: DataDescription, arguments: Mapping[str, Any], _context: Mapping[str, Tensor]
) -> nn.Module:
    """Build one of torchvision's networks for the images described; see `build_torchvision_model`."""
    shape = image_shape(name, description)
    return build_torchvision_model(name, shape, description.num_outputs, **arguments)


def build_torchvision_model(
    name: str, input_shape: tuple[int, int, int], num_outputs: int, *, stem: str
) -> nn.Module:
    """Build one of torchvision's networks with new weights.

    Args:
        name: Its name in torchvision, one of the catalogue's.
        input_shape: Shape of one sample, (C, H, W).
        num_outputs: Numbers given for one sample.
        stem: `full` as published, `small` without the first reduction, `auto` takes small below 64 pixels.

    Raises:
        ConfigError: The images are too small for the full stem.
        MissingError: torchvision cannot be imported.
    """
    bands, smallest = input_shape[0], min(input_shape[1:])
    if stem == "auto":
        stem = "small" if smallest < _SMALL_BELOW else "full"
    needed = _FULL_FROM_CONVNEXT if name.startswith("convnext") else _FULL_FROM
    if stem == "full" and smallest < needed:
        height, width = input_shape[1:]
        raise ConfigError(
            f"-s stem=full: {name} halves an image five times and needs {needed} x {needed} pixels; "
            f"these have {height} x {width}",
            "-s stem=small keeps the resolution",
        )
    model = _published(name, num_outputs)
    if name.startswith("resnet"):
        _fit_resnet(model, bands, small=stem == "small")
    elif name.startswith("convnext"):
        _fit_convnext(model, bands, _patch(smallest) if stem == "small" else 4)
    else:
        _fit_mobile(model, bands, small=stem == "small")
    return model


def _published(name: str, num_outputs: int) -> nn.Module:
    try:
        from torchvision.models import get_model
    except (ImportError, RuntimeError) as err:
        # A torch and a torchvision from different indexes: "operator torchvision::nms does not exist".
        raise MissingError(
            f"MODEL {name} needs torchvision, which cannot be imported: {err}",
            "install torch and torchvision together, from one index; mlp and cnn need only torch",
        ) from err
    model: nn.Module = get_model(name, weights=None, num_classes=num_outputs)
    return model


def _fit_resnet(model: nn.Module, bands: int, *, small: bool) -> None:
    if small:
        model.conv1 = _he(nn.Conv2d(bands, 64, 3, padding=1, bias=False))
        model.maxpool = nn.Identity()
    elif bands != 3:
        model.conv1 = _he(nn.Conv2d(bands, 64, 7, stride=2, padding=3, bias=False))


def _fit_mobile(model: nn.Module, bands: int, *, small: bool) -> None:
    """Fit mobilenet or efficientnet: their first layer is a 3 x 3 convolution."""
    first, channels = _first_layer(model)
    if small or bands != 3:
        first[0] = _he(nn.Conv2d(bands, channels, 3, stride=1 if small else 2, padding=1, bias=False))
    # A tenth to a quarter faster on a CPU, for its depthwise convolutions; resnets and convnext gain nothing.
    model.to(memory_format=torch.channels_last)


def _fit_convnext(model: nn.Module, bands: int, patch: int) -> None:
    first, channels = _first_layer(model)
    if patch != 4 or bands != 3:
        conv = nn.Conv2d(bands, channels, patch, stride=patch)
        nn.init.trunc_normal_(conv.weight, std=0.02)
        assert conv.bias is not None, "made with a bias"
        nn.init.zeros_(conv.bias)
        first[0] = conv


def _patch(smallest: int) -> int:
    """Return the largest patch that leaves the three halvings after it something to halve."""
    return 2 if smallest >= _PATCH_2_FROM else 1


def _first_layer(model: nn.Module) -> tuple[nn.Sequential, int]:
    """Return the first convolution with the norm behind it, and the channels it gives."""
    first = model.get_submodule("features.0")
    assert isinstance(first, nn.Sequential), "torchvision keeps convolution and norm in one Sequential"
    conv = first[0]
    assert isinstance(conv, nn.Conv2d), "the convolution comes first"
    return first, conv.out_channels


def _he(conv: nn.Conv2d) -> nn.Conv2d:
    """Set a new first layer the way torchvision sets the others (He et al. 2015, by fan-out)."""
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv
