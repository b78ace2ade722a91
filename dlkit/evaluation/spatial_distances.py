"""How far points lie from the observations that a network of points can see."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from dlkit.data.dataset import DataSet
from dlkit.data.spatial.split import SpatialSplit
from dlkit.models.spatial.geometry import Geometry


def nearest_distances(dataset: DataSet, part: SpatialSplit) -> np.ndarray:
    """Return the distance of each point to the nearest observation it can see, shape (N,); infinite without one."""
    return distances(part, dataset.context, Geometry.from_dict(dataset.description.learned["geometry"]))


def distances(part: SpatialSplit, context: Mapping[str, Tensor], geometry: Geometry) -> np.ndarray:
    """Return the same of a split, given its observations, in units of the typical distance of a neighbour."""
    first = part.candidates.index_select(0, part.rows)[:, 0].long()
    pair = geometry.pair(part.coords[part.rows], context["coords"][first.clamp_min(0)])
    found: np.ndarray = torch.where(first >= 0, pair[..., 2], torch.inf).double().numpy()
    return found
