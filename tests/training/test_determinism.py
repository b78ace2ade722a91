"""--deterministic: what is not deterministic is refused, and the weights get a number."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from runs import configure, drive, essence
from toys import make_network

from dlkit.training.determinism import hash_of_weights, prepare_determinism
from dlkit.training.run import start_run


@pytest.fixture(autouse=True)
def put_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = torch.are_deterministic_algorithms_enabled()
    yield
    torch.use_deterministic_algorithms(before)


def test_torch_is_told_and_cublas_too() -> None:
    prepare_determinism(True)

    assert torch.are_deterministic_algorithms_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert torch.backends.cudnn.benchmark is False


def test_a_workspace_of_the_users_own_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")

    prepare_determinism(True)

    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"


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
    said = []
    for name in ("one", "two"):
        run = start_run(configure({"dropout": "0.3"}, deterministic=True), tmp_path / name)
        drive(run)
        said += run.take_news()

    assert essence(tmp_path / "one") == essence(tmp_path / "two")
    assert said[0] == said[1] == f"sha256 of the weights {hash_of_weights(run.parts.model)}"


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
