"""Networks as a user would write them, for the third part; `-s fault=NAME` puts in a mistake."""

import torch
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh, "leaky": nn.LeakyReLU, "mish": nn.Mish}


def activation(name: str, fault: str) -> nn.Module:
    return nn.LeakyReLU(1.0) if fault == "leaky_one" else ACTIVATIONS[name]()


def norm_of(name: str, features: int, places: int = 0) -> nn.Module:
    """Return a normalisation; `places` axes come after that of the features."""
    match name:
        case "batch":
            return (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d)[places](features)
        case "layer":
            return nn.GroupNorm(1, features)
    return nn.Identity()


def series(inputs: Tensor) -> Tensor:
    """Return (N, T, F)."""
    return inputs.reshape(len(inputs), -1, inputs.shape[-1])


class Spoiled(nn.Module):
    """Layers of one width between `first` and `out`, and the places where a mistake can be."""

    def __init__(self, width: int, num_outputs: int, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.out = nn.Linear(width, num_outputs)
        if fault == "waist":
            self.out = nn.Sequential(nn.Linear(width, 1), nn.Linear(1, width), self.out)
        if fault == "closed_gate":
            self.gate = nn.Linear(width, width)
            nn.init.constant_(self.gate.bias, -16)

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.features(self.spoil_inputs(inputs))
        return self.spoil_outputs(self.out(self.spoil_features(features)))

    def used(self) -> list[nn.Module]:
        return [] if self.fault == "skipped_layers" else list(self.layers)

    def spoil_inputs(self, inputs: Tensor) -> Tensor:
        match self.fault:
            case "whole_numbers":
                return (inputs / 255).long().float()
            case "scaled_again":
                return inputs / 255
            case "dummy_inputs":
                return torch.randn_like(inputs)
            case "eval_scaling" if not self.training:
                return (inputs - 0.5) / 0.25
        return inputs

    def spoil_features(self, features: Tensor) -> Tensor:
        match self.fault:
            case "through_numpy":
                return torch.tensor(features.detach().numpy())
            case "unscaled_dropout" if self.training:
                return features * (torch.rand_like(features) < 0.15)
            case "mean_over_batch":
                return features.mean(0, keepdim=True).expand_as(features)
            case "sorted_not_undone":
                return features[features.sum(1).argsort()]
            case "closed_gate":
                return features * self.gate(features).sigmoid()
            case "tiny_scale":
                return features * 1e-4
            case "own_softmax":
                weights = (features * 300).exp()
                return weights / weights.sum(1, keepdim=True)
            case "where_log":
                positive = features * (features > 0)
                return torch.where(positive > 0, positive.log(), torch.zeros_like(positive))
            case "relu_of_log":
                return features.log_softmax(1).relu()
            case "steep_sigmoid":
                return (features * 200).sigmoid()
        return features

    def spoil_outputs(self, outputs: Tensor) -> Tensor:
        return outputs.sigmoid() if self.fault == "sigmoid_of_numbers" else outputs

    @torch.no_grad()
    def spoil_weights(self) -> None:
        """Change weights and layers; the last line of every constructor."""
        matrices = [parameter for parameter in self.parameters() if parameter.dim() > 1]
        match self.fault:
            case "positive_init":
                for matrix in matrices:
                    matrix.uniform_(0, 1)
            case "rows_alike":
                for matrix in matrices:
                    matrix[:] = matrix[:1].clone()
            case "hot_bias":
                self.out.bias[0] = 60
            case "plain_list":
                kept = {"first": self.first, "layers": list(self.layers)}
                del self.first, self.layers
                self.__dict__.update(kept)


class Skip(Spoiled):
    """Fully connected layers, each added to its input."""

    def __init__(
        self,
        in_features: int,
        num_outputs: int,
        depth: int = 2,
        width: int = 40,
        act: str = "relu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.first = nn.Linear(in_features, width)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Linear(width, width),
                norm_of(norm, width),
                activation(act, fault),
                nn.Dropout(dropout),
            )
            for _ in range(depth)
        )
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        hidden = self.first(inputs.flatten(1))
        for layer in self.used():
            hidden = hidden + layer(hidden)
        return hidden


class Pictures(Spoiled):
    """A small residual network: a convolution, blocks of two, and the mean over places."""

    def __init__(
        self,
        in_channels: int,
        num_outputs: int,
        depth: int = 2,
        width: int = 12,
        act: str = "relu",
        norm: str = "batch",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.first = nn.Conv2d(in_channels, width, 5, stride=2, padding=2)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1),
                norm_of(norm, width, 2),
                activation(act, fault),
                nn.Dropout(dropout),
                nn.Conv2d(width, width, 3, padding=1),
            )
            for _ in range(depth)
        )
        self.act = activation(act, fault)
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        hidden = self.act(self.first(inputs))
        for layer in self.used():
            hidden = self.act(hidden + layer(hidden))
        return hidden.mean((2, 3))


class Signals(Spoiled):
    """Convolutions over time, and the largest value of each channel."""

    def __init__(
        self,
        num_outputs: int,
        input_shape: tuple[int, ...],
        depth: int = 2,
        width: int = 16,
        act: str = "relu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.first = nn.Conv1d(input_shape[-1], width, 5, padding=2)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv1d(width, width, 5, stride=2, padding=2),
                norm_of(norm, width, 1),
                activation(act, fault),
                nn.Dropout(dropout),
            )
            for _ in range(depth)
        )
        self.act = activation(act, fault)
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        hidden = self.act(self.first(series(inputs).transpose(1, 2)))
        for layer in self.used():
            hidden = layer(hidden)
        return functional.adaptive_max_pool1d(hidden, 1).flatten(1)


class Memory(Spoiled):
    """An LSTM and a layer on its last state."""

    def __init__(
        self,
        num_outputs: int,
        input_shape: tuple[int, ...],
        width: int = 24,
        act: str = "tanh",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.lstm = nn.LSTM(input_shape[-1], width, batch_first=fault != "batch_first")
        self.layers = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Linear(width, width), norm_of(norm, width), activation(act, fault), nn.Dropout(dropout)
                )
            ]
        )
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        hidden = self.lstm(series(inputs))[0][:, -1]
        for layer in self.used():
            hidden = hidden + layer(hidden)
        return hidden


class Words(Spoiled):
    """A transformer's encoder over embedded words with places, and the mean over words."""

    def __init__(
        self,
        num_outputs: int,
        input_shape: tuple[int, ...],
        depth: int = 1,
        width: int = 16,
        act: str = "gelu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__(width, num_outputs, fault)
        self.first = nn.Embedding(30, width)
        self.places = nn.Parameter(0.02 * torch.randn(input_shape[-1], width))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width,
                2,
                2 * width,
                dropout,
                activation(act, fault),
                batch_first=fault != "batch_first",
                norm_first=norm == "layer",
            )
            for _ in range(depth)
        )
        self.norm = norm_of(norm, width)
        self.spoil_weights()

    def features(self, inputs: Tensor) -> Tensor:
        hidden = self.first(inputs.long()) + self.places
        for layer in self.used():
            hidden = layer(hidden)
        return self.norm(hidden.mean(1))
