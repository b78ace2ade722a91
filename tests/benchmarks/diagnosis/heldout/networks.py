"""Further networks as a user would write them, for the held-out bases."""

import torch
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "sigmoid": nn.Sigmoid,
}


def norm_of(name: str, features: int) -> nn.Module:
    match name:
        case "batch":
            return nn.BatchNorm1d(features)
        case "layer":
            return nn.LayerNorm(features)
    return nn.Identity()


class Faulty(nn.Module):
    """Hooks into which `-s fault=NAME` puts a mistake."""

    fault = "none"

    def spoil_inputs(self, inputs: Tensor) -> Tensor:
        match self.fault:
            case "part_of_inputs":
                kept = torch.zeros_like(inputs)
                kept[..., : max(1, inputs.shape[-1] // 6)] = inputs[..., : max(1, inputs.shape[-1] // 6)]
                return kept
            case "noisy_inputs" if self.training:
                return inputs + 5 * torch.randn_like(inputs)
        return inputs

    def spoil_features(self, features: Tensor) -> Tensor:
        match self.fault:
            case "hard_step":
                return (features > 0).float()
            case "always_dropped":
                return functional.dropout(features, 0.9, training=True)
            case "new_layer":
                return nn.Linear(features.shape[1], features.shape[1])(features)
            case "division":
                return features / (features > 0)
            case "times_1000":
                return features * 1000
            case "wrong_reshape":
                return features.t().reshape(features.shape)
            case "weights_put_back":
                with torch.no_grad():
                    self.out.weight.copy_(self.kept)
        return features

    def spoil_outputs(self, outputs: Tensor) -> Tensor:
        match self.fault:
            case "softmax_over_batch":
                return outputs.softmax(0)
            case "relu_output":
                return outputs.relu()
            case "one_output":
                return outputs[:, :1].expand_as(outputs)
        return outputs

    def spoil_weights(self, fault: str) -> None:
        self.fault = fault
        self.kept = self.out.weight.detach().clone()


class Gated(Faulty):
    """Layers whose units are multiplied by gates of their own."""

    def __init__(
        self,
        in_features: int,
        num_outputs: int,
        depth: int = 2,
        width: int = 48,
        act: str = "silu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__()
        sizes = [in_features] + [width] * depth
        self.gates = nn.ModuleList(nn.Linear(size, width) for size in sizes[:-1])
        self.values = nn.ModuleList(nn.Linear(size, width) for size in sizes[:-1])
        self.norms = nn.ModuleList(norm_of(norm, width) for _ in range(depth))
        self.act = ACTIVATIONS[act]()
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(width, num_outputs)
        self.spoil_weights(fault)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.spoil_inputs(inputs).flatten(1)
        for gate, value, norm in zip(self.gates, self.values, self.norms, strict=True):
            hidden = self.dropout(norm(self.act(gate(hidden)) * value(hidden)))
        return self.spoil_outputs(self.out(self.spoil_features(hidden)))


class Attention(Faulty):
    """Self-attention over the rows of a sample, a feed-forward layer, and the mean over rows."""

    def __init__(
        self,
        num_outputs: int,
        input_shape: tuple[int, ...],
        depth: int = 1,
        width: int = 24,
        act: str = "gelu",
        norm: str = "layer",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(input_shape[-1], width)
        self.places = nn.Parameter(0.1 * torch.randn(input_shape[-2], width))
        self.attentions = nn.ModuleList(
            nn.MultiheadAttention(width, 4, dropout, batch_first=True) for _ in range(depth)
        )
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 2 * width), ACTIVATIONS[act](), nn.Linear(2 * width, width))
            for _ in range(depth)
        )
        self.norm = norm_of(norm, width)
        self.out = nn.Linear(width, num_outputs)
        self.spoil_weights(fault)

    def forward(self, inputs: Tensor) -> Tensor:
        inputs = self.spoil_inputs(inputs)
        hidden = self.embed(inputs.flatten(1, -3) if inputs.dim() > 3 else inputs) + self.places
        for attention, layer in zip(self.attentions, self.layers, strict=True):
            hidden = hidden + attention(hidden, hidden, hidden, need_weights=False)[0]
            hidden = hidden + layer(hidden)
        return self.spoil_outputs(self.out(self.spoil_features(self.norm(hidden.mean(1)))))


class Stacked(Faulty):
    """Convolutions with pooling between them, and two layers on what is left."""

    def __init__(
        self,
        in_channels: int,
        num_outputs: int,
        width: int = 8,
        act: str = "elu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, width, 3, padding=1)
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.pointwise = nn.Conv2d(width, 2 * width, 1)
        self.norm = {
            "none": nn.Identity(),
            "batch": nn.BatchNorm2d(2 * width),
            "layer": nn.GroupNorm(1, 2 * width),
        }[norm]
        self.pool = nn.MaxPool2d(2)
        self.act = ACTIVATIONS[act]()
        self.hidden = nn.LazyLinear(4 * width)
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(4 * width, num_outputs)
        self.spoil_weights(fault)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = self.pool(self.act(self.first(self.spoil_inputs(inputs))))
        hidden = self.pool(self.act(self.norm(self.pointwise(self.depthwise(hidden)))))
        hidden = self.dropout(self.act(self.hidden(hidden.flatten(1))))
        return self.spoil_outputs(self.out(self.spoil_features(hidden)))


class Dense(Faulty):
    """Layers that see the outputs of all before them."""

    def __init__(
        self,
        in_features: int,
        num_outputs: int,
        depth: int = 3,
        width: int = 24,
        act: str = "relu",
        norm: str = "batch",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__()
        sizes = [in_features + width * index for index in range(depth + 1)]
        self.layers = nn.ModuleList(nn.Linear(size, width) for size in sizes[:-1])
        self.norms = nn.ModuleList(norm_of(norm, width) for _ in range(depth))
        self.act = ACTIVATIONS[act]()
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(sizes[-1], num_outputs)
        self.spoil_weights(fault)

    def forward(self, inputs: Tensor) -> Tensor:
        seen = self.spoil_inputs(inputs).flatten(1)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            seen = torch.cat([seen, self.dropout(self.act(norm(layer(seen))))], 1)
        return self.spoil_outputs(self.out(self.spoil_features(seen)))


class Codes(Faulty):
    """The mean of embeddings of whole numbers, and two layers on it."""

    def __init__(
        self,
        num_outputs: int,
        input_shape: tuple[int, ...],
        width: int = 24,
        act: str = "relu",
        norm: str = "none",
        dropout: float = 0.0,
        fault: str = "none",
    ) -> None:
        super().__init__()
        self.table = nn.Embedding(32, width)
        self.places = nn.Parameter(torch.ones(input_shape[-1], width))
        self.hidden = nn.Linear(width, 2 * width)
        self.norm = norm_of(norm, 2 * width)
        self.act = ACTIVATIONS[act]()
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(2 * width, num_outputs)
        self.spoil_weights(fault)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = (self.table(self.spoil_inputs(inputs).long()) * self.places).mean(1)
        hidden = self.dropout(self.act(self.norm(self.hidden(hidden))))
        return self.spoil_outputs(self.out(self.spoil_features(hidden)))
