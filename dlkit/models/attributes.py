"""What the modules of a network hold beside parameters, buffers and modules: found by name, compared over time."""

import contextlib
import sys
import weakref
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple, TypeGuard

import numpy as np
import torch
from torch import Tensor, nn

from dlkit.models.generators import kind_of
from dlkit.models.plain_values import is_plain

Modules = Iterable[tuple[str, nn.Module]]

_INTERNAL = frozenset(vars(nn.Module())) | {"_compiled_call_impl"}
_TENSORS: tuple[type, ...] = (Tensor, np.ndarray)
_FIXED: tuple[type, ...] = (
    type,
    FunctionType,
    BuiltinFunctionType,
    MethodType,
    ModuleType,
    nn.Module,
    nn.Parameter,
)
_FIXED += (torch.device, torch.dtype, torch.Size)
_MOST_NESTED = 4
_MOST_ITEMS = 1_000
_REPEATABLE = (set, frozenset, deque, dict, list, tuple, str, bytes, bytearray, int, float, complex, Enum)


class Attribute(NamedTuple):
    """A value in a network.

    Args:
        name: Path of the module and the attribute's name; what lies within it after further dots.
        value: The value.
        put: Sets it to another value; None where its place cannot be set.
    """

    name: str
    value: Any
    put: Callable[[Any], None] | None


def attributes(modules: Modules) -> Iterator[Attribute]:
    """Yield what the modules hold whose class is neither torch's nor dlkit's.

    Lists, tuples, dictionaries and plain objects are entered, unless a list, a tuple or a dictionary is plain as a
    whole.

    Args:
        modules: The modules of a network by path: `named_modules`.
    """
    seen: set[int] = set()
    for path, module in scanned_modules(modules):
        for key, value in own_attributes(module).items():
            yield from _found(f"{path}.{key}" if path else key, value, _setter(vars(module), key), 0, seen)


def scanned_modules(modules: Modules) -> Iterator[tuple[str, nn.Module]]:
    """Yield those of some modules by path whose class is neither torch's nor dlkit's."""
    for path, module in modules:
        if type(module).__module__.partition(".")[0] not in ("torch", "dlkit"):
            yield path, module


def own_attributes(module: nn.Module) -> dict[str, Any]:
    """Return the attributes of a module that are its own, not `torch.nn.Module`'s."""
    return {key: value for key, value in vars(module).items() if key not in _INTERNAL}


class Seen:
    """What a value was, to tell later whether it has changed; keeps no tensor alive.

    Args:
        value: The value.
    """

    def __init__(self, value: Any) -> None:
        self._kind = type(value)
        self._tensor = weakref.ref(value) if is_tensor(value) else None
        self._mark = _mark(value)

    def differs(self, value: Any) -> bool:
        """Return whether a value is another than this was, or was changed in place; an iterator always is."""
        if type(value) is not self._kind or self._mark != _mark(value):
            return True
        return self._tensor is not None and self._tensor() is not value


def is_tensor(value: object) -> TypeGuard[Tensor]:
    """Return whether a value is a tensor, whatever it says of its class."""
    return issubclass(type(value), Tensor)


def is_array(value: object) -> TypeGuard[np.ndarray]:
    """Return whether a value is a NumPy array, whatever it says of its class."""
    return issubclass(type(value), np.ndarray)


def _mark(value: Any) -> object:
    if is_tensor(value):
        return 0 if value.is_inference() else value._version  # which only in-place operations raise
    if is_array(value):
        if value.dtype.hasobject:
            return id(value)
        return value.shape, zlib.crc32(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
    kind = type(value)
    if issubclass(kind, int):
        return int.__index__(value)
    if issubclass(kind, _REPEATABLE) or is_plain(value):
        with contextlib.suppress(Exception):  # something in it may fail to describe itself
            sized = hasattr(value, "__len__") and len(value) > _MOST_ITEMS
            return len(value) if sized else repr(value)
    return object() if hasattr(kind, "__next__") else id(value)


def _found(
    name: str, value: Any, put: Callable[[Any], None] | None, depth: int, seen: set[int]
) -> Iterator[Attribute]:
    kind = type(value)  # an object may say that its class is another
    if issubclass(kind, _FIXED):
        return
    inner: Iterator[tuple[str, Any, Callable[[Any], None] | None]] | None = None
    if not is_plain(value) and kind_of(value) is None and not issubclass(kind, _TENSORS):
        inner = _inner(value)
    if inner is None:
        yield Attribute(name, value, put)
        return
    if id(value) in seen or depth == _MOST_NESTED:
        return
    seen.add(id(value))
    for key, item, setter in inner:
        yield from _found(f"{name}.{key}", item, setter, depth + 1, seen)


def _inner(value: Any) -> Iterator[tuple[str, Any, Callable[[Any], None] | None]] | None:
    """Return what a value consists of with what sets each part, or None if it is taken whole."""
    kind = type(value)
    if kind in (list, tuple) and len(value) <= _MOST_ITEMS:
        return (
            (str(at), item, _setter(value, at) if kind is list else None) for at, item in enumerate(value)
        )
    if kind is dict and len(value) <= _MOST_ITEMS:
        return ((str(key), item, _setter(value, key)) for key, item in list(value.items()))
    if issubclass(kind, _REPEATABLE) or hasattr(kind, "__next__"):
        return None
    own, slots = getattr(value, "__dict__", None), _slots(kind)
    if not isinstance(own, dict) and not slots:
        return None
    found = [(key, item, _setter(own, key)) for key, item in (own or {}).items()]
    in_slots = [name for name in slots if hasattr(value, name)]
    return iter(found + [(name, getattr(value, name), partial(setattr, value, name)) for name in in_slots])


def _slots(kind: type) -> list[str]:
    """Return the names of `__slots__`; in those of Python's own classes are caches, which are not searched."""
    if kind.__module__.partition(".")[0] in sys.stdlib_module_names:
        return []
    named = [vars(each).get("__slots__", ()) for each in kind.__mro__]
    return [name for names in named for name in ((names,) if isinstance(names, str) else names)]


def _setter(holder: Any, key: Any) -> Callable[[Any], None]:
    def put(value: Any) -> None:
        holder[key] = value

    return put
