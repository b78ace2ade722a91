"""Histories to draw, made up of a falling curve."""

import math
from collections.abc import Callable

import pytest

from dlkit.files.history import History


@pytest.fixture
def history() -> Callable[..., History]:
    """Make a history: `history(5)` has five epochs, `history(5, val_loss=[...])` other values in a column."""

    def make(epochs: int, metric: str = "accuracy", **columns: list[float | None]) -> History:
        falling = [math.exp(-epoch / epochs) for epoch in range(1, epochs + 1)]
        made: dict[str, list[float | None]] = {
            "epoch": [float(epoch) for epoch in range(1, epochs + 1)],
            "step": [23.0 * epoch for epoch in range(1, epochs + 1)],
            "seconds": [1.5 * epoch for epoch in range(1, epochs + 1)],
            "lr": [0.01] * epochs,
            "train_loss": [*falling],
            "val_loss": [value + 0.1 for value in falling],
            f"train_{metric}": [1 - value / 2 for value in falling],
            f"val_{metric}": [0.9 - value / 2 for value in falling],
            "grad_norm": [None] * epochs,
        }
        return History(made | columns)

    return make
