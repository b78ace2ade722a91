"""What a network of the user's own returns besides one tensor of K outputs: a tuple, a mapping, one logit."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dlkit.files.description import DataDescription
from dlkit.inputs import call_unchecked, zeros

_NAMES = ("logits", "out", "output", "outputs", "preds", "predictions", "y_hat")
_SHAPES_ONLY = ("Squeeze", "Unsqueeze", "View", "Reshape", "Select", "Transpose", "Permute", "Clone", "Alias")
_LEAST = 1e-7


@dataclass(frozen=True)
class Adapted:
    """A forward hook that makes one tensor, shape (B, K), of what a network returns.

    Args:
        pick: The place or the name of the outputs in a tuple or a mapping; None where it returns them alone.
        binary: They are one value for each sample, for the second of two classes.
        sigmoid: That value is a probability.
    """

    pick: int | str | None = None
    binary: bool = False
    sigmoid: bool = False

    def __call__(self, _module: nn.Module, _inputs: Any, outputs: Any) -> Any:
        """Return the outputs in the form that the loss takes."""
        if isinstance(outputs, tuple | list | Mapping) and self.pick is not None:
            outputs = outputs[self.pick]  # type: ignore[index]
        if not self.binary or not isinstance(outputs, Tensor):
            return outputs
        logit = outputs.reshape(len(outputs))
        if self.sigmoid:
            logit = logit.float().logit(_LEAST)
        return torch.stack([torch.zeros_like(logit), logit], dim=1)  # its softmax is the sigmoid of the logit

    def note(self, called: str, description: DataDescription) -> str:
        """Return what was made of the outputs, for the user.

        Args:
            called: The name of the network.
            description: Names the classes.
        """
        parts = []
        if self.pick is not None:
            picked = "the first" if self.pick == 0 else self.pick
            parts.append(f"of what {called} returns, only {picked} is used")
        if self.binary:
            what = "probability (its sigmoid is undone for the loss)" if self.sigmoid else "logit"
            parts.append(
                f"the one output of {called} is the {what} of the class {description.class_names[1]}"
            )
        return "; ".join(parts)


def adapt(model: nn.Module, description: DataDescription) -> None:
    """Let a network that returns a tuple, a mapping, or one value for two classes return what the loss takes.

    Args:
        model: The network; it gets a forward hook where that is needed.
        description: What the data ask for.

    Raises:
        Exception: What `forward` raises.
    """
    with torch.enable_grad():
        outputs = call_unchecked(model, zeros(description, 2))
    pick, outputs = _picked(outputs, description)
    one = isinstance(outputs, Tensor) and outputs.is_floating_point() and outputs.shape in ((2,), (2, 1))
    binary = one and description.task == "classification" and description.num_outputs == 2
    if pick is not None or binary:
        model.register_forward_hook(Adapted(pick, binary, binary and last_operation(outputs) == "Sigmoid"))


def adaptation_of(model: nn.Module) -> Adapted | None:
    """Return how the outputs of a network are changed; None where they are not."""
    return next((hook for hook in model._forward_hooks.values() if isinstance(hook, Adapted)), None)


def last_operation(outputs: Tensor) -> str:
    """Return the name of the last operation of a network that changed values, e.g. `Sigmoid`; empty without one."""
    node = outputs.grad_fn
    while node is not None:
        name = node.name().rstrip("0123456789").removesuffix("Backward")
        if not name.startswith(_SHAPES_ONLY):
            return name
        node = node.next_functions[0][0]
    return ""


def _picked(outputs: Any, description: DataDescription) -> tuple[int | str | None, Any]:
    """Return the outputs among what a network returns for two samples, and their place or name."""
    if isinstance(outputs, Mapping):
        usual = [name for name in _NAMES if _fits(outputs.get(name), description)]
        fitting = usual or [name for name, value in outputs.items() if _fits(value, description)]
        if usual or len(fitting) == 1:
            return fitting[0], outputs[fitting[0]]
    elif isinstance(outputs, tuple | list) and outputs and _fits(outputs[0], description):
        return 0, outputs[0]
    return None, outputs


def _fits(value: Any, description: DataDescription) -> bool:
    """Return whether a value has the shape of outputs for two samples."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return False
    count = description.num_outputs
    one = count == 1 or (count == 2 and description.task == "classification")
    return value.shape == (2, count) or (one and value.shape in ((2,), (2, 1)))
