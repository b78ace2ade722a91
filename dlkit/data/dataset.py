"""What a data set is: a description, and splits whose rows become batches."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from dlkit.errors import ConfigError, DataError, did_you_mean, printable
from dlkit.files.description import DataDescription, Normalisation
from dlkit.inputs import Inputs
from dlkit.settings.config import TrainConfig
from dlkit.settings.spec import Spec

if TYPE_CHECKING:
    from dlkit.data.images.augment import Augmentation
    from dlkit.data.tables.table import Table

Built = TypeVar("Built")
SPLITS = ("train", "val", "test")
_LONGEST_PATH = 4096


class Split(Protocol):
    """The samples of one split."""

    @property
    def rows(self) -> Tensor:
        """Rows of the stored data that belong to the split, shape (N,), int64."""

    @property
    def sample_bytes(self) -> int:
        """Bytes that one sample takes in a batch; decides how many batches are made at once."""

    @property
    def stored_bytes(self) -> int:
        """Bytes of the stored tensors, which move to the device if they fit."""

    @property
    def in_memory(self) -> tuple[Tensor, Tensor] | None:
        """Stored inputs and targets, shape (M, ...) each; None where samples are made when a batch is."""

    def __len__(self) -> int: ...

    def samples(self) -> Iterator[Tensor]:
        """Yield the samples as they are stored, in parts, shape (B, ...); nothing where one is several tensors."""

    def to(self, device: torch.device) -> Self:
        """Return the same split with its stored tensors on a device."""

    def with_rows(self, rows: Tensor) -> Self:
        """Return a split of other rows of the same stored data."""

    def joined(self, others: Sequence[Self]) -> Self:
        """Return this split and others, one after the other, as one."""

    def strata(self) -> Tensor:
        """Return the groups, shape (N,), int64, that a balanced draw takes in equal numbers."""

    def batch(self, rows: Tensor, device: torch.device, epoch: int | None = None) -> tuple[Inputs, Tensor]:
        """Make inputs and targets of some rows.

        Args:
            rows: Which of the stored rows, shape (B,), on the device of the stored tensors.
            device: Where the batch is wanted.
            epoch: The epoch that trains on it; what is random then is a function of seed, epoch and row alone.
                None where nothing is random: validation, evaluation.

        Returns:
            Inputs of B samples, and targets, shape (B,) or (B, D, ...), in their own unit.
        """


@dataclass(frozen=True)
class TensorSplit:
    """Rows of stored tensors, normalised when a batch is made.

    Args:
        inputs: Stored samples, shape (M, ...), M at least the largest row.
        targets: Stored targets, shape (M,) or (M, D).
        rows: Rows that belong to the split, shape (N,), int64.
        normalisation: How stored values become inputs; None leaves them alone.
        augmentation: How images are changed where a batch is trained on.
        missing: Stored samples may be NaN, which becomes the mean.
    """

    inputs: Tensor
    targets: Tensor
    rows: Tensor
    normalisation: Normalisation | None
    augmentation: "Augmentation | None" = None
    missing: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def sample_bytes(self) -> int:
        """Bytes that one sample takes in a batch."""
        return 4 * self.inputs[0].numel()

    @property
    def stored_bytes(self) -> int:
        """Bytes of the stored samples."""
        return self.inputs.nbytes

    @property
    def in_memory(self) -> tuple[Tensor, Tensor]:
        """Stored inputs and targets."""
        return self.inputs, self.targets

    def samples(self) -> Iterator[Tensor]:
        """Yield the stored samples, all at once."""
        yield self.inputs.index_select(0, self.rows)

    def to(self, device: torch.device) -> Self:
        """Return the same split with its stored tensors on a device."""
        return replace(
            self, inputs=self.inputs.to(device), targets=self.targets.to(device), rows=self.rows.to(device)
        )

    def with_rows(self, rows: Tensor) -> Self:
        """Return a split of other rows of the same stored data."""
        return replace(self, rows=rows)

    def joined(self, others: Sequence[Self]) -> Self:
        """Return this split and others, one after the other, as one of copied tensors."""
        splits = (self, *others)
        inputs = torch.cat([split.inputs.index_select(0, split.rows) for split in splits])
        targets = torch.cat([split.targets.index_select(0, split.rows) for split in splits])
        return replace(
            self, inputs=inputs, targets=targets, rows=torch.arange(len(targets)), augmentation=None
        )

    def strata(self) -> Tensor:
        """Return the class of each sample; for numbers, whether it lies above the median."""
        targets = self.targets.index_select(0, self.rows)
        return above_median(targets) if targets.is_floating_point() else targets

    def batch(self, rows: Tensor, device: torch.device, epoch: int | None = None) -> tuple[Tensor, Tensor]:
        """Make inputs, float32, shape (B, ...), and targets, shape (B,) or (B, D), of some rows."""
        inputs = normalised(
            self.inputs.index_select(0, rows).to(device, non_blocking=True),
            self.normalisation,
            missing=self.missing,
        )
        targets = self.targets.index_select(0, rows).to(device, non_blocking=True)
        if self.augmentation is not None and epoch is not None:
            inputs = self.augmentation.apply(inputs, rows, epoch)
        return inputs, targets


@dataclass(frozen=True)
class DataSet:
    """A description and its splits.

    Args:
        description: What the data say of themselves.
        splits: By name: train, val and test.
        context: What a network needs of the data for ever, by name; it travels in the checkpoint.
        notes: Messages for the user, e.g. what was inferred.
        files: The file that each stored row is from, by split; empty where there is none.
        otherwise: Reads the inputs in another way that they may be meant; None where there is none.
        table: The table whose rows the samples are; None if they are none.
        given: The splits that the data come with.
    """

    description: DataDescription
    splits: Mapping[str, Split]
    context: Mapping[str, Tensor] = field(default_factory=dict)
    notes: Sequence[str] = ()
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)
    otherwise: "Callable[[], DataSet] | None" = None
    table: "Table | None" = None
    given: frozenset[str] = frozenset()

    def places(self, name: str) -> list[int] | list[str]:
        """Return where each sample of a split, or of `all`, is from: its file, or its row of the stored data."""
        if not self.files:
            return [int(row) for row in self.stored_rows(name)]
        parts = [part for part in SPLITS if part in self.splits] if name == "all" else [name]
        return [
            printable(self.files[part][row], _LONGEST_PATH)
            for part in parts
            for row in self.splits[part].rows.tolist()
        ]

    def stored_rows(self, name: str) -> np.ndarray:
        """Return the stored rows of a split, shape (N,); of `all` those of a table, else their place among all."""
        if name != "all" or self.table is None:
            return self.split(name).rows.numpy()
        return np.concatenate([self.splits[part].rows.numpy() for part in SPLITS if part in self.splits])

    def split(self, name: str) -> Split:
        """Return the split `train`, `val`, `test`, or `all` three one after the other.

        Raises:
            ConfigError: There is no such split.
            DataError: It is empty.
        """
        if name == "all":
            first, *others = (self.splits[part] for part in SPLITS if part in self.splits)
            return first.joined(others)
        if name not in self.splits:
            raise ConfigError(
                f"--split {name} is not known; choose from {', '.join((*self.splits, 'all'))}",
                did_you_mean(name, self.splits),
            )
        if not len(self.splits[name]):
            raise DataError(
                f"--split {name} of {self.description.name} has no samples", "--split all uses all samples"
            )
        return self.splits[name]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a source is asked for.

    Args:
        spec: Which data.
        config: Seed and shares of the splits, limit, normalisation, columns.
        trained_on: The description in a checkpoint, whose normalisation and the like are used; None for a new run.
        context: The context in that checkpoint.
        same_data: Whether they must be the data trained on; else they are others that must fit the network.
        table: The table that `spec` names, where it has been read already: standard input is there but once.
    """

    spec: Spec
    config: TrainConfig
    trained_on: DataDescription | None = None
    context: Mapping[str, Tensor] = field(default_factory=dict)
    same_data: bool = True
    table: "Table | None" = None

    def check_fingerprint(self, fingerprint: str) -> None:
        """Check that the data found are those trained on.

        Raises:
            DataError: They must be the same and are not.
        """
        if self.trained_on is not None and self.same_data and self.trained_on.fingerprint != fingerprint:
            raise DataError(
                f"--data {self.spec.text} has changed since the checkpoint was trained on it",
                "name it with --data to evaluate on its present content",
            )

    def check_shapes(self, input_shape: tuple[int, ...], num_outputs: int) -> None:
        """Hold other data to what the network takes and gives.

        Raises:
            DataError: They do not fit.
        """
        trained_on = self.trained_on
        if trained_on is None or (input_shape, num_outputs) == (
            trained_on.input_shape,
            trained_on.num_outputs,
        ):
            return
        raise DataError(
            f"--data {self.spec.text} has samples of shape {input_shape} and {num_outputs} outputs; the checkpoint "
            f"takes {trained_on.input_shape} and gives {trained_on.num_outputs}",
            f"it was trained on {trained_on.name}",
        )


def normalised(stored: Tensor, normalisation: Normalisation | None, *, missing: bool = False) -> Tensor:
    """Turn stored values of a batch, shape (B, ...), which may be overwritten, into inputs, float32.

    Where values may be missing, NaN becomes 0, which is the mean of the training samples. Whole numbers that are not
    normalised are codes and stay as they are.
    """
    if normalisation is None and stored.dtype == torch.int64:
        return stored
    inputs = stored if stored.dtype == torch.float64 else stored.to(torch.float32)
    if normalisation is not None:
        factor, offset = _factor_and_offset(normalisation, inputs)
        inputs.mul_(factor).add_(offset)
    if missing:
        inputs.nan_to_num_(0.0)
    return inputs.to(torch.float32)


def unstandardised(inputs: Tensor, normalisation: Normalisation | None) -> Tensor:
    """Return inputs, shape (B, ...), as stored values divided by their scale alone: as pixels from 0 to 1."""
    if normalisation is None:
        return inputs
    shape = [1] * inputs.ndim
    shape[normalisation.axis] = -1
    return inputs * torch.tensor(normalisation.std).view(shape) + torch.tensor(normalisation.mean).view(shape)


def first_that_fits(dataset: DataSet, build: Callable[[DataSet], Built]) -> tuple[DataSet, Built]:
    """Build a network for data, read in another way where it does not take them as they are read at first.

    Raises:
        ConfigError: It takes none of the ways; what the first is refused for is raised, or the last where it was codes.
    """
    first: ConfigError | None = None
    of_codes: ConfigError | None = None
    while True:
        try:
            return dataset, build(dataset)
        except ConfigError as err:
            called = err.__cause__ is not None  # an error of forward, which other inputs may not raise
            if first is None and (dataset.description.input_dtype == "float32" or not called):
                first = err if called or of_codes is None else of_codes
            elif first is None:
                of_codes = err
            if dataset.otherwise is None:
                raise (first or err) from None
            dataset = dataset.otherwise()


def above_median(targets: Tensor) -> Tensor:
    """Return for each target, shape (N,) or (N, ...), whether it lies above the median: 0 or 1, shape (N,), int64."""
    values = targets.reshape(len(targets), -1)[:, 0]
    return (values > values.median()).long()


def _factor_and_offset(normalisation: Normalisation, inputs: Tensor) -> tuple[Tensor | float, Tensor | float]:
    """Turn (value / scale - mean) / std into value * factor + offset, shaped to fit inputs (B, C, ...)."""
    factors = [1 / (normalisation.scale * std) for std in normalisation.std]
    offsets = [-mean / std for mean, std in zip(normalisation.mean, normalisation.std, strict=True)]
    if len(factors) == 1:
        return factors[0], offsets[0]
    shape = [1] * inputs.ndim
    shape[normalisation.axis] = -1
    both = torch.tensor([factors, offsets], dtype=inputs.dtype).to(inputs.device, non_blocking=True)
    return both[0].view(shape), both[1].view(shape)
