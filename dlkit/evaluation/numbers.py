"""How well numbers are met, those at points included."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlkit.metrics import known, scores_of


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """True and predicted numbers of N samples, in the target's unit.

    Args:
        names: One name an output; may be empty.
        targets: Shape (N, D), NaN where not known.
        preds: The same number a sample.
        spread: Standard deviation of the predictions over random draws, in their shape; None without draws.
    """

    names: Sequence[str]
    targets: np.ndarray
    preds: np.ndarray
    spread: np.ndarray | None = None
    note = ""

    def scores(self) -> dict[str, float]:
        """Return the scores over the samples whose target is known; nothing where none is."""
        there = known(self.targets)
        preds, targets = self.preds[there], self.targets[there]
        return scores_of("regression", preds, targets.reshape(preds.shape)) if there.any() else {}

    def tables(self) -> list[tuple[list[str], list[list[Any]]]]:
        """Return none: the scores tell it all."""
        return []

    def to_dict(self) -> dict[str, Any]:
        """Return nothing beside the scores."""
        return {}

    def lines(self, places: Sequence[int | str]) -> Iterator[Sequence[Any]]:
        """Return a header, then a line a sample: its place, its targets, its predictions, and their spread."""
        columns = {"target": self.targets, "pred": self.preds}
        if self.spread is not None:
            columns["sd"] = self.spread
        flat = [values.reshape(len(places), -1) for values in columns.values()]
        suffixes = self._suffixes(flat[0].shape[1])
        yield ["index", *(f"{column}{suffix}" for column in columns for suffix in suffixes)]
        for place, values in zip(places, np.concatenate(flat, axis=1), strict=True):
            yield [place, *("" if math.isnan(value) else value for value in values)]

    def _suffixes(self, count: int) -> list[str]:
        """Return what tells the columns of so many outputs apart."""
        if count == 1:
            return [""]
        return [f"_{name}" for name in (self.names if len(self.names) == count else range(count))]
