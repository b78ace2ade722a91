"""Recordings of runs, made by hand: a healthy one, and what differs from it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from dlkit.diagnosis.recording import Point, Recording

STEPS = (1, 2, 3, 6, 11, 21, 51, 101, 201)
CONSTANT = math.log(10)
CONFIG = {
    "model": "mlp",
    "data": "digits",
    "optimizer": "sgd",
    "lr": 0.01,
    "batch_size": 64,
    "epochs": 10,
    "accumulate": 1,
    "loss": "auto",
    "normalize": "auto",
    "balance": "none",
    "weight_decay": 0.0,
    "l1": 0.0,
    "arguments": {},
}


def constant(value: float, steps: Sequence[int] = STEPS) -> list[Point]:
    """Return a signal that stays as it is."""
    return [(step, value) for step in steps]


def healthy(
    changes: Mapping[str, Mapping[str, list[Point]]] | None = None,
    *,
    history: Mapping[str, list[float | None]] | None = None,
    finished: bool = True,
    **config: Any,
) -> Recording:
    """Return the recording of a run that learned ten classes, with some signals, columns or settings in their place."""
    layers = ("first.weight", "second.weight", "output.weight")
    loss = [CONSTANT * 0.8**epoch for epoch in range(1, 11)]
    signals: dict[str, dict[str, list[Point]]] = {
        "grad_norm": {layer: constant(1.0) for layer in layers},
        "update_ratio": {layer: constant(4e-3) for layer in layers},
        "weight_norm": {layer: constant(5.0) for layer in layers},
        "size": {layer: constant(1000.0, [1]) for layer in layers},
        "units": dict(zip(layers, (constant(width, [1]) for width in (128, 128, 10)), strict=True)),
        "inputs": dict(zip(layers, (constant(width, [1]) for width in (64, 128, 128)), strict=True)),
        "act_rank": {
            name: constant(rank, [1]) for name, rank in (("first", 63), ("relu", 63), ("output", 10))
        },
        "unit_spread": {layer: constant(1.1, [1, 11]) for layer in layers},
        "act_std": {"relu": constant(0.5)},
        "dead": {"relu": constant(0.1)},
        "saturated": {"tanh": constant(0.05)},
        "mean_loss": {"": [(20 * epoch, value) for epoch, value in enumerate(loss, 1)]},
    }
    whole = {
        "samples": 1455.0,
        "val_samples": 342.0,
        "classes": 10.0,
        "constant_loss": CONSTANT,
        "whole_label_share": 0.1,
        "whole_label_entropy": CONSTANT,
        "loss": 1.02 * CONSTANT,
        "input_mean": 0.0,
        "input_std": 1.0,
        "input_max": 3.0,
        "input_constant": 0.1,
        "output_min": -2.0,
        "output_max": 3.0,
        "output_std": 1.0,
        "output_spread": 0.5,
        "output_sum_error": 4.0,
        "label_entropy": 2.2,
        "label_share": 0.15,
        "predicted_share": 0.15,
        "train_loss": 1.0,
        "eval_loss": 1.0,
    }
    signals |= {name: {"": constant(value)} for name, value in whole.items()}
    columns: dict[str, list[float | None]] = {
        "epoch": [float(epoch) for epoch in range(1, 11)],
        "step": [20.0 * epoch for epoch in range(1, 11)],
        "train_loss": list(loss),
        "val_loss": [1.05 * value for value in loss],
        "train_accuracy": [1 - value / 3 for value in loss],
        "val_accuracy": [1 - value / 3 for value in loss],
    }
    return Recording(
        config={**CONFIG, **config},
        history={**columns, **(history or {})},
        signals={**signals, **(changes or {})},
        folder="run",
        finished=finished,
    )


def whole(**values: float) -> dict[str, dict[str, list[Point]]]:
    """Return signals of the whole network that stay as they are."""
    return {name: {"": constant(value)} for name, value in values.items()}


def stuck(level: float = 1.0) -> dict[str, list[float | None]]:
    """Return the history of a run whose losses stay at a share of the best constant answer's."""
    losses: list[float | None] = [level * CONSTANT] * 10
    accuracy: list[float | None] = [0.1] * 10
    return {"train_loss": losses, "val_loss": losses, "train_accuracy": accuracy, "val_accuracy": accuracy}
