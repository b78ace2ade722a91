"""Random draws of the samples there are, with repetition: what every metric would have been on others like them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dlkit.metrics import Metric, class_terms

_MOST_UNITS = 2_000
_AT_ONCE = 50
_MOST_WEIGHTS = 5_000_000  # draws times predictions of a score that is no sum; fewer draws do then
_FEWEST_DRAWS = 200


@dataclass(frozen=True)
class Drawn:
    """A metric in each draw, shape (M,), and with each unit left out in turn, shape (U,), where that is quick."""

    values: np.ndarray
    without: np.ndarray | None = None

    def less(self, other: "Drawn") -> "Drawn":
        """Return the difference to another metric in the same draws."""
        without = self.without
        if without is not None and other.without is not None:
            without = without - other.without
        return Drawn(self.values - other.values, without)


class Resampling:
    """M draws of N samples (Efron 1979), the same ones for whatever is asked of it.

    What is drawn are units: single samples, or groups where those of one are not independent; of more than 2,000,
    blocks of them put together at random, whose sums vary as much.

    Args:
        samples: N.
        draws: M.
        seed: Of the draws.
        groups: Group of each sample, shape (N,); None where each stands for itself.
    """

    def __init__(self, samples: int, draws: int, seed: int, groups: np.ndarray | None = None) -> None:
        self._seed, self.draws, self.samples = seed, draws, samples
        unit = np.arange(samples) if groups is None else np.unique(groups, return_inverse=True)[1]
        if (count := int(unit.max(initial=-1)) + 1) > _MOST_UNITS:
            unit = (np.random.default_rng(seed).permutation(count) % _MOST_UNITS)[unit]
        self._unit = unit
        self._sizes = np.bincount(unit).astype(np.float64)

    @property
    def units(self) -> int:
        """What is drawn at a time: U samples, groups or blocks."""
        return len(self._sizes)

    def values(self, metrics: Sequence[Metric], preds: np.ndarray, targets: np.ndarray) -> dict[str, Drawn]:
        """Return the values of each metric by name.

        A score that is no function of sums takes fewer draws where there are many samples.

        Args:
            metrics: Which; each has terms or a weighted score, or is scored draw by draw.
            preds: Probabilities or numbers, N of them.
            targets: Classes or numbers.
        """
        found = {}
        if any(metric.terms is class_terms for metric in metrics):
            class_counts = self._class_counts(preds, targets)
            drawn_counts = self._weights @ class_counts
        for metric in metrics:
            if metric.terms is None:
                found[metric.name] = Drawn(self._of_score(metric, preds, targets))
                continue
            if metric.terms is class_terms:
                by_unit, drawn = class_counts, drawn_counts
            else:
                by_unit = self._sums(metric.terms_of(preds, targets))
                drawn = self._weights @ by_unit
            found[metric.name] = Drawn(metric.value(drawn, self._counts), self._without(metric, by_unit))
        return found

    def without(self, metric: Metric, preds: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return a metric that has terms with each unit left out in turn, shape (U,)."""
        return self._without(metric, self._sums(metric.terms_of(preds, targets)))

    def _sums(self, terms: np.ndarray) -> np.ndarray:
        """Return the sums of the terms of each unit, shape (U, S)."""
        return np.stack([np.bincount(self._unit, column, self.units) for column in terms.T], axis=1)

    def _without(self, metric: Metric, by_unit: np.ndarray) -> np.ndarray:
        return metric.value(by_unit.sum(0) - by_unit, self.samples - self._sizes)

    def _class_counts(self, preds: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the sums of `class_terms` of each unit, shape (U, 3 K)."""
        classes, label = preds.shape[1], preds.argmax(1)
        right = label == targets
        parts = ((self._unit[right], label[right]), (self._unit, targets), (self._unit, label))
        counts = [np.bincount(unit * classes + of, minlength=self.units * classes) for unit, of in parts]
        return np.concatenate([part.reshape(self.units, classes) for part in counts], axis=1).astype(
            np.float64
        )

    def _of_score(self, metric: Metric, preds: np.ndarray, targets: np.ndarray) -> np.ndarray:
        draws = max(min(self.draws, _MOST_WEIGHTS // preds.size), min(self.draws, _FEWEST_DRAWS))
        parts = []
        for start in range(0, draws, _AT_ONCE):
            by_sample = self._weights[start : min(start + _AT_ONCE, draws)][:, self._unit]
            if metric.weighted is not None:
                parts.append(metric.weighted(preds, targets, by_sample))
                continue
            rows = [np.repeat(np.arange(self.samples), row.astype(int)) for row in by_sample]
            parts.append(np.array([metric.of(preds[row], targets[row]) for row in rows]))
        return np.concatenate(parts)

    @cached_property
    def _counts(self) -> np.ndarray:
        """Samples in each draw, shape (M,)."""
        drawn: np.ndarray = self._weights @ self._sizes
        return drawn

    @cached_property
    def _weights(self) -> np.ndarray:
        """How often each unit is drawn, shape (M, U)."""
        random, units = np.random.default_rng(self._seed), self.units
        weights = np.empty((self.draws, units))
        for row in weights:
            row[:] = np.bincount(random.integers(units, size=units, dtype=np.int32), minlength=units)
        return weights
