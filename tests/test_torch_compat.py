"""Private parts of torch and what replaces them: both paths come to the same result."""

import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dlkit import torch_compat
from dlkit.torch_compat import (
    count_products,
    divide_all,
    is_compiler_error,
    is_compiler_missing,
    is_device_full,
    is_host_full,
    lerp_all,
    light_optimizer,
    nondeterministic_operation,
    raise_flag,
    step_unless,
    total_norm,
    update_loss_scale,
)


def on_both_paths(run: Callable[[], Any]) -> tuple[Any, Any]:
    """Return what a call returns with the private parts of torch and without."""
    private = run()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch_compat, "USE_PRIVATE", False)
        light_optimizer.cache_clear()
        public = run()
    light_optimizer.cache_clear()
    return private, public


def numbers(*values: float) -> Tensor:
    return torch.tensor(values)


@pytest.mark.parametrize("bad", [None, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("before", [0.0, 1.0])
def test_raise_flag(bad: float | None, before: float) -> None:
    def run() -> tuple[float, list[list[float]]]:
        flag, tensors = torch.tensor(before), [numbers(1.0, 2.0), numbers(3.0), numbers(3e38, bad or 0.0)]
        raise_flag(flag, tensors)
        return flag.item(), [tensor.nan_to_num(7.0).tolist() for tensor in tensors]

    private, public = on_both_paths(run)

    assert private == public
    assert private[0] == (1.0 if before or bad else 0.0)


@pytest.mark.parametrize(
    ("overflowed", "good", "expected"),
    [(0.0, 3, (8.0, 4)), (0.0, 4, (16.0, 0)), (1.0, 4, (4.0, 0))],
    ids=["good", "grows", "halves"],
)
def test_update_loss_scale(overflowed: float, good: int, expected: tuple[float, int]) -> None:
    def run() -> tuple[float, int]:
        scale, steps = torch.tensor(8.0), torch.tensor(good, dtype=torch.int32)
        update_loss_scale(scale, steps, torch.tensor(overflowed), 5)
        return scale.item(), int(steps.item())

    assert on_both_paths(run) == (expected, expected)


def test_divide_all() -> None:
    def run() -> list[list[float]]:
        tensors = [numbers(1.0, 3.0), numbers(0.1)]
        divide_all(tensors, torch.tensor(3.0))
        return [tensor.tolist() for tensor in tensors]

    private, public = on_both_paths(run)

    assert private == public
    assert private[0][1] == 1.0


def test_lerp_all() -> None:
    def run() -> list[list[float]]:
        tensors = [numbers(0.0, 1.0), numbers(0.3)]
        lerp_all(tensors, [numbers(1.0, 2.0), numbers(0.7)], torch.tensor(0.25))
        return [tensor.tolist() for tensor in tensors]

    private, public = on_both_paths(run)

    assert private == public
    assert private[0] == [0.25, 1.25]


OPTIMIZERS = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9, fused=True),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.1, fused=True),
    "rmsprop": lambda parameters: torch.optim.RMSprop(parameters, lr=0.1),
}


@pytest.mark.parametrize("build", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("divisor", [None, 2.0])
def test_step_unless(build: Callable[[Any], torch.optim.Optimizer], divisor: float | None) -> None:
    def run() -> list[Tensor]:
        weight = nn.Parameter(numbers(1.0, -2.0))
        optimizer = build([weight])
        kept = []
        for gradient, skip in ((0.5, 0.0), (math.nan, 1.0), (0.25, 0.0)):
            weight.grad = numbers(gradient, gradient)
            by = None if divisor is None else torch.tensor(divisor)
            step_unless(optimizer, [weight], torch.tensor(skip), by)
            kept.append(weight.detach().clone())
        return [*kept, *(value.float() for value in optimizer.state[weight].values())]

    private, public = on_both_paths(run)

    assert all(map(torch.equal, private, public))
    assert torch.equal(private[0], private[1])
    assert not torch.equal(private[1], private[2])


@pytest.mark.parametrize(
    "kind", [torch.optim.SGD, torch.optim.AdamW, torch.optim.Adagrad, torch.optim.RMSprop]
)
def test_light_optimizer(kind: type[torch.optim.Optimizer]) -> None:
    def run() -> list[Tensor]:
        weight, other = nn.Parameter(numbers(1.0, -2.0)), nn.Parameter(numbers(3.0))
        optimizer = light_optimizer(kind)([weight], lr=0.1)
        optimizer.add_param_group({"params": [other], "lr": 0.2})
        for parameter in (weight, other):
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        assert isinstance(optimizer, kind)
        return [weight.detach(), other.detach()]

    private, public = on_both_paths(run)

    assert all(map(torch.equal, private, public))


LIGHT = """
import sys, torch
from dlkit.torch_compat import count_products, light_optimizer
model = torch.nn.Linear(2, 3)
optimizer = light_optimizer(torch.optim.Adam)(model.parameters(), lr=0.1)
model(torch.ones(1, 2)).sum().backward()
optimizer.step()
count_products(lambda: model(torch.ones(1, 2)))
sys.exit("torch._dynamo" in sys.modules)
"""


@pytest.mark.slow
def test_private_paths_do_not_load_the_compiler() -> None:
    assert subprocess.run([sys.executable, "-c", LIGHT], timeout=120).returncode == 0


class Product(nn.Module):
    """A product that no layer knows of."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs @ torch.ones(4, 7)


COUNTED = {
    "linear": (nn.Linear(4, 3), torch.zeros(2, 5, 4), 120),
    "convolution": (nn.Conv2d(8, 16, 3, groups=4, stride=2), torch.zeros(2, 8, 9, 9), 2 * 16 * 16 * 2 * 9),
    "transposed": (nn.ConvTranspose2d(4, 6, 3, stride=2), torch.zeros(2, 4, 5, 5), 2 * 4 * 25 * 6 * 9),
    "recurrent": (nn.GRU(4, 8), torch.zeros(3, 2, 4), 3 * 2 * 24 * (4 + 8)),
    "product": (Product(), torch.zeros(2, 4), 2 * 4 * 7),
}


@pytest.mark.parametrize(("layer", "inputs", "expected"), COUNTED.values(), ids=COUNTED)
def test_count_products(layer: nn.Module, inputs: Tensor, expected: int) -> None:
    with torch.no_grad():
        private, public = on_both_paths(lambda: count_products(lambda: layer(inputs)))

    assert private == public
    assert sum(private) == expected


@pytest.mark.parametrize("bad", [1.0, math.nan])
def test_total_norm(bad: float) -> None:
    tensors = [numbers(3.0, 0.0), numbers(4.0 * bad)]

    private, public = on_both_paths(lambda: total_norm(tensors))

    assert torch.equal(private.nan_to_num(5.0), public.nan_to_num(5.0))
    assert private.nan_to_num(5.0).item() == 5.0


DEVICE_FULL = {
    "torch": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."),
    "mps": RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)."),
    "cublas": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
}


@pytest.mark.parametrize("err", DEVICE_FULL.values(), ids=DEVICE_FULL)
def test_a_full_device(err: Exception) -> None:
    assert is_device_full(err)
    assert not is_host_full(err)


def error_of(run: Callable[[], object]) -> Exception:
    """Return what torch really raises."""
    with pytest.raises(RuntimeError) as caught:
        run()
    return caught.value


def test_a_full_machine() -> None:
    allocated = error_of(lambda: torch.empty(2**60, dtype=torch.uint8))
    counted = error_of(lambda: torch.empty(2**62, 2**62))

    for err in (allocated, counted, MemoryError(), RuntimeError("DefaultCPUAllocator: not enough memory")):
        assert is_host_full(err)
        assert not is_device_full(err)
    assert not is_host_full(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


@pytest.fixture
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def test_a_nondeterministic_operation(deterministic: None) -> None:
    err = error_of(lambda: torch.ones(3).put_(torch.tensor([0]), torch.tensor([1.0]), accumulate=False))

    assert nondeterministic_operation(err) == "put_"
    assert nondeterministic_operation(ValueError("another")) == ""


def test_errors_of_the_compiler() -> None:
    from torch._dynamo.exc import BackendCompilerFailed, TorchDynamoException
    from torch._inductor.exc import InvalidCxxCompiler

    assert issubclass(BackendCompilerFailed, TorchDynamoException)
    missing = InvalidCxxCompiler()
    assert is_compiler_error(missing)
    assert is_compiler_missing(missing)
    assert is_compiler_error(TorchDynamoException("failed"))
    assert not is_compiler_missing(TorchDynamoException("failed"))
    assert not is_compiler_error(RuntimeError("failed"))
