"""Stored samples as a data set: cut into splits, normalised and described."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dlkit.config import TrainConfig
from dlkit.data.augment import Augmentation, augmentation_of
from dlkit.data.prepared import Source
from dlkit.data.samples import SPLITS, DataSet, Request, TensorSplit
from dlkit.data.splits import split_rows
from dlkit.description import DataDescription, Normalisation
from dlkit.errors import DataError

MAX_COLUMNS = 50_000
_ROWS_AT_ONCE = 2048
_LEAST = {"train": 2, "val": 1, "test": 1}


def split_source(
    source: Source, description: DataDescription, request: Request, *, sorted_rows: bool = False
) -> DataSet:
    """Cut stored samples into splits and choose their normalisation.

    Args:
        source: The stored samples.
        description: What they say of themselves, before they are split.
        request: Seed, shares, limit, normalisation and augmentation.
        sorted_rows: The samples may stand in the order of their classes, so that --limit draws at random.

    Raises:
        ConfigError: The normalisation does not fit the channels, or rows of numbers are to be augmented.
        DataError: They do not fit the network, or are too few to be split.
    """
    request.check_shapes(description.input_shape, description.num_outputs)
    config, trained_on = request.config, request.trained_on
    augmentation = augmentation_of(config, description)
    sizes = {name: len(targets) for name, (_, targets) in source.parts.items()}
    strata = {
        name: np.zeros(len(targets)) if targets.is_floating_point() else targets.numpy()
        for name, (_, targets) in source.parts.items()
    }
    notes = []
    if trained_on is not None and trained_on.fingerprint != source.fingerprint:
        places = as_they_are(sizes)
        if "all" in sizes:
            notes.append(f"all {sizes['all']:,} samples are evaluated: they are not those trained on")
    else:
        places = place_rows(strata, config, source.fingerprint, sorted_rows=sorted_rows)
    splits = {
        name: TensorSplit(*source.parts[part], torch.from_numpy(rows), None)
        for name, (part, rows) in places.items()
    }
    if trained_on is None:
        check_sizes(request.spec.text, {name: len(split) for name, split in splits.items()})
        normalisation: Normalisation | None = choose_normalisation(
            splits["train"].inputs, splits["train"].rows, source.scale, config
        )
        description = with_target_scaling(description, splits["train"])
        if augmentation is not None:
            notes.append(augmentation.shown())
    else:
        normalisation = trained_on.normalisation
        description = replace(
            description, target_scaling=trained_on.target_scaling, learned=trained_on.learned
        )
    return DataSet(
        replace(
            description,
            normalisation=normalisation,
            split_sizes={name: len(split) for name, split in splits.items()},
        ),
        {
            name: replace(split, normalisation=normalisation, augmentation=_only_train(name, augmentation))
            for name, split in splits.items()
        },
        notes=notes,
    )


def place_rows(
    strata: Mapping[str, np.ndarray], config: TrainConfig, fingerprint: str, *, sorted_rows: bool
) -> dict[str, tuple[str, np.ndarray]]:
    """Say which rows of which part make each split; what the source does not keep apart is cut off.

    Args:
        strata: Group of each row, shape (N,), of which every split gets its share, by part: `all`, or `train` and
            maybe `val` and `test`.
        config: Seed, shares and limit.
        fingerprint: Of the data.
        sorted_rows: The limit is drawn at random.

    Returns:
        Part and rows of train, val and test.
    """
    main = "train" if "train" in strata else "all"
    places = {part: (part, np.arange(len(groups))) for part, groups in strata.items() if part != "all"}
    rows = np.arange(len(strata[main]))
    for name, share in (("test", config.test), ("val", config.val)):
        if name not in places:
            kept, cut = split_rows(strata[main][rows], share, config.seed, f"{name}/{fingerprint}")
            places[name] = (main, rows[cut])
            rows = rows[kept]
    if config.limit is not None and config.limit < len(rows) and sorted_rows:
        share = config.limit / len(rows)
        _, drawn = split_rows(strata[main][rows], share, config.seed, f"limit/{fingerprint}")
        rows = rows[drawn]
    places["train"] = (main, rows[: config.limit])
    return {name: places[name] for name in SPLITS}


def as_they_are(sizes: Mapping[str, int]) -> dict[str, tuple[str, np.ndarray]]:
    """Say which rows make each split of data that nothing was trained on: the parts they have, else all test."""
    return {"test" if part == "all" else part: (part, np.arange(size)) for part, size in sizes.items()}


def check_sizes(source: str, sizes: Mapping[str, int]) -> None:
    """See that there is something to train on, to validate and to test.

    Raises:
        DataError: A split is too small; told with the counts of all.
    """
    if short := [name for name, least in _LEAST.items() if sizes[name] < least]:
        counts = ", ".join(f"{name} {sizes[name]:,}" for name in SPLITS)
        raise DataError(
            f"--data {source} has too few samples for {' and '.join(short)}: {counts}",
            "training needs two samples, validation and test one each; --val and --test set their shares",
        )


def choose_normalisation(inputs: Tensor, rows: Tensor, scale: float, config: TrainConfig) -> Normalisation:
    """Choose how stored values become inputs, column by column or channel by channel.

    Args:
        inputs: Stored values, shape (M, C, H, W) or (M, D).
        rows: The training rows.
        scale: The stored value that counts as 1.
        config: Says auto, none or numbers.

    Raises:
        ConfigError: The numbers do not fit the channels.
    """
    channels = inputs.shape[1]
    if config.normalize == "none":
        count = channels if channels <= MAX_COLUMNS else 1
        return Normalisation(scale=scale, mean=(0.0,) * count, std=(1.0,) * count)
    if config.normalize != "auto":
        means, stds = config.normalisation_numbers(channels)
        return Normalisation(scale=scale, mean=means, std=stds)
    mean, std = mean_and_std(inputs, rows)
    if channels > MAX_COLUMNS:  # too many numbers to keep in a description
        mean, std = (
            mean.mean(0, keepdim=True),
            (std.square().mean(0, keepdim=True) + mean.var(0, correction=0)).sqrt(),
        )
    return Normalisation(scale=scale, mean=tuple((mean / scale).tolist()), std=tuple((std / scale).tolist()))


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
    # Bytes are exact in float32; other numbers are taken from the first row's, lest large ones drown their spread.
    exact = torch.float32 if inputs.dtype == torch.uint8 else torch.float64
    shift = torch.zeros((), dtype=exact)
    if exact == torch.float64:
        first = inputs[rows[0]].reshape(inputs.shape[1], -1)
        shift = first.mean(1, dtype=exact)
    for part in rows.split(_ROWS_AT_ONCE):
        values = inputs.index_select(0, part).to(exact).reshape(len(part), inputs.shape[1], -1)
        values = values - shift.reshape(-1, 1) if exact == torch.float64 else values
        total += values.sum((0, 2), dtype=torch.float64)
        squares += values.square_().sum((0, 2), dtype=torch.float64)
    count = len(rows) * inputs[0, 0].numel()
    mean = total / count
    std = (squares / count - mean.square()).clamp_min(0).sqrt()
    return mean + shift, torch.where(std > 0, std, 1.0)


def with_target_scaling(description: DataDescription, train: TensorSplit) -> DataDescription:
    """Say how numbers to predict are standardised: by their mean and spread over the training rows.

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
    scaling = Normalisation(scale=1.0, mean=tuple(mean.tolist()), std=tuple(std.tolist()))
    return replace(description, target_scaling=scaling)


def _only_train(name: str, augmentation: Augmentation | None) -> Augmentation | None:
    return augmentation if name == "train" else None
