"""How a run computes on its machine: CPU threads, torch.compile, --deterministic, and the random numbers of a step."""

import hashlib
import importlib.util
import math
import os
import shutil
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from torch import nn

from dlkit.errors import DlkitError, MissingError
from dlkit.inputs import Inputs, call
from dlkit.models.extra_state import weights_of
from dlkit.models.untouched import untouched
from dlkit.torch_compat import (
    count_products,
    is_compiler_error,
    is_compiler_missing,
    nondeterministic_operation,
    silence_compiler_warnings,
)

_PRODUCTS_PER_THREAD = 2e7
_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_DEFAULT_THREADS = torch.get_num_threads()
_CUBLAS_WORKSPACE = ":4096:8"  # one of the two with which cuBLAS is deterministic
_RANDOM_MODULES = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
    nn.RReLU,
    nn.FractionalMaxPool2d,
    nn.FractionalMaxPool3d,
    nn.MultiheadAttention,
    nn.RNNBase,
)
_MASK = 2**64 - 1


def pick_threads(model: nn.Module, inputs: Inputs, batch_size: int, cores: int) -> int:
    """Choose the number of CPU threads from network, batch and cores, never from the load of the moment.

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
    with torch.random.fork_rng(devices=[]), torch.no_grad(), untouched(model):
        products = count_products(lambda: call(model.eval(), inputs))
    model.train(before)
    total = math.fsum(products)
    if not total:
        return 1
    typical = math.fsum(count * count for count in products) / total * batch_size / samples
    return max(1, min(cores, int(typical / _PRODUCTS_PER_THREAD)))


def count_cores(threads: int = _DEFAULT_THREADS, quota: Path = _QUOTA) -> int:
    """Count the cores that this process may use.

    Args:
        threads: What torch takes by itself: the cores it may run on, or OMP_NUM_THREADS.
        quota: Where the cgroup's share of processor time is written.
    """
    try:
        share, period = quota.read_text().split()
        return max(1, min(threads, math.ceil(int(share) / int(period))))
    except (OSError, ValueError):  # no cgroups, or no quota: "max"
        return threads


def resume_threads(requested: int | None, stored: int) -> list[str]:
    """Compute with as many threads as a run did so far, or as many as --threads now requests.

    Args:
        requested: --threads; None for auto.
        stored: What the run computed with.

    Returns:
        Messages for the user.
    """
    threads = stored if requested is None else requested
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    counted = f"{threads} thread{'s' if threads > 1 else ''}"
    if threads != stored:
        return [f"using {counted}; the run used {stored} so far, so its last bits may differ"]
    return [] if threads == before else [f"using {counted}, as the run did so far"]


def compile_network(model: nn.Module, device: torch.device) -> None:
    """Compile a network in place when it is first called, once for each batch size.

    The module stays what it is, and so do its `state_dict` names. Sizes are never left open: code that fits several
    sizes would depend on which came first, and a resumed run on where it was stopped.

    Raises:
        MissingError: There is no compiler.
    """
    check_compiler(device.type)
    silence_compiler_warnings()
    model.compile(dynamic=False)


def uncompiled() -> AbstractContextManager[object]:
    """Return a context in which compiled networks run their own code, which calls hooks; compiled code does not."""
    if "torch._dynamo" not in sys.modules:  # nothing is compiled, and the call below would load the compiler
        return nullcontext()
    stance: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
    return stance


def check_compiler(kind: str, *, cxx: str | None = None, has_triton: bool | None = None) -> None:
    """Check that what torch.compile calls is installed.

    Args:
        kind: Kind of device.
        cxx: The C++ compiler; None takes the one that torch takes.
        has_triton: Whether triton can be imported; None looks.

    Raises:
        MissingError: It is not.
    """
    if kind == "cpu":
        cxx = cxx or os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
        if shutil.which(cxx.split()[0]) is None:
            raise MissingError(
                f"--compile needs a C++ compiler: {cxx} is not installed",
                "install one, name it in CXX, or leave --compile out",
            )
    if has_triton is None:
        has_triton = importlib.util.find_spec("triton") is not None
    if kind == "cuda" and not has_triton:
        raise MissingError(
            "--compile needs triton for a CUDA device, and it is not installed",
            "pip install triton, or leave --compile out",
        )


def prepare_determinism(wanted: bool) -> None:
    """Let torch refuse operations that are not deterministic, or allow them.

    Call it before CUDA starts: cuBLAS reads its variable then.
    """
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", _CUBLAS_WORKSPACE)
        torch.backends.cudnn.benchmark = False
    if wanted != torch.are_deterministic_algorithms_enabled():  # the call loads torch's compiler
        torch.use_deterministic_algorithms(wanted)


def hash_of_weights(model: nn.Module) -> str:
    """Return the SHA-256 of all weights and buffers with their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights_of(model).items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def raise_setting_error(err: BaseException) -> None:
    """Raise an error that --compile or --deterministic caused in dlkit's words; return for any other.

    Raises:
        MissingError: No compiler for --compile.
        DlkitError: Something else that --compile or --deterministic caused.
    """
    if operation := nondeterministic_operation(err):
        raise DlkitError(
            f"--deterministic: {operation} has no deterministic version on this device",
            "leave --deterministic out, or try --device cpu",
        ) from err
    if not is_compiler_error(err):
        return
    line = next((line.strip() for line in str(err).splitlines() if line.strip()), "")
    if is_compiler_missing(err):
        raise MissingError(
            f"--compile needs a compiler that works: {line}",
            "install one (g++ for a CPU, triton for CUDA), or leave --compile out",
        ) from err
    raise DlkitError(
        f"--compile failed: {line}",
        "leave --compile out; a compiler that was killed may have left a broken file in torch's cache, which "
        "TORCHINDUCTOR_CACHE_DIR names",
    ) from err


def may_draw(model: nn.Module) -> bool:
    """Return whether a forward pass may draw random numbers: in dropout and the like, or in code of others."""
    return any(_may_draw(module) for module in model.modules())


def _may_draw(module: nn.Module) -> bool:
    kind = type(module)
    if getattr(nn, kind.__name__, None) is kind:
        return isinstance(module, _RANDOM_MODULES)
    return not kind.__module__.startswith("dlkit.models.")


def seed_step(device: torch.device, seed: int, step: int, rank: int = 0) -> None:
    """Seed torch's generators from the run's seed and the step, so that any step can be repeated by itself.

    Args:
        device: Where the network computes; its generator is seeded as well as the CPU's.
        seed: The run's seed.
        step: Steps of the run that are done.
        rank: Number of the process among those that train together: each draws numbers of its own.
    """
    mixed = mixed_seed(seed, step, rank)
    torch.default_generator.manual_seed(mixed)
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        torch.cuda.default_generators[index].manual_seed(mixed)
    elif device.type == "mps":
        torch.mps.manual_seed(mixed)


def mixed_seed(seed: int, step: int, rank: int) -> int:
    """Return a seed of 64 bits for a step of a run in one of its processes."""
    mixed = _mix(seed * 0x9E3779B97F4A7C15 + step)
    return _mix(mixed + rank) if rank else mixed


def _mix(number: int) -> int:
    """Spread a number over 64 bits: the finaliser of SplitMix64 (Steele, Lea and Flood 2014)."""
    number = (number + 0x9E3779B97F4A7C15) & _MASK
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _MASK
    return number ^ (number >> 31)
