"""The subject of an inspection: the model of a checkpoint and batches of its training data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor, nn

from dlkit.data.batches import Batches
from dlkit.data.kinds import load_dataset
from dlkit.device import seed_all
from dlkit.errors import DataError
from dlkit.evaluation.objective import objective_of
from dlkit.files.checkpoint import Checkpoint
from dlkit.inputs import Inputs
from dlkit.models.build import restore_model
from dlkit.models.context import context_in

_EPOCH = 1  # the order of the batches is that of the first epoch of training


@dataclass(frozen=True)
class Subject:
    """A model with its weights, and batches to pass through it.

    Args:
        model: On the device.
        batches: Inputs and targets on the device.
        loss_fn: Maps outputs and targets to the mean loss, a scalar.
    """

    model: nn.Module
    batches: Sequence[tuple[Inputs, Tensor]]
    loss_fn: Callable[[Tensor, Tensor], Tensor]

    @property
    def num_samples(self) -> int:
        """Number of samples in all batches."""
        return sum(len(targets) for _, targets in self.batches)


def open_subject(
    checkpoint: Checkpoint, split: str, num_batches: int, device: torch.device, data: str | None = None
) -> Subject:
    """Build the model of a checkpoint and take the first batches of a split.

    They have the order and size of the first epoch of training, so those of `train` are the batches of the first
    steps.

    Args:
        checkpoint: Model, settings and description of the data.
        split: `train`, `val`, `test` or `all`.
        num_batches: Number of batches; fewer if the split has fewer.
        device: Where to compute.
        data: Data other than those it was trained on; None takes the same.

    Raises:
        CheckpointError: The model cannot be built from the checkpoint.
        DataError: The data are missing, have changed, or are fewer than two samples.
    """
    config = checkpoint.config
    dataset = load_dataset(config, checkpoint.description, context_in(checkpoint.weights), other=data)
    model = restore_model(checkpoint, device)
    seed_all(config.seed)
    part = dataset.split(split)
    if len(part) < 2:
        raise DataError(
            f"--split {split} has {len(part)} sample; inspecting needs two",
            "use a larger split, for example --split train",
        )
    batches = Batches(part, config.batch_size, device, config.seed)
    objective = objective_of(config, dataset, device)
    return Subject(model, list(islice(batches.shuffled(_EPOCH), num_batches)), objective.loss)
