"""The device that computes, and the state of its random numbers."""

import random

import numpy as np
import pytest
import torch

from dlkit.device import (
    device_label,
    peak_memory_mib,
    pick_device,
    random_state,
    restore_random_state,
    seed_all,
)
from dlkit.errors import MissingError

CPU = torch.device("cpu")


def draw() -> tuple[float, float, float, float]:
    """One draw of each generator, two of the kind that keep a second number back."""
    return random.random(), random.gauss(), float(np.random.normal()), torch.rand(()).item()  # noqa: NPY002


def test_auto_takes_the_best_device_there_is() -> None:
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"

    assert pick_device("auto").type == best


def test_cpu_is_always_there() -> None:
    assert pick_device("cpu") == CPU


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
def test_a_cuda_device_that_is_not_here_is_refused(name: str) -> None:
    with pytest.raises(MissingError) as caught:
        pick_device(name)

    assert f"--device {name} " in caught.value.message
    assert "--device auto" in caught.value.hint
    assert caught.value.exit_code == 7


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has a Metal device")
def test_mps_that_is_not_here_is_refused() -> None:
    with pytest.raises(MissingError) as caught:
        pick_device("mps")

    assert "--device mps " in caught.value.message
    assert "--device auto" in caught.value.hint


def test_label_says_how_many_threads_compute() -> None:
    assert device_label(CPU) == "cpu (1 thread)"


def test_peak_memory_is_that_of_the_process_on_a_cpu() -> None:
    assert 50 < peak_memory_mib(CPU) < 100_000


def test_seeding_repeats_every_generator() -> None:
    seed_all(5)
    first = draw()
    seed_all(5)
    second = draw()
    seed_all(6)

    assert first == second
    assert draw() != first


@pytest.mark.parametrize("drawn_before", [0, 1, 2, 5])
def test_restored_state_goes_on_with_the_same_draws(drawn_before: int) -> None:
    seed_all(3)
    for _ in range(drawn_before):
        draw()
    state = {name: tensor.clone() for name, tensor in random_state(CPU).items()}
    expected = [draw() for _ in range(3)]
    seed_all(99)

    restore_random_state(state, CPU)

    assert [draw() for _ in range(3)] == expected


def test_taking_the_state_draws_nothing() -> None:
    seed_all(3)
    expected = draw()
    seed_all(3)
    random_state(CPU)

    assert draw() == expected
