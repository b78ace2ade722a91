"""What fails in training because of a network of the user's own, in one line that says where in its code."""

import contextlib
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from numpy import ndarray
from torch import Tensor
from torch.overrides import TorchFunctionMode

from dlkit.errors import ConfigError, DlkitError, printable
from dlkit.inputs import call_unchecked, forward_of
from dlkit.training.step import Batch, Parts
from dlkit.user_code import blame, users_line

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


class _Detachments(TorchFunctionMode):
    """Follows through a pass where torch made what has no gradients of tensors that have some."""

    def __init__(self) -> None:
        super().__init__()
        self._places: dict[
            int, tuple[object, str]
        ] = {}  # of what was made, which is kept so that its id is its own
        self._last = ""

    def place(self, outputs: object) -> str:
        """Return the line of the user's code where outputs lost their gradients; empty if they never had any."""
        return self._places[id(outputs)][1] if id(outputs) in self._places else self._last

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor | ndarray | float | list) and not _has_gradients(made):
            used = list(_parts((args, kwargs)))
            if _has_gradients(used):
                self._last = users_line(traceback.extract_stack()) or self._last
                self._places[id(made)] = made, self._last
            elif cut := [self._places[id(value)][1] for value in used if id(value) in self._places]:
                self._places[id(made)] = made, cut[0]
        return made


def _parts(value: object) -> Iterator[object]:
    """Yield a value, or those in tuples, lists and dictionaries."""
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        for part in value:
            yield from _parts(part)
    else:
        yield value


def _has_gradients(value: object) -> bool:
    return any(isinstance(part, Tensor) and part.requires_grad for part in _parts(value))


def _where_detached(parts: Parts, batch: Batch) -> str:
    """Return where outputs lose their gradients, in words."""
    outputs: object = None
    with contextlib.suppress(Exception), torch.enable_grad(), _Detachments() as seen:
        outputs = call_unchecked(parts.model, batch[0])
    if place := seen.place(outputs):
        return f"returns outputs without gradients: they are lost at {place}"
    return "returns outputs that depend on no parameter"


def _shape_of_outputs(parts: Parts, batch: Batch) -> str:
    with contextlib.suppress(Exception), torch.no_grad():
        outputs = call_unchecked(parts.model, batch[0])
        return f"{outputs.dtype} of shape {tuple(outputs.shape)}".replace("torch.", "")
    return "something else"
