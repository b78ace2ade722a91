"""The device that computes: which one, how much memory it used, and the state of its random numbers."""

import random
import resource
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlkit.errors import MissingError

_KIB_IN_MIB = 1024
_BYTES_IN_MIB = 2**20


def pick_device(name: str) -> torch.device:
    """Choose the device to compute on.

    Args:
        name: `auto` (the best there is), `cpu`, `cuda`, `cuda:N` or `mps`.

    Raises:
        MissingError: The requested device is not available.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, number = name.partition(":")
    if kind == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(number or 0) >= count:
            raise MissingError(
                f"--device {name} is not available: this machine has {count} CUDA devices that torch can use",
                "--device auto takes the best device available",
            )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise MissingError(
            "--device mps is not available: torch finds no Metal device",
            "--device auto takes the best device available",
        )
    return torch.device(name)


def device_label(device: torch.device) -> str:
    """Return the device in words."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"cpu ({threads} thread{'s' if threads > 1 else ''})"
    return str(device)


def peak_memory_mib(device: torch.device) -> float:
    """Return the peak memory so far, MiB: tensors on an accelerator, the whole process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / _BYTES_IN_MIB
    if device.type == "mps":
        return torch.mps.driver_allocated_memory() / _BYTES_IN_MIB
    return _peak_of_process_mib()


def seed_all(seed: int) -> None:
    """Seed the random numbers of Python, NumPy and torch on every device."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the global generator is what user code draws from
    torch.manual_seed(seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the random numbers of Python, NumPy and torch's CPU, and restore them after the block."""
    before = random_state(torch.device("cpu"))
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        restore_random_state(before, torch.device("cpu"))


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Return the state of every random-number generator in use, as tensors by name."""
    _, words, gauss = random.getstate()
    numpy_state: Any = np.random.get_state(legacy=True)  # noqa: NPY002
    _, keys, position, has_gauss, cached = numpy_state
    state = {
        "python": torch.tensor(words, dtype=torch.int64),
        "python_gauss": torch.tensor([] if gauss is None else [gauss], dtype=torch.float64),
        "numpy": torch.tensor([*keys.tolist(), position, has_gauss], dtype=torch.int64),
        "numpy_gauss": torch.tensor(cached, dtype=torch.float64),
        "torch": torch.get_rng_state(),
    }
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def restore_random_state(state: Mapping[str, Tensor], device: torch.device) -> None:
    """Restore what `random_state` returned; a generator that the device does not have is left out."""
    gauss = state["python_gauss"].tolist()
    random.setstate((3, tuple(state["python"].tolist()), gauss[0] if gauss else None))
    *keys, position, has_gauss = state["numpy"].tolist()
    cached = state["numpy_gauss"].item()
    np.random.set_state(("MT19937", np.array(keys, dtype=np.uint32), position, has_gauss, cached))  # noqa: NPY002
    torch.set_rng_state(state["torch"].clone())
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].clone(), device)
    if device.type == "mps" and "mps" in state:
        torch.mps.set_rng_state(state["mps"].clone())


def _peak_of_process_mib() -> float:
    """Return this process's peak resident memory, MiB.

    Linux lets a process inherit the peak of the one that started it in `ru_maxrss`, but not in `VmHWM`.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / _KIB_IN_MIB
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (_BYTES_IN_MIB if sys.platform == "darwin" else _KIB_IN_MIB)
