"""Gradients of autograd against finite differences in float64: along random directions, tensor by tensor."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from dlkit.errors import DlkitError, printable
from dlkit.inputs import Inputs, call, changed, rows_of
from dlkit.inspection.gradients import LossFunction
from dlkit.inspection.layer_table import Row
from dlkit.inspection.mode import as_in_training
from dlkit.inspection.tally import shape_text
from dlkit.user_code import blame

TOLERANCE = 1e-4
"""The relative error from which on a gradient counts as wrong."""
_DIRECTIONS = 2
_STEP = (
    1e-6  # times the weights' size; the cube root of the precision, where truncation and rounding are alike
)
_MAX_SAMPLES = 32
_ROUNDING = 64  # roundings of the loss that a difference of two losses may be off by

Loss = Callable[[], Tensor]


def check_gradients(
    model: nn.Module, inputs: Inputs, targets: Tensor, loss_fn: LossFunction, names: Sequence[str]
) -> list[Row]:
    """Compare the slope of the loss along random directions of each parameter with central differences.

    Everything is computed in float64, over at most 32 samples, in the mode of `as_in_training`. Where the slopes to
    either side differ, as at a ReLU of exactly 0, a gradient between them is right.

    Args:
        model: Left unchanged.
        inputs: A batch.
        targets: Of the batch.
        loss_fn: Maps outputs and targets to the mean loss, a scalar.
        names: Trainable parameters.

    Returns:
        A row for each, of the direction with the largest error: `autograd` and `difference` are the slopes, `error`
        is their distance over the larger one. Below what rounding allows to see, `error` is 0 and `verdict` says so.

    Raises:
        DlkitError: The network does not compute in float64, or the loss is not finite.
    """
    exact = copy.deepcopy(model).double()
    few = rows_of(inputs, 0, _MAX_SAMPLES)
    doubles = changed(few, lambda each: each.double() if each.is_floating_point() else each)
    batch = doubles, targets[:_MAX_SAMPLES]
    parameters = dict(exact.named_parameters())

    def loss() -> Tensor:
        torch.manual_seed(0)  # a network that draws numbers draws the same ones
        return loss_fn(call(exact, batch[0]), batch[1])

    with _in_float64(), as_in_training(exact):
        before = _run(loss)
        slopes: dict[str, Tensor | None] = dict.fromkeys(names)
        if before.requires_grad:
            wanted = [parameters[name] for name in names]
            slopes = dict(zip(names, torch.autograd.grad(before, wanted, allow_unused=True), strict=True))
        return [_check(name, parameters[name], slopes[name], loss, before.item()) for name in names]


@contextmanager
def _in_float64() -> Iterator[None]:
    """Let new tensors be float64, and keep the state of the random generator."""
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_default_dtype(default)


def _run(loss: Loss) -> Tensor:
    hint = "create tensors with the type of the inputs (dtype=x.dtype), and leave out .float()"
    try:
        value = loss()
    except RuntimeError as err:
        what = blame(err) or printable(str(err).splitlines()[0])
        raise DlkitError(f"--check computes in float64, which this network does not: {what}", hint) from err
    if value.dtype != torch.float64:
        raise DlkitError(
            f"--check computes in float64; the outputs of this network are {str(value.dtype)[6:]}", hint
        )
    if not value.isfinite():
        raise DlkitError(
            f"--check: the loss of this batch is {value.item()}",
            "dlkit inspect nan RUN finds where it comes from",
        )
    return value


@torch.no_grad()
def _check(name: str, parameter: Tensor, gradient: Tensor | None, loss: Loss, size: float) -> Row:
    """Return the row of a parameter.

    Args:
        name: Of the parameter.
        parameter: Changed and set back.
        gradient: Autograd's; None where the loss does not depend on the parameter, as autograd sees it.
        loss: Computes the loss.
        size: The loss as it is.
    """
    kept = parameter.clone()
    step = _STEP * max(1.0, kept.norm().item())
    noise = _ROUNDING * torch.finfo(torch.float64).eps * max(1.0, abs(size)) / step
    generator = torch.Generator().manual_seed(0)
    found: list[tuple[float, float, float]] = []
    for _ in range(_DIRECTIONS):
        direction = torch.randn(kept.shape, generator=generator).to(kept)
        direction /= direction.norm()
        slope = 0.0 if gradient is None else (gradient * direction).sum().item()
        after, before = (_moved(parameter, kept + sign * step * direction, loss) for sign in (1, -1))
        low, high = sorted([(after - size) / step, (size - before) / step])
        difference = (after - before) / (2 * step)
        off = max(low - slope, slope - high, 0.0)
        found.append((0.0 if off <= noise else off / max(abs(slope), abs(difference)), slope, difference))
    parameter.copy_(kept)
    error, slope, difference = max(found)
    seen = max(abs(slope), abs(difference)) > noise
    verdict = "wrong" if error > TOLERANCE else "right" if seen else "too small to see"
    sizes = {"autograd": slope, "difference": difference, "error": error}
    return {"layer": name, "shape": shape_text(kept.shape), **sizes, "verdict": verdict}


def _moved(parameter: Tensor, values: Tensor, loss: Loss) -> float:
    """Return the loss with other values of a parameter."""
    parameter.copy_(values)
    return loss().item()
