"""What functions of the user's own return besides inputs and targets: loaders, datasets, generators, split arrays."""

import itertools
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from dlkit.errors import DataError, printable
from dlkit.settings.spec import CodeSpec

_SHOWN = 4
_PARTS = {2: ("train", "test"), 3: ("train", "val", "test")}


def plainly(made: Any, code: CodeSpec, target: str | None = None) -> tuple[Any, str]:
    """Return what a function returned as a pair of inputs and targets, or a mapping of parts to such pairs.

    Args:
        made: What it returned: datasets and loaders of torch, one or by part; a generator of samples; arrays as
            `train_test_split` gives them; or Keras' pairs of pairs. Anything else is returned as it is.
        code: The function.
        target: The column that --target names, for the hint.

    Returns:
        The plain form, and a message about how it was read; empty where it was plain.

    Raises:
        DataError: It is a table, or samples cannot be stacked.
    """
    if hasattr(made, "to_csv"):
        raise DataError(f"--data {code.short} returned a DataFrame", _saved(code, "f()", target or "COLUMN"))
    if isinstance(made, tuple | list) and len(made) == 2 and (texts := _text_columns(made[0])):
        raise DataError(
            f"--data {code.short} returned a DataFrame with columns of other values than numbers: "
            f"{', '.join(map(printable, texts[:_SHOWN]))}",
            _saved(code, "(lambda x, y: x.assign(target=list(y)))(*f())", "target"),
        )
    if _is_samples(made):
        return _stacked(made, code), ""
    if isinstance(made, Mapping) and made and all(map(_is_samples, made.values())):
        return {part: _stacked(each, code) for part, each in made.items()}, ""
    if not isinstance(made, tuple | list):
        return made, ""
    if len(made) in _PARTS and (all(map(_is_samples, made)) or all(map(_is_pair, made))):
        parts = _PARTS[len(made)]
        pairs = [_stacked(each, code) if _is_samples(each) else each for each in made]
        return dict(
            zip(parts, pairs, strict=True)
        ), f"{code.short} returned {', '.join(parts)}, in this order"
    if len(made) in (4, 6) and all(hasattr(each, "shape") and np.ndim(each) for each in made):
        return _split_arrays(made, code)
    return made, ""


def _is_samples(value: Any) -> bool:
    return isinstance(value, Dataset | DataLoader | Iterator)


def _is_pair(value: Any) -> bool:
    """Return whether a value is inputs and targets, both arrays of as many samples."""
    arrays = (
        isinstance(value, tuple | list) and len(value) == 2 and all(hasattr(each, "shape") for each in value)
    )
    return arrays and all(len(each.shape) for each in value) and len(value[0]) == len(value[1])


def _split_arrays(made: Sequence[Any], code: CodeSpec) -> tuple[Any, str]:
    """Return split arrays by part: `x_train, x_test, y_train, y_test`, or `x_train, y_train, x_test, y_test`."""
    count, half = [len(each) for each in made], len(made) // 2
    parts = _PARTS[half]
    by_role = count[:half] == count[half:] and all(
        made[0].shape[1:] == each.shape[1:] for each in made[1:half]
    )
    in_turn = count[::2] == count[1::2] and all(made[0].shape[1:] == each.shape[1:] for each in made[2::2])
    if by_role == in_turn:
        return made, ""
    inputs, targets = (made[:half], made[half:]) if by_role else (made[::2], made[1::2])
    names = [f"x_{part}" for part in parts], [f"y_{part}" for part in parts]
    order = [*names[0], *names[1]] if by_role else itertools.chain(*zip(*names, strict=True))
    pairs = {part: pair for part, *pair in zip(parts, inputs, targets, strict=True)}
    return pairs, f"{code.short} returned {', '.join(order)}, in this order"


def _stacked(samples: Any, code: CodeSpec) -> tuple[np.ndarray, np.ndarray]:
    """Return all samples of a dataset, a loader or a generator as inputs and targets.

    Raises:
        DataError: A sample is no pair, there are none, or their shapes differ.
    """
    batches = isinstance(samples, DataLoader) and samples.collate_fn is not default_collate
    if isinstance(samples, DataLoader) and not batches:
        samples = samples.dataset
    inputs: list[np.ndarray] = []
    targets: list[np.ndarray] = []
    for sample in _each(samples):
        pair = list(sample.values()) if isinstance(sample, Mapping) else sample
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise DataError(
                f"--data {code.short}: a sample is {type(sample).__name__}"
                + (f" of {len(pair)}" if isinstance(pair, tuple | list) else ""),
                "each sample must be a pair: its input and its target",
            )
        inputs.append(array_of(pair[0]))
        targets.append(array_of(pair[1]))
    if not inputs:
        raise DataError(f"--data {code.short} gives no samples", "it must give pairs of input and target")
    join = np.concatenate if batches else np.stack
    shapes = {each.shape[batches:] for each in inputs}
    if len(shapes) > 1:
        shown = " and ".join("x".join(map(str, shape)) for shape in sorted(shapes)[:2])
        raise DataError(
            f"--data {code.short}: samples differ in shape, e.g. {shown}",
            "images: resize them there, e.g. torchvision.transforms.Resize((64, 64)); sequences: cut or pad them to "
            "one length",
        )
    return join(inputs), join(targets)


def _each(samples: Any) -> Iterable[Any]:
    """Return the samples of a dataset by their numbers; those that have none one after the other."""
    if (
        isinstance(samples, Dataset)
        and not isinstance(samples, IterableDataset)
        and hasattr(samples, "__len__")
    ):
        return (samples[index] for index in range(len(samples)))
    return samples  # type: ignore[no-any-return]


def array_of(values: Any) -> np.ndarray:
    """Make an array of a tensor, bfloat16 as float32, of a masked array, NaN where masked, or of what NumPy takes."""
    if np.ma.isMaskedArray(values):
        return np.asarray(values) if not values.mask.any() else np.where(values.mask, np.nan, values.data)
    if not isinstance(values, Tensor):
        return np.asarray(values)
    values = values.detach().cpu().resolve_conj().resolve_neg()
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()  # type: ignore[no-any-return]


def _text_columns(inputs: Any) -> list[str]:
    """Return the columns of a table that are no numbers."""
    if not hasattr(inputs, "to_csv") or not hasattr(inputs, "select_dtypes"):
        return []
    return [str(name) for name in inputs.select_dtypes(exclude=["number", "bool"]).columns]


def _saved(code: CodeSpec, table_of: str, target: str) -> str:
    """Return the command that saves a table that a function returns, to be read as one.

    Args:
        code: The function.
        table_of: An expression that makes the table; the function is `f` there.
        target: The target's column.
    """
    folder, table = code.path.parent, f"{code.path.stem}.csv"
    path = "" if folder == Path.cwd() else f"PYTHONPATH={shlex.quote(str(folder))} "
    call = f'from {code.path.stem} import {code.name} as f; {table_of}.to_csv("{table}", index=False)'
    return (
        f"a table is read from a file: {path}python -c '{call}'; then --data {shlex.quote(table)} "
        f"--target {shlex.quote(printable(target))}"
    )
