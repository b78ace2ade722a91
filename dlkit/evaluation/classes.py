"""How well classes are distinguished: accuracy, scores of each class, and the confusion matrix."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlkit import metrics

_MOST_CLASSES = 1000
_MOST_PAIRS = 100
_PAIRS_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Classes:
    """Classes of N samples, and what the network gives each.

    Args:
        names: Names of the K classes.
        targets: Class indices, shape (N,), -1 where not known.
        probs: Probabilities, shape (N, K).
        temperature: What their logits were divided by; None if they are as the network gives them.
    """

    names: Sequence[str]
    targets: np.ndarray
    probs: np.ndarray
    temperature: float | None = None

    @property
    def note(self) -> str:
        """What is left out."""
        if len(self.names) <= _MOST_CLASSES:
            return ""
        return (
            f"the confusion matrix of {len(self.names):,} classes is left out; --predict has every prediction"
        )

    @property
    def confusion(self) -> np.ndarray:
        """Counts over the samples that can be scored, shape (K, K), rows the truth."""
        probs, targets = self.pairs()
        return metrics.confusion_matrix(probs.argmax(1), targets, len(self.names))

    def metrics(self) -> list[metrics.Metric]:
        """Return the metrics there are."""
        return metrics.metrics_of("classification")

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return probabilities and classes of the samples whose class is known and whose probabilities are finite."""
        known = metrics.known(self.targets, self.probs)
        return self.probs[known], self.targets[known]

    def per_class(self) -> list[dict[str, Any]]:
        """Return precision, recall, F1 and support of each class; None where there is nothing to divide by."""
        probs, targets = self.pairs()
        preds, count = probs.argmax(1), len(self.names)
        right = targets[preds == targets]
        columns = metrics.scores_by_class(
            *(np.bincount(labels, minlength=count) for labels in (right, targets, preds))
        )
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
        if not len(self.pairs()[1]):
            return []
        rows = self.per_class()
        by_class = (list(rows[0]), [list(row.values()) for row in rows])
        if len(self.names) > _MOST_CLASSES:
            return [by_class]
        matrix = [[name, *row] for name, row in zip(self.names, self.confusion.tolist(), strict=True)]
        pairs = self.confused()[:_PAIRS_SHOWN]
        confused = [(list(pairs[0]), [list(pair.values()) for pair in pairs])] if pairs else []
        return [by_class, (["true \\ predicted", *self.names], matrix), *confused]

    def confused(self) -> list[dict[str, Any]]:
        """Return pairs of classes that are confused, the most frequent first; nothing of two classes, or thousands."""
        if not 2 < len(self.names) <= _MOST_CLASSES:
            return []
        counts = self.confusion
        wrong = counts - np.diag(np.diag(counts))
        order = np.argsort(-wrong, axis=None, kind="stable")[: min(_MOST_PAIRS, np.count_nonzero(wrong))]
        return [
            {
                "true": self.names[true],
                "predicted": self.names[pred],
                "count": int(wrong[true, pred]),
                "share": float(wrong[true, pred] / counts[true].sum()),
            }
            for true, pred in zip(*np.unravel_index(order, wrong.shape), strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        if not len(self.pairs()[1]):
            return {}
        confusion = self.confusion.tolist() if len(self.names) <= _MOST_CLASSES else []
        found = {"per_class": self.per_class(), "confusion": confusion, "confused": self.confused()}
        return found if self.temperature is None else {**found, "temperature": self.temperature}

    def lines(self, places: Sequence[int | str]) -> Iterator[Sequence[Any]]:
        """Return a header, then a line a sample: its place, both classes, and the probability of each class."""
        names = [*self.names, ""]  # -1, a class that is not known, is the last
        changed = [] if self.temperature is None else [f"{self.temperature:.6g}"]
        header = ["index", "target", "pred", *(f"prob_{name}" for name in self.names)]
        yield [*header, *(["temperature"] if changed else [])]
        preds = np.where(metrics.finite(self.probs), self.probs.argmax(1), -1)
        for place, target, pred, probs in zip(places, self.targets, preds, self.probs, strict=True):
            shown = ["" if pred < 0 else f"{prob:.6g}" for prob in probs]
            yield [place, names[target], names[pred], *shown, *changed]
