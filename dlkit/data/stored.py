"""Stored samples as a data set: cut into splits, normalised and described."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dlkit.data.dataset import DataSet, Request, TensorSplit
from dlkit.data.images.augment import augmentation_of
from dlkit.data.images.streaming import StreamedSplit
from dlkit.data.prepared import Source
from dlkit.data.stored_splits import as_they_are, check_sizes, place_rows, strata_of
from dlkit.data.tables.splits import digest_of
from dlkit.errors import DataError
from dlkit.files.description import DataDescription, Normalisation
from dlkit.settings.config import TrainConfig

AnySplit = TensorSplit | StreamedSplit
MAX_COLUMNS = 50_000
_ROWS_AT_ONCE = 2048
_BYTES_AT_ONCE = 8 * 2**20


@dataclass(frozen=True, kw_only=True)
class Stock:
    """Samples that can be cut into splits.

    Args:
        strata: Group of each sample, shape (N,), of which every split gets its share, by part: `all`, or `train` and
            maybe `val` and `test`.
        make: Gives the split of some rows of a part, neither normalised nor augmented.
        sample: Gives stored inputs of a split, and which rows of them to take mean and spread of.
        scale: The stored value that counts as 1.
        fingerprint: SHA-256 over the samples.
        salt: What the splits are drawn by, beside the seed.
        sorted_rows: The samples may stand in the order of their classes, so that --limit draws at random.
        files: The file that each stored row is from, by part; empty where there is none.
        axis: The axis of the inputs whose places are normalised each by itself.
        groups: Group of each sample of `all`, shape (N,), which no two splits share; None for none.
    """

    strata: Mapping[str, np.ndarray]
    make: Callable[[str, Tensor], AnySplit]
    sample: Callable[[AnySplit], tuple[Tensor, Tensor]]
    scale: float
    fingerprint: str
    salt: str
    sorted_rows: bool = False
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)
    axis: int = 1
    groups: np.ndarray | None = None


def split_source(
    source: Source,
    description: DataDescription,
    request: Request,
    *,
    sorted_rows: bool = False,
    salt: str | None = None,
    groups: np.ndarray | None = None,
) -> DataSet:
    """Cut samples that are stored as tensors into splits and choose their normalisation.

    Args:
        source: The samples.
        description: What they say of themselves, before they are split.
        request: Seed, shares, limit, normalisation and augmentation.
        sorted_rows: The samples may stand in the order of their classes.
        salt: What the splits are drawn by; None takes the fingerprint.
        groups: Group of each sample of `all`, shape (N,), which no two splits share; None for none.

    Raises:
        ConfigError: The normalisation does not fit the channels, or rows of numbers are to be augmented.
        DataError: They do not fit the network, or are too few to be split.
    """

    def sample(split: AnySplit) -> tuple[Tensor, Tensor]:
        assert isinstance(split, TensorSplit), "it was made as one"
        return split.inputs, split.rows

    stock = Stock(
        strata={
            name: strata_of(targets.numpy(), request.config.stratify)
            for name, (_, targets) in source.parts.items()
        },
        make=lambda part, rows: TensorSplit(*source.parts[part], rows, None, missing=source.missing),
        sample=sample,
        scale=source.scale,
        fingerprint=source.fingerprint,
        salt=source.fingerprint if salt is None else salt,
        sorted_rows=sorted_rows,
        files=source.files,
        axis=source.axis,
        groups=groups,
    )
    return split_stock(stock, description, request)


def split_stock(stock: Stock, description: DataDescription, request: Request) -> DataSet:
    """Cut samples into splits and choose their normalisation; see `split_source`."""
    request.check_shapes(description.input_shape, description.num_outputs)
    config, trained_on = request.config, request.trained_on
    augmentation = augmentation_of(config, description)
    sizes = {part: len(groups) for part, groups in stock.strata.items()}
    notes = []
    if trained_on is not None and trained_on.fingerprint != stock.fingerprint:
        places = as_they_are(sizes)
        if "all" in sizes:
            notes.append("every sample is evaluated: the data are not those trained on")
    else:
        places = place_rows(
            stock.strata, config, stock.salt, sorted_rows=stock.sorted_rows, groups=stock.groups
        )
        description = with_split_file(description, request)
    splits = {name: stock.make(part, torch.from_numpy(rows)) for name, (part, rows) in places.items()}
    split_sizes = {name: len(split) for name, split in splits.items()}
    normalisation = None if trained_on is None else trained_on.normalisation
    if trained_on is None:
        check_sizes(request.spec.text, split_sizes)
        normalisation = choose_normalisation(*stock.sample(splits["train"]), stock.scale, config, stock.axis)
        description = with_target_scaling(description, splits["train"], config)
        notes += [] if augmentation is None else [augmentation.shown()]
    else:
        description = replace(description, target_scaling=trained_on.target_scaling)
    return DataSet(
        replace(description, normalisation=normalisation, split_sizes=split_sizes),
        {
            name: replace(
                split, normalisation=normalisation, augmentation=augmentation if name == "train" else None
            )
            for name, split in splits.items()
        },
        notes=notes,
        files={name: stock.files[part] for name, (part, _) in places.items() if stock.files},
        given=frozenset(name for name, (part, _) in places.items() if part == name),
    )


def choose_normalisation(
    inputs: Tensor, rows: Tensor, scale: float, config: TrainConfig, axis: int = 1
) -> Normalisation | None:
    """Choose how stored values become inputs, column by column or channel by channel.

    Args:
        inputs: Stored values, shape (M, C, H, W), (M, D), or (M, T, F).
        rows: The training rows.
        scale: The stored value that counts as 1.
        config: Says auto, none or numbers.
        axis: The axis of the channels.

    Returns:
        None where the values are codes, which stay as they are.

    Raises:
        ConfigError: The numbers do not fit the channels.
    """
    if inputs.dtype == torch.int64:
        return None
    channels = inputs.shape[axis]
    if config.normalize == "none":
        count = channels if channels <= MAX_COLUMNS else 1
        return Normalisation(scale=scale, mean=(0.0,) * count, std=(1.0,) * count, axis=axis)
    if config.normalize != "auto":
        means, stds = config.normalisation_numbers(channels)
        return Normalisation(scale=scale, mean=means, std=stds, axis=axis)
    mean, std = mean_and_std(inputs, rows, axis)
    if channels > MAX_COLUMNS:  # too many numbers to keep in a description
        mean, std = (
            mean.mean(0, keepdim=True),
            (std.square().mean(0, keepdim=True) + mean.var(0, correction=0)).sqrt(),
        )
    means, stds = tuple((mean / scale).tolist()), tuple((std / scale).tolist())
    return Normalisation(scale=scale, mean=means, std=stds, axis=axis)


def mean_and_std(inputs: Tensor, rows: Tensor, axis: int = 1) -> tuple[Tensor, Tensor]:
    """Return the mean and standard deviation of stored values, channel by channel, in float64; NaN is left out.

    Args:
        inputs: Stored images, shape (M, C, H, W), rows of numbers, shape (M, D), or sequences, shape (M, T, F).
        rows: Which of them count, shape (N,), int64.
        axis: The axis of the channels.

    Returns:
        Two tensors of shape (C,), (D,) or (F,); a standard deviation of zero is given as 1.
    """
    inputs = inputs.movedim(axis, 1)
    total = torch.zeros(inputs.shape[1], dtype=torch.float64)
    squares = torch.zeros_like(total)
    missing = torch.zeros_like(total)
    # Bytes are exact in float32; other numbers are taken from the first row's, lest large ones drown their spread.
    exact = torch.float32 if inputs.dtype == torch.uint8 else torch.float64
    shift = torch.zeros((), dtype=exact)
    if exact == torch.float64:
        first = inputs[rows[0]].reshape(inputs.shape[1], -1)
        shift = first.to(exact).nanmean(1).nan_to_num()
    at_once = max(1, min(_ROWS_AT_ONCE, _BYTES_AT_ONCE // max(1, inputs[0].nbytes)))
    for part in rows.split(at_once):
        values = inputs.index_select(0, part).to(exact).reshape(len(part), inputs.shape[1], -1)
        if exact == torch.float64:
            values = values - shift.reshape(-1, 1)
            absent = values.isnan()
            missing += absent.sum((0, 2))
            values.masked_fill_(absent, 0.0)
        total += values.sum((0, 2), dtype=torch.float64)
        squares += values.square_().sum((0, 2), dtype=torch.float64)
    count = (len(rows) * inputs[0, 0].numel() - missing).clamp_min(1)
    mean = total / count
    std = (squares / count - mean.square()).clamp_min(0).sqrt()
    return mean + shift, torch.where(std > 0, std, 1.0)


def with_split_file(description: DataDescription, request: Request) -> DataDescription:
    """Keep the SHA-256 of a split file, and hold it to the one that a network was trained by.

    Raises:
        DataError: It is another one.
    """
    if request.config.split_file is None:
        return description
    trained_on = request.trained_on
    known = None if trained_on is None else trained_on.learned.get("split_file")
    digest = digest_of(Path(request.config.split_file), known)
    return replace(description, learned={**description.learned, "split_file": digest})


def with_target_scaling(
    description: DataDescription, train: AnySplit, config: TrainConfig
) -> DataDescription:
    """Return how numbers to predict are standardised: by their mean and spread over the training rows.

    Raises:
        DataError: One of them is the same in all rows.
    """
    if description.task == "classification":
        return description
    targets = train.targets.index_select(0, train.rows).double()
    by_output = targets.reshape(len(targets), targets.shape[1] if targets.ndim > 1 else 1, -1)
    mean, std = by_output.mean((0, 2)), by_output.std((0, 2), correction=0)
    constant = (by_output.amax((0, 2)) == by_output.amin((0, 2))).nonzero()[:, 0].tolist()
    if constant:
        which = f"target {constant[0]}" if len(mean) > 1 else "the target"
        raise DataError(
            f"--data {description.name}: {which} is {mean[constant[0]]:g} in all {len(targets):,} training samples",
            "there is nothing to learn; leave it out",
        )
    if not config.scale_target:
        return description
    scaling = Normalisation(scale=1.0, mean=tuple(mean.tolist()), std=tuple(std.tolist()))
    return replace(description, target_scaling=scaling)
