"""What several processes that train one run together add up and agree on."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Self, TypeVar

import torch
from torch import Tensor, nn
from torch.distributed import GradBucket  # type: ignore[attr-defined]
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.futures import Future

from dlkit.distributed.group import Group
from dlkit.torch_compat import averaging_gradients

T = TypeVar("T")


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
        self._carried: list[tuple[Tensor, float]] = []

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
        table = torch.zeros(self.size, len(values))
        table[self.rank] = torch.tensor(values)
        work = None
        if self._device is None:
            self.carry(table, 1.0)
        else:  # gradients are on the device, for which nobody waits
            work = torch.distributed.all_reduce(table, async_op=True)
        agreed, self._agreed = self._agreed, (table, work)
        if agreed is None:
            return [0.0] * len(values)
        before, done = agreed
        if done is not None:
            done.wait()
        return before.amax(0).tolist()

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
        network = averaging_gradients(model, self.data, self._device, unused=unused)
        network.register_comm_hook(None, self._average)
        return network

    def carry(self, tensor: Tensor, share: float) -> None:
        """Do what `Group` says."""
        held = tensor.detach()
        self._carried.append((torch.view_as_real(held) if held.is_complex() else held, share))

    def uncoupled(self, model: nn.Module) -> AbstractContextManager[object]:
        """Do what `Group` says."""
        assert isinstance(model, nn.parallel.DistributedDataParallel), "it was coupled"
        return model.no_sync()

    def _average(self, _state: None, bucket: GradBucket) -> Future[Tensor]:
        """Average a bucket of gradients; with the last of a backward pass, add up what travels along."""
        if not bucket.is_last():
            return allreduce_hook(self.data, bucket)
        gradients = bucket.buffer()
        shared = [(gradients, 1 / self.size), *self._carried]
        self._carried.clear()
        flat = torch.cat([_share_of(*pair) for pair in shared])
        torch.distributed.all_reduce(flat, group=self.data)
        tensors = [tensor for tensor, _ in shared]
        for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))
        done = Future[Tensor](devices=None if self._device is None else [self._device])
        done.set_result(gradients)
        return done


def _share_of(tensor: Tensor, share: float) -> Tensor:
    """Return a share of a tensor, of shape (N,) and floating point; integers in float64, which holds them exactly."""
    flat = tensor.reshape(-1) if tensor.is_floating_point() else tensor.reshape(-1).double()
    return flat * share if share else torch.zeros_like(flat)
