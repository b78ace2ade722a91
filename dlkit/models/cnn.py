"""A small convolutional network for images of any size and number of bands."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from dlkit.errors import ConfigError
from dlkit.files.description import DataDescription

_LARGE_FROM = 16


class ConvLayer(nn.Module):
    """A convolution, batch norm and ReLU.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Width and height of the filters, odd; the borders are padded.
        stride: Step between the places of the output.
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, bias=False
        )
        self.norm = nn.BatchNorm2d(out_channels)
        self.activation = nn.ReLU()

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs, shape (N, in_channels, H, W), to outputs, shape (N, out_channels, H', W')."""
        outputs: Tensor = self.activation(self.norm(self.conv(inputs)))
        return outputs


class ConvStage(nn.Module):
    """A maximum over 2 x 2 places and two layers of 3 x 3 filters.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(2)
        self.first = ConvLayer(in_channels, out_channels)
        self.second = ConvLayer(out_channels, out_channels)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs, shape (N, in_channels, H, W), to outputs, shape (N, out_channels, H // 2, W // 2)."""
        outputs: Tensor = self.second(self.first(self.pool(inputs)))
        return outputs


class Cnn(nn.Module):
    """Convolutional stages, each at half the resolution of the one before it, and a linear output.

    The first stage is one layer of 5 x 5 filters, the others are two of 3 x 3. Images of 16 pixels and more are
    halved by the first stage already and pass three stages, smaller ones two. The mean over all places of the
    last one makes it fit any size.

    Args:
        input_shape: Shape of one sample, (C, H, W), at least 8 x 8.
        num_outputs: Numbers given for one sample.
        width: Channels of the first stage; each stage doubles them.
        dropout: Share of the averaged features dropped while training.
    """

    def __init__(
        self, input_shape: tuple[int, int, int], num_outputs: int, *, width: int, dropout: float
    ) -> None:
        super().__init__()
        large = min(input_shape[1:]) >= _LARGE_FROM
        widths = [width, 2 * width, 4 * width] if large else [width, 2 * width]
        self.stem = ConvLayer(input_shape[0], width, kernel=5, stride=2 if large else 1)
        self.stages = nn.Sequential(*(ConvStage(before, after) for before, after in pairwise(widths)))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.dropout = nn.Dropout(dropout) if dropout else None
        self.output = nn.Linear(widths[-1], num_outputs)
        self.to(memory_format=torch.channels_last)  # a third faster on a CPU

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs, shape (N, C, H, W), to outputs, shape (N, num_outputs)."""
        features = self.flatten(self.pool(self.stages(self.stem(inputs))))
        if self.dropout is not None:
            features = self.dropout(features)
        outputs: Tensor = self.output(features)
        return outputs


def build(description: DataDescription, arguments: Mapping[str, Any], _context: Mapping[str, Tensor]) -> Cnn:
    """Build the network for images.

    Raises:
        ConfigError: The samples are no images, or too small.
    """
    return Cnn(image_shape("cnn", description), description.num_outputs, **arguments)


def image_shape(name: str, description: DataDescription) -> tuple[int, int, int]:
    """Return the shape of one image, (C, H, W), for the network of this name.

    Raises:
        ConfigError: The samples are no images, or too small.
    """
    shape = description.input_shape
    if len(shape) != 3 or min(shape[1:]) < 8:
        raise ConfigError(
            f"MODEL {name} takes images of at least 8 x 8; {description.name} has samples of shape {shape}",
            "mlp takes samples of any shape",
        )
    return shape[0], shape[1], shape[2]
