"""What the networks of the fourth part share, and the mistakes that `-s fault=NAME` puts in."""

import torch
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "softplus": nn.Softplus,
}


class Unassigned(nn.Module):
    """An activation that is computed, and whose result nobody takes."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, inputs: Tensor) -> Tensor:
        self.activation(inputs)
        return inputs


def activation(name: str, fault: str) -> nn.Module:
    made = ACTIVATIONS[name]()
    return Unassigned(made) if fault == "lost_activation" else made


def norm_of(name: str, features: int, places: int = 0) -> nn.Module:
    """Return a normalisation; `places` axes come after that of the features."""
    match name:
        case "batch":
            return (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d)[places](features)
        case "layer":
            return nn.LayerNorm(features) if not places else nn.GroupNorm(1, features)
        case "group":
            return nn.GroupNorm(2, features)
    return nn.Identity()


class Mistaken(nn.Module):
    """What lies between `first` and `out`, and the places where a mistake can be."""

    def __init__(self, width: int, num_outputs: int, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.out = nn.Linear(width, num_outputs)
        self.cache: dict[str, Tensor] = {}
        if fault == "forty_times":
            self.mix = nn.Linear(width, width)
        if fault == "gates_in_a_row":
            self.gates = nn.ModuleList(nn.Linear(width, width) for _ in range(24))

    def forward(self, inputs: Tensor) -> Tensor:
        if self.training:
            self.spoil_training()
        features = self.features(self.spoil_inputs(inputs))
        return self.spoil_outputs(self.out(self.spoil_features(features)))

    def spoil_inputs(self, inputs: Tensor) -> Tensor:
        match self.fault:
            case "mask_inverted":
                return inputs * (inputs == 0)
            case "centred_over_one":
                return inputs - inputs.mean(1, keepdim=True)
            case "flipped_batch":
                return inputs.flip(0)
            case "positions_for_values":
                places = torch.arange(inputs[0].numel(), device=inputs.device) % 12
                return places.to(inputs.dtype).view(inputs[0].shape).expand_as(inputs)
            case "inputs_dropped":
                return functional.dropout(inputs, 0.97, self.training)
            case "back_to_bytes":
                return inputs * 60 + 120
        return inputs

    def spoil_features(self, features: Tensor) -> Tensor:
        match self.fault:
            case "argmax_choice":
                return functional.one_hot(features.argmax(1), features.shape[1]).float()
            case "cached_batch":
                return self.cache.setdefault(str(len(features)), features.detach())
            case "late_layers":
                return self.late(features)
            case "summed_over_batch":
                return features.cumsum(0) / len(features) ** 0.5
            case "repeated_rows":
                return features.repeat_interleave(3, 0)[: len(features)]
        return self.spoil_values(features)

    def spoil_values(self, features: Tensor) -> Tensor:
        """Change the size of features, or what they are in training alone."""
        match self.fault:
            case "relu_of_negative":
                return (-features.relu()).relu()
            case "arccosine":
                return features.acos()
            case "divided_by_spread":
                return features / features.std(0)
            case "norm_in_training" if self.training and len(features) > 1:
                return functional.batch_norm(features, None, None, training=True)
            case "dropout_in_evaluation" if not self.training:
                return functional.dropout(features, 0.9, training=True)
            case "gates_in_a_row":
                for gate in self.gates:
                    features = features * gate(features).sigmoid()
            case "forty_times":
                for _ in range(40):
                    features = features + self.mix(features)
        return features

    def late(self, features: Tensor) -> Tensor:
        """Make three layers at the first batch of training, when the optimizer has its parameters already."""
        if not hasattr(self, "made") and self.training:
            width = features.shape[1]
            self.made = nn.Sequential(
                *(layer for _ in range(3) for layer in (nn.Linear(width, width), nn.ReLU()))
            )
        return self.made(features) if hasattr(self, "made") else features

    def spoil_outputs(self, outputs: Tensor) -> Tensor:
        match self.fault:
            case "clamped_outputs":
                return outputs.clamp(0, 1)
            case "positive_numbers":
                return functional.softplus(outputs)
        return outputs

    @torch.no_grad()
    def spoil_training(self) -> None:
        """Change weights at each batch of training."""
        match self.fault:
            case "clipped_weights":
                for parameter in self.parameters():
                    parameter.clamp_(-0.01, 0.01)
            case "reset_every_step":
                for module in self.modules():
                    if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.GRU | nn.Embedding):
                        module.reset_parameters()

    @torch.no_grad()
    def spoil_weights(self) -> None:
        """Change the first weights; the last line of every constructor."""
        if self.fault == "normal_init":
            for parameter in self.parameters():
                if parameter.dim() > 1:
                    parameter.normal_(0, 1)
