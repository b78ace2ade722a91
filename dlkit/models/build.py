"""The table name -> network; every network is sized from the description of the data."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from dlkit.catalogue import PICTURE_MODELS
from dlkit.description import DataDescription
from dlkit.errors import CheckpointError, ConfigError, did_you_mean
from dlkit.models.cnn import Cnn
from dlkit.models.mlp import Mlp


def build_model(name: str, description: DataDescription, arguments: Mapping[str, Any]) -> nn.Module:
    """Build a network for the data described.

    Args:
        name: A name in the catalogue.
        description: Gives the shape of one sample and the number of outputs.
        arguments: The network's own arguments, resolved.

    Raises:
        CheckpointError: There is no such network (the catalogue was asked before training, so the name comes
            from a checkpoint).
        ConfigError: The network cannot take samples of this shape.
        MissingError: It needs torchvision, which cannot be imported.
    """
    if name not in BUILDERS:
        raise CheckpointError(
            f"the checkpoint's network {name} is not built in", did_you_mean(name, BUILDERS) or "update dlkit"
        )
    return BUILDERS[name](description, arguments)


def _mlp(description: DataDescription, arguments: Mapping[str, Any]) -> nn.Module:
    return Mlp(description.input_shape, description.num_outputs, **arguments)


def _cnn(description: DataDescription, arguments: Mapping[str, Any]) -> nn.Module:
    return Cnn(_picture_shape("cnn", description), description.num_outputs, **arguments)


def _torchvision(name: str) -> Callable[[DataDescription, Mapping[str, Any]], nn.Module]:
    def build(description: DataDescription, arguments: Mapping[str, Any]) -> nn.Module:
        from dlkit.models.torchvision_models import build_torchvision_model

        shape = _picture_shape(name, description)
        return build_torchvision_model(name, shape, description.num_outputs, **arguments)

    return build


def _picture_shape(name: str, description: DataDescription) -> tuple[int, int, int]:
    shape = description.input_shape
    if len(shape) != 3 or min(shape[1:]) < 8:
        raise ConfigError(
            f"MODEL {name} takes pictures of at least 8 x 8; {description.name} has samples of shape {shape}",
            "mlp takes samples of any shape",
        )
    return shape[0], shape[1], shape[2]


BUILDERS: Mapping[str, Callable[[DataDescription, Mapping[str, Any]], nn.Module]] = {
    "mlp": _mlp,
    "cnn": _cnn,
    **{name: _torchvision(name) for name in PICTURE_MODELS},
}
