"""The processes that train one run together; a single process is a group of one, for which all of it is nothing."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Self, TypeVar

import torch
from torch import Tensor, nn

from dlkit.torch_compat import averaging_gradients

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

    def of_first(self, tensor: Tensor) -> Tensor:
        """Return the tensor that the first process has."""
        return tensor

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

    def uncoupled(self, model: nn.Module) -> AbstractContextManager[object]:  # noqa: ARG002
        """Return a context in which the gradients of a coupled network are this process's own."""
        return nullcontext()


class Processes(Group):
    """Several processes, each of which computes on a slice of every batch.

    Args:
        rank: Number of this process, from 0.
        size: How many there are.
        data: What adds up tensors where the network is.
        device: The device of this process; None for a CPU.
    """

    def __init__(self, rank: int, size: int, data: Any, device: torch.device | None = None) -> None:
        self.rank = rank
        self.size = size
        self.data = data
        self._device = device
        self._agreed: tuple[Tensor, Any] | None = None

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def sum(self, tensor: Tensor) -> Tensor:
        """Do what `Group` says."""
        added = tensor.detach().clone()
        torch.distributed.all_reduce(added, group=self.data)
        return added

    def each(self, values: Tensor) -> Tensor:
        """Do what `Group` says."""
        table = values.new_zeros(self.size, len(values))
        table[self.rank] = values
        return self.sum(table)

    def of_first(self, tensor: Tensor) -> Tensor:
        """Do what `Group` says."""
        held = tensor.detach().clone()
        torch.distributed.broadcast(held, src=0, group=self.data)
        return held

    def whole(self, slices: Sequence[Tensor], sizes: Sequence[int]) -> Tensor:
        """Do what `Group` says."""
        joined = slices[0].new_zeros(sum(sizes), *slices[0].shape[1:])
        start = 0
        for part, size in zip(slices, sizes, strict=True):
            joined[start : start + size][self.slice_of(size)] = part
            start += size
        return self.sum(joined)

    def agree(self, values: Sequence[float]) -> list[float]:
        """Do what `Group` says."""
        before = [0.0] * len(values)
        if self._agreed is not None:
            shared, work = self._agreed
            work.wait()
            before = shared.tolist()
        shared = torch.tensor(values, dtype=torch.float64)
        work = torch.distributed.all_reduce(shared, torch.distributed.ReduceOp.MAX, async_op=True)
        self._agreed = shared, work
        return before

    def broadcast(self, value: T) -> T:
        """Do what `Group` says."""
        held = [value]
        torch.distributed.broadcast_object_list(held, src=0)
        return held[0]

    def gather(self, value: T) -> list[T]:
        """Do what `Group` says."""
        found: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(found, value)
        return found

    def coupled(self, model: nn.Module, *, unused: bool) -> nn.Module:
        """Do what `Group` says."""
        return averaging_gradients(model, self.data, self._device, unused=unused)

    def uncoupled(self, model: nn.Module) -> AbstractContextManager[object]:
        """Do what `Group` says."""
        assert isinstance(model, nn.parallel.DistributedDataParallel), "it was coupled"
        return model.no_sync()
