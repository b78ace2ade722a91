"""dlkit inspect model: the layers of a network."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from dlkit.cli import console
from dlkit.cli.bars import show_preparing
from dlkit.cli.inspect.layers import print_rows
from dlkit.cli.options import DataOption, TargetOption
from dlkit.cli.own_code import ModelOption, check_named, check_options, load_checkpoints
from dlkit.errors import CheckpointError, ConfigError, did_you_mean, printable
from dlkit.settings.catalogue import DATA
from dlkit.settings.config import TrainConfig
from dlkit.settings.models import MODELS
from dlkit.settings.resolve import parse_arguments, resolve
from dlkit.settings.spec import parse_code

if TYPE_CHECKING:
    from torch import nn

    from dlkit.files.description import DataDescription


def model(
    subject: Annotated[
        str, Argument(metavar="CKPT|MODEL", help="A checkpoint, a run folder, or a model name.")
    ],
    arguments: Annotated[
        list[str] | None, Option("-s", metavar="KEY=VALUE", help="An argument of the model; repeatable.")
    ] = None,
    data: DataOption = None,
    target: TargetOption = None,
    code: ModelOption = None,
) -> None:
    """List a model's layers with their output shapes, parameters and FLOPs for one sample."""
    path = Path(subject)
    by_name = subject in MODELS or parse_code(subject) is not None
    if by_name:
        given = {"model": subject, "data": data, "target": target}
        typed = {name: value for name, value in given.items() if value is not None}
        config = resolve(typed, parse_arguments(arguments or []))
        check_named(config, typed)
    elif arguments or data is not None or target is not None:
        raise ConfigError(
            "-s, --data and --target are for a model name; a checkpoint has its own",
            did_you_mean(subject, MODELS) or f"the models are {', '.join(MODELS)}",
        )
    elif not path.exists() and subject == path.stem:
        raise CheckpointError(
            f"{subject} is neither a checkpoint nor a model",
            did_you_mean(subject, MODELS) or f"the models are {', '.join(MODELS)}",
        )

    named = None if by_name else check_options(code, None)

    from dlkit.inputs import zeros
    from dlkit.inspection.summary import summarise
    from dlkit.models.build import restore_model

    if by_name:
        description, network = _network_of(config)
    else:
        (checkpoint,) = load_checkpoints([path], named)
        description, network = checkpoint.description, restore_model(checkpoint)
    shape = "x".join(map(str, description.input_shape))
    console.note(f"{subject} on {printable(description.name)}, one sample of {shape}")
    print_rows("model", summarise(network, zeros(description)))


def _network_of(config: TrainConfig) -> tuple["DataDescription", "nn.Module"]:
    """Return the description of the data and a network for them; data in the catalogue are not loaded."""
    from dlkit.data.dataset import DataSet, first_that_fits
    from dlkit.files.description import DataDescription
    from dlkit.models.build import build_model

    entry = DATA.get(config.data)
    if entry is None or not entry.input_shape:
        from dlkit.data.kinds import load_dataset

        with show_preparing():
            dataset = load_dataset(config)
    else:
        description = DataDescription(
            name=config.data,
            task=entry.task,
            input_shape=entry.input_shape,
            class_names=entry.class_names,
            split_sizes={},
        )
        dataset = DataSet(description, {})
    dataset, network = first_that_fits(
        dataset, lambda data: build_model(config.model, data.description, config.arguments, data.context)
    )
    return dataset.description, network
