"""Every private or fragile part of torch that dlkit uses: why, since which version, and what replaces it publicly.

Each function takes the private path where torch has it and the public one elsewhere; both give the same result. Tests
switch the private paths off with `USE_PRIVATE`. Error texts are here too: torch has no classes for most of them.
"""

import contextlib
import functools
import inspect
import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

USE_PRIVATE = True

_DEVICE_FULL_TEXTS = (
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "MPS backend out of memory",
)
_HOST_FULL_TEXTS = ("can't allocate memory", "not enough memory", "Storage size calculation overflowed")
_NOT_DETERMINISTIC_TEXT = "does not have a deterministic implementation"
_NO_COMPILER_TEXTS = (
    "No working C++ compiler",
    "working triton installation",
    "InvalidCxxCompiler",
    "Python.h",
)
_LOST_TEXTS = (
    "gloo",
    "Connection closed by peer",
    "Connection reset by peer",
    "NCCL",
    "Broken pipe",
)
_COMPILER_MODULES = ("torch._dynamo", "torch._inductor")


def raise_flag(flag: Tensor, tensors: Sequence[Tensor]) -> None:
    """Set a flag to 1 if a value in any of the tensors is NaN or infinite; else leave it.

    Private: the kernel of `torch.amp.GradScaler` (since 1.8) reads all gradients in one call; per-tensor calls take
    several times as long on a small network. It multiplies by a factor, here 1, so the values stay.

    Args:
        flag: 0.0 or 1.0, a scalar on the device of the tensors.
        tensors: Of floating point.
    """
    kernel = _private(torch, "_amp_foreach_non_finite_check_and_unscale_")
    if kernel is not None and flag.device.type in ("cpu", "cuda"):
        kernel(list(tensors), flag, _one(flag.device))
    else:
        flag.copy_(torch.maximum(flag, any_non_finite(tensors)))


def any_non_finite(tensors: Sequence[Tensor]) -> Tensor:
    """Return 1.0 if a value in any of the tensors is NaN or infinite, else 0.0, on their device."""
    return torch.stack([tensor.isfinite().all() for tensor in tensors]).all().logical_not().to(torch.float32)


def update_loss_scale(scale: Tensor, good_steps: Tensor, overflowed: Tensor, growth_interval: int) -> None:
    """Halve a loss scale after an overflow, double it after `growth_interval` steps without one.

    Private: the kernel of `torch.amp.GradScaler` (since 1.8), one launch in place of seven.

    Args:
        scale: Changed in place, a scalar.
        good_steps: Steps since the last change, int32; changed in place.
        overflowed: 1.0 if the gradients of the step are not finite, else 0.0.
        growth_interval: Good steps before the scale doubles.
    """
    kernel = _private(torch, "_amp_update_scale_")
    if kernel is not None and scale.device.type in ("cpu", "cuda"):
        kernel(scale, good_steps, overflowed, 2.0, 0.5, growth_interval)
        return
    bad = overflowed.bool()
    grow = (good_steps + 1 == growth_interval) & ~bad
    scale.mul_(torch.where(bad, 0.5, torch.where(grow, 2.0, 1.0)))
    good_steps.add_(1).mul_((~(bad | grow)).int())


def total_norm(tensors: Sequence[Tensor]) -> Tensor:
    """Return the Euclidean norm over all values of some tensors, a scalar on their device.

    Private: `torch._foreach_norm` (since 1.12). `torch.nn.utils.get_total_norm` calls it too, after it has sorted the
    tensors by device, 11 us a step.
    """
    kernel = _private(torch, "_foreach_norm")
    norm: Tensor = (
        torch.nn.utils.get_total_norm(tensors)
        if kernel is None
        else torch.linalg.vector_norm(torch.stack(kernel(list(tensors))))
    )
    return norm


def divide_all(tensors: Sequence[Tensor], divisor: Tensor) -> None:
    """Divide tensors in place by a scalar; private: `torch._foreach_div_` (since 1.9) takes one launch for all."""
    kernel = _private(torch, "_foreach_div_")
    if kernel is not None:
        kernel(list(tensors), divisor)
        return
    for tensor in tensors:
        tensor.div_(divisor)


def lerp_all(tensors: Sequence[Tensor], ends: Sequence[Tensor], weight: Tensor) -> None:
    """Move tensors towards others in place by a weight; private: `torch._foreach_lerp_` with tensors (since 2.0)."""
    kernel = _private(torch, "_foreach_lerp_")
    if kernel is not None:
        kernel(list(tensors), list(ends), [weight] * len(tensors))
        return
    for tensor, end in zip(tensors, ends, strict=True):
        tensor.lerp_(end, weight)


def step_unless(
    optimizer: torch.optim.Optimizer,
    parameters: Sequence[nn.Parameter],
    skip: Tensor,
    divisor: Tensor | None = None,
) -> None:
    """Take an optimizer step, unless a flag on the device is up, without waiting for the device.

    Private: fused optimizers read `found_inf` and `grad_scale`, which `torch.amp.GradScaler` sets on them (since
    2.0): they leave weights and state alone and divide the gradients within the step. For others, and publicly,
    weights and state are copied before the step and put back.

    Args:
        optimizer: What steps.
        parameters: What it updates.
        skip: 1.0 if the step must change nothing, else 0.0; a scalar on the device.
        divisor: The gradients are divided by this scalar first.
    """
    if USE_PRIVATE and all(group.get("fused") for group in optimizer.param_groups):
        optimizer.found_inf = skip  # type: ignore[attr-defined]
        optimizer.grad_scale = divisor  # type: ignore[attr-defined]
        optimizer.step()
        return
    if divisor is not None:
        divide_all([parameter.grad for parameter in parameters if parameter.grad is not None], divisor)
    before = [parameter.detach().clone() for parameter in parameters]
    states = [
        {kind: value.clone() for kind, value in optimizer.state.get(parameter, {}).items()}
        for parameter in parameters
    ]
    optimizer.step()
    _restore_where(skip.bool(), optimizer, parameters, before, states)


@torch.no_grad()
def _restore_where(
    skip: Tensor,
    optimizer: torch.optim.Optimizer,
    parameters: Sequence[nn.Parameter],
    weights: Sequence[Tensor],
    states: Sequence[dict[str, Tensor]],
) -> None:
    for parameter, old, state in zip(parameters, weights, states, strict=True):
        parameter.copy_(torch.where(skip, old, parameter))
        for kind, value in optimizer.state.get(parameter, {}).items():
            fresh = state.get(kind, torch.zeros_like(value))
            value.copy_(torch.where(skip.to(value.device), fresh, value))


@functools.cache
def light_optimizer(kind: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """Return an optimizer class that does not load torch's compiler.

    Private: since 2.1, decorators of `step` and `add_param_group` import `torch._dynamo`, to hide both from the
    compiler, which takes 1 to 2 s; dlkit never compiles an optimizer step. `hooked` keeps torch from wrapping `step`
    for its profiler, some 30 us a step. The public path is the class as it is.
    """
    if not USE_PRIVATE:
        return kind
    step = torch.no_grad()(inspect.unwrap(kind.step))
    step.hooked = True
    return type(
        kind.__name__, (kind,), {"step": step, "add_param_group": inspect.unwrap(kind.add_param_group)}
    )


def count_products(run: Callable[[], object]) -> list[float]:
    """Return the number of multiplications in each matrix product and convolution of a call, in order.

    Private: `TorchDispatchMode` (since 2.0). `FlopCounterMode` does the same publicly, but loads torch's compiler,
    which takes 1 to 2 s.
    """
    sizes: list[float] = []
    counters = FlopCounterMode(display=False).flop_registry

    def counted(count: Callable[..., int]) -> Callable[..., int]:
        def note(*args: Any, out_val: Any = None, out_shape: Any = None, **kwargs: Any) -> int:
            # FlopCounterMode passes shapes in place of tensors, and the output's as `out_shape`.
            flops = count(*args, **kwargs, out_val=out_shape if out_val is None else out_val)
            sizes.append(flops / 2)
            return flops

        return note

    mapping = {operation: counted(count) for operation, count in counters.items()}
    with _dispatch_mode(mapping) if USE_PRIVATE else FlopCounterMode(display=False, custom_mapping=mapping):
        run()
    return sizes


def _dispatch_mode(counters: dict[Any, Callable[..., int]]) -> Any:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Counting(TorchDispatchMode):
        @classmethod
        def _should_skip_dynamo(cls) -> bool:
            return False  # torch would load its compiler to hide this class from it

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            output = func(*args, **(kwargs or {}))
            if (count := counters.get(func.overloadpacket)) is not None:
                count(*args, **(kwargs or {}), out_val=output)
            return output

    return Counting()  # type: ignore[no-untyped-call]


def without_functions() -> contextlib.AbstractContextManager[object]:
    """Return a context in which a `TorchFunctionMode` does not see the calls.

    Private: `torch._C.DisableTorchFunction` (since 1.13); each call that the mode sees takes some 3 us. Publicly it
    sees them.
    """
    disable = _private(torch._C, "DisableTorchFunction")
    return contextlib.nullcontext() if disable is None else disable()


def silence_compiler_warnings() -> None:
    """Silence torch's warning about an absent GPU; fragile: the name of a logger. Without it, a line on stderr."""
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)


def is_device_full(err: BaseException) -> bool:
    """Return whether an error means that an accelerator has no memory left; fragile: known by its text but on CUDA."""
    return isinstance(err, torch.OutOfMemoryError) or _contains(err, _DEVICE_FULL_TEXTS)


def is_host_full(err: BaseException) -> bool:
    """Return whether an error means that the machine has no memory left; fragile: torch's is known by its text."""
    return isinstance(err, MemoryError) or _contains(err, _HOST_FULL_TEXTS)


def nondeterministic_operation(err: BaseException) -> str:
    """Return the operation that `torch.use_deterministic_algorithms` refused; empty for other errors.

    Fragile: known by its text. Where the text changes, the error is shown as torch raised it.
    """
    before, found, _ = str(err).partition(_NOT_DETERMINISTIC_TEXT)
    return before.strip() if found else ""


def is_compiler_error(err: BaseException) -> bool:
    """Return whether torch.compile raised an error; fragile: known by the module of its class, which is private."""
    return type(err).__module__.startswith(_COMPILER_MODULES)


def is_compiler_missing(err: BaseException) -> bool:
    """Return whether torch.compile found no C++ compiler or triton; fragile: known by its text."""
    return _contains(err, _NO_COMPILER_TEXTS)


def averaging_gradients(
    model: nn.Module, group: Any, device: torch.device | None, *, unused: bool
) -> nn.parallel.DistributedDataParallel:
    """Return a network that averages its gradients over processes in every backward pass.

    Fragile: the name of the option that leaves buffers alone, `forward_sync_buffers` since 2.14, `broadcast_buffers`
    before.

    Args:
        model: The network.
        group: The processes.
        device: The device of this process; None for a CPU.
        unused: A pass may leave parameters unused. Gradients are then added up in the order of the parameters from
            the first pass on; else torch reorders them after it.
    """
    kind = nn.parallel.DistributedDataParallel
    names = inspect.signature(kind).parameters
    buffers = "forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers"
    options: dict[str, Any] = {buffers: False, "gradient_as_bucket_view": True}
    return kind(
        model,
        device_ids=None if device is None else [device],
        process_group=group,
        find_unused_parameters=unused,
        **options,
    )


def is_lost_process(err: BaseException) -> bool:
    """Return whether an error means that another process of a group has gone; fragile: mostly known by its text."""
    return isinstance(err, torch.distributed.DistError) or (
        isinstance(err, RuntimeError) and _contains(err, _LOST_TEXTS)
    )


def is_transformed(tensor: Tensor) -> bool:
    """Return whether a tensor is one of torch.func's, which cannot leave `vmap` or `grad`; private to torch."""
    found = _private(torch._C._functorch, "is_functorch_wrapped_tensor")
    return found is not None and bool(found(tensor))


def _contains(err: BaseException, texts: Sequence[str]) -> bool:
    return any(text in str(err) for text in texts)


def _private(owner: Any, name: str) -> Callable[..., Any] | None:
    """Return a private function, or None where torch has it no longer or tests switched it off."""
    return getattr(owner, name, None) if USE_PRIVATE else None


@functools.cache
def _one(device: torch.device) -> Tensor:
    return torch.ones((), device=device)
