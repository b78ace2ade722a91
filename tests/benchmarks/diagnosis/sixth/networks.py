"""Networks as a user would write them, for the sixth part; `mistakes` has what can be wrong in them."""

import torch
from torch import Tensor, nn

from tests.benchmarks.diagnosis.fifth.mistakes import norm_of
from tests.benchmarks.diagnosis.sixth.mistakes import Slipped, activation, body_of


class Wide(Slipped):
    """Layers on a table, whose outputs are added to those of one layer on all columns."""

    def __init__(
        self,
        in_features: int,
        num_outputs: int,
        depth: int = 2,
        width: int = 48,
        act: str = "relu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.wide = nn.Linear(in_features, num_outputs)
        self.encoder = nn.Identity()
        self.body = body_of(in_features, width, depth, act, norm, dropout)
        self.finish()

    def encode(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1)

    def beside(self, inputs: Tensor) -> Tensor:
        return self.wide(inputs.flatten(1))


class Maxout(Slipped):
    """A layer of which each unit is the largest of three, and two ordinary ones."""

    def __init__(
        self,
        in_features: int,
        num_outputs: int,
        depth: int = 2,
        width: int = 32,
        act: str = "leaky",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.encoder = nn.Linear(in_features, 3 * width)
        self.body = body_of(width, width, depth, act, norm, dropout)
        self.linear = act == "none"
        self.finish()

    def encode(self, inputs: Tensor) -> Tensor:
        pieces = self.encoder(inputs.flatten(1)).unflatten(1, (-1, 3))
        return pieces.sum(2) if self.linear else pieces.amax(2)


class Factors(Slipped):
    """A vector for a viewer and one for a film, their product, and layers on all three."""

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
        self.encoder = nn.ModuleList([nn.Embedding(60, 8), nn.Embedding(60, 8)])
        self.body = body_of(24, width, depth, act, norm, dropout)
        self.finish()

    def encode(self, inputs: Tensor) -> Tensor:
        viewer, film = inputs.long().unbind(1)
        if self.fault == "same_part_twice":
            film = viewer
        first, second = self.encoder[0](viewer), self.encoder[1](film)
        return torch.cat([first, second, first * second], 1)


class LeNet(Slipped):
    """Two convolutions, each with the mean of two by two pixels, and two layers on all that is left."""

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_outputs: int,
        depth: int = 2,
        width: int = 48,
        act: str = "tanh",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.encoder = nn.Sequential(
            nn.Conv2d(input_shape[0], 8, 3),
            norm_of(norm, 8, 2),
            activation(act),
            nn.AvgPool2d(2),
            nn.Conv2d(8, 16, 3),
            norm_of(norm, 16, 2),
            activation(act),
            nn.AvgPool2d(2),
            nn.Flatten(),
        )
        left = 16 * ((input_shape[-1] - 6) // 4) * ((input_shape[-2] - 6) // 4)
        self.body = body_of(left, width, depth, act, norm, dropout)
        self.finish()

    def encode(self, inputs: Tensor) -> Tensor:
        return self.encoder(inputs)


class Branches(Slipped):
    """Convolutions of three sizes side by side, twice, and the mean over places."""

    def __init__(
        self,
        in_channels: int,
        num_outputs: int,
        depth: int = 1,
        width: int = 32,
        act: str = "relu",
        norm: str = "batch",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.encoder = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(channels, 6, size, stride=2, padding=size // 2) for size in (1, 3, 5))
            for channels in (in_channels, 18)
        )
        self.norms = nn.ModuleList(norm_of(norm, 18, 2) for _ in range(2))
        self.act = activation(act)
        self.body = body_of(18, width, depth, act, norm, dropout)
        self.finish()

    def encode(self, inputs: Tensor) -> Tensor:
        for branches, norm in zip(self.encoder, self.norms, strict=True):
            inputs = self.act(norm(torch.cat([branch(inputs) for branch in branches], 1)))
        return inputs.mean((2, 3))


class Strided(Slipped):
    """Three convolutions over time, each of half as many times, and a layer on all that is left."""

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_outputs: int,
        depth: int = 1,
        width: int = 32,
        act: str = "relu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        layers: list[nn.Module] = []
        for channels in (input_shape[-1], 12, 12):
            layers += [nn.Conv1d(channels, 12, 5, stride=2, padding=2), norm_of(norm, 12, 2), activation(act)]
            if norm == "batch":
                layers[-2] = nn.BatchNorm1d(12)
        self.encoder = nn.Sequential(*layers, nn.Flatten())
        self.body = body_of(12 * (input_shape[-2] // 8), width, depth, act, norm, dropout)
        self.finish()

    def encode(self, inputs: Tensor) -> Tensor:
        return self.encoder(inputs.transpose(1, 2))


class Forecaster(Slipped):
    """A GRU over past times, its last state beside the last two values, and layers on them."""

    def __init__(
        self,
        num_outputs: int,
        input_shape: tuple[int, ...],
        depth: int = 1,
        width: int = 32,
        act: str = "relu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.encoder = nn.GRU(input_shape[-1], 24)
        self.body = body_of(24 + 2 * input_shape[-1], width, depth, act, norm, dropout)
        self.finish()

    def encode(self, inputs: Tensor) -> Tensor:
        samples, times, features = inputs.shape
        if self.fault == "same_part_twice":
            inputs = inputs[:, :, 1:].expand_as(inputs)
        series = inputs.transpose(0, 1)
        if self.fault == "view_for_transpose":
            series = inputs.reshape(times, samples, features)
        states = self.encoder(series)[0]
        return torch.cat([states[-1], series[-1], series[-2]], 1)


class Events(Slipped):
    """Embedded events, a convolution over three, and what a learned question attends to."""

    def __init__(
        self,
        num_outputs: int,
        depth: int = 1,
        width: int = 32,
        act: str = "gelu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.encoder = nn.Embedding(30, 24)
        self.near = nn.Conv1d(24, 24, 3, padding=1)
        self.act = activation(act)
        self.question = nn.Parameter(torch.randn(1, 1, 24))
        self.attention = nn.MultiheadAttention(24, 2)
        self.body = body_of(24, width, depth, act, norm, dropout)
        self.finish()

    def encode(self, inputs: Tensor) -> Tensor:
        hidden = self.act(self.near(self.encoder(inputs.long()).transpose(1, 2))).transpose(1, 2)
        samples, times, features = hidden.shape
        events = hidden.transpose(0, 1)
        if self.fault == "view_for_transpose":
            events = hidden.reshape(times, samples, features)
        question = self.question.expand(1, samples, features)
        return self.attention(question, events, events, need_weights=False)[0][0]


class Twins(Slipped):
    """The same layers on both of (N, 2, F), and layers on how far apart they are."""

    def __init__(
        self,
        num_outputs: int,
        input_shape: tuple[int, ...],
        depth: int = 1,
        width: int = 32,
        act: str = "relu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.encoder = nn.Sequential(nn.Linear(input_shape[-1], width), activation(act))
        self.body = body_of(width, width, depth, act, norm, dropout)
        self.linear = act == "none"
        self.finish()

    def encode(self, inputs: Tensor) -> Tensor:
        first, second = inputs.unbind(1)
        if self.fault == "view_for_transpose":
            first, second = inputs.reshape(2, *first.shape).unbind(0)
        if self.fault == "same_part_twice":
            second = first
        apart = self.encoder(first) - self.encoder(second)
        return apart if self.linear else apart.abs()
