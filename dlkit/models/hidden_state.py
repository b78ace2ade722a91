"""What the state of a network of the user's own is beside its weights: saved, restored, and compared.

Buffers that its `state_dict` leaves out, random-number generators, plain values that training changes, and what
`get_extra_state` returns. What else changes is reported.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dlkit.files.tensor_file import DTYPES
from dlkit.models.attributes import Attribute, Modules, Seen, attributes, is_array, is_tensor
from dlkit.models.extra_state import extra_states, extra_tensors, with_extra_state
from dlkit.models.generators import KINDS, generator_state, kind_of, set_generator
from dlkit.models.plain_values import is_plain, pack, unpack

GROUP = "hidden"
_BUFFERS, _GENERATORS, _VALUES = "buffers.", "generators.", "values"
_TENSORS, _ON_DEVICE, _ARRAYS = "tensors.", "device.", "arrays."
_MOST_BYTES = 2**26
_ARRAY_KINDS = {str(dtype).removeprefix("torch.") for dtype in DTYPES} - {"bfloat16"}  # which NumPy lacks
_SHOWN = 4


class HiddenState:
    """Follows what a network holds beside its weights while it trains.

    Args:
        model: The network before its first step, or as it was resumed.
        name: What messages call it.
    """

    def __init__(self, model: nn.Module, name: str) -> None:
        self._model = model
        self._name = name
        self._seen = {each.name: Seen(each.value) for each in attributes(model.named_modules())}
        self._placed = frozenset(self._seen)
        self._seen |= {name: Seen(buffer) for name, buffer in _unlisted_buffers(model.named_modules())}
        self._changed: set[str] = set()
        self._unsaved: dict[str, str] = {}
        self._reported: set[str] = set()
        self._replaced: list[str] = []
        self._trained = {id(each) for each in model.parameters()}
        self._looks_once = False
        self._found: dict[str, Tensor] | None = None

    def restored(self, state: Mapping[str, Tensor]) -> None:
        """Take note of what a checkpoint held, by the names of `tensors`: it has changed since the network was made."""
        for group in (_TENSORS, _ON_DEVICE, _ARRAYS):
            self._changed |= {name.removeprefix(group) for name in state if name.startswith(group)}
        if _VALUES in state:
            self._changed |= set(unpack(state[_VALUES]))

    @contextlib.contextmanager
    def looked_at_once(self) -> Iterator[None]:
        """Look at the network only once while the block runs, for all files: it does not run meanwhile."""
        self._looks_once = True
        try:
            yield
        finally:
            self._looks_once, self._found = False, None

    def tensors(self) -> dict[str, Tensor]:
        """Return what checkpoints hold, as tensors by name."""
        if self._found is not None:
            return self._found
        found = self._tensors()
        if self._looks_once:
            self._found = found
        return found

    def _tensors(self) -> dict[str, Tensor]:
        modules = list(self._model.named_modules())
        found, values = _buffers(modules), {}
        for name, value, _ in self._look(modules):
            if kind := kind_of(value):
                found[f"{_GENERATORS}{kind}.{name}"] = generator_state(value)
            elif is_tensor(value):
                found[(_TENSORS if value.device.type == "cpu" else _ON_DEVICE) + name] = value.detach()
            elif is_array(value):
                found[_ARRAYS + name] = torch.from_numpy(np.array(value))
            else:
                values[name] = value
        if values:
            found[_VALUES], _ = pack(values)
        return found | extra_tensors(modules)

    def copy_to(self, other: nn.Module, device: torch.device) -> None:
        """Give another network of the same code this one's hidden state."""
        restore_hidden(other, self.tensors(), device)

    def compare(self) -> None:
        """Note what has changed since it was last looked at, as `tensors` does."""
        self._look(list(self._model.named_modules()))

    def warnings(self) -> list[str]:
        """Return a line that names what was seen to change and is not saved; each name once."""
        replaced = [name for name in self._replaced if name not in self._reported]
        new = {name: kind for name, kind in self._unsaved.items() if name not in self._reported}
        self._reported |= {*new, *replaced}
        return [*self._of_replaced(replaced), *self._of_unsaved(new)]

    def _of_replaced(self, names: Sequence[str]) -> Iterator[str]:
        if names:
            one = len(names) == 1
            yield (
                f"{self._name}: {_some([f'self.{name}' for name in names])} {'is a' if one else 'are'} new "
                f"parameter{'s' * (not one)}, made in training, which the optimizer does not move: make "
                f"{'it' if one else 'them'} in __init__, and change values in place under torch.no_grad()"
            )

    def _of_unsaved(self, new: Mapping[str, str]) -> Iterator[str]:
        if not new:
            return
        listed = _some([f"self.{name} ({kind})" for name, kind in new.items()])
        one = len(new) == 1
        yield (
            f"{self._name}: {listed} change{'s' * one} in training and {'is' if one else 'are'} not saved; if "
            f"outputs depend on {'it' if one else 'them'}, eval and a resumed run differ: keep "
            f"{'it' if one else 'them'} in a buffer, a number or a tensor"
        )

    def _look(self, modules: Modules) -> list[Attribute]:
        """Note which attributes have changed, and name and type of those that cannot be saved; return what is saved."""
        held: list[Attribute] = []
        named = self._model.named_parameters()
        self._replaced = [name for name, each in named if id(each) not in self._trained]
        unsaved = self._unsaved
        for each in attributes(modules):
            value, before = each.value, self._seen.get(each.name)
            if kind_of(value) is None:
                if before is None or before.differs(value):
                    self._seen[each.name] = Seen(value)
                    if is_tensor(value) and self._is_part(value):
                        continue
                    self._changed.add(each.name)
                    if not self._is_saved(each):
                        unsaved[each.name] = type(value).__name__
                elif each.name not in self._changed:
                    continue
            if self._is_saved(each):
                held.append(each)
        for name, buffer in _unlisted_buffers(modules):
            if not _fits(buffer) and (name not in self._seen or self._seen[name].differs(buffer)):
                unsaved[name] = f"{buffer.layout} buffer of {buffer.dtype}".replace("torch.", "")
        for path, module in with_extra_state(modules):
            try:
                pack(module.get_extra_state())
            except TypeError as err:
                unsaved[f"{path}.get_extra_state()" if path else "get_extra_state()"] = str(err)
        return held

    def _is_part(self, tensor: Tensor) -> bool:
        """Return whether a tensor is a parameter or a buffer, or a view of one."""
        place = _place(tensor)
        return place != 0 and any(
            place == _place(part) for part in (*self._model.parameters(), *self._model.buffers())
        )

    def _is_saved(self, attribute: Attribute) -> bool:
        """Return whether checkpoints hold an attribute if it changes: the network made anew has a place for it."""
        name, value, put = attribute
        if name not in self._placed and _owner(self._model, name) is None:
            return False
        if kind_of(value) is not None:
            return True
        if is_tensor(value):
            fits = _fits(value) and value.nbytes <= _MOST_BYTES
        elif is_array(value):
            fits = value.dtype.name in _ARRAY_KINDS and value.nbytes <= _MOST_BYTES
        else:
            fits = is_plain(value)
        return fits and put is not None


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def restore_hidden(model: nn.Module, state: Mapping[str, Tensor], device: torch.device) -> None:
    """Restore what `HiddenState.tensors` returned.

    Args:
        model: A network of the same code, on the device.
        state: By name.
        device: Where tensors go that were on a device.

    Raises:
        ValueError, TypeError, LookupError, RuntimeError, AttributeError: It is the state of another network.
    """
    found = {each.name: each for each in attributes(model.named_modules())}
    for name, tensor in state.items():
        group, _, path = name.partition(".")
        match f"{group}.":
            case "buffers.":
                set_buffer(model, path, tensor)
            case "generators.":
                _set_generator(model, found, path, tensor)
            case "tensors.":
                _put(model, found, path, tensor.clone())
            case "device.":
                _put(model, found, path, tensor.to(device, copy=True))
            case "arrays.":
                _put(model, found, path, tensor.numpy().copy())
    if _VALUES in state:
        for path, value in unpack(state[_VALUES]).items():
            _put(model, found, path, value)
    if extra := extra_states(state):
        model.load_state_dict(extra, strict=False)


def _set_generator(model: nn.Module, found: Mapping[str, Attribute], path: str, state: Tensor) -> None:
    kind, _, name = path.partition(".")
    own = found[name].value if name in found else None
    new = set_generator(own if kind_of(own) == kind else KINDS[kind](), state)
    if new is not own:
        _put(model, found, name, new)


def _buffers(modules: Modules) -> dict[str, Tensor]:
    """Return the buffers that the `state_dict` leaves out, under the names that they have in a checkpoint."""
    return {_BUFFERS + name: buffer for name, buffer in _unlisted_buffers(modules) if _fits(buffer)}


def _unlisted_buffers(modules: Modules) -> Iterator[tuple[str, Tensor]]:
    for path, module in modules:
        for name in sorted(module._non_persistent_buffers_set):
            buffer = module._buffers.get(name)
            if buffer is not None:
                yield f"{path}.{name}" if path else name, buffer


def _fits(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and tensor.dtype in DTYPES


@torch.no_grad()
def set_buffer(model: nn.Module, name: str, tensor: Tensor) -> None:
    """Set a buffer, in place if it has the shape; one that the network made in training is made again."""
    path, _, key = name.rpartition(".")
    module = model.get_submodule(path)
    own = module._buffers.get(key)
    if own is None:
        if key in module._buffers:
            module._buffers[key] = tensor.clone()
        else:
            module.register_buffer(key, tensor.clone(), persistent=False)
    elif own.shape == tensor.shape and own.dtype == tensor.dtype and not own.is_inference():
        if own.stride().count(0):  # expanded: its values share memory
            module._buffers[key] = tensor.to(own.device, copy=True)
        else:
            own.copy_(tensor)
    else:
        module._buffers[key] = tensor.to(own.device, copy=True)


def _owner(model: nn.Module, name: str) -> nn.Module | None:
    """Return the module whose own attribute a name is; None if it lies within an attribute."""
    path, _, key = name.rpartition(".")
    try:
        module = model.get_submodule(path)
    except AttributeError:
        return None
    return module if key.isidentifier() else None


def _put(model: nn.Module, found: Mapping[str, Attribute], name: str, value: Any) -> None:
    """Set an attribute; one that a module got in training only is made."""
    if name in found:
        put = found[name].put
        if put is None:
            raise ValueError(f"{name} cannot be set")
        put(value)
        return
    owner = _owner(model, name)
    if owner is None or name.rpartition(".")[2] in vars(nn.Module()):
        raise ValueError(f"no {name}")
    vars(owner)[name.rpartition(".")[2]] = value


def _place(tensor: Tensor) -> int:
    """Return where the memory of a tensor begins, which views of it share; 0 if it has none of its own."""
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):  # sparse
        return 0
