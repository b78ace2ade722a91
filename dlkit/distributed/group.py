"""The processes that train one run together; a single process is a group of one, for which all of it is nothing."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")


class Group:
    """A single process."""

    rank = 0
    size = 1
    data: Any = None

    @property
    def writes(self) -> bool:
        """Whether this process locks, writes and prints: one of each group does."""
        return self.rank == 0

    def slice_of(self, samples: int) -> slice:
        """Return which samples of a whole batch are this process's: slices differ by one sample at most."""
        return slice(samples * self.rank // self.size, samples * (self.rank + 1) // self.size)

    def count_of(self, samples: int) -> int:
        """Return how many samples of a whole batch are this process's."""
        own = self.slice_of(samples)
        return int(own.stop - own.start)

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum over all processes; they need not wait for the device."""
        return tensor

    def mean_loss(self, loss: Tensor, samples: int) -> Tensor:
        """Return the mean loss of a whole batch from those of its slices.

        Args:
            loss: The mean over this process's slice, a scalar.
            samples: Samples in the whole batch.
        """
        return loss if self.size == 1 else self.sum(loss * (self.count_of(samples) / samples))

    def each(self, values: Tensor) -> Tensor:
        """Return the values of all processes, shape (D,) each, as a table, shape (R, D)."""
        return values.unsqueeze(0)

    def whole(self, slices: Sequence[Tensor], sizes: Sequence[int]) -> Tensor:  # noqa: ARG002
        """Return the rows of whole batches, one after the other, from the slices of all processes.

        Args:
            slices: This process's slice of each batch, shape (B, ...).
            sizes: Samples in each whole batch.
        """
        return torch.cat(list(slices))

    def agree(self, values: Sequence[float]) -> list[float]:
        """Return the largest of each value over all processes, of the call before this one: nobody waits for it.

        In one process they are the values given; in several, the first call returns zeros.
        """
        return list(values)

    def broadcast(self, value: T) -> T:
        """Return the value that the first process has."""
        return value

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes, by rank."""
        return [value]

    def coupled(self, model: nn.Module, *, unused: bool) -> nn.Module:  # noqa: ARG002
        """Return a network whose gradients are the means over all processes.

        Args:
            model: The network.
            unused: A step may leave some of its parameters unused.
        """
        return model

    def carry(self, tensor: Tensor, share: float) -> None:
        """Let a tensor travel with the gradients of the next backward pass that is not `uncoupled`.

        After it, the tensor is the sum over all processes of their shares of it. In one process it stays as it is.

        Args:
            tensor: Changed in place.
            share: What this process multiplies it by; what has a share of 0 may be anything.
        """

    def uncoupled(self, model: nn.Module) -> AbstractContextManager[object]:  # noqa: ARG002
        """Return a context in which the gradients of a coupled network are this process's own."""
        return nullcontext()
