"""What simpler methods make of the same points: inverse distances, trees, and a plane through the neighbours."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from dlkit.data.dataset import DataSet
from dlkit.data.spatial.split import SpatialSplit
from dlkit.models.spatial.geometry import Geometry

COUNTS = (5, 10, 20, 50)
_ROWS_AT_ONCE = 4096
_NO_NEIGHBOURS = 1e-9  # makes the value 0, the mean, where there are none
_SAME_PLACE = 1e-3  # of the typical spacing: nearer ones weigh no more than this
RIDGES = (1e-3, 1e-1, 1.0)
_CPU = torch.device("cpu")


def spatial_baselines(
    dataset: DataSet,
    name: str,
    seed: int = 0,  # noqa: ARG001 - nothing is drawn
) -> dict[str, np.ndarray]:
    """Predict a split by simpler methods, with the training points that the network has.

    Args:
        dataset: Points, with their context.
        name: The split.
        seed: Not used: none of the methods draws.

    Returns:
        By method the values in the target's unit, shape (N, 1): `inverse distance (k=K)`, the mean of the K nearest
        values weighed by 1 / distance, K the best of 5, 10, 20 and 50 on the validation points; `local linear`, at
        the point, the plane in space and time that fits best the neighbours that the network sees, with the ridge
        that is best on the validation points; `gradient boosting`, scikit-learn's HistGradientBoostingRegressor
        with its default settings on coordinates, time and features.
    """
    split, geometry = dataset.split(name), Geometry.from_dict(dataset.description.learned["geometry"])
    assert isinstance(split, SpatialSplit), "points are stored as such"
    scaling = dataset.description.target_scaling
    assert scaling is not None, "values are scaled"
    context = dataset.context
    count = _best_on_val(dataset, COUNTS, lambda val, k: inverse_distance(val, context, geometry, int(k)))
    ridge = _best_on_val(dataset, RIDGES, lambda val, r: local_linear(val, context, geometry, r))
    found = {
        f"inverse distance (k={count:g})": inverse_distance(split, context, geometry, int(count)),
        "local linear": local_linear(split, context, geometry, ridge),
        "gradient boosting": gradient_boosting(split, context),
    }
    return {
        method: values.reshape(-1, 1) * scaling.std[0] + scaling.mean[0] for method, values in found.items()
    }


def inverse_distance(
    split: SpatialSplit, context: Mapping[str, Tensor], geometry: Geometry, count: int
) -> np.ndarray:
    """Return the mean of the nearest values, weighed by 1 / distance, shape (N,); 0 (the mean) without neighbours."""
    parts = []
    for rows in split.rows.split(_ROWS_AT_ONCE):
        seen = split.candidates.index_select(0, rows)[:, :count].long()
        there, which = seen >= 0, seen.clamp_min(0)
        pair = geometry.pair(split.coords[rows].unsqueeze(1), context["coords"][which])
        weights = there / pair[..., 2].clamp_min(_SAME_PLACE)
        parts.append((weights * context["values"][which]).sum(1) / weights.sum(1).clamp_min(1e-30))
    return torch.cat(parts).double().numpy()


def local_linear(
    split: SpatialSplit, context: Mapping[str, Tensor], geometry: Geometry, ridge: float
) -> np.ndarray:
    """Return the value at each point of the plane that fits its nearest neighbours best, shape (N,).

    Args:
        split: The points.
        context: Where their neighbours are.
        geometry: Gives offsets and lags in units of the typical ones.
        ridge: Weight of the squared slopes; keeps them small where there are few neighbours.
    """
    parts = []
    for rows in split.rows.split(_ROWS_AT_ONCE):
        inputs, _ = split.batch(rows, _CPU)
        assert not isinstance(inputs, Tensor), "points have several inputs"
        there = (inputs["neighbors"] >= 0).unsqueeze(-1)
        which = inputs["neighbors"].clamp_min(0)
        offsets = geometry.pair(inputs["coords"].unsqueeze(1), context["coords"][which])[..., :2]
        columns = [torch.ones_like(offsets[..., :1]), offsets]
        if "times" in inputs:
            columns.append(geometry.lag(inputs["times"].unsqueeze(1), context["times"][which])[..., :1])
        design = torch.cat(columns, dim=-1).double() * there  # (B, K, 3 or 4)
        values = context["values"][which].double().unsqueeze(-1) * there
        slopes = torch.full((design.shape[-1],), ridge, dtype=torch.float64)
        slopes[0] = _NO_NEIGHBOURS
        normal = design.mT @ design + slopes.diag()
        parts.append(torch.linalg.solve(normal, design.mT @ values)[:, 0, 0])
    return torch.cat(parts).numpy()


def gradient_boosting(split: SpatialSplit, context: Mapping[str, Tensor]) -> np.ndarray:
    """Return what boosted trees on coordinates, time and features make of each point, shape (N,)."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    def columns(coords: Tensor, times: Tensor | None, features: Tensor) -> np.ndarray:
        parts = [coords, *([] if times is None else [times.unsqueeze(1)]), features]
        return torch.cat(parts, dim=1).numpy()

    trees = HistGradientBoostingRegressor(random_state=0)
    train = columns(context["coords"], context.get("times"), context["features"])
    trees.fit(train, context["values"].double().numpy())
    rows = split.rows
    asked = columns(
        split.coords[rows], None if split.times is None else split.times[rows], split.features[rows]
    )
    values: np.ndarray = trees.predict(asked)
    return values


def _best_on_val(
    dataset: DataSet, choices: Sequence[float], predict: Callable[[SpatialSplit, float], np.ndarray]
) -> float:
    """Return the choice that predicts the validation points best; the one in the middle where there are none."""
    val = dataset.splits.get("val")
    if not isinstance(val, SpatialSplit):
        return choices[len(choices) // 2 - 1 + len(choices) % 2]
    scaling = dataset.description.target_scaling
    assert scaling is not None, "values are scaled"
    truth = (val.targets.index_select(0, val.rows)[:, 0].double().numpy() - scaling.mean[0]) / scaling.std[0]
    errors = [float(np.mean((predict(val, choice) - truth) ** 2)) for choice in choices]
    return choices[int(np.argmin(errors))]
