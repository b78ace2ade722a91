"""Metrics of concentration curves, as pharmacologists report them."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from dlkit.metrics.metric import Metric, ratio
from dlkit.metrics.numbers import OF_NUMBERS

if TYPE_CHECKING:
    from torch import Tensor

FLOOR = 0.01
"""Concentration below which folds are not counted, mg/L: ratios of what is hardly there say little."""
FOLDS = (1.25, 1.5, 2.0)
"""Ratios of predicted and true concentration within which a share is counted."""

_LEAST = 1e-9  # mg/L, in the place of a predicted zero, whose fold error is infinite


def _fold_errors(preds: "Tensor", targets: "Tensor") -> "Tensor":
    """Return sums above the floor of |ln(pred / true)|, of what is within each fold, and of all, shape (N, 2 + F)."""
    import torch

    above = targets >= FLOOR
    logs = (preds.clamp_min(_LEAST) / targets.clamp_min(FLOOR)).log().abs() * above
    within = [(above & (logs <= float(np.log(fold)))).to(logs) for fold in FOLDS]
    columns = [logs, *within, above.to(logs)]
    return torch.stack([column.reshape(len(preds), -1).sum(1) for column in columns], dim=1)


def _gmfe(sums: np.ndarray, _count: np.ndarray | int) -> np.ndarray:
    found: np.ndarray = np.exp(ratio(sums[..., 0], sums[..., -1]))
    return found


def _within(place: int, sums: np.ndarray, _count: np.ndarray | int) -> np.ndarray:
    return ratio(sums[..., 1 + place], sums[..., -1])


_CURVES = ("curves",)
OF_CURVES = (
    Metric(name="gmfe", tasks=_CURVES, higher_is_better=False, terms=_fold_errors, value=_gmfe),
    *(
        Metric(
            name=f"within_{fold:g}x",
            tasks=_CURVES,
            higher_is_better=True,
            terms=_fold_errors,
            value=partial(_within, place),
        )
        for place, fold in enumerate(FOLDS)
    ),
)

IN_EVAL_ONLY = ("cmax_error", "auc_error")
"""Metrics that `dlkit eval` alone has: they need the times, or curves without t = 0."""


def curve_metrics(times: np.ndarray) -> list[Metric]:
    """Return the metrics of concentrations, mg/L, shape (N, D, T), that begin after t = 0.

    `r2`, `rmse` and `mae` are over all values; over those above the floor `gmfe`, the geometric mean fold error
    exp(mean |ln(pred / true)|), and the shares `within_1.25x`, `within_1.5x` and `within_2x`; over curves that rise
    above the floor the mean relative errors of the highest concentration, `cmax_error`, and of the area under the curve
    by the trapezoidal rule, `auc_error`. NaN where there is nothing to score.

    Args:
        times: h, shape (T,).
    """
    distance = {metric.name: metric for metric in OF_NUMBERS}
    return [
        Metric(name="r2", tasks=_CURVES, higher_is_better=True, terms=_all_spreads, value=_overall_r2),
        distance["rmse"],
        distance["mae"],
        *OF_CURVES,
        Metric(
            name="cmax_error",
            tasks=_CURVES,
            higher_is_better=False,
            terms=_peak_terms,
            value=mean_of_counted,
        ),
        Metric(
            name="auc_error",
            tasks=_CURVES,
            higher_is_better=False,
            terms=partial(_area_terms, times),
            value=mean_of_counted,
        ),
    ]


def mean_of_counted(sums: np.ndarray, _count: np.ndarray | int) -> np.ndarray:
    """Return the first sum over the second."""
    return ratio(sums[..., 0], sums[..., 1])


def _all_spreads(preds: "Tensor", targets: "Tensor") -> "Tensor":
    """Return of each sample squared errors, values, their squares and their number, shape (N, 4)."""
    import torch

    truth, errors = targets.flatten(1), (preds - targets).flatten(1)
    columns = [errors.square(), truth, truth.square(), torch.ones_like(truth)]
    return torch.stack([column.sum(1) for column in columns], dim=1)


def _overall_r2(sums: np.ndarray, _count: np.ndarray | int) -> np.ndarray:
    errors, total, squares, values = np.moveaxis(sums, -1, 0)
    return 1 - ratio(errors, squares - total**2 / values)


def _peak_terms(preds: "Tensor", targets: "Tensor") -> "Tensor":
    highest = targets.amax(2)
    return _relative_to(preds.amax(2), highest, highest >= FLOOR)


def _area_terms(times: np.ndarray, preds: "Tensor", targets: "Tensor") -> "Tensor":
    import torch

    hours = torch.from_numpy(times)
    found, true = (torch.trapezoid(curves.double(), hours, dim=2) for curves in (preds, targets))
    return _relative_to(found, true, targets.amax(2) >= FLOOR)


def _relative_to(found: "Tensor", true: "Tensor", seen: "Tensor") -> "Tensor":
    """Return sums of the relative errors of what is seen, and how many they are, shape (N, 2)."""
    import torch

    errors = torch.where(seen, (found / true - 1).abs(), torch.zeros_like(found))
    return torch.stack([errors.sum(1), seen.sum(1).to(errors)], dim=1)
