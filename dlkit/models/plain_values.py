"""Plain Python values, and tensors among them, as tensors that a checkpoint can hold; nothing is pickled."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

_SCALARS = (type(None), bool, int, float, str)
_TENSOR, _TUPLE = "tensor", "tuple"
_MOST_ITEMS = 10_000
_MOST_BITS = 4_096  # Python does not write much longer numbers as text


def is_plain(value: object) -> bool:
    """Return whether a value is of numbers, texts, None, and lists, tuples and dictionaries of them by name.

    A list that holds itself, or is nested as deep as Python's stack, is not.
    """
    try:
        return _is_plain(value)
    except RecursionError:
        return False


def _is_plain(value: object) -> bool:
    kind = type(value)
    if kind is int:
        return value.bit_length() <= _MOST_BITS  # type: ignore[attr-defined, no-any-return]
    if kind in _SCALARS:
        return True
    if kind in (list, tuple):
        return len(value) <= _MOST_ITEMS and all(map(_is_plain, value))  # type: ignore[arg-type, call-overload]
    if kind is dict:
        items: dict[Any, Any] = value  # type: ignore[assignment]
        return len(items) <= _MOST_ITEMS and all(
            type(name) is str and _is_plain(item) for name, item in items.items()
        )
    return False


def pack(value: object) -> tuple[Tensor, list[Tensor]]:
    """Return a value of plain values and tensors as its text, uint8 of shape (B,), and the tensors in it.

    Raises:
        TypeError: Something in it is neither.
    """
    tensors: list[Tensor] = []
    return text_tensor(json.dumps(_packed(value, tensors))), tensors


def unpack(text: Tensor, tensors: Sequence[Tensor] = ()) -> Any:
    """Return what `pack` was given.

    Raises:
        ValueError: It is not what `pack` returns.
    """
    return _unpacked(parse(text), tensors)


def text_tensor(text: str) -> Tensor:
    """Return a text as its bytes, uint8 of shape (B,)."""
    return torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)


def parse(text: Tensor) -> Any:
    """Return the value of JSON that `text_tensor` holds.

    Raises:
        ValueError: It holds none.
    """
    if text.dtype != torch.uint8 or text.ndim != 1:
        raise ValueError("not a text")
    try:
        return json.loads(text.numpy().tobytes().decode())
    except RecursionError as err:
        raise ValueError("too deep") from err


def _packed(value: Any, tensors: list[Tensor]) -> Any:
    """Return a value as JSON: tuples and tensors, which it does not have, as a dictionary of one, itself in a list."""
    kind = type(value)
    if kind in _SCALARS:
        return value
    if isinstance(value, Tensor):
        tensors.append(value.detach())
        return {_TENSOR: len(tensors) - 1}
    if kind is list:
        return [_packed(item, tensors) for item in value]
    if kind is tuple:
        return {_TUPLE: [_packed(item, tensors) for item in value]}
    if kind is dict and all(type(name) is str for name in value):
        return {"dict": {name: _packed(item, tensors) for name, item in value.items()}}
    raise TypeError(f"{kind.__name__} is not saved")


def _unpacked(value: Any, tensors: Sequence[Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpacked(item, tensors) for item in value]
    if not isinstance(value, Mapping):
        return value
    ((kind, inner),) = value.items()
    if kind == _TENSOR and type(inner) is int and 0 <= inner < len(tensors):
        return tensors[inner].clone()
    if kind == _TUPLE and isinstance(inner, list):
        return tuple(_unpacked(item, tensors) for item in inner)
    if kind == "dict" and isinstance(inner, Mapping):
        return {name: _unpacked(item, tensors) for name, item in inner.items()}
    raise ValueError("not a plain value")
