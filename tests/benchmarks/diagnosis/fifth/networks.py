"""Networks as a user would write them, for the fifth part; `mistakes` has what can be wrong in them."""

import torch
from torch import Tensor, nn

from tests.benchmarks.diagnosis.fifth.mistakes import Mistaken, activation, linear, norm_of


class Cross(Mistaken):
    """Layers that multiply their inputs with the first ones, and two ordinary layers behind."""

    def __init__(
        self,
        in_features: int,
        num_outputs: int,
        depth: int = 2,
        width: int = 40,
        act: str = "silu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.crosses = nn.ModuleList(linear(in_features, in_features, fault) for _ in range(depth))
        self.layers = nn.Sequential(
            linear(in_features, width, fault),
            norm_of(norm, width),
            activation(act, fault),
            nn.Dropout(dropout),
            linear(width, width, fault),
            activation(act, fault),
        )
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        first = inputs.flatten(1)
        hidden = first
        for cross in self.crosses:
            hidden = first * cross(hidden) + hidden
        return self.layers(hidden)


class Experts(Mistaken):
    """Four small networks, and one that says how much each of them counts for a sample."""

    def __init__(
        self,
        in_features: int,
        num_outputs: int,
        width: int = 32,
        act: str = "relu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.gate = nn.Linear(in_features, 4)
        self.experts = nn.ModuleList(
            nn.Sequential(
                nn.Linear(in_features, width),
                norm_of(norm, width),
                activation(act, fault),
                nn.Dropout(dropout),
                nn.Linear(width, width),
            )
            for _ in range(4)
        )
        self.act = activation(act, fault)
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        inputs = inputs.flatten(1)
        shares = self.shares(self.gate(inputs), 1)
        return self.act(sum(shares[:, [index]] * net(inputs) for index, net in enumerate(self.experts)))


class Patches(Mistaken):
    """Patches of an image, mixed over places and over channels in turn, and the mean over places."""

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_outputs: int,
        depth: int = 2,
        width: int = 32,
        act: str = "gelu",
        norm: str = "layer",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        places = (input_shape[-1] // 4) * (input_shape[-2] // 4)
        self.first = nn.Conv2d(input_shape[0], width, 4, stride=4)
        self.places = nn.ModuleList(linear(places, places, fault) for _ in range(depth))
        self.channels = nn.ModuleList(linear(width, width, fault) for _ in range(depth))
        self.norms = nn.ModuleList(norm_of(norm, width, 1) for _ in range(depth))
        self.act, self.dropout = activation(act, fault), nn.Dropout(dropout)
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        hidden = self.first(inputs).flatten(2)
        for places, channels, norm in zip(self.places, self.channels, self.norms, strict=True):
            hidden = hidden + self.act(places(norm(hidden)))
            hidden = hidden + self.dropout(self.act(channels(hidden.transpose(1, 2)))).transpose(1, 2)
        return hidden.mean(2)


class Squeeze(Mistaken):
    """Convolutions over an image and where its pixels are, each channel with a gate, and the mean over places."""

    def __init__(
        self,
        in_channels: int,
        num_outputs: int,
        depth: int = 2,
        width: int = 16,
        act: str = "relu",
        norm: str = "batch",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.first = nn.Conv2d(in_channels + 2, width, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1),
                norm_of(norm, width, 2),
                activation(act, fault),
                nn.Dropout(dropout),
            )
            for _ in range(depth)
        )
        self.gates = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.last = nn.Linear(width, width)
        self.act = activation(act, fault)
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        height, width = inputs.shape[2:]
        down = torch.linspace(-1, 1, height, device=inputs.device).view(1, 1, -1, 1)
        right = torch.linspace(-1, 1, width, device=inputs.device).view(1, 1, 1, -1)
        shape = (len(inputs), 1, height, width)
        hidden = self.act(self.first(torch.cat([inputs, down.expand(shape), right.expand(shape)], 1)))
        for layer, gate in zip(self.layers, self.gates, strict=True):
            hidden = layer(hidden)
            hidden = hidden * gate(hidden.mean((2, 3))).sigmoid()[:, :, None, None]
        return self.act(self.last(hidden.mean((2, 3))))


class Attentive(Mistaken):
    """An LSTM, and the mean over times by how much attention each time gets."""

    def __init__(
        self,
        num_outputs: int,
        input_shape: tuple[int, ...],
        width: int = 20,
        act: str = "tanh",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.first = nn.LSTM(input_shape[-1], width, batch_first=True)
        self.score = nn.Linear(width, 1)
        self.layers = nn.Sequential(
            nn.Linear(width, width), norm_of(norm, width), activation(act, fault), nn.Dropout(dropout)
        )
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        hidden = self.first(inputs)[0]
        if self.fault == "first_of_sequence":
            return self.layers(hidden[:, 0])
        return self.layers((hidden * self.shares(self.score(hidden), 1)).sum(1))


class Elman(Mistaken):
    """A plain recurrent network, and two layers on its last state."""

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
        self.first = nn.RNN(input_shape[-1], width, batch_first=True)
        self.layers = nn.Sequential(
            nn.Linear(width, width), norm_of(norm, width), activation(act, fault), nn.Dropout(dropout)
        )
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        states = self.first(inputs)[0]
        return self.layers(states[:, 0 if self.fault == "first_of_sequence" else -1])


class Reader(Mistaken):
    """Embedded words, a GRU over them, and its mean over the words that are there."""

    def __init__(
        self,
        num_outputs: int,
        width: int = 24,
        act: str = "relu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.words = nn.Embedding(40, 12, padding_idx=0)
        self.first = nn.GRU(12, width, batch_first=True)
        self.layers = nn.Sequential(
            nn.Linear(width, width), norm_of(norm, width), activation(act, fault), nn.Dropout(dropout)
        )
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        there = (inputs > 0).float()[:, :, None]
        hidden = self.first(self.words(inputs.long()))[0] * there
        if self.fault == "first_of_sequence":
            return self.layers(hidden[:, 0])
        return self.layers(hidden.sum(1) / there.sum(1).clamp(min=1))


class Neighbours(Mistaken):
    """Each person of (N, A, A + F) adds up what the others are that it knows; the mean over persons."""

    def __init__(
        self,
        num_outputs: int,
        input_shape: tuple[int, ...],
        depth: int = 3,
        width: int = 24,
        act: str = "relu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(2 * width, num_outputs, fault)
        self.first = linear(input_shape[-1] - input_shape[-2] + 1, width, fault)
        self.layers = nn.ModuleList(
            nn.Sequential(linear(width, width, fault), activation(act, fault), linear(width, width, fault))
            for _ in range(depth)
        )
        self.norm, self.act = norm_of(norm, 2 * width), activation(act, fault)
        self.dropout = nn.Dropout(dropout)
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        persons = inputs.shape[1]
        knows, about = inputs[:, :, :persons], inputs[:, :, persons:]
        hidden = self.first(torch.cat([about, knows.sum(2, keepdim=True) / 3], 2))
        for layer in self.layers:
            hidden = self.dropout(self.act(layer(hidden + knows @ hidden / 2)))
        return self.norm(torch.cat([hidden.mean(1), hidden.amax(1)], 1))


class Basket(Mistaken):
    """The same layers on every good, their sum by how much attention each gets, and a layer on it."""

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
        self.each = nn.Sequential(
            nn.Linear(input_shape[-1], width),
            activation(act, fault),
            nn.Linear(width, width),
            activation(act, fault),
        )
        self.score = nn.Linear(width, 1)
        self.layers = nn.Sequential(
            nn.Linear(2 * width, width), norm_of(norm, width), activation(act, fault), nn.Dropout(dropout)
        )
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        goods = self.each(inputs)
        chosen = (goods * self.shares(self.score(goods), 1)).sum(1)
        return self.layers(torch.cat([goods.sum(1) / 4, chosen], 1))
