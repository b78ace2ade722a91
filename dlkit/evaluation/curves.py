"""How well concentration curves are met, as pharmacologists report it."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlkit.plotting.inputs import CURVE_COLUMNS
from dlkit.scores import FLOOR, curve_scores


@dataclass(frozen=True, kw_only=True)
class Curves:
    """True and predicted concentrations of N compounds.

    The scores leave out t = 0, where the concentrations are given: the dose is in the blood, and nothing elsewhere.

    Args:
        organs: Names of the D organs.
        times: h, shape (T,).
        targets: mg/L, shape (N, D, T).
        preds: The same shape.
    """

    organs: Sequence[str]
    times: np.ndarray
    targets: np.ndarray
    preds: np.ndarray

    def scores(self) -> dict[str, float]:
        """Give the scores over all organs and compounds; see `curve_scores`."""
        return curve_scores(*self._scored(), self._late())

    def per_organ(self) -> list[dict[str, Any]]:
        """Give the scores of each organ, and how many of its values lie above the floor."""
        targets, preds = self._scored()
        rows: list[dict[str, Any]] = []
        for place, organ in enumerate(self.organs):
            part = slice(place, place + 1)
            scores = curve_scores(targets[:, part], preds[:, part], self._late())
            above = int((targets[:, part] >= FLOOR).sum())
            rows.append(
                {"organ": organ, **{name: _number(value) for name, value in scores.items()}, "n": above}
            )
        return rows

    def csv(self, rows: np.ndarray) -> str:
        """Give a line per compound, organ and time, t = 0 included.

        Args:
            rows: Row of each compound in the stored data, shape (N,).
        """
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(CURVE_COLUMNS)
        times = [f"{time:.6g}" for time in self.times]
        for row, targets, preds in zip(rows.tolist(), self.targets, self.preds, strict=True):
            for organ, true, predicted in zip(self.organs, targets.tolist(), preds.tolist(), strict=True):
                writer.writerows(
                    [row, organ, time, f"{target:.6g}", f"{pred:.6g}"]
                    for time, target, pred in zip(times, true, predicted, strict=True)
                )
        return buffer.getvalue()

    def _late(self) -> np.ndarray:
        return self.times[self.times > 0].astype(np.float64)

    def _scored(self) -> tuple[np.ndarray, np.ndarray]:
        late = self.times > 0
        return self.targets[..., late].astype(np.float64), self.preds[..., late].astype(np.float64)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
