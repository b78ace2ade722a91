"""CPU threads, torch.compile, --deterministic, and the random numbers of a step."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from descriptions import OF_CLASSES
from refusals import assert_reports
from runs import STEPS_PER_EPOCH, configure, drive, essence, resume
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from toys import make_network

from dlkit.errors import DlkitError, MissingError
from dlkit.inputs import call, zeros
from dlkit.models.build import build_model
from dlkit.models.cnn import Cnn
from dlkit.models.mlp import Mlp
from dlkit.settings.models import MODELS
from dlkit.settings.resolve import resolve
from dlkit.training.compute import (
    check_compiler,
    count_cores,
    hash_of_weights,
    may_draw,
    pick_threads,
    prepare_determinism,
    raise_setting_error,
    resume_threads,
    seed_step,
    uncompiled,
)
from dlkit.training.run import start_run


def mlp(*hidden: int) -> nn.Module:
    plain = {"activation": "relu", "dropout": 0.0, "norm": "none", "residual": False, "init": "default"}
    return Mlp((784,), 10, hidden=hidden, **plain)


CASES = {
    "mlp-on-mnist": (mlp(128), (784,), 64, (1, 1)),
    "mlp-1024": (mlp(1024, 1024), (784,), 256, (2, 11)),
    "cnn-on-mnist": (Cnn((1, 28, 28), 10, width=20, dropout=0.0), (1, 28, 28), 64, (1, 1)),
    "cnn-on-cifar": (Cnn((3, 32, 32), 10, width=20, dropout=0.0), (3, 32, 32), 64, (2, 2)),
    "cnn-wide": (Cnn((1, 28, 28), 10, width=64, dropout=0.0), (1, 28, 28), 64, (2, 16)),
}


@pytest.mark.parametrize(("model", "shape", "batch", "expected"), CASES.values(), ids=CASES)
def test_a_thread_must_have_enough_to_do(
    model: nn.Module, shape: tuple[int, ...], batch: int, expected: tuple[int, int]
) -> None:
    inputs = torch.zeros(2, *shape)

    found = tuple(pick_threads(model, inputs, batch, cores) for cores in (2, 16))

    assert found == expected
    assert pick_threads(model, inputs, batch, 1) == 1


class Noisy(nn.Module):
    """Draws in the forward pass, counts its calls, and multiplies nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.norm = nn.BatchNorm1d(3)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        outputs: Tensor = self.norm(left + right * self.weight + torch.rand(3))
        return outputs


def test_counting_leaves_network_and_random_numbers_alone() -> None:
    model = Noisy()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)

    threads = pick_threads(model, {"left": torch.ones(2, 3), "right": torch.ones(2, 3)}, 10**9, 8)

    assert threads == 1
    assert torch.equal(torch.rand(3), expected)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.weight.grad is None


@pytest.mark.parametrize(
    ("text", "cores"),
    [("max 100000\n", 6), ("400000 100000\n", 4), ("250000 100000\n", 3), ("10000 100000\n", 1), ("", 6)],
    ids=["no-quota", "whole", "a-part", "less-than-one", "unreadable"],
)
def test_cores_are_those_that_the_quota_leaves(text: str, cores: int, tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text(text)

    assert count_cores(6, tmp_path / "cpu.max") == cores
    assert count_cores(6, tmp_path / "none") == 6


@pytest.fixture
def threads_put_back() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_threads_typed_are_taken(threads_put_back: None, tmp_path: Path) -> None:
    run = start_run(configure(threads="2", epochs=1), tmp_path / "run")

    assert torch.get_num_threads() == 2
    assert "2 threads" in run.notes[0]


@pytest.mark.parametrize(
    ("requested", "stored", "now", "notes"),
    [
        (None, 2, 1, ["2 threads"]),
        (None, 1, 2, ["1 thread"]),
        (None, 1, 1, []),
        (2, 2, 2, []),
        (1, 2, 2, ["1 thread"]),
    ],
)
def test_a_resumed_run_has_the_threads_it_had(
    requested: int | None, stored: int, now: int, notes: list[str], threads_put_back: None
) -> None:
    torch.set_num_threads(now)

    found = resume_threads(requested, stored)
    assert all(part in note and str(stored) in note for part, note in zip(notes, found, strict=True))
    assert torch.get_num_threads() == (requested or stored)


@pytest.mark.slow
def test_two_threads_stopped_and_resumed_from_one_come_to_the_same_bits(
    threads_put_back: None, tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    settings = {"model": "cnn", "threads": "2", "epochs": 1}
    drive(start_run(configure({"width": "4"}, **settings), whole))
    drive(start_run(configure({"width": "4"}, **settings), parts), 7)
    torch.set_num_threads(1)

    drive(resume(parts))

    assert essence(parts) == essence(whole)
    assert torch.get_num_threads() == 2


CPU = torch.device("cpu")


def drawn(seed: int, step: int) -> Tensor:
    seed_step(CPU, seed, step)
    return torch.rand(4)


def test_a_step_draws_the_same_whatever_came_before() -> None:
    first = drawn(3, 17)
    torch.rand(100)

    assert torch.equal(drawn(3, 17), first)


def test_steps_and_seeds_draw_different_numbers() -> None:
    seen = {tuple(drawn(seed, step).tolist()) for seed in (0, 1, 2**32 - 1) for step in range(500)}

    assert len(seen) == 1500


def test_neighbouring_steps_are_not_alike() -> None:
    draws = torch.stack([drawn(0, step) for step in range(2000)])

    assert draws.mean().item() == pytest.approx(0.5, abs=0.02)
    assert abs(torch.corrcoef(torch.stack([draws[:-1, 0], draws[1:, 0]]))[0, 1].item()) < 0.08


class Functional(nn.Module):
    """Draws without a module that says so."""

    def forward(self, inputs: Tensor) -> Tensor:
        return F.dropout(inputs, training=self.training)


@pytest.mark.parametrize(
    ("model", "draws"),
    [
        (nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.GELU()), False),
        (nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.1)), True),
        (nn.AlphaDropout(0.1), True),
        (nn.TransformerEncoderLayer(8, 2), True),
        (nn.GRU(4, 4, 2, dropout=0.1), True),
        (Functional(), True),
    ],
    ids=["none", "dropout", "alpha", "transformer", "gru", "of-the-user"],
)
def test_what_may_draw_is_found(model: nn.Module, draws: bool) -> None:
    assert may_draw(model) == draws


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_networks_listed_as_drawing_nothing_draw_nothing(name: str) -> None:
    assert name in MODELS
    config = resolve({"model": name}, {})
    images = replace(OF_CLASSES, input_shape=(1, 8, 8))
    model = build_model(name, images, config.arguments)
    before = torch.get_rng_state()

    call(model.train(), zeros(images, 2)).sum().backward()

    assert not may_draw(model)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture(autouse=True)
def put_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = torch.are_deterministic_algorithms_enabled()
    yield
    torch.use_deterministic_algorithms(before)


@pytest.mark.parametrize("own", [None, ":16:8"], ids=["unset", "of-the-users-own"])
def test_torch_and_cublas_are_set(own: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if own:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", own)

    prepare_determinism(True)

    assert torch.are_deterministic_algorithms_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == (own or ":4096:8")
    assert torch.backends.cudnn.benchmark is False


def test_a_run_without_it_does_not_inherit_it(tmp_path: Path) -> None:
    start_run(configure(deterministic=True), tmp_path / "one")
    assert torch.are_deterministic_algorithms_enabled()

    start_run(configure(), tmp_path / "two")

    assert not torch.are_deterministic_algorithms_enabled()


def test_hash_is_of_names_kinds_and_bits() -> None:
    model = make_network()
    first = hash_of_weights(model)

    assert (
        first
        == hash_of_weights(make_network())
        == hash_of_weights(model.to(memory_format=torch.channels_last))
    )
    assert len({first, hash_of_weights(make_network(1)), hash_of_weights(make_network().bfloat16())}) == 3
    with torch.no_grad():
        model[0].weight[0, 0].mul_(1 + 2**-20)
    assert hash_of_weights(model) != first


def test_two_runs_are_equal_and_say_the_hash(tmp_path: Path) -> None:
    messages = []
    for name in ("one", "two"):
        run = start_run(configure({"dropout": "0.3"}, deterministic=True), tmp_path / name)
        drive(run)
        messages += [text for text in run.pop_messages() if "sha256" in text]

    assert essence(tmp_path / "one") == essence(tmp_path / "two")
    assert messages[0] == messages[1]
    assert hash_of_weights(run.parts.model) in messages[0]


@pytest.mark.slow
def test_new_processes_with_other_hash_seeds_are_equal(home: Path) -> None:
    words = [
        "train",
        "cnn",
        "--epochs",
        "2",
        "--limit",
        "200",
        "--deterministic",
        "--no-plot",
        "--device",
        "cpu",
    ]
    found = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "dlkit", *words, "--out", f"run{seed}"]
        variables = {**os.environ, "PYTHONHASHSEED": seed}
        result = subprocess.run(command, capture_output=True, text=True, env=variables, timeout=120)
        found.add(next(line for line in result.stderr.splitlines() if line.startswith("sha256")))

    assert len(found) == 1


NO_COMPILER: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "cpp": ("cpu", {"cxx": "no-such-compiler -O3"}, ("--compile", "no-such-compiler -O3", "CXX")),
    "of-the-environment": ("cpu", {}, ("another-compiler", "CXX")),
    "triton": ("cuda", {"has_triton": False}, ("--compile", "pip install triton")),
}


@pytest.mark.parametrize(("device", "facts", "parts"), NO_COMPILER.values(), ids=NO_COMPILER)
def test_a_missing_compiler_is_exit_7(
    device: str, facts: dict[str, Any], parts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CXX", "another-compiler")

    with pytest.raises(MissingError) as caught:
        check_compiler(device, **facts)

    assert_reports(caught.value, *parts)
    assert caught.value.exit_code == 7


def test_a_compiler_that_is_there_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "sh -c")

    check_compiler("cpu")
    check_compiler("cuda", has_triton=True)


def test_the_run_folder_is_not_made_without_a_compiler(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")

    with pytest.raises(MissingError):
        start_run(configure(compile=True), tmp_path / "run")

    assert not (tmp_path / "run").exists()


class CompilerError(RuntimeError):
    """An error as torch's compiler raises it."""


CompilerError.__module__ = "torch._inductor.exc"


@pytest.mark.parametrize(
    ("text", "code"),
    [("\nInvalidCxxCompiler: No working C++ compiler found\nmore", 7), ("x.so: file too short", 1)],
    ids=["no-compiler", "another"],
)
def test_an_error_of_the_compiler_is_one_line_that_names_the_option(text: str, code: int) -> None:
    with pytest.raises(DlkitError) as caught:
        raise_setting_error(CompilerError(text))

    assert caught.value.exit_code == code
    assert "--compile" in caught.value.message
    assert text.strip().splitlines()[0] in caught.value.message
    assert "--compile" in caught.value.hint


def test_other_errors_are_left_alone() -> None:
    raise_setting_error(RuntimeError("InvalidCxxCompiler"))
    raise_setting_error(ValueError("x"))


@pytest.mark.slow
def test_a_compiled_network_runs_its_own_code_while_uncompiled() -> None:
    model, compiled = make_network(), []

    def backend(graph: torch.fx.GraphModule, _inputs: object) -> object:
        compiled.append(graph)
        return graph.forward

    model.compile(dynamic=False, backend=backend)
    with uncompiled():
        expected = model(torch.ones(2, 4))
    assert compiled == []

    assert torch.equal(model(torch.ones(2, 4)), expected)
    assert len(compiled) == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_compiled_run_learns_keeps_plain_names_and_resumes_to_the_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    whole, parts, plain = tmp_path / "whole", tmp_path / "parts", tmp_path / "plain"
    settings = {"model": "mlp", "compile": True, "epochs": 2}
    drive(start_run(configure({"hidden": "8"}, **settings), whole))
    drive(
        start_run(configure({"hidden": "8"}, **settings), parts), STEPS_PER_EPOCH - 1
    )  # before a smaller batch
    torch.compiler.reset()
    drive(resume(parts))
    drive(start_run(configure({"hidden": "8"}, epochs=2), plain))

    assert essence(parts) == essence(whole)
    compiled, eager = (load_file(folder / "best.safetensors") for folder in (whole, plain))
    assert compiled.keys() == eager.keys()
    for name, weight in compiled.items():
        torch.testing.assert_close(weight, eager[name], rtol=1e-3, atol=1e-5)
