"""How well numbers are met, those at points included."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlkit.metrics import Metric, known, metrics_of, number, scores_of

_MOST_OUTPUTS = 100


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

    def metrics(self) -> list[Metric]:
        """Return the metrics there are."""
        return metrics_of("regression")

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return predictions and targets, in one shape, of the samples that have both."""
        there = known(self.targets, self.preds)
        preds, targets = self.preds[there], self.targets[there]
        return preds, targets.reshape(preds.shape)

    def per_output(self) -> list[dict[str, Any]]:
        """Return the default scores of each output by itself; nothing where there is a single one, or many."""
        preds, targets = self.pairs()
        if not len(preds):
            return []
        flat, truth = (values.reshape(len(values), -1) for values in (preds, targets))
        count = flat.shape[1]
        if not 1 < count <= _MOST_OUTPUTS:
            return []
        names = self.names if len(self.names) == count else [str(place) for place in range(count)]
        asked = [metric for metric in self.metrics() if metric.reported]
        return [
            {
                "output": name,
                **{
                    key: number(value) for key, value in scores_of(asked, flat[:, [i]], truth[:, [i]]).items()
                },
            }
            for i, name in enumerate(names)
        ]

    def tables(self) -> list[tuple[list[str], list[list[Any]]]]:
        """Return the header and the rows of the scores of each output."""
        rows = self.per_output()
        header = list(dict.fromkeys(key for row in rows for key in row))
        return [(header, [[row.get(key) for key in header] for row in rows])] if rows else []

    def to_dict(self) -> dict[str, Any]:
        """Return the scores of each output as JSON values."""
        rows = self.per_output()
        return {"per_output": rows} if rows else {}

    def lines(self, places: Sequence[int | str]) -> Iterator[Sequence[Any]]:
        """Return a header, then a line a sample: its place, its targets, its predictions, and their spread."""
        columns = {"target": self.targets, "pred": self.preds}
        if self.spread is not None:
            columns["sd"] = self.spread
        flat = [values.reshape(len(places), -1) for values in columns.values()]
        suffixes = self._suffixes(flat[0].shape[1])
        yield ["index", *(f"{column}{suffix}" for column in columns for suffix in suffixes)]
        for place, values in zip(places, np.concatenate(flat, axis=1), strict=True):
            yield [place, *(value if math.isfinite(value) else "" for value in values)]

    def _suffixes(self, count: int) -> list[str]:
        """Return what tells the columns of so many outputs apart."""
        if count == 1:
            return [""]
        return [f"_{name}" for name in (self.names if len(self.names) == count else range(count))]
