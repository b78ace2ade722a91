"""Batches from tensors that stay on the device, in an order that the seed and the epoch alone decide."""

import copy
import hashlib
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from dlkit.data.block_order import block_order, window_samples
from dlkit.data.dataset import Split
from dlkit.data.mapped import read_ahead
from dlkit.distributed.group import Group
from dlkit.inputs import Inputs, rows_of

_CHUNK_BYTES = 4 * 2**20
_MAX_CHUNK = 16
_RESIDENT_SHARE = 0.5
_MAX_SAMPLE_BYTES = 16 * 2**20
_CHUNKS_AHEAD = 4


@runtime_checkable
class Expecting(Protocol):
    """A split that can begin to make a batch before it is asked for."""

    def expect(self, rows: Tensor) -> None:
        """Begin to make a batch of these rows."""


class Batches:
    """The batches of one split.

    Samples are stored compactly and turned into inputs a few batches at a time: one gather and one conversion
    for several steps cost less than one each.

    Args:
        split: The samples.
        batch_size: Samples in a batch. Fewer than two left over for each process join the batch before, since batch
            normalisation cannot train on one.
        device: Where the batches are wanted; the stored samples move there once if they fit.
        seed: Decides the order, together with the epoch.
        balanced: Draw from each of the split's strata equally often, with repetition in the smaller ones.
        group: The processes that share each batch; this one takes its slice.
        blocks: Shuffle in blocks of neighbouring rows; see `block_order`.
    """

    def __init__(
        self,
        split: Split,
        batch_size: int,
        device: torch.device,
        seed: int = 0,
        *,
        balanced: bool = False,
        group: Group | None = None,
        blocks: bool = False,
    ) -> None:
        self._group = group or Group()
        self._fewest = 2 * self._group.size
        self.batch_size = batch_size
        self.device = device
        self.seed = seed
        self._split = split.to(device) if _fits(split, device) else split
        self._chunk = max(1, min(_MAX_CHUNK, _CHUNK_BYTES // (split.sample_bytes * batch_size)))
        self._strata = split.strata().cpu() if balanced else None
        self._block_bytes = _stored_sample_bytes(split) if blocks else None

    def __len__(self) -> int:
        full, rest = divmod(len(self._split), self.batch_size)
        return full + (1 if rest >= self._fewest or full == 0 else 0)

    @property
    def rest(self) -> int:
        """Samples of an epoch that are too few for a batch of their own and join the one before."""
        full, rest = divmod(len(self._split), self.batch_size)
        return rest if full and rest < self._fewest else 0

    def size_of(self, index: int) -> int:
        """Return the samples of a batch, those of all processes together."""
        if index + 1 < len(self):
            return self.batch_size
        return len(self._split) - index * self.batch_size

    def whole(self) -> "Batches":
        """Return the same batches for this process alone, with the samples of all."""
        other = copy.copy(self)
        other._group = Group()
        return other

    @property
    def num_samples(self) -> int:
        """Samples in the split."""
        return len(self._split)

    @property
    def stored_std(self) -> float | None:
        """The largest standard deviation of a column or channel before it is normalised; None where none is."""
        normalisation = getattr(self._split, "normalisation", None)
        return None if normalisation is None else max(normalisation.std, default=0.0)

    def missing(self, at_most: int) -> float | None:
        """Return the share of NaN among the stored inputs of at most so many samples; None where none are stored."""
        stored = self._split.in_memory
        if stored is None or not stored[0].is_floating_point():
            return None
        rows = self._split.rows[:: max(1, -(-len(self._split) // at_most))]
        return float(stored[0].index_select(0, rows.to(stored[0].device)).isnan().float().mean())

    @property
    def chunk(self) -> int:
        """Batches that are made at once."""
        return self._chunk

    def shuffled(self, epoch: int, start: int = 0) -> Iterator[tuple[Inputs, Tensor]]:
        """Return the batches of an epoch in its own order.

        Args:
            epoch: Number of the epoch.
            start: Batches to leave out at the beginning.
        """
        rows = self._shuffled_rows(epoch)
        walk, stored = self._walk(rows, start, epoch), self._split.in_memory
        if self._block_bytes is None or stored is None or stored[0].device.type != "cpu":
            return walk
        window = window_samples(self._block_bytes)
        return read_ahead(walk, stored[0], rows, window=window, batch_size=self.batch_size, start=start)

    def rows_in(self, epoch: int | None, start: int, stop: int) -> Tensor:
        """Return the stored rows, shape (B,), of an epoch's batches from `start` up to, not including, `stop`.

        Args:
            epoch: Number of the epoch; None for the order of the split.
            start: The first batch.
            stop: The one after the last.
        """
        rows = self._split.rows if epoch is None else self._shuffled_rows(epoch)
        return rows[start * self.batch_size : None if stop >= len(self) else stop * self.batch_size]

    def in_order(self) -> Iterator[tuple[Inputs, Tensor]]:
        """Return the batches in the order of the split, with nothing random in them."""
        return self._walk(self._split.rows, 0, None)

    def some_targets(self, at_most: int) -> Tensor:
        """Return the targets of at most so many samples, spread evenly over the split, on the device."""
        stored = self._split.in_memory
        rows = self._split.rows[:: max(1, -(-len(self._split) // at_most))]
        if stored is not None:
            return stored[1].index_select(0, rows).to(self.device)
        if isinstance(self._split, Expecting):
            return self._split.strata()[:: max(1, -(-len(self._split) // at_most))].to(self.device)
        return self._split.batch(rows, self.device)[1]

    def some_samples(self, at_most: int) -> tuple[Inputs, Tensor] | None:
        """Return inputs and targets of at most so many samples, as above; None where it takes long to make one."""
        few = min(at_most, _MAX_SAMPLE_BYTES // max(1, self._split.sample_bytes))
        if isinstance(self._split, Expecting) or few < 1:
            return None
        return self._split.batch(self._split.rows[:: max(1, -(-len(self._split) // few))], self.device)

    def _shuffled_rows(self, epoch: int) -> Tensor:
        if self._strata is not None:
            order = balanced_order(self._strata, self.seed, epoch)
        elif self._block_bytes is not None:
            generator = _generator(f"blocks/{self.seed}/{epoch}")
            order = block_order(len(self._split), self._block_bytes, generator)
        else:
            order = epoch_order(len(self._split), self.seed, epoch)
        return self._split.rows.index_select(0, order.to(self._split.rows.device))

    def _walk(self, rows: Tensor, start: int, epoch: int | None) -> Iterator[tuple[Inputs, Tensor]]:
        count = len(self)
        while start < count:
            stop = self._chunk_end(start)
            self._announce(rows, start)
            inputs, targets = self._split.batch(self._rows_of(rows, start, stop), self.device, epoch)
            first = 0
            for index in range(start, stop):
                last = first + self._group.count_of(self.size_of(index))
                yield rows_of(inputs, first, last), targets[first:last]
                first = last
            start = stop

    def _chunk_end(self, start: int) -> int:
        """Return the batch behind those that are made at once with batch `start`."""
        return min(len(self), start - start % self._chunk + self._chunk)

    def _rows_of(self, rows: Tensor, start: int, stop: int) -> Tensor:
        if self._group.size == 1:
            return rows[start * self.batch_size : len(rows) if stop == len(self) else stop * self.batch_size]
        wholes = [rows[index * self.batch_size :][: self.size_of(index)] for index in range(start, stop)]
        return torch.cat([whole[self._group.slice_of(len(whole))] for whole in wholes])

    def _announce(self, rows: Tensor, start: int) -> None:
        """Let a split that takes long over its samples begin with those of the next batches."""
        if not isinstance(self._split, Expecting):
            return
        for _ in range(_CHUNKS_AHEAD):
            if start < len(self):
                stop = self._chunk_end(start)
                self._split.expect(self._rows_of(rows, start, stop))
                start = stop


def epoch_order(samples: int, seed: int, epoch: int) -> Tensor:
    """Return a permutation of 0..N-1, shape (N,), that depends on the seed and the epoch alone."""
    return torch.randperm(samples, generator=_generator(f"order/{seed}/{epoch}"))


def balanced_order(strata: Tensor, seed: int, epoch: int) -> Tensor:
    """Return N positions, shape (N,), that hold each stratum equally often (by one, where N does not divide).

    A stratum's own members come round after round, each round in an order of its own, so that none is drawn twice
    before all were drawn once.

    Args:
        strata: Group of each sample, shape (N,), int64.
        seed: The run's seed.
        epoch: Number of the epoch.
    """
    generator = _generator(f"balanced/{seed}/{epoch}")
    groups = [(strata == group).nonzero()[:, 0] for group in strata.unique()]
    share, more = divmod(len(strata), len(groups))
    drawn = []
    for turn, members in enumerate(groups):
        wanted = share + (turn < more)
        rounds = -(-wanted // len(members))
        orders = [torch.randperm(len(members), generator=generator) for _ in range(rounds)]
        drawn.append(members[torch.cat(orders)[:wanted]])
    every = torch.cat(drawn)
    return every[torch.randperm(len(every), generator=generator)]


def _generator(salt: str) -> torch.Generator:
    digest = hashlib.sha256(salt.encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little", signed=True))


def _stored_sample_bytes(split: Split) -> int:
    return split.sample_bytes if split.in_memory is None else max(1, split.in_memory[0][0].nbytes)


def _fits(split: Split, device: torch.device) -> bool:
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return split.stored_bytes < _RESIDENT_SHARE * free
