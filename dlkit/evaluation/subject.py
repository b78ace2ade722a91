"""A network with its data, ready to predict any part of them."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from dlkit.data.batches import Batches
from dlkit.data.dataset import DataSet, Split
from dlkit.data.kinds import kind_of, load_dataset
from dlkit.evaluation.evaluate import predict, predict_draws
from dlkit.evaluation.objective import objective_of
from dlkit.evaluation.tasks import Outputs, Results, results_of
from dlkit.files.checkpoint import Checkpoint
from dlkit.models.build import restore_model
from dlkit.models.context import context_in
from dlkit.objectives import Objective
from dlkit.settings.eval_config import EvalConfig

_BATCH_SIZE = 256


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is evaluated.

    Args:
        checkpoint: Network, settings and description of the data.
        model: The network.
        dataset: The data, those trained on or others.
        objective: Loss and predictions, on the CPU.
        device: Where the network is.
    """

    checkpoint: Checkpoint
    model: nn.Module
    dataset: DataSet
    objective: Objective
    device: torch.device

    def own(self) -> "Subject":
        """Return the same network with the data that it was trained on.

        Raises:
            DataError: They are not here, or have changed.
        """
        if self.dataset.description.fingerprint == self.checkpoint.description.fingerprint:
            return self
        about, context = self.checkpoint.description, context_in(self.checkpoint.weights)
        dataset = load_dataset(self.checkpoint.config, about, context)
        objective = objective_of(self.checkpoint.config, dataset, torch.device("cpu"))
        return replace(self, dataset=dataset, objective=objective)

    def predict(self, part: Split, draws: int | None = None) -> tuple[Tensor, Outputs]:
        """Return the raw outputs of N samples, shape (N, ...), and predictions and targets.

        Args:
            part: The samples.
            draws: Random draws of what they see, to be averaged; None takes the nearest.
        """
        outputs, targets = predict(self.model, Batches(part, _BATCH_SIZE, self.device).in_order())
        spread = None
        drawings = kind_of(self.dataset).drawings
        if draws is not None and drawings is not None:
            each = predict_draws(
                self.model, [Batches(one, _BATCH_SIZE, self.device) for one in drawings(part, draws)]
            )
            outputs, spread = each.mean(0), self.objective.predictions(each).std(0, correction=0).numpy()
        preds = self.objective.predictions(outputs).numpy()
        return outputs, Outputs(
            dataset=self.dataset, split=part, targets=targets.numpy(), preds=preds, spread=spread
        )

    def results(self, part: Split) -> Results:
        """Return predictions and targets of samples in the form of the task."""
        return results_of(self.predict(part)[1])


def load_subject(checkpoint: Checkpoint, config: EvalConfig, device: torch.device) -> Subject:
    """Build the network of a checkpoint and load the data.

    Raises:
        DataError: The data are not here, have changed, or do not fit the network.
        CheckpointError: The network cannot be built from the checkpoint.
    """
    model = restore_model(checkpoint, device)
    dataset = load_dataset(
        checkpoint.config, checkpoint.description, context_in(checkpoint.weights), other=config.data
    )
    return Subject(
        checkpoint=checkpoint,
        model=model,
        dataset=dataset,
        objective=objective_of(checkpoint.config, dataset, torch.device("cpu")),
        device=device,
    )
