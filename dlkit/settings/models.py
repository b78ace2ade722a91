"""The networks that are built in: what builds them, the data and the recipe they start from, and their arguments."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from dlkit.settings.arguments import Argument, ArgumentValue, resolve_arguments
from dlkit.settings.deferred import deferred

if TYPE_CHECKING:
    from torch import Tensor, nn

    from dlkit.errors import ConfigError
    from dlkit.files.description import DataDescription
    from dlkit.settings.config import TrainConfig

    Builder = Callable[[DataDescription, Mapping[str, Any], Mapping[str, Tensor]], nn.Module]

TORCHVISION_MODELS = (
    "resnet18",
    "resnet34",
    "resnet50",
    "mobilenet_v3_small",
    "efficientnet_b0",
    "convnext_tiny",
)


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """A built-in network: what builds it, what it trains on by default, its recipe and its arguments.

    Args:
        name: As MODEL is typed.
        build: Builds the network from the description of the data, its arguments and its context; `deferred`, since
            it needs torch.
        help: A sentence.
        data: The data set it trains on by default.
        recipe: Its recipe; empty goes by the kind of the data.
        reads: The kind of data that it reads any data as, and takes several inputs of; empty for one input.
        embeds: It learns vectors for the texts of a table, which then come as codes and not as columns of 0 and 1.
        check: Finds settings that cannot be used with the network; None for none.
        arguments: What `-s` may set.
        defaults: Other defaults of its arguments, by the kind of the data.
    """

    name: str
    build: "Builder"
    help: str
    data: str = "digits"
    recipe: str = ""
    reads: str = ""
    embeds: bool = False
    check: "Callable[[TrainConfig], Iterator[ConfigError]] | None" = None
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    defaults: Mapping[str, Mapping[str, ArgumentValue]] = field(default_factory=dict)

    def resolve(self, typed: Mapping[str, str], kind: str = "") -> dict[str, ArgumentValue]:
        """Return the arguments typed with `-s`, filled up with the defaults for a kind of data.

        Raises:
            ConfigError: Arguments that the network does not take, or values they cannot have; all at once.
        """
        known = {
            name: replace(argument, default=self.defaults.get(kind, {}).get(name, argument.default))
            for name, argument in self.arguments.items()
        }
        return resolve_arguments(known, typed, prefix="-s ", owner="the network")


def reads(model: str) -> str:
    """Return the kind of data that a network reads any data as; empty if it goes by the data."""
    return MODELS[model].reads if model in MODELS else ""


def takes_images(model: str) -> bool:
    """Return whether a built-in network is one for images."""
    return model in MODELS and MODELS[model].recipe in ("image", "torchvision")


_DROPOUT = Argument(default=0.0, low=0, high=1, help="Share of units dropped while training.")
_ACTIVATION = Argument(
    default="relu",
    choices=("relu", "leaky_relu", "gelu", "tanh", "sigmoid"),
    help="Non-linearity after each hidden layer.",
)
_STEM = Argument(
    default="auto",
    choices=("auto", "full", "small"),
    help="First layer: full as published, small keeps the resolution; auto takes small below 64 pixels.",
)

_RECORDS = (
    ModelRecord(
        name="mlp",
        build=deferred("dlkit.models.mlp:build"),
        embeds=True,
        defaults={"table": {"hidden": (256, 256), "dropout": 0.1}},
        help="Fully connected layers over flattened inputs, or over the columns of a table.",
        arguments={
            "hidden": Argument(default=(128,), low=1, high=1_000_000, help="Widths of the hidden layers."),
            "activation": _ACTIVATION,
            "dropout": _DROPOUT,
            "norm": Argument(
                default="none",
                choices=("none", "batch", "layer"),
                help="Normalisation before the activation.",
            ),
            "residual": Argument(default=False, help="Add each hidden layer's input where the widths agree."),
            "init": Argument(
                default="default",
                choices=("default", "xavier", "he", "orthogonal", "zeros"),
                help="Initialisation of the weights; default is torch's own.",
            ),
            "numbers": Argument(
                default="plain",
                choices=("plain", "piecewise", "periodic"),
                help="How the numbers of a table enter: unchanged, or as one vector each.",
            ),
            "bins": Argument(default=128, low=2, high=1_000, help="Bins per number, for piecewise."),
            "frequencies": Argument(
                default=16, low=1, high=10_000, help="Frequencies per number, for periodic."
            ),
            "sigma": Argument(
                default=0.1, low=0, high=1_000, help="Initial standard deviation of those frequencies."
            ),
            "number_width": Argument(
                default=16,
                low=1,
                high=10_000,
                help="Length of a number's vector, for piecewise and periodic.",
            ),
        },
    ),
    ModelRecord(
        name="cnn",
        build=deferred("dlkit.models.cnn:build"),
        recipe="image",
        help="Convolutions with batch norm, about 100,000 parameters.",
        arguments={
            "width": Argument(
                default=20, low=1, high=100_000, help="Channels of the first stage; each stage doubles them."
            ),
            "dropout": _DROPOUT,
        },
    ),
    ModelRecord(
        name="spatial",
        build=deferred("dlkit.models.spatial.network:build"),
        reads="spatial",
        check=deferred("dlkit.settings.conflicts:check_points"),
        data="spatial",
        recipe="spatial",
        help="A value at a point from its neighbours: phi on each, attention omega, theta on the weighted sum.",
        arguments={
            "phi": Argument(
                default=(64, 64), low=1, high=100_000, help="Widths of the layers on each neighbour."
            ),
            "omega": Argument(
                default=(64,), low=1, high=100_000, help="Hidden widths of the weight of a neighbour."
            ),
            "theta": Argument(
                default=(128, 128), low=1, high=100_000, help="Hidden widths from the sum to the correction."
            ),
            "trend": Argument(
                default=(64, 32),
                low=1,
                high=100_000,
                help="Hidden widths from place and features to the trend.",
            ),
            "heads": Argument(
                default=4, low=1, high=1_000, help="Attention heads; they divide phi's last width."
            ),
            "activation": _ACTIVATION,
            "dropout": _DROPOUT,
            "norm": Argument(
                default="none", choices=("none", "layer"), help="Normalisation before the activation."
            ),
        },
    ),
    *(
        ModelRecord(
            name=name,
            build=partial(deferred("dlkit.models.torchvision_models:build"), name),
            recipe="torchvision",
            help="torchvision's network, with the first and last layer adapted to the data.",
            arguments={"stem": _STEM},
        )
        for name in TORCHVISION_MODELS
    ),
    ModelRecord(
        name="pbpk",
        build=deferred("dlkit.models.pbpk.network:build"),
        reads="pbpk",
        check=deferred("dlkit.settings.conflicts:check_curves"),
        data="pbpk",
        recipe="pbpk",
        help="Message passing over 14 organs predicts the rates of a compartment model, which is integrated.",
        arguments={
            "hidden": Argument(default=16, low=1, high=10_000, help="Width of nodes and messages."),
            "rounds": Argument(default=2, low=0, high=100, help="Rounds of message passing."),
            "flows": Argument(
                default=True, help="Give the network the blood flows; otherwise it learns them."
            ),
            "linear": Argument(
                default="auto",
                choices=("auto", "true", "false"),
                help="Concentrations are proportional to the dose; auto: unless the data are simulated as saturable.",
            ),
        },
    ),
)

MODELS: dict[str, ModelRecord] = {record.name: record for record in _RECORDS}
