"""What `data show` reports of a data set: shapes, ranges, classes, and how many samples are where."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlkit.data.dataset import SPLITS, DataSet, unstandardised
from dlkit.data.kinds import load_dataset
from dlkit.errors import ConfigError
from dlkit.settings.config import TrainConfig
from dlkit.settings.kinds import Summary

_BYTE = 255.0
_TINY = 1e-12


def describe(config: TrainConfig) -> Summary:
    """Load data and describe them: what holds of all samples, and how many of each class are in each split."""
    dataset = load_dataset(config)
    return Summary(
        facts=facts_of(dataset),
        listing="class_counts",
        columns=("class", *SPLITS, "total"),
        rows=class_counts(dataset),
        notes=dataset.notes,
        dataset=dataset,
    )


def rows_of_splits(config: TrainConfig) -> tuple[Mapping[str, np.ndarray], int]:
    """Return the rows of each split, and how many rows there are in all.

    Raises:
        ConfigError: The data come in parts of their own, so that their rows have no numbers in common.
    """
    dataset = load_dataset(config)
    rows = {name: part.rows.numpy() for name, part in dataset.splits.items()}
    every = [row for members in rows.values() for row in members.tolist()]
    if len(set(every)) < len(every):
        raise ConfigError(
            f"SPEC {config.data} has its own test part, so its rows are not numbered together",
            "that part is used as it is",
        )
    return rows, len(every)


def facts_of(dataset: DataSet) -> dict[str, Any]:
    """Return names, shapes, types, ranges and origin by name; what a kind of data does not have is left out."""
    about = dataset.description
    facts = {
        "name": about.name,
        "task": about.task,
        **{name: len(split) for name, split in dataset.splits.items()},
        "input_shape": list(about.input_shape),
        **_stored(dataset),
        "inputs": [
            f"{name} {'x'.join(map(str, shape))}".rstrip() for name, (_, shape) in about.named_inputs.items()
        ],
        "features": list(about.feature_names),
        "bands": list(about.learned.get("bands", ())),
        "classes": len(about.class_names),
        "targets": list(about.target_names),
        "target_shape": list(about.target_shape),
        "units": about.units,
        "licence": about.licence,
        "source": about.source,
        "fingerprint": about.fingerprint,
    }
    return {name: value for name, value in facts.items() if value not in ("", [])}


def class_counts(dataset: DataSet) -> list[tuple[str | int, ...]]:
    """Count the samples of each class in each split; one row a class, none where the target is a number."""
    names = dataset.description.class_names
    if not names:
        return []
    columns = [dataset.splits[name].strata().bincount(minlength=len(names)).tolist() for name in SPLITS]
    return [(name, *counts, sum(counts)) for name, *counts in zip(names, *columns, strict=True)]


def images_by_class(dataset: DataSet, most: int) -> tuple[Tensor, list[str]]:
    """Return the first training images of each class, from dark to bright, and their classes.

    Args:
        dataset: Images.
        most: How many at most, in turn from each class.

    Returns:
        Images, shape (N, H, W, C), where 1 is the brightest, and N names; numbers where there are no classes.
    """
    split, names = dataset.splits["train"], dataset.description.class_names
    rows = split.rows[:most]
    if names:
        targets, each = split.strata(), max(1, most // len(names))
        by_class = [split.rows[targets == index][:each] for index in range(len(names))]
        turns = [rows[turn] for turn in range(each) for rows in by_class if turn < len(rows)]
        rows = torch.stack(turns[:most])
    inputs, values = split.batch(rows, torch.device("cpu"))
    assert isinstance(inputs, Tensor), "images are one input"
    normalisation = dataset.description.normalisation
    inputs = unstandardised(inputs, normalisation)
    if normalisation is None or normalisation.scale != _BYTE:  # where the brightest is not known
        inputs = (inputs - inputs.min()) / (inputs.max() - inputs.min()).clamp_min(_TINY)
    titles = (
        [names[value] for value in values.tolist()]
        if names
        else [f"{value:.4g}" for value in values.tolist()]
    )
    return inputs.permute(0, 2, 3, 1), titles  # (N, H, W, C)


def _stored(dataset: DataSet) -> dict[str, Any]:
    """Return type and range of the stored inputs, and how they become inputs."""
    stored = [dataset.splits[name].in_memory for name in ("train", "test")]
    tensors = [both for both in stored if both is not None]
    if len(tensors) < len(stored):
        return {}
    normalisation = dataset.description.normalisation
    return {
        "input_dtype": str(tensors[0][0].dtype).removeprefix("torch."),
        "input_min": min(_without_nan(inputs, torch.inf).min().item() for inputs, _ in tensors),
        "input_max": max(_without_nan(inputs, -torch.inf).max().item() for inputs, _ in tensors),
        "scale": normalisation.scale if normalisation else None,
        "mean": list(normalisation.mean) if normalisation else None,
        "std": list(normalisation.std) if normalisation else None,
        "target_dtype": str(tensors[0][1].dtype).removeprefix("torch."),
    }


def _without_nan(inputs: Tensor, other: float) -> Tensor:
    """Return stored inputs with another number for NaN, which stands for a missing value."""
    return inputs.nan_to_num(other) if inputs.is_floating_point() and inputs.min().isnan() else inputs
