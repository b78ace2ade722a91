"""The table name -> data set, and what a data set is: a description and the splits train, val and test."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dlkit.catalogue import DATA
from dlkit.config import TrainConfig
from dlkit.data.digits import load_digits
from dlkit.data.prepared import Source, read_prepared
from dlkit.data.splits import split_rows
from dlkit.description import DataDescription, Normalisation
from dlkit.errors import ConfigError, DataError, did_you_mean

SPLITS = ("train", "val", "test")
_ROWS_AT_ONCE = 2048

SOURCES: Mapping[str, Callable[[], Source]] = {
    "digits": load_digits,
    "mnist": lambda: read_prepared("mnist"),
    "fashion-mnist": lambda: read_prepared("fashion-mnist"),
    "kmnist": lambda: read_prepared("kmnist"),
    "cifar10": lambda: read_prepared("cifar10"),
}


@dataclass(frozen=True)
class Split:
    """The samples of one split: rows of stored tensors, turned into inputs when a batch is made.

    Args:
        inputs: Stored samples, shape (M, ...), M at least the largest row.
        targets: Stored targets, shape (M,) or (M, D).
        rows: Rows that belong to the split, shape (N,), int64.
        normalisation: How stored values become inputs; None leaves them alone.
    """

    inputs: Tensor
    targets: Tensor
    rows: Tensor
    normalisation: Normalisation | None

    def __len__(self) -> int:
        return len(self.rows)

    def to(self, device: torch.device) -> "Split":
        """Give the same split with its stored tensors on a device."""
        return replace(
            self, inputs=self.inputs.to(device), targets=self.targets.to(device), rows=self.rows.to(device)
        )

    def batch(self, rows: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
        """Make inputs and targets of some rows.

        Args:
            rows: Which of the stored rows, shape (B,), on the device of the stored tensors.
            device: Where the batch is wanted.

        Returns:
            Inputs, float32, shape (B, ...), and targets, shape (B,) or (B, D).
        """
        inputs = self.inputs.index_select(0, rows).to(device, non_blocking=True).to(torch.float32)
        targets = self.targets.index_select(0, rows).to(device, non_blocking=True)
        if self.normalisation is not None:
            factor, offset = _factor_and_offset(self.normalisation, inputs)
            inputs.mul_(factor).add_(offset)
        return inputs, targets


@dataclass(frozen=True)
class DataSet:
    """A description and its splits."""

    description: DataDescription
    splits: Mapping[str, Split]

    def split(self, name: str) -> Split:
        """Give the split `train`, `val`, `test`, or `all` three one after the other.

        Raises:
            ConfigError: There is no such split.
        """
        if name == "all":
            return _concatenate([self.splits[part] for part in SPLITS])
        if name not in self.splits:
            raise ConfigError(
                f"--split {name} is not known; choose from {', '.join((*SPLITS, 'all'))}",
                did_you_mean(name, SPLITS),
            )
        return self.splits[name]


def load_source(name: str) -> Source:
    """Load the stored samples of a built-in data set.

    Raises:
        DataError: It is not here, or it is damaged.
        ConfigError: There is no such data set.
    """
    if name not in SOURCES:
        raise ConfigError(
            f"--data {name} is not known; choose from {', '.join(SOURCES)}", did_you_mean(name, SOURCES)
        )
    return SOURCES[name]()


def load_dataset(config: TrainConfig, trained_on: DataDescription | None = None) -> DataSet:
    """Load the data that a configuration names, split and normalised.

    Args:
        config: Says which data, the seed and shares of the splits, the limit and the normalisation.
        trained_on: The description in a checkpoint; its normalisation is used and its fingerprint must fit.

    Raises:
        DataError: The data are not here, are damaged, or are not the ones trained on.
        ConfigError: The normalisation does not fit the channels.
    """
    source = load_source(config.data)
    if trained_on is not None and trained_on.fingerprint != source.fingerprint:
        raise DataError(
            f"--data {config.data} has changed since the checkpoint was trained on it",
            "name it with --data to evaluate on what is here now",
        )
    splits = _split(source, config)
    if trained_on is not None:
        normalisation = trained_on.normalisation
    else:
        normalisation = _normalisation(splits["train"], source.scale, config)
    return DataSet(
        describe(config.data, source, normalisation, {name: len(split) for name, split in splits.items()}),
        {name: replace(split, normalisation=normalisation) for name, split in splits.items()},
    )


def describe(
    name: str, source: Source, normalisation: Normalisation | None, split_sizes: Mapping[str, int]
) -> DataDescription:
    """Say of a built-in data set what its entry in the catalogue and its samples tell."""
    entry = DATA[name]
    inputs, _ = next(iter(source.parts.values()))
    return DataDescription(
        name=name,
        task=entry.task,
        input_shape=tuple(inputs.shape[1:]),
        class_names=entry.class_names,
        normalisation=normalisation,
        split_sizes=dict(split_sizes),
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


def _split(source: Source, config: TrainConfig) -> dict[str, Split]:
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
        "train": Split(*train_part, torch.from_numpy(train_rows), None),
        "val": Split(*train_part, torch.from_numpy(val_rows), None),
        "test": Split(*test_part, torch.from_numpy(test_rows), None),
    }


def _normalisation(train: Split, scale: float, config: TrainConfig) -> Normalisation | None:
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


def _factor_and_offset(normalisation: Normalisation, inputs: Tensor) -> tuple[Tensor | float, Tensor | float]:
    """Turn (value / scale - mean) / std into value * factor + offset, shaped to fit inputs (B, C, ...)."""
    factors = [1 / (normalisation.scale * std) for std in normalisation.std]
    offsets = [-mean / std for mean, std in zip(normalisation.mean, normalisation.std, strict=True)]
    if len(factors) == 1:
        return factors[0], offsets[0]
    shape = (1, -1, *([1] * (inputs.ndim - 2)))
    both = torch.tensor([factors, offsets], dtype=inputs.dtype).to(inputs.device, non_blocking=True)
    return both[0].view(shape), both[1].view(shape)


def _concatenate(splits: list[Split]) -> Split:
    parts = [split.inputs.index_select(0, split.rows) for split in splits]
    targets = torch.cat([split.targets.index_select(0, split.rows) for split in splits])
    return Split(torch.cat(parts), targets, torch.arange(len(targets)), splits[0].normalisation)
