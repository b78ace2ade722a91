"""How many CPU threads compute: a function of network, batch and cores, never of the moment's load."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from dlkit.inputs import Inputs, call

_WORTH_A_THREAD = 2e7
_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_DEFAULT_THREADS = torch.get_num_threads()


class Products(TorchDispatchMode):
    """Notes the multiplications of every matrix product and convolution."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # torch would load its compiler to hide this class from it

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.sizes: list[float] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func._overloadpacket)
        if count is not None:
            self.sizes.append(count(*args, **(kwargs or {}), out_val=out) / 2)
        return out


def pick_threads(model: nn.Module, inputs: Inputs, batch_size: int, cores: int) -> int:
    """Choose how many CPU threads to compute with.

    All threads wait for the slowest at the end of every operation. On an idle machine that costs some microseconds;
    beside busy neighbours it may cost a time slice, each time. So a thread must have enough to do in one operation:
    counted are the multiplications in a typical matrix product or convolution, where typical means the one in which
    the average multiplication takes place.

    Args:
        model: The network; left as it was.
        inputs: Of a few samples.
        batch_size: Samples in a batch.
        cores: Threads at most.
    """
    samples = len(inputs if isinstance(inputs, torch.Tensor) else next(iter(inputs.values())))
    before = model.training
    products = Products()
    with torch.random.fork_rng(devices=[]), torch.no_grad(), products:
        call(model.eval(), inputs)
    model.train(before)
    total = math.fsum(products.sizes)
    if not total:
        return 1
    typical = math.fsum(size * size for size in products.sizes) / total * batch_size / samples
    return max(1, min(cores, int(typical / _WORTH_A_THREAD)))


def count_cores(threads: int = _DEFAULT_THREADS, quota: Path = _QUOTA) -> int:
    """Count the cores that this process may use.

    Args:
        threads: What torch takes by itself: the cores it may run on, or OMP_NUM_THREADS.
        quota: Where the cgroup's share of processor time stands.
    """
    try:
        share, period = quota.read_text().split()
        return max(1, min(threads, math.ceil(int(share) / int(period))))
    except (OSError, ValueError):  # no cgroups, or no quota: "max"
        return threads


def resume_threads(asked: int | None, stored: int) -> list[str]:
    """Compute with as many threads as a run did so far, or as many as were asked for now.

    Args:
        asked: What --threads says; None for auto.
        stored: What the run computed with.

    Returns:
        What should be said.
    """
    threads = stored if asked is None else asked
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    counted = f"{threads} thread{'s' if threads > 1 else ''}"
    if threads != stored:
        return [f"using {counted}; the run used {stored} so far, so its last bits may come out otherwise"]
    return [] if threads == before else [f"using {counted}, as the run did so far"]
