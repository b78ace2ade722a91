"""How well classes are distinguished: accuracy, scores of each class, and the confusion matrix."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlkit import metrics


@dataclass(frozen=True, kw_only=True)
class Classes:
    """Classes of N samples, and what the network gives each.

    Args:
        names: Names of the K classes.
        targets: Class indices, shape (N,), -1 where not known.
        probs: Probabilities, shape (N, K).
    """

    names: Sequence[str]
    targets: np.ndarray
    probs: np.ndarray
    note = ""

    @property
    def confusion(self) -> np.ndarray:
        """Counts over the samples whose class is known, shape (K, K), rows the truth."""
        known = metrics.known(self.targets)
        return metrics.confusion_matrix(self.probs[known].argmax(1), self.targets[known], len(self.names))

    def metrics(self) -> list[metrics.Metric]:
        """Return the metrics there are."""
        return metrics.metrics_of("classification")

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return probabilities and classes of the samples whose class is known."""
        known = metrics.known(self.targets)
        return self.probs[known], self.targets[known]

    def per_class(self) -> list[dict[str, Any]]:
        """Return precision, recall, F1 and support of each class; None where there is nothing to divide by."""
        columns = metrics.per_class(self.confusion)
        support = columns.pop("support")
        return [
            {
                "class": name,
                **{key: metrics.number(values[index]) for key, values in columns.items()},
                "support": int(support[index]),
            }
            for index, name in enumerate(self.names)
        ]

    def tables(self) -> list[tuple[list[str], list[list[Any]]]]:
        """Return the header and the rows of the scores of each class, and of the confusion matrix."""
        counts = self.confusion
        if not counts.any():
            return []
        rows = self.per_class()
        matrix = [[name, *row] for name, row in zip(self.names, counts.tolist(), strict=True)]
        return [
            (list(rows[0]), [list(row.values()) for row in rows]),
            (["true \\ predicted", *self.names], matrix),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        counts = self.confusion
        return {"per_class": self.per_class(), "confusion": counts.tolist()} if counts.any() else {}

    def lines(self, places: Sequence[int | str]) -> Iterator[Sequence[Any]]:
        """Return a header, then a line a sample: its place, both classes, and the probability of each class."""
        names = [*self.names, ""]  # -1, a target that is not known, is the last
        yield ["index", "target", "pred", *(f"prob_{name}" for name in self.names)]
        preds = self.probs.argmax(1)
        for place, target, pred, probs in zip(places, self.targets, preds, self.probs, strict=True):
            yield [place, names[target], names[pred], *(f"{prob:.6g}" for prob in probs)]
