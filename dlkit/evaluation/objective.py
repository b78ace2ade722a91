"""What a run minimises: its settings and its data make the objective, in training as in evaluation."""

from dataclasses import replace

import torch
from torch import Tensor

from dlkit.data.dataset import DataSet
from dlkit.data.kinds import task_of
from dlkit.errors import ConfigError, did_you_mean
from dlkit.files.description import DataDescription
from dlkit.metrics import columns_of, monitored
from dlkit.objectives import Objective, build_objective
from dlkit.settings.config import TrainConfig
from dlkit.settings.texts import parse_weights


def objective_of(config: TrainConfig, dataset: DataSet, device: torch.device) -> Objective:
    """Choose loss and metric as the settings and the data ask for.

    Raises:
        ConfigError: The loss does not fit the task.
    """
    objective = build_objective(
        dataset.description,
        config.loss,
        device=device,
        label_smoothing=config.label_smoothing,
        weights=_target_weights(config, dataset.description, device),
    )
    return replace(objective, monitored=monitored(config.monitor, task_of(dataset.description)))


def check_description(config: TrainConfig, description: DataDescription) -> None:
    """Check the settings against what only the data tell: the classes or outputs, and the metrics measured.

    Raises:
        ConfigError: The monitored column is not measured, a weighted class or output is not there, or classes are
            to be balanced that are none.
    """
    columns = columns_of(task_of(description))
    faults = []
    if config.monitor not in columns:
        faults.append(
            ConfigError(
                f"--monitor {config.monitor} is not measured; choose from {', '.join(columns)}",
                did_you_mean(config.monitor, columns),
            )
        )
    names = description.class_names or description.target_names
    weighted = parse_weights(config.target_weights) if config.target_weights else ()
    faults += [
        ConfigError(
            f"--target-weights {name}: {description.name} has no such class or output; it has "
            f"{', '.join(names[:20]) or 'none with a name'}",
            did_you_mean(name, names),
        )
        for name in weighted
        if name not in names
    ]
    if config.balance == "loss" and description.task != "classification":
        faults.append(
            ConfigError(
                "--balance loss weighs classes; the target is a number",
                "--balance sampler draws targets above and below the median equally often",
            )
        )
    if not config.scale_target and description.task == "classification":
        faults.append(ConfigError("--no-scale-target is for numbers; the target is a class", "leave it out"))
    if faults:
        raise ConfigError.of(faults)


def _target_weights(config: TrainConfig, description: DataDescription, device: torch.device) -> Tensor | None:
    """Return one weight a class or output, shape (K,); those not named weigh 1.

    Weights of classes are divided by their mean over the samples that are trained on, so that the loss keeps its size.
    """
    weights = None
    if config.target_weights is not None:
        named = parse_weights(config.target_weights)
        names = description.class_names or description.target_names
        weights = torch.tensor([named.get(name, 1.0) for name in names], dtype=torch.float64)
    counts = torch.tensor(description.class_counts, dtype=torch.float64)
    if config.balance == "loss" and len(counts):
        by_count = 1 / counts.clamp_min(1)
        weights = by_count if weights is None else weights * by_count
    if weights is None:
        return None
    if len(counts):
        drawn = torch.ones_like(counts) if config.balance == "sampler" else counts
        weights = weights * drawn.sum() / torch.dot(weights, drawn)
    return weights.to(device=device, dtype=torch.float32)
