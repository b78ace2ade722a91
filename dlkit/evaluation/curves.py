"""How well concentration curves are met, as pharmacologists report it."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlkit.metrics import FLOOR, Metric, curve_metrics, curve_scores, known, number
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
    """

    organs: Sequence[str]
    times: np.ndarray
    targets: np.ndarray
    preds: np.ndarray
    note = f"t = 0 is left out; folds, Cmax and AUC are of what lies above {FLOOR:g} mg/L"

    def metrics(self) -> list[Metric]:
        """Return the metrics there are; see `curve_scores`."""
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
            scores = curve_scores(targets[:, part], preds[:, part], self._late())
            above = int((targets[:, part] >= FLOOR).sum())
            rows.append(
                {"organ": organ, **{name: number(value) for name, value in scores.items()}, "n": above}
            )
        return rows

    def tables(self) -> list[tuple[list[str], list[list[Any]]]]:
        """Return the header and the rows of the scores of each organ."""
        rows = self.per_organ()
        return [(list(rows[0]), [list(row.values()) for row in rows])] if rows else []

    def to_dict(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        return {"per_organ": self.per_organ(), "floor": FLOOR}

    def lines(self, places: Sequence[int | str]) -> Iterator[Sequence[Any]]:
        """Return a header, then a line per compound, organ and time, t = 0 included.

        Args:
            places: One a compound: its row in the stored data.
        """
        yield CURVE_COLUMNS
        times = [f"{time:.6g}" for time in self.times]
        for place, targets, preds in zip(places, self.targets, self.preds, strict=True):
            for organ, true, predicted in zip(self.organs, targets.tolist(), preds.tolist(), strict=True):
                for time, target, pred in zip(times, true, predicted, strict=True):
                    yield [place, organ, time, _cell(target), _cell(pred)]

    def _late(self) -> np.ndarray:
        return self.times[self.times > 0].astype(np.float64)

    def _scored(self) -> tuple[np.ndarray, np.ndarray]:
        late, there = self.times > 0, known(self.targets, self.preds)
        targets, preds = self.targets[there], self.preds[there]
        return targets[..., late].astype(np.float64), preds[..., late].astype(np.float64)


def _cell(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else ""
