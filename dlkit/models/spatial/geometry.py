"""Where a point and its neighbours lie, in numbers of order one."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

_EARTH_RADIUS_KM = 6371.0088
_NEAREST = 0.01  # share of the typical spacing below which the logarithm of a distance goes flat


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """How coordinates and times become numbers of order one.

    Args:
        distance: `euclidean`, in the coordinates' unit, or `haversine`: coordinates are longitude and latitude in
            degrees, distances great circles in kilometres.
        centre: What was subtracted from the coordinates, in their own unit.
        extent: Standard deviation of each coordinate.
        spacing: Typical distance of a neighbour.
        timed: Whether points have a time.
        time_extent: Standard deviation of the times.
        time_spacing: Typical time between a neighbour and the point.
    """

    distance: str
    centre: tuple[float, float]
    extent: tuple[float, float]
    spacing: float
    timed: bool = False
    time_extent: float = 1.0
    time_spacing: float = 1.0

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read what a data description says.

        Raises:
            ValueError: It is something else.
        """
        try:
            values: dict[str, Any] = {
                name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()
            }
            geometry = cls(**values)
            numbers = (*geometry.extent, geometry.spacing, geometry.time_extent, geometry.time_spacing)
            sound = (
                geometry.distance in ("euclidean", "haversine")
                and len(geometry.centre) == len(geometry.extent) == 2
                and all(math.isfinite(number) for number in (*geometry.centre, *numbers))
                and all(number > 0 for number in numbers)
                and isinstance(geometry.timed, bool)
            )
        except TypeError as err:
            raise ValueError(f"not the geometry of points: {err}") from err
        if not sound:
            raise ValueError(f"not the geometry of points: {plain}")
        return geometry

    @property
    def num_pair(self) -> int:
        """Numbers that say where a neighbour lies."""
        return 6 if self.timed else 4

    @property
    def num_place(self) -> int:
        """Numbers that say where a point lies."""
        return 3 if self.timed else 2

    def pair(self, points: Tensor, others: Tensor) -> Tensor:
        """Return how others lie as seen from points: offset, distance and its logarithm, shape (..., 4).

        Args:
            points: Coordinates less the centre, shape (..., 2).
            others: Likewise.
        """
        offset = others - points
        if self.distance == "euclidean":
            length = offset.square().sum(-1, keepdim=True).sqrt()
        else:
            offset, length = self._on_the_globe(points, others)
        length = length / self.spacing
        return torch.cat([offset / self.spacing, length, (length + _NEAREST).log()], dim=-1)

    def lag(self, points: Tensor, others: Tensor) -> Tensor:
        """Return how much earlier others were, and its logarithm, shape (..., 2), from times of shape (...)."""
        earlier = ((points - others) / self.time_spacing).unsqueeze(-1)
        return torch.cat([earlier, (earlier.clamp_min(0) + _NEAREST).log()], dim=-1)

    def place(self, points: Tensor) -> Tensor:
        """Return coordinates in units of their extent, shape (..., 2)."""
        return torch.stack([points[..., axis] / self.extent[axis] for axis in range(2)], dim=-1)

    def _on_the_globe(self, points: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
        """Return the offset in the plane that touches the globe, and the great circle (haversine formula), in km."""
        east = others[..., 0] - points[..., 0]
        east = torch.deg2rad(east - 360 * (east / 360).round())
        lat, other = (torch.deg2rad(where[..., 1] + self.centre[1]) for where in (points, others))
        north = other - lat
        half = (north / 2).sin().square() + lat.cos() * other.cos() * (east / 2).sin().square()
        length = 2 * _EARTH_RADIUS_KM * half.clamp(0, 1).sqrt().asin()
        plane = torch.stack([east * ((lat + other) / 2).cos(), north], dim=-1) * _EARTH_RADIUS_KM
        return plane, length.unsqueeze(-1)
