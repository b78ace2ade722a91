"""What a network needs of its data for ever, kept beside the weights."""

from collections.abc import Mapping

from torch import Tensor, nn

MODULE = "context"
PREFIX = f"{MODULE}."


class Context(nn.Module):
    """Tensors by name that are no weights; in the checkpoint they are `context.<name>`.

    Args:
        tensors: The tensors.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor)

    def __getitem__(self, name: str) -> Tensor:
        return self.get_buffer(name)


def context_in(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the context among the tensors of a network, by its own names."""
    return {name.removeprefix(PREFIX): tensor for name, tensor in weights.items() if name.startswith(PREFIX)}
