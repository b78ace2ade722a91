"""What a module's `get_extra_state` returns, beside or among the tensors of a checkpoint."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from dlkit.models.attributes import Modules
from dlkit.models.plain_values import pack, unpack

_EXTRA = "_extra_state"
_EXTRAS = "extra."


def weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of a network's `state_dict` by name: what `get_extra_state` returns only if it is one."""
    return {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}


def is_extra(name: str) -> bool:
    """Return whether a name in a `state_dict` is that of what `get_extra_state` returned."""
    return name.rpartition(".")[2] == _EXTRA


def with_extra_state(modules: Modules) -> Iterator[tuple[str, nn.Module]]:
    """Yield those of some modules by path that have a `get_extra_state` of their own."""
    for path, module in modules:
        if type(module).get_extra_state is not nn.Module.get_extra_state:
            yield path, module


def extra_tensors(modules: Modules) -> dict[str, Tensor]:
    """Return what `get_extra_state` returned, where it is no tensor, which has its place among the weights."""
    found: dict[str, Tensor] = {}
    for path, module in with_extra_state(modules):
        value = module.get_extra_state()
        if isinstance(value, Tensor):
            continue
        try:
            text, tensors = pack(value)
        except TypeError:  # `warnings` names it
            continue
        name = f"{path}.{_EXTRA}" if path else _EXTRA
        found[f"{_EXTRAS}{name}"] = text
        found |= {f"{_EXTRAS}{name}.{at}": tensor for at, tensor in enumerate(tensors)}
    return found


def extra_states(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return extra states by their names in the `state_dict`, of what `extra_tensors` returned.

    Raises:
        ValueError, LookupError: It did not return that.
    """
    found = {name.removeprefix(_EXTRAS): value for name, value in state.items() if name.startswith(_EXTRAS)}
    states: dict[str, Any] = {}
    for name, text in found.items():
        if is_extra(name):
            parts = [
                found[f"{name}.{at}"] for at in range(sum(other.startswith(f"{name}.") for other in found))
            ]
            states[name] = unpack(text, parts)
    return states
