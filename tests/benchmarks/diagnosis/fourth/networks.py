"""Networks as a user would write them, for the fourth part; `mistakes` has what can be wrong in them."""

import torch
from torch import Tensor, nn

from tests.benchmarks.diagnosis.fourth.mistakes import Mistaken, activation, norm_of


class Towers(Mistaken):
    """One tower for the first half of the columns and one for the second, and layers on both."""

    def __init__(
        self,
        in_features: int,
        num_outputs: int,
        depth: int = 1,
        width: int = 24,
        act: str = "relu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(2 * width, num_outputs, fault)
        self.half = (in_features + 1) // 2
        self.first = nn.Linear(self.half, width)
        self.second = nn.Linear(max(1, in_features - self.half), width)
        self.act = activation(act, fault)
        self.layers = nn.Sequential(
            *(
                layer
                for _ in range(depth)
                for layer in (
                    nn.Linear(2 * width, 2 * width),
                    norm_of(norm, 2 * width),
                    activation(act, fault),
                    nn.Dropout(dropout),
                )
            )
        )
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        left, right = inputs[:, : self.half], inputs[:, self.half :]
        right = right if right.shape[1] else inputs
        return self.layers(self.act(torch.cat([self.first(left), self.second(right)], 1)))


class Trunk(Mistaken):
    """Fully connected layers that become narrower, each with a normalisation before its activation."""

    def __init__(
        self,
        in_features: int,
        num_outputs: int,
        width: int = 64,
        act: str = "silu",
        norm: str = "layer",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width // 2, num_outputs, fault)
        self.first = nn.Sequential(nn.Linear(in_features, width), norm_of(norm, width))
        self.act = activation(act, fault)
        self.layers = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(width, width // 2),
            norm_of(norm, width // 2),
            activation(act, fault),
        )
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        return self.layers(self.act(self.first(inputs.flatten(1))))


class Separable(Mistaken):
    """A small network of depthwise and pointwise convolutions, with the largest value of each channel."""

    def __init__(
        self,
        in_channels: int,
        num_outputs: int,
        depth: int = 2,
        width: int = 12,
        act: str = "relu",
        norm: str = "group",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.first = nn.Sequential(
            nn.Conv2d(in_channels, width, 4, stride=2, padding=1), activation(act, fault)
        )
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1, groups=width),
                nn.Conv2d(width, width, 1),
                norm_of(norm, width, 2),
                activation(act, fault),
                nn.AvgPool2d(2),
                nn.Dropout(dropout),
            )
            for _ in range(depth)
        )
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        hidden = self.first(inputs)
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden.amax((2, 3))


class Counting(Mistaken):
    """Convolutions at full size, the mean over places, and a layer."""

    def __init__(
        self,
        in_channels: int,
        num_outputs: int,
        width: int = 12,
        act: str = "elu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.first = nn.Conv2d(in_channels, width, 3, stride=2, padding=1)
        self.layers = nn.Sequential(
            norm_of(norm, width, 2),
            activation(act, fault),
            nn.Conv2d(width, width, 3, padding=1),
            activation(act, fault),
            nn.Dropout(dropout),
        )
        self.dense = nn.Sequential(nn.Linear(width, width), activation(act, fault))
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        return self.dense(self.layers(self.first(inputs)).mean((2, 3)))


class Listener(Mistaken):
    """A GRU in both directions, and the mean over times."""

    def __init__(
        self,
        num_outputs: int,
        input_shape: tuple[int, ...],
        width: int = 12,
        act: str = "tanh",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.first = nn.GRU(input_shape[-1], width, batch_first=True, bidirectional=True)
        self.layers = nn.Sequential(
            nn.Linear(2 * width, width), norm_of(norm, width), activation(act, fault), nn.Dropout(dropout)
        )
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        return self.layers(self.first(inputs)[0].mean(1))


class Dilated(Mistaken):
    """Convolutions over past times alone, ever further apart, and the last time."""

    def __init__(
        self,
        num_outputs: int,
        input_shape: tuple[int, ...],
        depth: int = 3,
        width: int = 16,
        act: str = "relu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.first = nn.Conv1d(input_shape[-1], width, 1)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.ConstantPad1d((2**level, 0), 0.0),
                nn.Conv1d(width, width, 2, dilation=2**level),
                norm_of(norm, width, 1),
                activation(act, fault),
                nn.Dropout(dropout),
            )
            for level in range(depth)
        )
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        hidden = self.first(inputs.transpose(1, 2))
        for layer in self.layers:
            hidden = hidden + layer(hidden)
        return hidden[:, :, -1]


class Motifs(Mistaken):
    """Embedded letters, convolutions over three of them, and the largest value of each filter."""

    def __init__(
        self,
        num_outputs: int,
        depth: int = 1,
        width: int = 32,
        act: str = "relu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.first = nn.Embedding(24, 12, padding_idx=0)
        self.conv = nn.Conv1d(12, width, 3, padding=1)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Linear(width, width), norm_of(norm, width), activation(act, fault), nn.Dropout(dropout)
            )
            for _ in range(depth)
        )
        self.act = activation(act, fault)
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        hidden = self.act(self.conv(self.first(inputs.long()).transpose(1, 2))).amax(2)
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden


class PointSet(Mistaken):
    """The same layers on every point, the mean and the largest value over points, and a layer on both."""

    def __init__(
        self,
        num_outputs: int,
        input_shape: tuple[int, ...],
        width: int = 32,
        act: str = "relu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.first = nn.Sequential(nn.Linear(input_shape[-1], width), activation(act, fault))
        self.each = nn.Sequential(nn.Linear(width, width), activation(act, fault))
        self.layers = nn.Sequential(
            nn.Linear(2 * width, width), norm_of(norm, width), activation(act, fault), nn.Dropout(dropout)
        )
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        points = self.each(self.first(inputs))
        return self.layers(torch.cat([points.mean(1), points.amax(1)], 1))


class Messages(Mistaken):
    """Message passing over the bonds of (N, A, A + S): bonds, then the sort of each atom; the sum over atoms."""

    def __init__(
        self,
        num_outputs: int,
        input_shape: tuple[int, ...],
        depth: int = 2,
        width: int = 24,
        act: str = "relu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.first = nn.Linear(input_shape[-1] - input_shape[-2], width)
        self.own = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.norm, self.act = norm_of(norm, width), activation(act, fault)
        self.dropout = nn.Dropout(dropout)
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        atoms = inputs.shape[1]
        bonds, hidden = inputs[:, :, :atoms], self.first(inputs[:, :, atoms:])
        for own, message in zip(self.own, self.layers, strict=True):
            hidden = self.dropout(self.act(own(hidden) + bonds @ message(hidden) / 2))
        return self.norm(hidden.sum(1) / 4)
