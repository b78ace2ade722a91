"""A multilayer perceptron over flattened inputs."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn

from dlkit.errors import ConfigError
from dlkit.files.description import DataDescription
from dlkit.models.table_inputs import TableInputs, TableLayout

ACTIVATIONS: Mapping[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
_GAIN_OF = {"gelu": "relu"}  # torch knows no gain for it; it looks like a ReLU from afar
_NORMS: Mapping[str, Callable[[int], nn.Module]] = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}


class HiddenLayer(nn.Module):
    """A linear map, a normalisation, a non-linearity and dropout, in this order.

    Args:
        in_features: Width of the input.
        out_features: Width of the output.
        activation: A name in `ACTIVATIONS`.
        dropout: Share of outputs dropped while training.
        norm: `none`, `batch` or `layer`.
        residual: Add the input to the output where the widths agree.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        activation: str,
        dropout: float,
        norm: str,
        residual: bool,
    ) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)
        self.norm = _NORMS[norm](out_features) if norm != "none" else None
        self.activation = ACTIVATIONS[activation]()
        self.dropout = nn.Dropout(dropout) if dropout else None
        self.residual = residual and in_features == out_features

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs, shape (N, in_features), to outputs, shape (N, out_features)."""
        outputs: Tensor = self.linear(inputs)
        if self.norm is not None:
            outputs = self.norm(outputs)
        outputs = self.activation(outputs)
        if self.dropout is not None:
            outputs = self.dropout(outputs)
        return outputs + inputs if self.residual else outputs


class Mlp(nn.Module):
    """Hidden layers and a linear output.

    Args:
        input_shape: Shape of one sample; it is flattened.
        num_outputs: Numbers given for one sample.
        hidden: Widths of the hidden layers; empty makes a linear model.
        activation: A name in `ACTIVATIONS`.
        dropout: Share of hidden outputs dropped while training.
        norm: `none`, `batch` or `layer`, before the activation.
        residual: Add each hidden layer's input to its output where the widths agree.
        init: `default` (torch's own), `xavier` (Glorot and Bengio 2010), `he` (He et al. 2015), `orthogonal`
            (Saxe et al. 2014) or `zeros`.
        layout: What the features of a table are; None for other data.
        numbers: How the numbers of a table go in: `plain`, `piecewise` or `periodic`.
        bins: Bins a number that the layout was made with, for `piecewise`.
        frequencies: Frequencies a number, for `periodic`.
        sigma: Standard deviation of those at the start.
        number_width: Length of a number's vector.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        num_outputs: int,
        *,
        hidden: Sequence[int],
        activation: str,
        dropout: float,
        norm: str,
        residual: bool,
        init: str,
        layout: TableLayout | None = None,
        numbers: str = "plain",
        bins: int = 128,  # noqa: ARG002 - the layout has the edges of that many
        frequencies: int = 16,
        sigma: float = 0.1,
        number_width: int = 16,
    ) -> None:
        super().__init__()
        self.table: TableInputs | None = None
        if layout is not None and (layout.embedded or numbers != "plain"):
            self.table = TableInputs(
                layout, numbers=numbers, number_width=number_width, frequencies=frequencies, sigma=sigma
            )
        widths = [math.prod(input_shape) if self.table is None else self.table.width, *hidden]
        self.flatten = nn.Flatten()
        self.hidden = nn.Sequential(
            *(
                HiddenLayer(
                    before, after, activation=activation, dropout=dropout, norm=norm, residual=residual
                )
                for before, after in pairwise(widths)
            )
        )
        self.output = nn.Linear(widths[-1], num_outputs)
        if init != "default":
            initialise(self, init, activation)

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs, shape (N, *input_shape), to outputs, shape (N, num_outputs)."""
        features = self.flatten(inputs) if self.table is None else self.table(inputs)
        outputs: Tensor = self.output(self.hidden(features))
        return outputs


def build(
    description: DataDescription, arguments: Mapping[str, Any], _context: Mapping[str, Tensor]
) -> "Mlp":
    """Build the network for rows of a table or any other samples, which are flattened.

    Raises:
        ConfigError: Numbers are to become vectors, but the data are no table.
    """
    layout = None
    if description.learned.keys() & {"embedded", "continuous"}:
        layout = TableLayout.of(description.input_shape[0], description.learned)
    elif arguments.get("numbers", "plain") != "plain":
        raise ConfigError(
            f"-s numbers={arguments['numbers']} is for tables; {description.name} is none", "leave it out"
        )
    return Mlp(description.input_shape, description.num_outputs, layout=layout, **arguments)


def initialise(model: nn.Module, init: str, activation: str) -> None:
    """Set the weights of every linear layer anew and its biases to zero.

    Args:
        model: Changed in place.
        init: `xavier`, `he`, `orthogonal` or `zeros`.
        activation: What follows the layers; decides the gain.
    """
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    for layer in linear:
        name = "linear" if layer is linear[-1] else _GAIN_OF.get(activation, activation)
        gain = nn.init.calculate_gain(name)  # type: ignore[arg-type]
        if init == "xavier":
            nn.init.xavier_uniform_(layer.weight, gain=gain)
        elif init == "he":
            nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.in_features))
        elif init == "orthogonal":
            nn.init.orthogonal_(layer.weight, gain=gain)
        else:
            nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
