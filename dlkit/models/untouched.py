"""Passes that only try a network leave it as it was."""

import copy
from collections.abc import Iterator
from contextlib import chdir, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from dlkit.models.attributes import (
    Attribute,
    Seen,
    attributes,
    is_array,
    is_tensor,
    own_attributes,
    scanned_modules,
)
from dlkit.models.generators import generator_state, kind_of, set_generator
from dlkit.models.hidden_state import set_buffer
from dlkit.models.plain_values import is_plain


@contextmanager
def untouched(model: nn.Module) -> Iterator[None]:
    """Restore buffers and attributes of a network after passes that try it, unless these built a part of it.

    The working folder is restored too.
    """
    lazy = any(is_lazy(tensor) for tensor in (*model.parameters(), *model.buffers()))
    with chdir("."), nullcontext() if lazy else _kept(model):
        yield


@contextmanager
def _kept(model: nn.Module) -> Iterator[None]:
    parts = _structure(model)
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    held = [(module, own_attributes(module)) for _, module in scanned_modules(model.named_modules())]
    found = list(attributes(model.named_modules()))
    generators = [(each.value, generator_state(each.value)) for each in found if kind_of(each.value)]
    copies = [(each, Seen(each.value), _copy(each.value)) for each in found if _is_copied(each.value)]
    try:
        yield
    finally:
        if _structure(model) == parts:
            for module, own in held:
                for key in own_attributes(module).keys() - own.keys():
                    del vars(module)[key]
                vars(module).update(own)
            for attribute, before, value in copies:
                if before.differs(attribute.value):
                    _set_back(attribute, value)
            for name, buffer in buffers.items():
                set_buffer(model, name, buffer)
            for generator, state in generators:
                set_generator(generator, state)


def _structure(model: nn.Module) -> tuple[list[str], ...]:
    return (
        [name for name, _ in model.named_modules()],
        [name for name, _ in model.named_parameters()],
        [name for name, _ in model.named_buffers()],
    )


def _copy(value: Any) -> Any:
    return value.detach().clone() if is_tensor(value) else copy.deepcopy(value)


def _is_copied(value: object) -> bool:
    return is_plain(value) or is_array(value) or (is_tensor(value) and value.is_leaf)


@torch.no_grad()
def _set_back(attribute: Attribute, value: Any) -> None:
    """Give what was changed in place its values again; others may hold it too."""
    if is_tensor(attribute.value):
        attribute.value.copy_(value)
    elif is_array(attribute.value):
        attribute.value[...] = value
    elif attribute.put is not None:
        attribute.put(value)
