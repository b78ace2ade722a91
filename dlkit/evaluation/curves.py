"""How well concentration curves are met, as pharmacologists report it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlkit.metrics import FLOOR, Metric, curve_metrics, known, number, scores_of
from dlkit.plotting.inputs import CURVE_COLUMNS


@dataclass(frozen=True, kw_only=True)
class Curves:
    """True and predicted concentrations of N compounds.

    The scores leave out t = 0, where the concentrations are given: the dose is in the blood, and nothing elsewhere.

    Args:
        organs: Names of the D organs.
        times: h, shape (T,).
        targets: mg/L, shape (N, D, T), NaN where not known.
        preds: The same shape.
        factors: Of the prediction intervals of each organ after t = 0, shape (D,); see `ends`. None without intervals.
        level: The share of new values that those are to hold.
    """

    organs: Sequence[str]
    times: np.ndarray
    targets: np.ndarray
    preds: np.ndarray
    factors: np.ndarray | None = None
    level: float = 0.0
    note = f"t = 0 is left out; folds, Cmax and AUC are of what lies above {FLOOR:g} mg/L"

    def metrics(self) -> list[Metric]:
        """Return the metrics there are."""
        return curve_metrics(self._late())

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Return predicted and true concentrations after t = 0 of the compounds that have both."""
        targets, preds = self._scored()
        return preds, targets

    def per_organ(self) -> list[dict[str, Any]]:
        """Return the scores of each organ, and how many of its values lie above the floor; none without targets."""
        targets, preds = self._scored()
        if not len(targets):
            return []
        rows: list[dict[str, Any]] = []
        for place, organ in enumerate(self.organs):
            part = slice(place, place + 1)
            scores = scores_of(self.metrics(), preds[:, part], targets[:, part])
            above = int((targets[:, part] >= FLOOR).sum())
            rows.append(
                {"organ": organ, **{name: number(value) for name, value in scores.items()}, "n": above}
            )
        return rows

    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the ends of the intervals, mg/L, shape (N, D, T): the prediction divided and multiplied by a factor.

        Before and after that the floor is added and subtracted, so that small concentrations do not count too much. At
        t = 0, where the concentration is given, both are the prediction.
        """
        assert self.factors is not None, "there are intervals"
        factors = np.where(self.times > 0, self.factors[:, None], 1.0)
        above = np.maximum(self.preds, 0) + FLOOR
        return np.maximum(above / factors - FLOOR, 0), above * factors - FLOOR

    def coverage(self) -> list[dict[str, Any]]:
        """Return how many values after t = 0 lie in their intervals, by organ; nothing without intervals or targets."""
        targets, _ = self._scored()
        if self.factors is None or not len(targets):
            return []
        there, late = known(self.targets, self.preds), self.times > 0
        lo, hi = (end[there][..., late] for end in self.ends())
        return [
            {
                "organ": organ,
                "level": self.level,
                "coverage": float(((lo[:, place] <= true) & (true <= hi[:, place])).mean()),
                "n": true.size,
                "factor": float(self.factors[place]),
                "mean_width": float((hi - lo)[:, place].mean()),
            }
            for place, (organ, true) in enumerate(zip(self.organs, targets.swapaxes(0, 1), strict=True))
        ]

    def tables(self) -> list[tuple[list[str], list[list[Any]]]]:
        """Return the header and the rows of the scores of each organ, and of the intervals."""
        found = [rows for rows in (self.per_organ(), self.coverage()) if rows]
        return [(list(rows[0]), [list(row.values()) for row in rows]) for rows in found]

    def to_dict(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        held = self.coverage()
        return {"per_organ": self.per_organ(), **({"interval": held} if held else {}), "floor": FLOOR}

    def lines(self, places: Sequence[int | str]) -> Iterator[Sequence[Any]]:
        """Return a header, then a line per compound, organ and time, t = 0 included.

        Args:
            places: One a compound: its row in the stored data.
        """
        ends = {} if self.factors is None else dict(zip(("lo", "hi"), self.ends(), strict=True))
        yield [*CURVE_COLUMNS, *ends]
        times = [f"{time:.6g}" for time in self.times]
        values = np.stack([self.targets, self.preds, *ends.values()], axis=-1)
        for place, by_organ in zip(places, values, strict=True):
            for organ, by_time in zip(self.organs, by_organ.tolist(), strict=True):
                for time, cells in zip(times, by_time, strict=True):
                    yield [place, organ, time, *map(_cell, cells)]

    def _late(self) -> np.ndarray:
        return self.times[self.times > 0].astype(np.float64)

    def _scored(self) -> tuple[np.ndarray, np.ndarray]:
        late, there = self.times > 0, known(self.targets, self.preds)
        targets, preds = self.targets[there], self.preds[there]
        return targets[..., late].astype(np.float64), preds[..., late].astype(np.float64)


def _cell(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""
