"""The batch at which a run diverged: found again, kept in a file, and replayed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice, pairwise
from typing import Any

import torch
from torch import Tensor, nn

from dlkit.errors import CheckpointError
from dlkit.evaluation.evaluate import mean_scores
from dlkit.files.checkpoint import Checkpoint
from dlkit.inputs import Inputs, rows_of
from dlkit.objectives import Objective
from dlkit.training.compute import seed_step, uncompiled
from dlkit.training.divergence.replay import Replay, replay
from dlkit.training.loop import Step
from dlkit.training.precision import Forward
from dlkit.training.step import Parts

_PREFIX, _INPUTS = "batch.", "inputs"
_SPLITS = ("train", "val")


@dataclass(frozen=True)
class FailingBatch:
    """The batches of the step, or the batch of the validation, at which a run diverged.

    Args:
        split: `train` or `val`.
        epoch: Its epoch.
        step: Number of the step that took it, from 1; of validation, the steps done.
        rows: Their rows in the stored data, shape (N,).
        batches: Inputs and targets.
    """

    split: str
    epoch: int
    step: int
    rows: Tensor
    batches: Sequence[tuple[Inputs, Tensor]]

    def to_dict(self) -> dict[str, Any]:
        """Return its description in a checkpoint's metadata, as JSON values."""
        sizes = [len(targets) for _, targets in self.batches]
        return {"split": self.split, "epoch": self.epoch, "step": self.step, "sizes": sizes}

    def tensors(self) -> dict[str, Tensor]:
        """Return its tensors as a checkpoint holds them, by name."""
        found = {"rows": self.rows, "targets": torch.cat([targets for _, targets in self.batches])}
        parts = [_by_name(inputs) for inputs, _ in self.batches]
        found |= {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        return {_PREFIX + name: tensor for name, tensor in found.items()}

    def replay(
        self, model: nn.Module, objective: Objective, seed: int, device: torch.device, precision: str
    ) -> Replay:
        """Pass it through a network again, with the same random numbers.

        Args:
            model: On the device; changed.
            objective: The loss.
            seed: The run's.
            device: Where to compute.
            precision: The run's.
        """
        seed_step(device, seed, self.step - 1)
        forward = Forward(precision, device)
        with uncompiled():
            return replay(
                model, self.batches, objective.loss, training=self.split == "train", forward=forward
            )

    def bad_rows(self, seen: Replay) -> list[int]:
        """Return the stored rows of the samples with NaN or infinity, if those are the cause."""
        places = {"inputs": seen.bad_inputs, "targets": seen.bad_targets}.get(seen.finding.cause, ())
        before = sum(len(targets) for _, targets in self.batches[: seen.batch])
        rows: list[int] = self.rows.tolist()
        return [rows[before + place] for place in places]


def find_batch(parts: Parts, step: Step, number: int) -> FailingBatch:
    """Find the batches of a step again: they are a function of seed, epoch and step.

    Args:
        parts: What the loop trains.
        step: Any step of the same epoch.
        number: Number of the step in the run, from 1.
    """
    start = (number - 1 - (step.step - step.in_epoch)) * parts.accumulate
    stop = min(start + parts.accumulate, len(parts.train))
    batches = list(islice(parts.train.shuffled(step.epoch, start), stop - start))
    return FailingBatch("train", step.epoch, number, parts.train.rows_in(step.epoch, start, stop), batches)


def find_validation_batch(parts: Parts, step: Step) -> FailingBatch | None:
    """Find the first batch of the validation after a step whose loss is not finite; None if all are."""
    for index, batch in enumerate(parts.val.in_order()):
        loss, _ = mean_scores(parts.validated, [batch], parts.objective, parts.predict)
        if not math.isfinite(loss):
            rows = parts.val.rows_in(None, index, index + 1)
            return FailingBatch("val", step.epoch, step.step, rows, [batch])
    return None


def load_batch(checkpoint: Checkpoint, device: torch.device) -> FailingBatch:
    """Load a failing batch from the checkpoint that holds it.

    Raises:
        CheckpointError: It holds none.
    """
    try:
        facts = checkpoint.metadata["progress"]["failing"]
        found = {
            name.removeprefix(_PREFIX): tensor.to(device)
            for name, tensor in checkpoint.extras.items()
            if name.startswith(_PREFIX)
        }
        rows, targets = found.pop("rows"), found.pop("targets")
        inputs: Inputs = found[_INPUTS] if _INPUTS in found else _without(f"{_INPUTS}.", found)
        edges = [0, *accumulate(map(_count, facts["sizes"]))]
        if (
            not found
            or {len(rows), len(targets), *map(len, found.values())} != {edges[-1]}
            or facts["split"] not in _SPLITS
        ):
            raise ValueError("its parts do not fit each other")
        batches = [(rows_of(inputs, start, stop), targets[start:stop]) for start, stop in pairwise(edges)]
        return FailingBatch(facts["split"], _count(facts["epoch"]), _count(facts["step"]), rows, batches)
    except (KeyError, TypeError, ValueError) as err:
        raise CheckpointError(
            f"{checkpoint.path} holds no batch at which a run diverged",
            "dlkit inspect nan takes a run that ended with exit code 5",
        ) from err


def _by_name(inputs: Inputs) -> Mapping[str, Tensor]:
    if isinstance(inputs, Tensor):
        return {_INPUTS: inputs}
    return {f"{_INPUTS}.{name}": tensor for name, tensor in inputs.items()}


def _without(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}


def _count(value: Any) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{value!r} is no count")
    return value
