"""What a network keeps beside its weights: found, saved, restored, and reported where it cannot be."""

import enum
import itertools
import random
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dlkit.models.extra_state import weights_of
from dlkit.models.hidden_state import HiddenState, restore_hidden
from dlkit.models.untouched import untouched

CPU = torch.device("cpu")


class Holder:
    """A plain object with a counter and a generator."""

    def __init__(self) -> None:
        self.count = 0
        self.rng = random.Random(1)


class Slots:
    """An object whose attributes are slots."""

    __slots__ = ("count", "unset")

    def __init__(self) -> None:
        self.count = 0


class Whole(int):
    """A number of a class of its own."""


class Mode(enum.Enum):
    """One of two."""

    SLOW = 1
    FAST = 2


class Mine(random.Random):
    """A generator that hides its state."""

    def getstate(self) -> tuple[Any, ...]:
        return ("none",)


class Subclass(torch.Tensor):
    """A tensor of a class of its own, which cannot be copied by `copy.deepcopy`."""


class Claims:
    """An object that says it is a tensor."""

    __class__ = Tensor  # type: ignore[assignment]


class Net(nn.Module):
    """A network whose hidden state a test sets."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.register_buffer("scale", torch.ones(2), persistent=False)
        self.register_buffer("saved", torch.ones(2))
        for name, value in attributes.items():
            setattr(self, name, value)


def moved(change: Callable[[Any], None], **attributes: Any) -> tuple[HiddenState, Net]:
    """A network after a change, and what followed it."""
    net = Net(**attributes)
    hidden = HiddenState(net, "net.py:Net")
    change(net)
    return hidden, net


DRAWS: dict[str, tuple[Callable[[], Any], Callable[[Any], float]]] = {
    "torch": (lambda: torch.Generator().manual_seed(3), lambda rng: torch.rand((), generator=rng).item()),
    "python": (lambda: random.Random(3), lambda rng: rng.gauss()),
    "python-subclass": (lambda: Mine(3), lambda rng: rng.random()),
    "numpy": (lambda: np.random.default_rng(3), lambda rng: rng.random()),
    "mt19937": (lambda: np.random.Generator(np.random.MT19937(3)), lambda rng: rng.random()),
    "philox": (
        lambda: np.random.Generator(np.random.Philox(3)),
        lambda rng: rng.integers(9, dtype=np.uint32),
    ),
    "sfc64": (lambda: np.random.Generator(np.random.SFC64(3)), lambda rng: rng.random()),
    "legacy": (lambda: np.random.RandomState(3), lambda rng: rng.normal()),
}


@pytest.mark.parametrize(("make", "draw"), DRAWS.values(), ids=DRAWS)
def test_a_generator_continues_where_it_was(make: Callable[[], Any], draw: Callable[[Any], float]) -> None:
    hidden, net = moved(lambda net: [draw(net.rng) for _ in range(7)], rng=make())  # type: ignore[arg-type, return-value]
    state = hidden.tensors()
    expected = [draw(net.rng) for _ in range(5)]

    again = Net(rng=make())
    restore_hidden(again, state, CPU)

    assert [draw(again.rng) for _ in range(5)] == expected


@pytest.mark.parametrize(
    ("first", "later"),
    [
        (0, 3),
        (0.5, 0.1),
        (False, True),
        (None, "late"),
        ([1.0], [1.0, float("inf")]),
        ((0, 1), (2, (3.5, None))),
        ({"n": 1}, {"n": [2], "m": {}}),
    ],
    ids=str,
)
def test_a_plain_value_that_changed_is_restored_with_its_type(first: Any, later: Any) -> None:
    hidden, _ = moved(lambda net: setattr(net, "value", later), value=first)

    again = Net(value=first)
    restore_hidden(again, hidden.tensors(), CPU)

    assert again.value == later
    assert type(again.value) is type(later)
    assert hidden.warnings() == []


def test_a_plain_value_that_did_not_change_is_the_code_s() -> None:
    hidden, _ = moved(lambda _: None, value=3)

    again = Net(value=4)
    restore_hidden(again, hidden.tensors(), CPU)

    assert again.value == 4


def test_tensors_and_arrays_that_changed_are_restored() -> None:
    def change(net: Any) -> None:
        net.mean = net.mean + 1
        net.total += 2

    hidden, _ = moved(change, mean=torch.zeros(3), total=np.zeros(2), still=torch.zeros(1))
    state = hidden.tensors()

    again = Net(mean=torch.zeros(3), total=np.zeros(2), still=torch.full((1,), 5.0))
    restore_hidden(again, state, CPU)

    assert again.mean.tolist() == [1.0] * 3
    assert again.total.tolist() == [2.0] * 2
    assert again.still.tolist() == [5.0]


def test_buffers_out_of_the_state_dict_are_saved_and_no_others() -> None:
    def change(net: Any) -> None:
        net.scale = net.scale * 3
        net.register_buffer("late", torch.arange(2), persistent=False)

    hidden, _ = moved(change)

    assert set(hidden.tensors()) == {"buffers.scale", "buffers.late"}
    again = Net()
    scale = again.scale
    restore_hidden(again, hidden.tensors(), CPU)
    assert again.scale is scale
    assert again.scale.tolist() == [3.0, 3.0]
    assert again.get_buffer("late").tolist() == [0, 1]
    assert set(again.state_dict()) == {"saved", "layer.weight", "layer.bias"}


def test_what_lies_within_lists_and_objects_is_found() -> None:
    def change(net: Any) -> None:
        net.holder.count = 4
        net.rngs[1].random()

    hidden, net = moved(change, holder=Holder(), rngs=[random.Random(1), random.Random(2)])
    again = Net(holder=Holder(), rngs=[random.Random(1), random.Random(2)])
    restore_hidden(again, hidden.tensors(), CPU)

    assert again.holder.count == 4
    assert again.rngs[1].random() == net.rngs[1].random()


def test_the_files_of_a_step_share_one_look_and_the_next_step_has_its_own() -> None:
    hidden, net = moved(lambda net: setattr(net, "count", 1), count=0)
    with hidden.looked_at_once():
        first = hidden.tensors()
        assert hidden.tensors() is first

    net.count = 2  # type: ignore[assignment]
    again = Net(count=0)
    restore_hidden(again, hidden.tensors(), CPU)
    assert again.count == 2


def test_attributes_in_slots_are_restored() -> None:
    hidden, _ = moved(lambda net: setattr(net.holder, "count", 4), holder=Slots())
    again = Net(holder=Slots())
    restore_hidden(again, hidden.tensors(), CPU)

    assert again.holder.count == 4


def test_a_pass_that_tries_a_network_leaves_odd_attributes_alone() -> None:
    net = Net(odd=torch.ones(2).as_subclass(Subclass), claims=Claims())
    hidden = HiddenState(net, "net.py:Net")

    with untouched(net):
        net.odd += 1

    assert net.odd.tolist() == [1.0, 1.0]
    assert "values" not in hidden.tensors()


def test_what_a_module_first_gets_in_training_is_made_again() -> None:
    def change(net: Any) -> None:
        net.count, net.rng, net.cache = 2, random.Random(5), torch.ones(2)
        net.rng.random()

    hidden, net = moved(change)
    again = Net()
    restore_hidden(again, hidden.tensors(), CPU)

    assert (again.count, again.cache.tolist()) == (2, [1.0, 1.0])
    assert again.rng.random() == net.rng.random()


def count_up(net: Any) -> None:
    net.kept.append(1) if isinstance(net.kept, deque) else net.kept.add(1)


UNSAVED: dict[str, tuple[Any, Callable[[Any], Any], str]] = {
    "set": (set(), count_up, "self.kept (set)"),
    "deque": (deque(), count_up, "self.kept (deque)"),
    "iterator": (itertools.count(), lambda net: next(net.kept), "self.kept (count)"),
    "long": (1, lambda net: setattr(net, "kept", 10**5000 * net.kept), "self.kept (int)"),
    "number": (Whole(1), lambda net: setattr(net, "kept", Whole(net.kept + 1)), "self.kept (Whole)"),
    "enum": (Mode.SLOW, lambda net: setattr(net, "kept", Mode.FAST), "self.kept (Mode)"),
    "object": (None, lambda net: setattr(net, "kept", object()), "self.kept (object)"),
    "sparse": (None, lambda net: setattr(net, "kept", torch.eye(2).to_sparse()), "self.kept (Tensor)"),
}


@pytest.mark.parametrize(("first", "change", "named"), UNSAVED.values(), ids=UNSAVED)
def test_what_cannot_be_saved_is_reported_once(first: Any, change: Callable[[Any], Any], named: str) -> None:
    hidden, net = moved(change, kept=first)

    hidden.compare()
    (text,) = hidden.warnings()
    change(net)
    hidden.compare()

    assert "net.py:Net" in text
    assert named in text
    assert hidden.warnings() == []
    assert not any("kept" in name for name in hidden.tensors())


def test_what_stays_or_is_a_view_of_a_weight_is_not_reported() -> None:
    class Tied(Net):
        def __init__(self) -> None:
            super().__init__(bag={1}, lock=object())
            self.view = self.layer.weight.data[0]
            self.alias = self.layer.weight.detach()

    net = Tied()
    hidden = HiddenState(net, "net.py:Net")
    with torch.no_grad():
        net.layer.weight.mul_(2)

    assert set(hidden.tensors()) == {"buffers.scale"}
    assert hidden.warnings() == []


def test_modules_of_torch_are_not_searched() -> None:
    net = nn.Sequential(nn.Linear(2, 2))
    hidden = HiddenState(net, "net.py:make")
    net[0].in_features = 7

    assert hidden.tensors() == {}


class WithExtra(Net):
    """Keeps a state that is neither parameter nor buffer in torch's own way."""

    def __init__(self, state: Any) -> None:
        super().__init__()
        self.extra = (state,)

    def get_extra_state(self) -> Any:
        return self.extra[0]

    def set_extra_state(self, state: Any) -> None:
        self.extra = (state,)


def test_extra_state_of_plain_values_and_tensors_is_restored() -> None:
    net = WithExtra({"n": 3, "mean": torch.tensor([1.0, 2.0]), "span": (0, 1)})
    state = HiddenState(net, "net.py:Net").tensors()
    again = WithExtra(None)
    restore_hidden(again, state, CPU)

    assert again.extra[0]["mean"].tolist() == [1.0, 2.0]
    assert (again.extra[0]["n"], again.extra[0]["span"]) == (3, (0, 1))
    assert set(weights_of(net)) == {"saved", "layer.weight", "layer.bias"}


def test_extra_state_that_is_a_tensor_stands_among_the_weights() -> None:
    assert weights_of(WithExtra(torch.ones(1)))["_extra_state"].tolist() == [1.0]


def test_extra_state_that_cannot_be_saved_is_reported() -> None:
    hidden = HiddenState(WithExtra({1, 2}), "net.py:Net")

    hidden.compare()
    (text,) = hidden.warnings()

    assert "get_extra_state()" in text
    assert "set" in text
    assert not any(name.startswith("extra") for name in hidden.tensors())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("generators.python.rng", b"too short"),
        ("generators.python.rng", bytes(2512)),
        ("generators.numpy.rng", b'{"bit_generator": "MT19937"}'),
        ("generators.numpy.rng", b'{"bit_generator": "os"}'),
        ("generators.torch.rng", b"too short"),
        ("generators.other.rng", b"{}"),
        ("buffers.gone.scale", b"x"),
        ("values", b'{"dict": {"layer.gone.value": 3}}'),
        ("values", b'{"dict": {"_modules": 3}}'),
        ("values", b"{"),
        ("values", b'{"tensor": 3}'),
        ("extra._extra_state", b'{"tensor": 3}'),
    ],
)
def test_state_of_another_network_is_refused(name: str, text: bytes) -> None:
    kinds: dict[str, Any] = {
        "torch": torch.Generator(),
        "python": random.Random(),
        "numpy": np.random.default_rng(),
    }
    net = Net(rng=kinds.get(name.split(".")[1] if "." in name else ""))
    state = torch.frombuffer(bytearray(text), dtype=torch.uint8)

    if name.startswith("generators.torch"):  # of another device: it begins anew
        before = net.rng.get_state()
        restore_hidden(net, {name: state}, CPU)
        assert torch.equal(net.rng.get_state(), before)
        return
    with pytest.raises((ValueError, TypeError, LookupError, RuntimeError, AttributeError)):
        restore_hidden(net, {name: state}, CPU)


@pytest.mark.parametrize(
    ("key", "value"), [("pos", 625), ("pos", -1), ("pos", "0"), ("buffer_pos", 5), ("has_uint32", 2)]
)
def test_positions_beyond_a_generator_s_buffer_are_refused(key: str, value: Any) -> None:
    bits: Any = {"pos": np.random.MT19937, "buffer_pos": np.random.Philox, "has_uint32": np.random.PCG64}[
        key
    ](1)
    net = Net(rng=np.random.Generator(bits))
    name = "generators.numpy.rng"
    text = bytes(HiddenState(net, "").tensors()[name].numpy()).decode()
    before = bits.state["state"][key] if key == "pos" else bits.state[key]
    shown = f'"{value}"' if isinstance(value, str) else value
    forged = text.replace(f'"{key}": {before}', f'"{key}": {shown}')
    assert forged != text

    with pytest.raises(ValueError, match=key):
        restore_hidden(net, {name: torch.frombuffer(bytearray(forged.encode()), dtype=torch.uint8)}, CPU)


class Moving(nn.Module):
    """Changes all it has in each pass."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("running", torch.zeros(2))
        self.count, self.rng, self.log = 0, random.Random(1), [0]
        self.sum = torch.zeros(1)

    def forward(self, inputs: Tensor) -> Tensor:
        self.running = self.running + 1
        self.sum += 1
        self.count += 1
        self.log.append(self.count)
        self.cache = inputs
        return inputs + self.rng.random()


def test_passes_that_try_a_network_leave_it_as_it_was() -> None:
    net, fresh = Moving(), Moving()
    total, log = net.sum, net.log
    with untouched(net):
        net(torch.ones(2))

    assert not hasattr(net, "cache")
    assert (net.count, net.log, net.sum.item()) == (0, [0], 0.0)
    assert net.sum is total
    assert net.running.tolist() == [0.0, 0.0]
    assert net.rng.random() == fresh.rng.random()
    assert log is not None


def test_passes_that_build_a_part_keep_what_they_set() -> None:
    class Late(nn.Module):
        built = False

        def forward(self, inputs: Tensor) -> Tensor:
            if not self.built:
                self.layer, self.built = nn.Linear(2, 2), True
            out: Tensor = self.layer(inputs)
            return out

    net = Late()
    with untouched(net):
        net(torch.ones(2))

    assert net.built
