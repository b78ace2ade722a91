"""What arrays of targets hold, classes or numbers, each fault an error before the first step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dlkit.data.infer_task import MAX_CLASSES, SOME_CLASSES, infer_task
from dlkit.errors import DataError, first_of, printable
from dlkit.files.description import DataDescription

_ONE_HOT = "the target is one-hot rows, so they are classes"
_TEXT_KINDS = "US"
_NUMBER_KINDS = "fiub"


@dataclass(frozen=True)
class Labels:
    """Targets as they are stored.

    Args:
        task: `classification` or `regression`.
        values: By part: class indices, int64, shape (N,), or numbers, float32, shape (N,) or (N, D, ...).
        class_names: The classes in the order of their indices; empty for numbers.
        note: What was inferred, in words.
    """

    task: str
    values: Mapping[str, Tensor]
    class_names: tuple[str, ...] = ()
    note: str = ""


def read_labels(parts: Mapping[str, np.ndarray], task: str, source: str) -> Labels:
    """Read targets to train on.

    Args:
        parts: Targets of each part, `all` or `train` among them, shape (N,) or (N, D, ...).
        task: `classification`, `regression`, or `auto` to infer it from the values.
        source: What they are called in messages.

    Raises:
        DataError: They cannot be learned.
    """
    parts = {name: _plain(array, source) for name, array in parts.items()}
    main = parts["train" if "train" in parts else "all"]
    one_hot = main.ndim == 2 and all(_is_one_hot(array) for array in parts.values())
    why = ""
    if task == "auto":
        task, why = _infer(main, one_hot=one_hot)
    if task == "regression":
        return Labels(task, {name: _numbers(array, source) for name, array in parts.items()}, note=why)
    if one_hot:
        parts = {name: array.argmax(1) for name, array in parts.items()}
        why = why or _ONE_HOT
    class_names = _classes(parts, source)
    return Labels(task, _indices(parts, class_names, source), class_names, why)


def labels_like(parts: Mapping[str, np.ndarray], trained_on: DataDescription, source: str) -> Labels:
    """Read targets of the kind that a network was trained on.

    Raises:
        DataError: They are of another kind, or of a class that it does not know.
    """
    parts = {name: _plain(array, source) for name, array in parts.items()}
    if all(are_unknown(array) for array in parts.values()):
        return _unknown({name: len(array) for name, array in parts.items()}, trained_on)
    if trained_on.task == "regression":
        return Labels("regression", {name: _numbers(array, source) for name, array in parts.items()})
    if all(_is_one_hot(array) for array in parts.values()):
        parts = {name: array.argmax(1) for name, array in parts.items()}
    names = trained_on.class_names
    return Labels("classification", _indices(parts, names, source), names)


def unknown_targets(count: int) -> np.ndarray:
    """Return what stands for N targets that are not known, shape (N,)."""
    return np.full(count, np.nan)


def are_unknown(targets: np.ndarray) -> bool:
    """Return whether no target is known: all are NaN."""
    return targets.dtype.kind == "f" and bool(np.isnan(targets).all())


def _unknown(sizes: Mapping[str, int], trained_on: DataDescription) -> Labels:
    """Return targets that are not known, in the form of those trained on."""
    note = "no sample has a target: they are predicted and not scored"
    if trained_on.task == "classification":
        indices = {name: torch.full((count,), -1) for name, count in sizes.items()}
        return Labels("classification", indices, trained_on.class_names, note)
    numbers = {
        name: torch.full((count, *trained_on.target_shape), torch.nan) for name, count in sizes.items()
    }
    return Labels("regression", numbers, note=note)


def _plain(array: np.ndarray, source: str) -> np.ndarray:
    """Return targets without a needless axis, of a kind that can be read."""
    if array.dtype.kind not in _NUMBER_KINDS + _TEXT_KINDS:
        raise DataError(
            f"{source}: targets of type {array.dtype} cannot be learned",
            "two numbers per sample can: numpy.stack((y.real, y.imag), 1)"
            if array.dtype.kind == "c"
            else "numbers, or texts for classes, can",
        )
    if array.ndim == 0:
        raise DataError(f"{source}: the targets are a single value", "one target per sample is needed")
    return array.reshape(len(array)) if array.ndim == 2 and array.shape[1] == 1 else array


def _infer(values: np.ndarray, *, one_hot: bool) -> tuple[str, str]:
    """Return the task by the values, and why."""
    if one_hot:
        return "classification", _ONE_HOT
    if values.ndim > 1 and values.dtype.kind in _NUMBER_KINDS:
        return "regression", f"the target is {values[0].size} numbers per sample, so it is a regression"
    return infer_task("the target", values)


def _numbers(array: np.ndarray, source: str) -> Tensor:
    if array.dtype.kind not in _NUMBER_KINDS:
        raise DataError(
            f"{source}: --task regression takes numbers; the targets are texts", "leave --task out"
        )
    with np.errstate(over="ignore"):  # what overflows is refused below
        values = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    bad = (~values.isfinite()).reshape(len(values), -1).any(1).nonzero()[:, 0].tolist()
    if bad:
        raise DataError(
            f"{source}: {len(bad):,} of {len(values):,} targets are NaN, infinite or beyond 3e38, in rows "
            f"{first_of(bad)}",
            "leave those rows out; row 0 is the first",
        )
    return values


def _classes(parts: Mapping[str, np.ndarray], source: str) -> tuple[str, ...]:
    """Return the names of the classes, in the order of numbers or of texts."""
    main = parts["train" if "train" in parts else "all"]
    if main.ndim > 1:
        raise DataError(
            f"{source}: classes are one value per sample, or one-hot rows; the targets have the shape {main.shape}",
            "--task regression takes them as numbers",
        )
    if main.dtype.kind == "f":
        odd = np.flatnonzero(~np.isfinite(main) | (main != np.round(main))).tolist()
        if odd:
            raise DataError(
                f"{source}: {len(odd):,} of {len(main):,} targets are not whole numbers, so they are not classes, "
                f"in rows {first_of(odd)}",
                "--task regression takes them as numbers",
            )
    different, counts = np.unique(main, return_counts=True)
    names = _names(different)
    if len(names) < 2:
        raise DataError(
            f"{source} has one class, {printable(names[0]) if names else 'none'}, in all {len(main):,} samples",
            "there is nothing to learn; add samples of other classes",
        )
    if len(names) > MAX_CLASSES or (len(names) > SOME_CLASSES and 2 * len(names) > len(main)):
        raise DataError(
            f"{source}: the targets have {len(names):,} different values in {len(main):,} samples, too many to be "
            "classes",
            "--task regression takes numbers",
        )
    if main.dtype.kind in "if" and len(names) > 2 and different[0] == -1 and different[1] >= 0:
        raise DataError(
            f"{source}: {counts[0]:,} targets are -1 beside the classes {first_of(names[1:])}",
            "-1 usually means that there is no label: leave those rows out",
        )
    return names


def _indices(parts: Mapping[str, np.ndarray], class_names: Sequence[str], source: str) -> dict[str, Tensor]:
    """Return the class index of each target, shape (N,), int64."""
    places = {name: index for index, name in enumerate(class_names)}
    found = {}
    for part, array in parts.items():
        if array.ndim > 1:
            raise DataError(
                f"{source}: the targets of {part} have the shape {array.shape}; one class per sample is needed"
            )
        different, inverse = np.unique(array, return_inverse=True)
        names = _names(different)
        foreign = [name for name in names if name not in places]
        if foreign:
            where = np.flatnonzero(np.isin(inverse, [names.index(name) for name in foreign])).tolist()
            of = "" if part == "all" else f" of {part}"
            raise DataError(
                f"{source}: {len(where):,} of {len(array):,} targets{of} are {first_of(foreign)}, none of the "
                f"{len(class_names)} classes {first_of(class_names)}; they are in rows {first_of(where)}",
                _counted_from_one(names, class_names),
            )
        codes = np.array([places[name] for name in names], dtype=np.int64)
        found[part] = torch.from_numpy(codes[inverse.reshape(-1)])
    return found


def _counted_from_one(names: Sequence[str], class_names: Sequence[str]) -> str:
    """Return what may be meant by labels that are not known: those from 1 to K in the place of 0 to K - 1."""
    count = len(class_names)
    whole = tuple(class_names) == tuple(map(str, range(count)))
    if whole and str(count) in names and "0" not in names:
        return f"they seem to be counted from 1: the classes are 0 to {count - 1}, so subtract 1"
    return "a class that training has not seen cannot be predicted; leave those rows out"


def _names(different: np.ndarray) -> tuple[str, ...]:
    """Return the name of each value: texts as they are, whole numbers without a point, truths in lower case."""
    if different.dtype.kind == "S":
        return tuple(value.decode(errors="replace") for value in different.tolist())
    if different.dtype.kind == "f":
        return tuple(str(int(value)) if value.is_integer() else str(value) for value in different.tolist())
    return tuple(
        str(value).lower() if isinstance(value, bool) else str(value) for value in different.tolist()
    )


def _is_one_hot(array: np.ndarray) -> bool:
    if array.ndim != 2 or array.shape[1] < 2 or array.dtype.kind not in _NUMBER_KINDS:
        return False
    return bool(((array == 0) | (array == 1)).all() and (array.sum(1) == 1).all())
