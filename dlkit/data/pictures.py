"""The built-in pictures as a data set: split, normalised and described."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dlkit.catalogue import DATA
from dlkit.config import TrainConfig
from dlkit.data.digits import load_digits
from dlkit.data.prepared import Source, read_prepared
from dlkit.data.samples import DataSet, Request, TensorSplit
from dlkit.data.splits import split_rows
from dlkit.description import DataDescription, Normalisation

_ROWS_AT_ONCE = 2048

SOURCES: Mapping[str, Callable[[], Source]] = {
    "digits": load_digits,
    "mnist": lambda: read_prepared("mnist"),
    "fashion-mnist": lambda: read_prepared("fashion-mnist"),
    "kmnist": lambda: read_prepared("kmnist"),
    "cifar10": lambda: read_prepared("cifar10"),
}


def load_pictures(request: Request) -> DataSet:
    """Load built-in pictures.

    Raises:
        DataError: They are not here, are damaged, or are not the ones trained on.
        ConfigError: The normalisation does not fit the channels.
    """
    source = SOURCES[request.spec.name]()
    request.check_fingerprint(source.fingerprint)
    return split_pictures(source, describe(request.spec.name, source), request)


def split_pictures(source: Source, description: DataDescription, request: Request) -> DataSet:
    """Cut stored samples into splits and choose their normalisation.

    Args:
        source: The stored samples.
        description: What they say of themselves, before they are split.
        request: Seed, shares and normalisation.

    Raises:
        ConfigError: The normalisation does not fit the channels.
        DataError: They do not fit the network.
    """
    request.check_shapes(description.input_shape, description.num_outputs)
    splits = _split(source, request.config)
    if request.trained_on is not None:
        normalisation = request.trained_on.normalisation
    else:
        normalisation = _normalisation(splits["train"], source.scale, request.config)
    sizes = {name: len(split) for name, split in splits.items()}
    return DataSet(
        replace(description, normalisation=normalisation, split_sizes=sizes),
        {name: replace(split, normalisation=normalisation) for name, split in splits.items()},
    )


def describe(name: str, source: Source) -> DataDescription:
    """Say of built-in pictures what their entry in the catalogue and their samples tell."""
    entry = DATA[name]
    inputs, _ = next(iter(source.parts.values()))
    return DataDescription(
        name=name,
        task=entry.task,
        input_shape=tuple(inputs.shape[1:]),
        class_names=entry.class_names,
        split_sizes={},
        source=entry.source,
        licence=entry.licence,
        fingerprint=source.fingerprint,
    )


def mean_and_std(inputs: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Give the mean and standard deviation of stored values, channel by channel, in float64.

    Args:
        inputs: Stored pictures, shape (M, C, H, W), or rows of numbers, shape (M, D).
        rows: Which of them count, shape (N,), int64.

    Returns:
        Two tensors of shape (C,) or (D,); a standard deviation of zero is given as 1.
    """
    total = torch.zeros(inputs.shape[1], dtype=torch.float64)
    squares = torch.zeros_like(total)
    for part in rows.split(_ROWS_AT_ONCE):
        values = inputs.index_select(0, part).to(torch.float32).reshape(len(part), inputs.shape[1], -1)
        total += values.sum((0, 2), dtype=torch.float64)
        squares += values.square_().sum((0, 2), dtype=torch.float64)
    count = len(rows) * inputs[0, 0].numel()
    mean = total / count
    std = (squares / count - mean.square()).clamp_min(0).sqrt()
    return mean, torch.where(std > 0, std, 1.0)


def _split(source: Source, config: TrainConfig) -> dict[str, TensorSplit]:
    """Take the source's own test part, or cut one off; then cut the validation part off the training part."""
    if "test" in source.parts:
        train_part, test_part = source.parts["train"], source.parts["test"]
        train_rows, test_rows = np.arange(len(train_part[1])), np.arange(len(test_part[1]))
    else:
        train_part = test_part = source.parts["all"]
        train_rows, test_rows = split_rows(
            train_part[1].numpy(), config.test, config.seed, f"test/{source.fingerprint}"
        )
    kept, cut = split_rows(
        train_part[1].numpy()[train_rows], config.val, config.seed, f"val/{source.fingerprint}"
    )
    train_rows, val_rows = train_rows[kept], train_rows[cut]
    train_rows = train_rows[: config.limit]
    return {
        "train": TensorSplit(*train_part, torch.from_numpy(train_rows), None),
        "val": TensorSplit(*train_part, torch.from_numpy(val_rows), None),
        "test": TensorSplit(*test_part, torch.from_numpy(test_rows), None),
    }


def _normalisation(train: TensorSplit, scale: float, config: TrainConfig) -> Normalisation | None:
    channels = train.inputs.shape[1]
    if config.normalize == "none":
        return Normalisation(scale=scale, mean=(0.0,) * channels, std=(1.0,) * channels)
    if config.normalize == "auto":
        mean, std = mean_and_std(train.inputs, train.rows)
        return Normalisation(
            scale=scale, mean=tuple((mean / scale).tolist()), std=tuple((std / scale).tolist())
        )
    means, stds = config.normalisation_numbers(channels)
    return Normalisation(scale=scale, mean=means, std=stds)
