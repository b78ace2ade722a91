"""Points split by rows or by whole squares; a batch names the candidates that a point sees."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from dlkit.data.dataset import above_median
from dlkit.data.spatial.columns import Located
from dlkit.data.spatial.sampling import draw, nearest
from dlkit.data.splits import split_rows
from dlkit.data.tables.splits import split_table
from dlkit.data.tables.table import Table
from dlkit.data.tables.targets import Targets
from dlkit.inputs import Inputs
from dlkit.settings.config import TrainConfig


@dataclass(frozen=True, kw_only=True)
class SpatialSplit:
    """Rows of a table of points.

    Args:
        coords: Coordinates less their centre, of all rows, shape (M, 2).
        times: Times less their origin, shape (M,); None where there are none.
        features: Encoded features, shape (M, D).
        targets: In their own unit, shape (M, 1).
        candidates: Positions in the context of all that may be seen, nearest first, padded with -1, shape (M, C).
        rows: Rows that belong to the split, shape (N,), int64.
        neighbors: The most that are seen at once.
        seed: Decides, with the epoch and the row, which are seen in training.
        drawing: Number of a random draw where evaluation does not take the nearest.
    """

    coords: Tensor
    times: Tensor | None
    features: Tensor
    targets: Tensor
    candidates: Tensor
    rows: Tensor
    neighbors: int
    seed: int
    drawing: int | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def sample_bytes(self) -> int:
        """Bytes that one sample takes in a batch and while its neighbours are drawn."""
        return 4 * (2 * self.neighbors + 3 + self.features.shape[1] + 2 * self.candidates.shape[1])

    @property
    def stored_bytes(self) -> int:
        """Bytes of what is stored of all points."""
        stored = (self.coords, self.features, self.targets, self.candidates)
        return sum(tensor.nbytes for tensor in stored)

    @property
    def in_memory(self) -> None:
        """Nothing that is one tensor a sample."""
        return

    def samples(self) -> Iterator[Tensor]:
        """Yield nothing: a sample is several tensors."""
        yield from ()

    def to(self, device: torch.device) -> Self:
        """Return the same split with its stored tensors on a device."""
        return replace(
            self,
            coords=self.coords.to(device),
            times=None if self.times is None else self.times.to(device),
            features=self.features.to(device),
            targets=self.targets.to(device),
            candidates=self.candidates.to(device),
            rows=self.rows.to(device),
        )

    def with_rows(self, rows: Tensor) -> Self:
        """Return a split of other rows of the same points."""
        return replace(self, rows=rows)

    def with_drawing(self, number: int) -> Self:
        """Return a split whose evaluation sees random draw `number` instead of the nearest."""
        return replace(self, drawing=number)

    def joined(self, others: Sequence[Self]) -> Self:
        """Return this split and others of the same points, one after the other, as one."""
        return self.with_rows(torch.cat([self.rows, *(other.rows for other in others)]))

    def strata(self) -> Tensor:
        """Return for each point whether its target lies above the median: 0 or 1, shape (N,), int64."""
        return above_median(self.targets.index_select(0, self.rows))

    def batch(self, rows: Tensor, device: torch.device, epoch: int | None = None) -> tuple[Inputs, Tensor]:
        """Make the inputs of some rows: `coords` (B, 2), `features` (B, D), `neighbors` (B, K), `times` (B,).

        Args:
            rows: Which of the stored rows, shape (B,), on the device of the stored tensors.
            device: Where the batch is wanted.
            epoch: The epoch whose draw is seen; None sees the nearest.

        Returns:
            Inputs by name, and targets, shape (B, 1).
        """
        candidates = self.candidates.index_select(0, rows)
        if epoch is not None:
            seen = draw(candidates, self.neighbors, rows, f"neighbors/{self.seed}/{epoch}")
        elif self.drawing is not None:
            seen = draw(candidates, self.neighbors, rows, f"evaluation/{self.seed}/{self.drawing}")
        else:
            seen = nearest(candidates, self.neighbors)
        inputs = {
            "coords": self.coords.index_select(0, rows),
            "features": self.features.index_select(0, rows),
            "neighbors": seen.long(),
        }
        if self.times is not None:
            inputs["times"] = self.times.index_select(0, rows)
        moved = {name: tensor.to(device, non_blocking=True) for name, tensor in inputs.items()}
        return moved, self.targets.index_select(0, rows).to(device, non_blocking=True)


def drawings(split: SpatialSplit, count: int) -> list[SpatialSplit]:
    """Return a split whose evaluation sees random draws of neighbours, once for each draw."""
    return [split.with_drawing(number) for number in range(count)]


def split_points(
    table: Table, located: Located, targets: Targets, config: TrainConfig, column: str | None = None
) -> dict[str, np.ndarray]:
    """Return the rows of train, val and test; those without a place, a time or a target are in none.

    Raises:
        DataError: A split would be empty, or what it goes by is missing.
    """
    values = np.where(located.known[:, None], targets.values, np.nan)
    known = Targets(targets.task, targets.names, values)
    rows = split_table(table, known, config, column)
    rows["train"] = _limited(rows["train"], config, table.fingerprint)
    return rows


def _limited(train: np.ndarray, config: TrainConfig, fingerprint: str) -> np.ndarray:
    """Take --limit of the training points at random."""
    if config.limit is None or config.limit >= len(train):
        return train
    _, cut = split_rows(np.zeros(len(train)), config.limit / len(train), config.seed, f"limit/{fingerprint}")
    kept: np.ndarray = train[cut]
    return kept
