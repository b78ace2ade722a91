"""Precisions, and the scale that float16 needs; its logic is the same on every device and is tested on the CPU."""

import math
import platform
from pathlib import Path
from typing import Any

import pytest
import torch
from descriptions import OF_CLASSES
from refusals import assert_reports
from runs import STEPS_PER_EPOCH, configure, drive, essence, replace_parts, resume
from torch import Tensor, nn
from toys import CPU, make_blobs, make_network, make_parts, train

from dlkit.errors import CheckpointError, ConfigError, DivergedError, MissingError
from dlkit.files.checkpoint import load_checkpoint
from dlkit.objectives import build_objective
from dlkit.settings.conflicts import WITHOUT_IT
from dlkit.training.divergence.guard import FiniteGuard
from dlkit.training.optimizers import build_optimizer
from dlkit.training.precision import Forward, LossScale, check_precision, is_emulated
from dlkit.training.run import start_run
from dlkit.training.state import restore_checked
from dlkit.training.step import Parts, forward_backward

OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop", "adagrad")


def scaled(model: nn.Module, scale: LossScale, **others: Any) -> Parts:
    """The parts of a run whose loss is scaled."""
    optimizer = build_optimizer(model, "sgd", lr=0.1, momentum=0.9, weight_decay=0.0)
    objective = build_objective(OF_CLASSES)
    guard = FiniteGuard(optimizer, list(model.parameters()), others.pop("grad_clip", None), scale=scale)
    both = {"optimizer": optimizer, "guard": guard, "scale": scale, "objective": objective}
    return make_parts(make_blobs(60), model, **{**both, **others})


def test_scale_goes_the_way_of_torchs_scaler() -> None:
    ours = LossScale(CPU, 2.0**10)
    theirs = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=2000)
    theirs.scale(torch.zeros(()))
    pattern = [0.0] * 1999 + [1.0] + [0.0] * 2000 + [1.0, 1.0] + [0.0] * 4001 + [1.0] + [0.0] * 5

    for bad in pattern:
        overflowed = torch.tensor(bad)
        ours.update(overflowed, torch.tensor(0.0))
        torch._amp_update_scale_(theirs._scale, theirs._growth_tracker, overflowed, 2.0, 0.5, 2000)
        assert ours.scale == theirs._scale
        assert ours.state()["good_steps"] == theirs._growth_tracker


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("grad_clip", [None, 0.05], ids=["plain", "clipped"])
@pytest.mark.quick(3)
def test_scaled_training_comes_to_the_bits_of_unscaled(optimizer: str, grad_clip: float | None) -> None:
    networks = [make_network(), make_network()]
    for network, scale in zip(networks, (None, LossScale(CPU)), strict=True):
        chosen = build_optimizer(network, optimizer, lr=0.01, momentum=0.9, weight_decay=0.01)
        guard = FiniteGuard(chosen, list(network.parameters()), grad_clip, scale=scale)
        parts = make_parts(
            make_blobs(60), network, optimizer=optimizer, guard=guard, scale=scale, accumulate=2, l1=0.01
        )
        train(parts, 3)

    for plain, other in zip(*(network.parameters() for network in networks), strict=True):
        assert torch.equal(plain, other)


def test_gradients_lose_no_bit_to_the_scale() -> None:
    weight = nn.Parameter(torch.ones(100))
    gradient = torch.randn(100) * 1e-20
    scale = LossScale(CPU)
    weight.grad = gradient * scale.scale

    scale.unscale([weight, nn.Parameter(torch.ones(1))])

    assert torch.equal(weight.grad, gradient)


class Overflowing(nn.Module):
    """Gradients that overflow above a scale, as float16's do above 65,504."""

    def __init__(self, largest: float) -> None:
        super().__init__()
        self.inner = make_network()
        self.largest = largest

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.inner(inputs)
        if outputs.requires_grad:
            outputs.register_hook(lambda gradient: gradient.where(gradient.abs() < self.largest, math.inf))
        return outputs


def test_scale_finds_its_place_and_the_skipped_steps_are_no_divergence() -> None:
    model = Overflowing(largest=1.0)
    scale = LossScale(CPU)
    parts = scaled(model, scale)

    train(parts, 8)

    assert parts.guard.skipped() == 0
    assert 2.0 <= scale.scale.item() < 2.0**10
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert not all(map(torch.equal, model.inner.parameters(), make_network().parameters()))


def test_an_overflow_that_no_scale_cures_is_divergence() -> None:
    scale = LossScale(CPU)
    model = Overflowing(largest=0.0)
    parts = scaled(model, scale)

    train(parts, 4)  # 16 steps, from 2**16 to 1
    assert (parts.guard.skipped(), scale.scale.item()) == (0, 1.0)
    train(parts, 5)

    assert parts.guard.skipped() == 4
    assert scale.state() == {"scale": torch.tensor(1.0), "good_steps": torch.tensor(0)}
    assert all(map(torch.equal, model.inner.parameters(), make_network().parameters()))


def test_nothing_is_read_from_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = scaled(make_network(), LossScale(CPU), grad_clip=1.0)
    inputs, targets = next(iter(parts.train.in_order()))

    def refuse(_self: Tensor) -> float:
        raise AssertionError("waits for the device")

    forward_backward(parts, [(inputs, targets)])
    for name in ("item", "__bool__", "__float__", "tolist", "cpu"):
        monkeypatch.setattr(Tensor, name, refuse)
    parts.scale.unscale(list(parts.model.parameters()))
    parts.guard.step()


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_whole_precisions_leave_the_network_alone(precision: str) -> None:
    model, inputs = make_network().double(), torch.randn(3, 4, dtype=torch.float64)

    assert torch.equal(Forward(precision, CPU)(model, inputs), model(inputs))


def test_half_precision_computes_in_it_and_gives_float32() -> None:
    seen = []
    model = make_network()
    model[0].register_forward_hook(lambda _module, _inputs, outputs: seen.append(outputs.dtype))
    inputs = torch.randn(3, 4)

    outputs = Forward("bf16", CPU)(model, inputs)

    assert seen == [torch.bfloat16]
    assert outputs.dtype == torch.float32
    torch.testing.assert_close(outputs, model(inputs), rtol=0.05, atol=0.05)
    assert not torch.equal(outputs, model(inputs))


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"), reason="the instructions of x86 are listed"
)
def test_bf16_is_emulated_where_the_processor_lists_no_instructions_for_it(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("flags : sse2 avx512f\n")
    new.write_text("flags : sse2 avx512f avx512_bf16\n")

    assert is_emulated("bf16", CPU, old)
    assert not is_emulated("bf16", CPU, new)
    assert not is_emulated("bf16", CPU, tmp_path / "missing")
    assert not is_emulated("bf16", torch.device("cuda"), old)
    assert not is_emulated("fp32", CPU, old)


def test_an_emulated_precision_is_noted(tmp_path: Path) -> None:
    notes = {
        precision: start_run(configure(precision=precision), tmp_path / precision).notes
        for precision in ("bf16", "fp32")
    }

    assert any("bfloat16" in note for note in notes["bf16"]) == is_emulated("bf16", CPU)
    assert not any("bfloat16" in note for note in notes["fp32"])


LACKING: dict[str, tuple[str, str, dict[str, Any], tuple[str, ...]]] = {
    "fp16-cpu": ("fp16", "cpu", {}, ("cuda or mps", WITHOUT_IT)),
    "tf32-cpu": ("tf32", "cpu", {}, ("cuda", WITHOUT_IT)),
    "tf32-old-cuda": ("tf32", "cuda:0", {"capability": (7, 5)}, ("8.0", "cuda:0", "7.5", "--precision fp16")),
    "bf16-old-cuda": ("bf16", "cuda:0", {"capability": (7, 5)}, ("8.0", "cuda:0", "7.5", "--precision fp16")),
    "bf16-old-macos": ("bf16", "mps", {"old_macos": True}, ("mps", "macOS 14", "--precision fp16")),
}


@pytest.mark.parametrize(("precision", "device", "facts", "parts"), LACKING.values(), ids=LACKING)
def test_a_precision_that_the_device_lacks_is_exit_7(
    precision: str, device: str, facts: dict[str, Any], parts: tuple[str, ...]
) -> None:
    with pytest.raises(MissingError) as caught:
        check_precision(precision, torch.device(device), **facts)

    assert_reports(caught.value, f"--precision {precision}", *parts)
    assert caught.value.exit_code == 7


def test_a_precision_that_the_device_has_is_taken() -> None:
    for precision, capability in (("tf32", (8, 0)), ("bf16", (8, 0)), ("fp16", (7, 5))):
        check_precision(precision, torch.device("cuda:0"), capability=capability)
    check_precision("fp16", torch.device("mps"), old_macos=True)


@pytest.mark.parametrize(
    ("precision", "device", "needed"),
    [("fp16", "cpu", "cuda or mps"), ("tf32", "cpu", "cuda"), ("tf32", "mps", "cuda")],
)
def test_a_device_named_that_has_it_not_is_refused_before_torch_loads(
    precision: str, device: str, needed: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        configure(precision=precision, device=device)

    assert_reports(caught.value, f"--precision {precision}", f"--device {device}", needed, WITHOUT_IT)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("model", ["mlp", "cnn"])
@pytest.mark.quick(1)
def test_bf16_learns_and_a_stopped_run_comes_to_the_same_bits(model: str, tmp_path: Any) -> None:
    settings = {"model": model, "precision": "bf16", "lr": 0.05}
    arguments = {"width": "4"} if model == "cnn" else {}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    unbroken = start_run(configure(arguments, **settings), whole)
    drive(unbroken)

    drive(start_run(configure(arguments, **settings), parts), STEPS_PER_EPOCH + 7)
    drive(resume(parts))

    assert essence(parts) == essence(whole)
    assert all(weight.dtype != torch.bfloat16 for weight in load_checkpoint(parts).weights.values())
    assert unbroken.best is not None
    assert unbroken.best["val_loss"] < 2.2


def test_scale_is_kept_in_the_checkpoint(tmp_path: Any) -> None:
    folder = tmp_path / "run"
    run = start_run(configure(), folder)
    give_scale(run)
    drive(run, 5)
    saved = load_checkpoint(folder / "last.safetensors").extras

    assert (saved["scale.scale"].item(), saved["scale.good_steps"].item()) == (2.0**16, 5)
    resumed = resume(folder)
    give_scale(resumed)
    restore_checked(resumed.parts, load_checkpoint(folder / "last.safetensors"))
    drive(resumed, 7)
    assert load_checkpoint(folder / "last.safetensors").extras["scale.good_steps"].item() == 7


@pytest.mark.parametrize(
    ("name", "value"),
    [("scale", math.nan), ("scale", math.inf), ("scale", 0.0), ("scale", -1.0), ("good_steps", -1)],
)
def test_a_scale_that_cannot_be_is_refused(name: str, value: float, tmp_path: Any) -> None:
    folder = tmp_path / "run"
    run = start_run(configure(), folder)
    scale = give_scale(run)
    scale.state()[name].fill_(value)
    run._prepare_folder()
    checkpoint = load_checkpoint(folder / "last.safetensors")

    with pytest.raises(CheckpointError) as caught:
        restore_checked(run.parts, checkpoint)

    assert "scale" in caught.value.message


def test_a_run_of_another_precision_can_continue_in_fp16(tmp_path: Any) -> None:
    folder = tmp_path / "run"
    drive(start_run(configure(), folder), 5)
    resumed = resume(folder)
    give_scale(resumed)

    restore_checked(resumed.parts, load_checkpoint(folder / "last.safetensors"))

    drive(resumed, 7)
    assert load_checkpoint(folder / "last.safetensors").extras["scale.good_steps"].item() == 2


def give_scale(run: Any) -> LossScale:
    """Let a run on the CPU scale its loss, as one in fp16 does elsewhere."""
    scale = LossScale(CPU)
    parts = run.parts
    guard = FiniteGuard(parts.optimizer, parts.probe.parameters, None, parts.model, scale)
    replace_parts(run, guard=guard, scale=scale)
    return scale


def test_a_diverging_run_with_a_scale_is_reported(tmp_path: Any) -> None:
    run = start_run(configure(lr=1e30, epochs=30), tmp_path / "run")
    give_scale(run)

    with pytest.raises(DivergedError):
        drive(run)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
def test_every_precision_learns_on_cuda_and_a_stopped_run_comes_to_the_same_bits(
    precision: str, tmp_path: Any
) -> None:
    settings = {"precision": precision, "device": "cuda", "deterministic": True, "lr": 0.05}
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    unbroken = start_run(configure(**settings), whole)
    drive(unbroken)

    drive(start_run(configure(**settings), parts), STEPS_PER_EPOCH + 7)
    drive(resume(parts))

    assert essence(parts) == essence(whole)
    assert unbroken.best is not None
    assert unbroken.best["val_loss"] < 2.2
    assert ("scale.scale" in load_checkpoint(parts / "last.safetensors").extras) == (precision == "fp16")
