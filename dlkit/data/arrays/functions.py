"""Data that a function of the user's own makes: `file.py:make`."""

import inspect
import math
from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any

import numpy as np

from dlkit.data.arrays.groups import groups_of, suggested_groups
from dlkit.data.arrays.headers import ArrayEntry
from dlkit.data.arrays.labels import unknown_targets
from dlkit.data.arrays.load import dataset_of
from dlkit.data.arrays.names import PARTS
from dlkit.data.arrays.returned import array_of, plainly
from dlkit.data.arrays.roles import JOINED, find_roles, note_of
from dlkit.data.dataset import DataSet, Request
from dlkit.device import seed_all
from dlkit.errors import DataError, instance_of, printable
from dlkit.user_code import load_code, running

_FORMS = (
    "return inputs and targets, or a mapping of train, val and test to such pairs, or arrays by name as in .npz, or a "
    "Dataset or DataLoader of torch"
)


def load_function(request: Request) -> DataSet:
    """Run a function of the user's own and take what it returns.

    The random numbers of Python, NumPy and torch start from the run's seed, so that what it draws is drawn alike
    whenever the data are made again.

    Raises:
        DataError: It raises something, or returns no inputs and targets.
        ConfigError: Its file is not there, or a setting does not fit the data.
    """
    code = request.spec.code
    assert code is not None, "a function has its code"
    function = load_code(code, "--data", DataError)
    if not callable(function):
        raise DataError(f"--data {code.short} is no function but {instance_of(function)}", _FORMS)
    if needed := _needed(function):
        raise DataError(
            f"--data {code.short} needs {' and '.join(needed)}; it is called without arguments",
            "give each a default, or name a function that takes none and calls it",
        )
    seed_all(request.config.seed)
    with running(code, f"--data {code.short}", DataError):
        made, read_as = plainly(function(), code, request.config.target)
    parts, groups, notes = _parts(made, request)
    pairs = {
        part: (_array(_single(inputs, targets, code.short), code.short), _array(targets, code.short))
        for part, inputs, targets in (_with_targets(*each, request) for each in parts)
    }
    return dataset_of(pairs, request, groups=groups, said=[read_as, *notes])


def _with_targets(part: str, inputs: Any, targets: Any, request: Request) -> tuple[str, Any, Any]:
    """Put targets that are not known in the place of None, which other data than those trained on may have."""
    if targets is None and request.trained_on is not None and not request.same_data:
        return part, inputs, unknown_targets(len(_array(inputs, request.spec.text)))
    return part, inputs, targets


def _needed(function: Callable[..., Any]) -> list[str]:
    """Return the arguments that a function cannot be called without."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    optional = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    return [one.name for one in parameters if one.default is Parameter.empty and one.kind not in optional]


def _parts(made: Any, request: Request) -> tuple[list[tuple[str, Any, Any]], np.ndarray | None, list[str]]:
    """Return part, inputs and targets of what a function returned, groups, and messages about what was taken."""
    assert request.spec.code is not None, "a function has its code"
    name = request.spec.code.short
    if isinstance(made, tuple | list) and len(made) == 2:
        return [("all", *made)], None, []
    if not isinstance(made, Mapping) or not made:
        length = f" of {len(made)}" if isinstance(made, tuple | list) else ""
        raise DataError(f"--data {name} returned {instance_of(made)}{length}", _FORMS)
    need_train = request.trained_on is None
    if all(isinstance(value, tuple | list) and len(value) == 2 for value in made.values()):
        return _named_parts(made, name, need_train=need_train), None, []
    arrays = {str(key): _array(value, name) for key, value in made.items()}
    entries = {key: ArrayEntry(key, array.dtype, array.shape) for key, array in arrays.items()}
    config = request.config
    roles = find_roles(entries, f"--data {name}", config.features, config.target, need_train=need_train)
    groups = groups_of(entries, roles, request, arrays.__getitem__)
    notes = [
        note_of(roles, entries, typed=None not in (config.features, config.target)),
        suggested_groups(entries, roles, request),
    ]
    return (
        [(part, arrays[inputs], arrays[targets]) for part, (inputs, targets) in roles.items()],
        groups,
        notes,
    )


def _named_parts(made: Mapping[Any, Any], name: str, *, need_train: bool) -> list[tuple[str, Any, Any]]:
    known = {**PARTS, "all": "all"}
    if foreign := [str(key) for key in made if key not in known]:
        raise DataError(
            f"--data {name} returned {', '.join(printable(key, 40) for key in foreign)}, which are none of train, "
            "val and test",
            _FORMS,
        )
    parts = [known[key] for key in made]
    if len(set(parts)) < len(parts) or ("all" in parts and len(parts) > 1):
        raise DataError(f"--data {name} returned a part twice: {', '.join(map(str, made))}", _FORMS)
    if need_train and "train" not in parts and "all" not in parts:
        raise DataError(
            f"--data {name} returned no part to train on, only {', '.join(map(str, made))}", _FORMS
        )
    return [(part, *pair) for part, pair in zip(parts, made.values(), strict=True)]


def _single(inputs: Any, targets: Any, name: str) -> Any:
    """Return inputs that are one array; several, of all samples each, are refused."""
    several = list(inputs.values()) if isinstance(inputs, Mapping) else inputs
    if not isinstance(several, tuple | list) or len(several) == len(targets):
        return inputs
    if all(getattr(each, "ndim", 0) and len(each) == len(targets) for each in several):
        raise DataError(
            f"--data {name} returned {len(several)} inputs per sample; a network gets one", _joined(several)
        )
    return inputs


def _joined(several: list[Any] | tuple[Any, ...]) -> str:
    """Return how several inputs become one, and are separated again in `forward`."""
    shapes = [tuple(each.shape[1:]) for each in several]
    if len(set(shapes)) == 1 and len(shapes) == 2:
        return JOINED
    flat = ", ".join(f"x{place}.reshape(len(x{place}), -1)" for place in range(1, len(shapes) + 1))
    sizes = [math.prod(shape) for shape in shapes]
    parts = ", ".join(
        f"x{place}.reshape(-1, {', '.join(map(str, shape))})"
        for place, shape in enumerate(shapes, 1)
        if len(shape) > 1
    )
    names = ", ".join(f"x{place}" for place in range(1, len(shapes) + 1))
    return (
        f"join them with numpy.concatenate(({flat}), 1), and take them apart in forward(self, x): "
        f"{names} = x.split({sizes}, 1)" + (f", then {parts}" if parts else "")
    )


def _array(values: Any, name: str) -> np.ndarray:
    """Make an array of what a function returned: of arrays, tensors, tables and lists."""
    try:
        array = array_of(values)
    except (ValueError, TypeError, RuntimeError) as err:  # also for sparse tensors, and those without data
        raise DataError(
            f"--data {name} returned rows of different lengths, or values that are not numbers: "
            f"{printable(str(err), 200)}",
            "return arrays of numbers",
        ) from err
    if array.dtype.kind == "O":
        array = _from_objects(array, name)
    return array


def _from_objects(array: np.ndarray, name: str) -> np.ndarray:
    """Take texts out of an array of objects, as pandas has them; anything else is refused."""
    if array.ndim and array.size and all(isinstance(value, str) for value in array.flat):
        return array.astype(str)
    first = next((type(value).__name__ for value in array.flat if not isinstance(value, str)), "nothing")
    raise DataError(
        f"--data {name} returned an array of Python objects, the first a {first}",
        "return arrays of numbers, or of texts for classes",
    )
