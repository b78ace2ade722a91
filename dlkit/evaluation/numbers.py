"""How well numbers are met, those at points included."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlkit.metrics import Metric, known, metrics_of, number, scores_of
from dlkit.metrics.metric import mean

_MOST_OUTPUTS = 100


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """True and predicted numbers of N samples, in the target's unit.

    Args:
        names: One name an output; may be empty.
        targets: Shape (N, D), NaN where not known.
        preds: The same number a sample.
        spread: Standard deviation of the predictions over random draws, in their shape; None without draws.
        half: Half widths of the prediction intervals, in their shape; None without intervals.
        level: The share of new samples that those are to hold.
    """

    names: Sequence[str]
    targets: np.ndarray
    preds: np.ndarray
    spread: np.ndarray | None = None
    half: np.ndarray | None = None
    level: float = 0.0
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

    def coverage(self) -> list[dict[str, Any]]:
        """Return how many targets lie in their intervals, by output; nothing without intervals."""
        if self.half is None:
            return []
        preds, targets = self.pairs()
        inside = np.abs(preds - targets) <= self.half[known(self.targets, self.preds)]
        flat = inside.reshape(len(inside), math.prod(inside.shape[1:]))
        widths = 2 * self.half.reshape(len(self.half), -1).mean(0)
        return [
            {
                "output": suffix.removeprefix("_"),
                "level": self.level,
                "coverage": mean(values),
                "n": len(values),
                "mean_width": float(width),
            }
            for suffix, values, width in zip(self._suffixes(len(widths)), flat.T, widths, strict=True)
        ]

    def tables(self) -> list[tuple[list[str], list[list[Any]]]]:
        """Return the header and the rows of the scores of each output."""
        rows = self.per_output()
        header = list(dict.fromkeys(key for row in rows for key in row))
        found = [(header, [[row.get(key) for key in header] for row in rows])] if rows else []
        if held := self.coverage():
            found.append((list(held[0]), [list(row.values()) for row in held]))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return the scores of each output as JSON values."""
        found = {"per_output": self.per_output(), "interval": self.coverage()}
        return {name: rows for name, rows in found.items() if rows}

    def lines(self, places: Sequence[int | str]) -> Iterator[Sequence[Any]]:
        """Return a header, then a line a sample: its place, its targets, its predictions, and their spread."""
        columns = {"target": self.targets, "pred": self.preds}
        if self.spread is not None:
            columns["sd_draws"] = self.spread
        if self.half is not None:
            columns |= {"lo": self.preds - self.half, "hi": self.preds + self.half}
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
