"""What fails in training because of a network of the user's own, in one line that names its layer."""

import contextlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from dlkit.errors import ConfigError, DlkitError, printable
from dlkit.inputs import call_unchecked, forward_of
from dlkit.training.step import Batch, Parts
from dlkit.user_code import blame

_NO_GRADIENT = "does not require grad"
_TWICE = "backward through the graph a second time"
_IN_PLACE = "modified by an inplace operation"


def raise_own_fault(err: Exception, parts: Parts, batches: Sequence[Batch]) -> None:
    """Raise what a network of the user's own did wrong in a step, if torch or dlkit noticed it elsewhere.

    Args:
        err: What was raised in the step.
        parts: What is trained.
        batches: Of the step.

    Raises:
        ConfigError: The network cannot be trained as it is.
        DlkitError: torch refuses what it does.
    """
    if parts.hidden is None or isinstance(err, DlkitError) or blame(err):
        return
    text = " ".join(str(err).split())
    name = forward_of(parts.model)
    _, targets = batches[0]
    for parameter_name, parameter in parts.model.named_parameters():
        if parameter.grad is not None and parameter.grad.is_sparse:
            raise ConfigError(
                f"the gradient of {parameter_name} is sparse; the optimizers take dense ones",
                "leave sparse=True out of the embedding",
            ) from err
    if _NO_GRADIENT in text:
        raise ConfigError(f"{name} {_where_detached(parts, batches[0])}", _HINT_GRADIENT) from err
    if _TWICE in text:
        raise DlkitError(
            f"{name} uses a tensor that an earlier step computed: {printable(text, 120)}",
            "keep it with .detach()",
        ) from err
    if _IN_PLACE in text:
        raise DlkitError(
            f"{name} changes a tensor in place that backward needs: {printable(text, 300)}",
            "replace the in-place operation (x += y by x = x + y)",
        ) from err
    shape = _shape_of_outputs(parts, batches[0])
    raise DlkitError(
        f"{name} returns {shape} for {len(targets)} samples of training, and the step fails with it: "
        f"{type(err).__name__}: {printable(text, 300)}",
        "--debug shows the traceback",
    ) from err


_HINT_GRADIENT = (
    "leave out .detach(), .data, .item(), argmax, torch.no_grad() and inference_mode() on the way"
)


def _where_detached(parts: Parts, batch: Batch) -> str:
    """Return which of its layers is the last whose outputs still have gradients, in words."""
    last = ""

    def watch(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(_module: nn.Module, _inputs: object, outputs: object) -> None:
            nonlocal last
            if isinstance(outputs, Tensor) and outputs.requires_grad:
                last = name

        return hook

    hooks = [
        module.register_forward_hook(watch(name)) for name, module in parts.model.named_modules() if name
    ]
    try:
        with contextlib.suppress(Exception):
            call_unchecked(parts.model, batch[0])
    finally:
        for hook in hooks:
            hook.remove()
    if last:
        return f"returns outputs without gradients: they are lost after layer {last}"
    return "returns outputs without gradients: no layer's outputs have any"


def _shape_of_outputs(parts: Parts, batch: Batch) -> str:
    with contextlib.suppress(Exception), torch.no_grad():
        outputs = call_unchecked(parts.model, batch[0])
        return f"{outputs.dtype} of shape {tuple(outputs.shape)}".replace("torch.", "")
    return "something else"
