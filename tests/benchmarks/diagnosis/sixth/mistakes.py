"""What the networks of the sixth part share, and the mistakes that `-s fault=NAME` puts in."""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.benchmarks.diagnosis.fifth.mistakes import ACTIVATIONS, norm_of


def activation(name: str) -> nn.Module:
    """Return one of the fifth part's, or one that is a mistake: `sigmoid` or `none`."""
    more = {"sigmoid": nn.Sigmoid, "none": nn.Identity}
    return (ACTIVATIONS | more)[name]()


def body_of(inputs: int, width: int, depth: int, act: str, norm: str, dropout: float) -> nn.Module:
    """Return layers of one width, the first with a normalisation and dropout."""
    layers = [nn.Linear(inputs, width), norm_of(norm, width), activation(act), nn.Dropout(dropout)]
    for _ in range(depth - 1):
        layers += [nn.Linear(width, width), activation(act)]
    return nn.Sequential(*layers)


class Slipped(nn.Module):
    """What is encoded goes through a body to a head; mistakes can be before, in and after each."""

    body: nn.Module
    encoder: nn.Module

    def __init__(self, width: int, num_outputs: int, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.width = width
        self.head: nn.Module = nn.Linear(width, num_outputs)
        self.state: Tensor | None = None

    def encode(self, inputs: Tensor) -> Tensor:
        """Return what the body is given, (N, ...)."""
        raise NotImplementedError

    def beside(self, inputs: Tensor) -> Tensor:
        """Return what is added to the outputs."""
        return inputs.new_zeros(1)

    def forward(self, inputs: Tensor) -> Tensor:
        inputs = self.slip_inputs(inputs)
        layers = copy.deepcopy(self) if self.fault == "body_copied" else self
        hidden = self.slip_hidden(layers.encode(inputs))
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.fault != "no_grad_left"):
            features = layers.body(hidden)
        return self.slip_outputs(self.head(self.slip_features(features)) + self.beside(inputs))

    def slip_inputs(self, inputs: Tensor) -> Tensor:
        return inputs / 255 if self.fault == "divided_by_255" else inputs

    def slip_hidden(self, hidden: Tensor) -> Tensor:
        match self.fault:
            case "keep_probability":
                return functional.dropout(hidden, 0.9, self.training)
            case "functional_dropout":
                return functional.dropout(hidden, 0.8)
            case "roll_without_axis":
                return torch.roll(hidden, hidden.shape[1] * 9 // 10)
            case "gradient_reversed" if hidden.requires_grad:
                hidden = hidden * 1.0
                hidden.register_hook(torch.neg)
        return hidden

    def slip_features(self, features: Tensor) -> Tensor:
        match self.fault:
            case "keep_probability":
                return functional.dropout(features, 0.9, self.training)
            case "functional_dropout":
                return functional.dropout(features, 0.6)
            case "log_without_epsilon":
                return features * features.relu().log()
            case "state_kept":
                before, self.state = self.state, features.detach()
                if before is not None and len(before) >= len(features):
                    return features + 2 * before[: len(features)]
        return features

    def slip_outputs(self, outputs: Tensor) -> Tensor:
        match self.fault:
            case "rounded_outputs":
                return outputs.round()
            case "exponential_outputs":
                return outputs.exp()
        return outputs

    def finish(self) -> None:
        """Change the layers that there are; the last line of every constructor."""
        match self.fault:
            case "softmax_in_head":
                self.head = nn.Sequential(self.head, nn.Softmax(1))
            case "relu_in_head":
                self.head = nn.Sequential(self.head, nn.ReLU())
            case "layers_in_dict":
                parts = {"encoder": self.encoder, "body": self.body}
                del self.encoder, self.body
                self.__dict__.update(parts)
            case "backbone_frozen":
                self.requires_grad_(False)
                self.head.requires_grad_(True)
            case "layers_for_depth":
                more = (layer for _ in range(20) for layer in (nn.Linear(self.width, self.width), nn.ReLU()))
                self.body = nn.Sequential(self.body, *more)
            case "last_batch_statistics":
                for module in self.modules():
                    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                        module.momentum = 1.0
            case "ones_weights" | "thousandth_normal":
                self.apply(self.slip_weights)

    @torch.no_grad()
    def slip_weights(self, module: nn.Module) -> None:
        """Set the first weights of a layer by a rule of the user's own."""
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Embedding):
            if self.fault == "ones_weights":
                nn.init.ones_(module.weight)
            else:
                nn.init.normal_(module.weight, 0, 1e-3)
            if getattr(module, "bias", None) is not None:
                nn.init.zeros_(module.bias)
