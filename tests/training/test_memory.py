"""Memory that runs out, on a CPU: the network given to the loop raises what a full device would."""

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from descriptions import OF_CLASSES
from refusals import assert_reports
from runs import STEPS_PER_EPOCH, configure, drive, essence, resume
from torch import Tensor, nn
from toys import CPU, InDouble, gradients, make_blobs, make_network, make_parts, train

from dlkit.errors import DlkitError, FullMemoryError
from dlkit.evaluation.evaluate import mean_scores
from dlkit.objectives import build_objective
from dlkit.running_mean import RunningMean
from dlkit.training.memory import Pieces
from dlkit.training.run import TrainRun, start_run
from dlkit.training.step import forward_backward

CUDA_WORDS = "CUDA out of memory. Tried to allocate 20.00 MiB."
FULL = {
    "torch": torch.OutOfMemoryError(CUDA_WORDS),
    "mps": RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)."),
    "cublas": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
}


class Device:
    """Memory for so many samples at a time; raises when there are more."""

    def __init__(self, train: int = 10**9, val: int = 10**9, error: Exception = FULL["torch"]) -> None:
        self.room = {True: train, False: val}
        self.error = error
        self.seen: list[tuple[bool, int]] = []

    def take(self, samples: int, *, training: bool) -> None:
        if samples > self.room[training]:
            raise copy.copy(self.error)
        self.seen.append((training, samples))


class OnForward(nn.Module):
    """A network whose forward pass needs the memory."""

    def __init__(self, device: Device, inner: nn.Module) -> None:
        super().__init__()
        self.device = device
        self.inner = inner

    def forward(self, inputs: Tensor) -> Tensor:
        self.device.take(len(inputs), training=self.training)
        outputs: Tensor = self.inner(inputs)
        return outputs


class OnBackward(OnForward):
    """A network whose backward pass needs it, when some gradients have been written already."""

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.inner[2](self._watched(self.inner[1](self.inner[0](inputs))))
        return outputs

    def _watched(self, hidden: Tensor) -> Tensor:
        if hidden.requires_grad:
            hidden.register_hook(lambda gradient: self.device.take(len(gradient), training=True))
        return hidden


@pytest.mark.parametrize("room", [15, 8, 5, 1], ids=lambda room: f"room-for-{room}")
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "class-weights"])
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.quick(4)
def test_halved_batches_have_the_gradient_of_whole_ones(room: int, weighted: bool, accumulate: int) -> None:
    weights = torch.tensor([1.0, 5.0, 0.2], dtype=torch.float64) if weighted else None
    objective = build_objective(OF_CLASSES, weights=weights)
    found = []
    for space in (room, 10**9):
        model = OnForward(Device(train=space), InDouble())
        others = {"objective": objective, "running": RunningMean(objective), "accumulate": accumulate}
        parts = make_parts(make_blobs(76), model, **others)
        found.append((gradients(parts), parts.running.read()))

    (halved, halved_read), (whole, whole_read) = found
    assert len(halved) == len(whole)
    for ours, theirs in zip(halved, whole, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)
    assert halved_read == pytest.approx(whole_read, rel=1e-9)


@pytest.mark.parametrize("error", FULL.values(), ids=FULL)
@pytest.mark.parametrize("place", [OnForward, OnBackward])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_full_device_changes_no_step(place: type[OnForward], error: Exception, accumulate: int) -> None:
    full, free = (place(Device(train=room, error=error), make_network()) for room in (6, 10**9))

    for model in (full, free):
        train(make_parts(make_blobs(60), model, accumulate=accumulate, grad_clip=0.5, l1=0.01), 2)

    for ours, theirs in zip(full.parameters(), free.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
    assert {samples for training, samples in full.device.seen if training} <= set(range(1, 7))


class Filling(Device):
    """A device that fills up at one of the passes, once."""

    def __init__(self, full_at: int) -> None:
        super().__init__()
        self.full_at = full_at

    def take(self, samples: int, *, training: bool) -> None:
        self.full_at -= 1
        if self.full_at == 0:
            raise copy.copy(self.error)
        super().take(samples, training=training)


@pytest.mark.parametrize("full_at", [1, 2, 3, 5, 6])
def test_a_device_that_fills_up_within_a_step_loses_no_batch_of_it(full_at: int) -> None:
    found = []
    for device in (Filling(full_at), Device()):
        model = OnBackward(device, make_network())
        found.append(gradients(make_parts(make_blobs(76), model, accumulate=3)))

    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_it_is_reported_once_and_only_halved_as_often_as_needed() -> None:
    model = OnForward(Device(train=6), make_network())
    parts = make_parts(make_blobs(60), model)

    train(parts, 3)
    (message,) = parts.pieces.pop_messages()

    for part in ("cpu", "16 samples", "pieces of 8"):
        assert part in message
    assert parts.pieces.pop_messages() == []
    assert parts.pieces.state() == {"train": torch.tensor(4)}


def test_validation_in_pieces_comes_to_the_same_scores() -> None:
    split = make_blobs(60)
    model = OnForward(Device(val=3), make_network())
    parts = make_parts(split, model)
    ours = mean_scores(model, parts.val.in_order(), parts.objective, parts.predict)
    theirs = mean_scores(make_network(), parts.val.in_order(), parts.objective)

    assert ours == pytest.approx(theirs, rel=1e-6)
    assert {samples for _, samples in model.device.seen} <= {1, 2}
    (message,) = parts.pieces.pop_messages()
    for part in ("cpu", "16 samples", "pieces of 8"):
        assert part in message


class Named(nn.Module):
    """A network with two inputs by name."""

    def __init__(self, device: Device) -> None:
        super().__init__()
        self.device = device
        self.linear = nn.Linear(3, 3)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        self.device.take(len(left), training=self.training)
        outputs: Tensor = self.linear(left + right)
        return outputs


def test_inputs_by_name_are_cut_alike() -> None:
    model, objective = Named(Device(train=4, val=3)), build_objective(OF_CLASSES)
    inputs = {"left": torch.randn(10, 3), "right": torch.randn(10, 3)}
    targets = torch.arange(10) % 3
    parts = make_parts(make_blobs(), model, objective=objective)

    ((loss, outputs),) = forward_backward(parts, [(inputs, targets)])

    torch.testing.assert_close(outputs, model.linear(inputs["left"] + inputs["right"]))
    torch.testing.assert_close(loss, objective.loss(outputs, targets))
    torch.testing.assert_close(parts.predict(model.eval(), inputs), outputs)


@pytest.mark.parametrize("room_to_look", [True, False])
def test_nothing_left_to_halve_stops_with_peak_batch_and_a_suggestion(room_to_look: bool) -> None:
    device = Device(train=0, val=10**9 if room_to_look else 0)
    parts = make_parts(make_blobs(60), OnForward(device, make_network()))

    with pytest.raises(DlkitError) as caught:
        train(parts, 1)

    assert_reports(caught.value, "out of memory", "1 sample", "MiB", "--precision bf16")
    for layer in ("inner.0 6.1e-05 MiB", "inner.1 6.1e-05 MiB", "inner.2 1.14e-05 MiB"):
        assert (layer in caught.value.hint) == room_to_look
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("samples", [16, 17, 18, 19, 21, 33])
def test_batch_norm_never_meets_a_single_sample(samples: int) -> None:
    inner = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.Linear(16, 3))
    model = OnForward(Device(train=5), inner)

    train(make_parts(make_blobs(samples), model), 1)

    assert min(size for training, size in model.device.seen if training) >= 2


def test_batch_norm_stops_where_pieces_would_get_too_small() -> None:
    inner = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.Linear(16, 3))
    parts = make_parts(make_blobs(60), OnForward(Device(train=3), inner))

    with pytest.raises(DlkitError) as caught:
        train(parts, 1)

    assert "4 samples" in caught.value.message


class FullAtStep(torch.optim.SGD):
    """An optimizer whose state does not fit."""

    def step(self, _closure: Any = None) -> Any:
        raise torch.OutOfMemoryError(CUDA_WORDS)


def test_an_optimizer_that_does_not_fit_is_reported() -> None:
    model = make_network()
    optimizer = FullAtStep(model.parameters(), lr=0.1)
    from dlkit.training.divergence.guard import FiniteGuard

    parts = make_parts(
        make_blobs(60), model, guard=FiniteGuard(optimizer, list(model.parameters())), optimizer=optimizer
    )
    parts_of_model = copy.deepcopy(list(model.parameters()))

    with pytest.raises(DlkitError) as caught:
        train(parts, 1)

    assert_reports(caught.value, "out of memory", "optimizer's step", "--optimizer sgd")
    assert all(map(torch.equal, model.parameters(), parts_of_model))


HOST = {
    "linux": "[enforce fail at alloc_cpu.cpp:128] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
    "allocate 8000 bytes. Error code 12 (Cannot allocate memory)",
    "others": "DefaultCPUAllocator: not enough memory: you tried to allocate 8000 bytes.",
}


@pytest.mark.parametrize("words", HOST.values(), ids=HOST)
@pytest.mark.parametrize("room", ["train", "val"])
def test_a_full_machine_stops_with_a_suggestion(words: str, room: str) -> None:
    device = Device(**{room: 4}, error=RuntimeError(words))
    parts = make_parts(make_blobs(60), OnForward(device, make_network()))

    with pytest.raises(DlkitError) as caught:
        train(parts, 1)

    doing = "training" if room == "train" else "validating"
    assert_reports(caught.value, "out of memory", doing, "16 samples", "--batch-size 8 --accumulate 2")


def test_of_several_processes_the_suggestion_names_the_batch_of_all() -> None:
    def fail() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(FullMemoryError) as caught:
        Pieces(make_network(), CPU, processes=2).retry(
            "train", torch.zeros(16, 2), 16, fail, repeatable=lambda: False
        )

    assert "--batch-size 16 --accumulate 2" in caught.value.hint


def test_another_error_is_left_alone() -> None:
    device = Device(train=1, error=RuntimeError("mat1 and mat2 shapes cannot be multiplied"))

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        train(make_parts(make_blobs(60), OnForward(device, make_network())), 1)


def test_an_operation_that_is_not_deterministic_is_reported() -> None:
    words = "put_ does not have a deterministic implementation, but you set 'torch.use_deterministic_algorithms(True)'"
    device = Device(train=1, error=RuntimeError(words))

    with pytest.raises(DlkitError) as caught:
        train(make_parts(make_blobs(60), OnForward(device, make_network())), 1)

    assert_reports(caught.value, "--deterministic", "put_", "--device cpu")


def cramped(run: TrainRun, room: int) -> TrainRun:
    """Let a run's network meet a device with room for few samples."""
    device = Device(train=room)
    run.parts.model.register_forward_pre_hook(
        lambda module, inputs: device.take(len(inputs[0]), training=module.training)
    )
    return run


def test_a_resumed_run_keeps_the_size_of_its_pieces_and_comes_to_the_same_bits(tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    drive(cramped(start_run(configure({"dropout": "0.3"}), whole), 3))
    stopped = cramped(start_run(configure({"dropout": "0.3"}), parts), 3)
    drive(stopped, STEPS_PER_EPOCH + 7)
    assert len(stopped.pop_messages()) == 1

    resumed = cramped(resume(parts), 3)
    drive(resumed)

    assert [text for text in resumed.pop_messages() if "dlkit inspect run" not in text] == []
    assert essence(parts) == essence(whole)


@pytest.mark.parametrize("size", [0, -4])
def test_a_size_that_cannot_be_is_refused(size: int) -> None:
    pieces = Pieces(make_network(), CPU)

    with pytest.raises(ValueError, match=r"memory\.train"):
        pieces.restore({"train": torch.tensor(size)})
    pieces.restore({"other": torch.tensor(size)})
    assert pieces.state() == {}


PROGRAM = """
import resource, sys
import torch
from dlkit.cli.app import run
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20,) * 2)
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_machine_without_memory_ends_the_command_with_one_line(home: Path) -> None:
    arguments = ["-s", "hidden=3000,3000,3000", "--batch-size", "1455", "--device", "cpu"]
    words = ["train", "mlp", *arguments, "--no-plot", "--out", "run"]

    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, timeout=120
    )

    assert result.returncode == 1, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    error, hint = result.stderr.splitlines()[-2:]
    assert error.startswith("error: out of memory")
    assert hint.startswith("hint: ")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_batch_too_large_for_a_cuda_device_goes_through_in_pieces(tmp_path: Path) -> None:
    torch.cuda.empty_cache()
    settings = {"device": "cuda", "batch_size": 1455, "limit": None, "epochs": 2}
    arguments = {"hidden": "20000,2000"}
    free, _ = torch.cuda.mem_get_info()
    total = torch.cuda.get_device_properties(0).total_memory
    run = start_run(configure(arguments, **settings), tmp_path / "run")
    limit = torch.cuda.memory_allocated() + 500 * 2**20
    torch.cuda.set_per_process_memory_fraction(min(1.0, limit / total))
    try:
        drive(run)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert any("pieces of" in text for text in run.pop_messages())
