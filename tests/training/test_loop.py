"""The loop as everyone learns it, once and right."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils._python_dispatch import TorchDispatchMode
from toys import CPU, make_blobs, make_network, make_parts, make_split, train

from dlkit.training.loop import Position, fit


def test_loss_falls_on_separable_data() -> None:
    steps = train(make_parts(make_blobs(), make_network()), epochs=20)

    records = [step.record for step in steps if step.record]
    assert records[-1].train_loss < 0.05 < records[0].train_loss
    assert records[-1].val_metric == 1.0


def test_one_batch_is_memorised() -> None:
    generator = torch.Generator().manual_seed(3)
    noise = make_split(torch.randn(16, 4, generator=generator), torch.arange(16) % 3)

    last = train(make_parts(noise, make_network(), optimizer="adam", lr=0.05), epochs=200)[-1].record

    assert last.train_loss < 0.01
    assert last.train_metric == 1.0


def test_same_seed_gives_the_same_bits() -> None:
    first, second, other = (make_network() for _ in range(3))
    for network, seed in ((first, 7), (second, 7), (other, 8)):
        train(make_parts(make_blobs(), network, seed=seed), epochs=2)

    assert all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))
    assert not torch.equal(first[0].weight, other[0].weight)


class Watched(nn.Module):
    """Notes at each forward pass in which mode it is."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = make_network()
        self.seen: list[tuple[bool, bool, bool]] = []

    def forward(self, inputs: Tensor) -> Tensor:
        cleared = all(parameter.grad is None for parameter in self.parameters())
        self.seen.append((self.training, torch.is_grad_enabled(), cleared))
        return self.inner(inputs)


def test_modes_gradients_and_zeroing_are_set_at_the_right_places() -> None:
    model = Watched()

    parts = make_parts(make_blobs(48), model, val=make_blobs(16), batch_size=16)
    parts.signals.due = lambda _step: False

    train(parts, epochs=2)

    training, validation = (True, True, True), (False, False, False)
    assert model.seen == [*[training] * 3, validation] * 2


def test_validation_adds_nothing_to_running_statistics() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))

    train(make_parts(make_blobs(48), model, val=make_blobs(48)), epochs=2)

    assert model[1].num_batches_tracked == 2 * 3


def test_schedule_is_a_function_of_the_step() -> None:
    parts = make_parts(make_blobs(40), make_network(), schedule=lambda step: 0.1 / (1 + step))

    rates = [step.lr for step in train(parts, epochs=2)]

    assert rates == [0.1 / (1 + step) for step in range(6)]
    assert {group["lr"] for group in parts.optimizer.param_groups} == {rates[-1]}


def test_record_is_the_mean_over_the_samples_when_the_last_batch_is_smaller() -> None:
    split, val, model = make_blobs(43), make_blobs(21, seed=1), make_network()
    parts = make_parts(split, model, val=val, schedule=lambda _step: 0.0)

    record = train(parts, epochs=1)[-1].record

    with torch.no_grad():
        for loss, metric, part in (
            (record.train_loss, record.train_metric, split),
            (record.val_loss, record.val_metric, val),
        ):
            outputs = model(part.inputs)
            assert loss == pytest.approx(F.cross_entropy(outputs, part.targets).item(), rel=1e-6)
            assert metric == (outputs.argmax(1) == part.targets).double().mean().item()
    assert (record.epoch, record.step, record.lr, record.metric) == (1, 3, 0.0, "accuracy")
    assert record.seconds > 0
    assert record.samples_per_second > 0
    assert record.memory_mib > 0


@pytest.mark.parametrize("l1", [0.0, 0.01])
def test_l1_gradient_equals_that_of_the_written_out_penalty(l1: float) -> None:
    split, model, twin = make_blobs(16), make_network(), make_network()
    train(make_parts(split, model, lr=1.0, momentum=0.0, l1=l1), epochs=1)

    penalty = sum(weight.abs().sum() for name, weight in twin.named_parameters() if "weight" in name)
    (F.cross_entropy(twin(split.inputs), split.targets) + l1 * penalty).backward()

    for moved, still in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(moved, still - still.grad, rtol=1e-5, atol=1e-6)


class _HostReads(TorchDispatchMode):
    """Counts what waits for a device: a number read, a copy to the host, a shape that depends on values."""

    WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "is_nonzero")

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in self.WAITING:
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))


@contextmanager
def counted_host_reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    mode = _HostReads()
    for name in ("cpu", "numpy", "tolist"):  # on a CPU these copy nothing, so no operation tells of them
        method = getattr(Tensor, name)

        def read(self: Tensor, *args: Any, name: str = name, method: Any = method, **kwargs: Any) -> Any:
            mode.counts[name] += 1
            return method(self, *args, **kwargs)

        monkeypatch.setattr(Tensor, name, read)
    with mode:
        yield mode.counts
    monkeypatch.undo()


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.quick(1)
def test_host_reads_do_not_grow_with_the_steps(optimizer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    totals, mid_epoch = [], []
    for samples in (16 * 25, 16 * 100):
        parts = make_parts(make_blobs(samples), make_network(), optimizer=optimizer, val=make_blobs(16))
        parts.probe.due = lambda position: position in (0, 1, 2)  # as many samples in both
        with counted_host_reads(monkeypatch) as counts:
            mid_epoch += [sum(counts.values()) for step in fit(parts, Position(), 1) if step.record is None]
        totals.append(sum(counts.values()))

    assert set(mid_epoch) == {0}
    assert totals[0] == totals[1] <= 40


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_cuda_step_never_waits_for_the_device() -> None:
    device = torch.device("cuda")
    split, model = make_blobs(16 * 20).to(device), make_network().to(device)
    from dlkit.data.batches import Batches

    parts = make_parts(split, model, train=Batches(split, 16, device), device=device)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in fit(parts, Position(), 1):
            if step.in_epoch == 19:
                break
    finally:
        torch.cuda.set_sync_debug_mode("default")

    assert step.step == 19


def test_probe_rows_come_with_the_last_step_of_an_epoch() -> None:
    steps = train(make_parts(make_blobs(16 * 40), make_network(), device=CPU), epochs=2)

    rows = [[row for row in step.probe_rows if row[2] == "grad_norm"] for step in steps if step.record]
    assert [len(of_epoch) for of_epoch in rows] == [24, 8]  # of four parameters
    assert not any(step.probe_rows for step in steps if step.record is None)
    sampled = sorted({row[0] for row in rows[1]})
    assert sampled == [41, 51]
    assert sorted({row[0] for row in rows[0]}) == [1, 2, 3, 6, 11, 21]
