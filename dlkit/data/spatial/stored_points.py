"""Points in the numbers that the network gets, and what of them travels in the checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlkit.data.spatial.columns import Located
from dlkit.data.spatial.neighbors import Points, to_space
from dlkit.data.tables.targets import Targets
from dlkit.files.description import Normalisation

_ROWS_FOR_SCALES = 4096


@dataclass(frozen=True)
class Stored:
    """The points of a table in the numbers that the network gets.

    Args:
        coords: Coordinates less their centre, shape (N, 2), float32.
        times: Times less their origin, shape (N,), float32; None where there are none.
        places: The same points where a straight line measures; what neighbours are searched among.
        features: Shape (N, D), float32.
        targets: In their own unit, shape (N, 1), float32.
    """

    coords: Tensor
    times: Tensor | None
    places: Points
    features: Tensor
    targets: Tensor

    def of(self, rows: np.ndarray) -> Points:
        """Return the places and times of some rows."""
        times = self.places.times
        return Points(self.places.places[rows], None if times is None else times[rows])


def store_points(
    located: Located,
    features: np.ndarray | None,
    targets: Targets,
    geometry: Mapping[str, Any],
    time_origin: float,
) -> Stored:
    """Round places and times to what the checkpoint keeps, and search among those: so both find the same."""
    centre = np.asarray(geometry["centre"])
    coords = (located.coords - centre).astype(np.float32)
    times = None if located.times is None else (located.times - time_origin).astype(np.float32)
    whole = np.nan_to_num(coords.astype(np.float64)) + centre
    exact = None if times is None else np.nan_to_num(times.astype(np.float64))
    features = np.zeros((len(coords), 0), dtype=np.float32) if features is None else features
    return Stored(
        torch.from_numpy(coords),
        None if times is None else torch.from_numpy(times),
        Points(to_space(whole, str(geometry["distance"])), exact),
        torch.from_numpy(features),
        torch.from_numpy(targets.values),
    )


def context_of(stored: Stored, train: np.ndarray, scaling: Normalisation | None) -> dict[str, Tensor]:
    """Return the training points as the network keeps them, values standardised."""
    assert scaling is not None, "values are scaled"
    rows = torch.from_numpy(train)
    values = (stored.targets[rows, 0].double() - scaling.mean[0]) / scaling.std[0]
    context = {
        "coords": stored.coords[rows],
        "features": stored.features[rows],
        "values": values.float(),
    }
    if stored.times is not None:
        context["times"] = stored.times[rows]
    return context


def points_of(context: Mapping[str, Tensor], geometry: Mapping[str, Any]) -> Points:
    """Return the places and times of the training points that a checkpoint holds."""
    coords = context["coords"].cpu().double().numpy() + np.asarray(geometry["centre"])
    times = context["times"].cpu().double().numpy() if "times" in context else None
    return Points(to_space(coords, str(geometry["distance"])), times)


def same_context(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Return whether two contexts hold the same points."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name].cpu()) for name in one)


def positions_in(context: Mapping[str, Tensor], stored: Stored, scaling: Normalisation | None) -> np.ndarray:
    """Return the place in the context of each point that is in it with its very value, -1 for others, shape (N,)."""
    known = _as_keys(context)
    asked = _as_keys(context_of(stored, np.arange(len(stored.coords)), scaling))
    _, same = np.unique(np.concatenate([known, asked]), axis=0, return_inverse=True)
    first = np.full(int(same.max(initial=0)) + 1, -1)
    first[same[: len(known)][::-1]] = np.arange(len(known))[::-1]
    return first[same[len(known) :]]


def _as_keys(context: Mapping[str, Tensor]) -> np.ndarray:
    """Return the bits of each point's place, time and value as whole numbers, shape (N, 3 or 4)."""
    names = [name for name in ("coords", "times", "values") if name in context]
    columns = [context[name].cpu().reshape(len(context["values"]), -1) for name in names]
    return (torch.cat(columns, dim=1) + 0.0).view(torch.int32).numpy()  # + 0: there is no minus zero


def scales_of(stored: Stored, train: np.ndarray, lists: Tensor, neighbors: int) -> dict[str, Any]:
    """Measure how far points and their neighbours lie apart, in space and in time."""
    coords = stored.coords[torch.from_numpy(train)].double()
    some = torch.from_numpy(train[:: max(1, len(train) // _ROWS_FOR_SCALES)])
    seen = lists[some][:, :neighbors].long()
    there = seen >= 0
    places, among = torch.from_numpy(stored.places.places), torch.from_numpy(stored.of(train).places)
    apart = (places[some].unsqueeze(1) - among[seen.clamp_min(0)]).norm(dim=-1)[there]
    scales: dict[str, Any] = {
        "extent": _positive(coords.std(0, correction=0)),
        "spacing": _positive(apart.median().reshape(1) if len(apart) else coords.std().reshape(1))[0],
        "timed": stored.times is not None,
    }
    if stored.times is not None:
        times = stored.times[torch.from_numpy(train)].double()
        lags = (stored.times[some].double().unsqueeze(1) - times[seen.clamp_min(0)])[there]
        extent = _positive(times.std(correction=0).reshape(1))[0]
        scales |= {
            "time_extent": extent,
            "time_spacing": _positive(lags.median().reshape(1))[0] if len(lags) else extent,
        }
    return scales


def _positive(values: Tensor) -> tuple[float, ...]:
    """Return numbers to divide by: 1 in the place of zero."""
    return tuple(value if value > 0 else 1.0 for value in values.tolist())
