"""Replay the batch at which a run diverged, and report where NaN or infinity came from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from dlkit.data.dataset import DataSet
from dlkit.data.kinds import load_dataset
from dlkit.errors import CheckpointError, printable
from dlkit.evaluation.objective import objective_of
from dlkit.files.checkpoint import Checkpoint
from dlkit.inspection.layer_table import Cell, Row
from dlkit.models.build import restore_model
from dlkit.models.context import context_in
from dlkit.training.divergence.failing_batch import FailingBatch, load_batch
from dlkit.training.divergence.recovery import lower_rate
from dlkit.training.divergence.replay import Finding, Replay, TensorStats

_DATA_CAUSES = ("inputs", "targets")


@dataclass(frozen=True)
class NanReport:
    """A failing batch and the result of its replay.

    Args:
        checkpoint: Holds the batch and the weights before the step.
        failing: The batch.
        seen: The statistics of all layers in the replay.
    """

    checkpoint: Checkpoint
    failing: FailingBatch
    seen: Replay

    def to_pairs(self) -> dict[str, Cell]:
        """Return the findings as text, by name."""
        seen, failing = self.seen, self.failing
        sizes = [len(targets) for _, targets in failing.batches]
        several = f" in {len(sizes)} batches" if len(sizes) > 1 else ""
        place = f"epoch {failing.epoch}, {'validation after ' * (failing.split == 'val')}step {failing.step}"
        rows = self.failing.bad_rows(seen)
        rate = self.lower_rate
        pairs: dict[str, Cell] = {
            "batch": f"{place}: {sum(sizes)} samples of {failing.split}{several}",
            "finding": seen.finding.message,
            "rows": ", ".join(map(str, rows)) if rows else None,
            "inputs": _finite_or(len(seen.bad_inputs), "samples"),
            "targets": _finite_or(len(seen.bad_targets), "samples"),
            "weights": "finite" if not seen.weights else f"not finite: {', '.join(seen.weights)}",
            "forward": _describe(seen.first_forward),
            "loss": seen.loss,
            "backward": None if failing.split == "val" else _describe(seen.first_backward),
            "fp16_overflow": "yes" if seen.finding.fp16_overflow else "no",
            "cure": f"--lr {rate:g}" if rate is not None else None,
        }
        return {name: value for name, value in pairs.items() if value is not None}

    def to_dict(self) -> dict[str, Any]:
        """Return the findings as JSON values."""
        seen, failing, finding = self.seen, self.failing, self.seen.finding
        rate = self.lower_rate
        return {
            "split": failing.split,
            "epoch": failing.epoch,
            "step": failing.step,
            "samples": len(failing.rows),
            "cause": finding.cause,
            "layer": finding.layer or None,
            "message": finding.message,
            "rows": failing.bad_rows(seen),
            "weights_not_finite": list(seen.weights),
            "forward": _as_dict(seen.first_forward),
            "loss": seen.loss,
            "backward": _as_dict(seen.first_backward),
            "gradients_not_finite": list(seen.gradients),
            "fp16_overflow": finding.fp16_overflow,
            "cure": None if rate is None else {"option": "--lr", "value": rate},
            "layers": [dict(row) for row in self.rows()],
        }

    def rows(self) -> list[Row]:
        """Return the statistics of each layer, in the order in which they ran."""
        return [
            {
                "layer": call.layer,
                "type": call.kind,
                "largest_input": _largest(call.inputs),
                "largest_output": _largest(call.outputs),
                "non_finite": call.outputs.non_finite,
                "largest_gradient": _largest(call.gradient),
                "non_finite_gradient": None if call.gradient is None else call.gradient.non_finite,
            }
            for call in self.seen.calls
        ]

    @property
    def lower_rate(self) -> float | None:
        """A rate to resume with; None if a lower one does not help."""
        cause = self.seen.finding.cause
        return None if cause in _DATA_CAUSES else lower_rate(self.checkpoint.config)


def inspect_nan(checkpoint: Checkpoint, device: torch.device) -> NanReport:
    """Replay the batch that a checkpoint keeps.

    Args:
        checkpoint: The `nan.safetensors` of a run.
        device: Where to compute.

    Raises:
        CheckpointError: It holds no batch, or the batch does not fit its model.
        DataError: The loss needs the data, and they are missing.
    """
    failing = load_batch(checkpoint, device)
    config = checkpoint.config
    model = restore_model(checkpoint, device)
    dataset = DataSet(checkpoint.description, {})
    if config.balance == "loss":  # needs the class counts of the data
        dataset = load_dataset(config, checkpoint.description, context_in(checkpoint.weights))
    try:
        objective = objective_of(config, dataset, device)
        seen = failing.replay(model, objective, config.seed, device, config.precision)
    except (RuntimeError, TypeError, ValueError, IndexError) as err:
        raise CheckpointError(
            f"{checkpoint.path}: the batch cannot be passed through its model: {printable(str(err), limit=200)}",
            "the file comes from another version of dlkit, or another program",
        ) from err
    return NanReport(checkpoint, failing, seen)


def _largest(seen: TensorStats | None) -> float | None:
    """Return the largest finite magnitude; None where no number was finite."""
    return None if seen is None or (seen.non_finite and not seen.largest) else seen.largest


def _finite_or(count: int, what: str) -> str:
    return f"{count} {what} are not finite" if count else "finite"


def _describe(finding: Finding | None) -> str:
    return "finite" if finding is None else f"not finite from {finding.layer} on"


def _as_dict(finding: Finding | None) -> Mapping[str, Any] | None:
    return None if finding is None else {"layer": finding.layer, "message": finding.message}
