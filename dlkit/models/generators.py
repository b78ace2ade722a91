"""States of random-number generators that a network keeps for itself, as tensors and back."""

import json
import math
import random
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlkit.models.plain_values import parse, text_tensor

KINDS: dict[str, Callable[[], Any]] = {
    "torch": torch.Generator,
    "python": random.Random,
    "numpy": np.random.default_rng,
    "numpy-legacy": np.random.RandomState,
}
_PYTHON = struct.Struct("<I625Id")  # version, words and position, the next Gaussian number or NaN
_BIT_GENERATORS = ("PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64")
# Positions in a buffer, which NumPy does not check: beyond these it would read outside of it.
_MOST = {"pos": 624, "buffer_pos": 4, "has_uint32": 1, "has_gauss": 1}


def kind_of(value: object) -> str | None:
    """Return which kind of generator a value is; None if it is none."""
    kind = type(value)
    if issubclass(kind, torch.Generator):  # torch's own isinstance is in Python, and slow
        return "torch"
    if issubclass(kind, random.Random) and not issubclass(kind, random.SystemRandom):  # which has no state
        return "python"
    if issubclass(kind, np.random.Generator):
        return "numpy"
    return "numpy-legacy" if issubclass(kind, np.random.RandomState) else None


def generator_state(generator: Any) -> Tensor:
    """Return the state of a generator, uint8 of shape (B,): torch's own bytes, Python's packed, NumPy's JSON."""
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    if isinstance(generator, random.Random):
        version, words, gauss = random.Random.getstate(generator)  # a class of the user's may return another
        packed = _PYTHON.pack(version, *words, math.nan if gauss is None else gauss)
        return torch.frombuffer(bytearray(packed), dtype=torch.uint8)
    return text_tensor(json.dumps(_listed(_numpy_state(generator))))


def set_generator(generator: Any, state: Tensor) -> Any:
    """Set a generator to a state; return it, or a new one if NumPy's algorithm is another.

    Raises:
        ValueError, TypeError, RuntimeError: It is the state of no such generator.
    """
    if isinstance(generator, torch.Generator):
        if generator.get_state().shape == state.shape:  # else it was on another kind of device
            generator.set_state(state.cpu().clone())
    elif isinstance(generator, random.Random):
        if state.dtype != torch.uint8 or state.shape != (_PYTHON.size,):
            raise ValueError("of another length")
        version, *words, gauss = _PYTHON.unpack(state.numpy().tobytes())
        random.Random.setstate(generator, (version, tuple(words), None if math.isnan(gauss) else gauss))
    else:
        return _set_numpy(generator, parse(state))
    return generator


def _set_numpy(generator: Any, found: Any) -> Any:
    legacy = isinstance(generator, np.random.RandomState)
    name = found["bit_generator"]
    if name not in _BIT_GENERATORS:
        raise ValueError("no such generator")
    if name != _numpy_state(generator)["bit_generator"]:
        bits = getattr(np.random, name)()
        generator = np.random.RandomState(bits) if legacy else np.random.Generator(bits)
    state = _like(_numpy_state(generator), found)
    if legacy:
        generator.set_state(state)
    else:
        generator.bit_generator.state = state
    return generator


def _numpy_state(generator: Any) -> dict[str, Any]:
    if isinstance(generator, np.random.RandomState):
        state: dict[str, Any] = generator.get_state(legacy=False)
        return state
    return dict(generator.bit_generator.state)


def _listed(value: Any) -> Any:
    """Return a state as JSON values."""
    if isinstance(value, dict):
        return {name: _listed(item) for name, item in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _like(own: Any, found: Any, name: str = "") -> Any:
    """Return a state in the form of a generator's own, once its names, shapes and ranges are known to fit.

    Raises:
        ValueError: They do not.
    """
    if isinstance(own, dict):
        if own.keys() != found.keys():
            raise ValueError("other parts")
        return {key: _like(value, found[key], key) for key, value in own.items()}
    if isinstance(own, np.ndarray):
        array = np.array(found, dtype=own.dtype)
        if array.shape != own.shape:
            raise ValueError(f"{name} of another shape")
        return array
    plain = own.item() if isinstance(own, np.generic) else own
    if type(found) is not type(plain) or (type(found) is int and not 0 <= found <= _MOST.get(name, 2**128)):
        raise ValueError(f"{name} out of range")
    return found
