"""A value at a point from its neighbours: a network on each, attention over them, a network on their weighted sum."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import torch
from torch import Tensor, nn

from dlkit.models.context import Context
from dlkit.models.mlp import HiddenLayer

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
            values = {name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}
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
        """Say how others lie as seen from points: offset, distance and its logarithm, shape (..., 4).

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
        """Say how much earlier others were, and its logarithm, shape (..., 2), from times of shape (...)."""
        earlier = ((points - others) / self.time_spacing).unsqueeze(-1)
        return torch.cat([earlier, (earlier.clamp_min(0) + _NEAREST).log()], dim=-1)

    def place(self, points: Tensor) -> Tensor:
        """Give coordinates in units of their extent, shape (..., 2)."""
        return torch.stack([points[..., axis] / self.extent[axis] for axis in range(2)], dim=-1)

    def _on_the_globe(self, points: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
        """Give the offset in the plane that touches the globe, and the great circle (haversine formula), in km."""
        east = others[..., 0] - points[..., 0]
        east = torch.deg2rad(east - 360 * (east / 360).round())
        lat, other = (torch.deg2rad(where[..., 1] + self.centre[1]) for where in (points, others))
        north = other - lat
        half = (north / 2).sin().square() + lat.cos() * other.cos() * (east / 2).sin().square()
        length = 2 * _EARTH_RADIUS_KM * half.clamp(0, 1).sqrt().asin()
        plane = torch.stack([east * ((lat + other) / 2).cos(), north], dim=-1) * _EARTH_RADIUS_KM
        return plane, length.unsqueeze(-1)


class Spatial(nn.Module):
    """phi on each neighbour, attention by omega, theta on the weighted sum of what phi gave.

    The observations that may be neighbours are buffers `context.coords` (M, 2), `context.values` (M,),
    `context.features` (M, D) and, with time, `context.times` (M,); a batch names them by position.

    Args:
        context: These observations; values standardised.
        geometry: How coordinates and times become numbers of order one.
        phi: Widths of the layers on each neighbour; the last must be a multiple of the heads.
        omega: Widths of the hidden layers that weigh a neighbour.
        theta: Widths of the hidden layers from the weighted sum to the value.
        heads: Weights of a neighbour; each sums its own share of what phi gave.
        activation: A name in `dlkit.models.mlp.ACTIVATIONS`.
        dropout: Share of hidden outputs dropped while training.
        norm: `none` or `layer`, before each activation.
    """

    def __init__(
        self,
        context: Mapping[str, Tensor],
        geometry: Geometry,
        *,
        phi: Sequence[int],
        omega: Sequence[int],
        theta: Sequence[int],
        heads: int,
        activation: str,
        dropout: float,
        norm: str,
    ) -> None:
        super().__init__()
        self.context = Context(context)
        self.geometry = geometry
        self.heads = heads
        pair, place = geometry.num_pair, geometry.num_place
        width = context["features"].shape[1]

        def layers(widths: Sequence[int]) -> list[nn.Module]:
            shared: dict[str, Any] = {"activation": activation, "dropout": dropout, "norm": norm}
            return [HiddenLayer(before, after, residual=False, **shared) for before, after in pairwise(widths)]

        self.phi = nn.Sequential(*layers([pair + 1 + width, *phi]))
        weighing = [pair + 3 * width, *omega]
        self.omega = nn.Sequential(*layers(weighing), nn.Linear(weighing[-1], heads))
        summing = [phi[-1] + place + width, *theta]
        self.theta = nn.Sequential(*layers(summing), nn.Linear(summing[-1], 1))

    def forward(
        self, coords: Tensor, features: Tensor, neighbors: Tensor, times: Tensor | None = None
    ) -> Tensor:
        """Predict values.

        Args:
            coords: Coordinates less the centre, shape (B, 2).
            features: Shape (B, D).
            neighbors: Positions in the context, -1 where there are no more, shape (B, K), int64.
            times: Shape (B,); None where points have no time.

        Returns:
            Standardised values, shape (B, 1). A point without neighbours is told by its place and features.
        """
        if neighbors.device.type == "cpu":
            summed = self._of_pairs(coords, features, neighbors, times)
        else:
            summed = self._of_padded(coords, features, neighbors, times)
        place = self.geometry.place(coords)
        if times is not None:
            place = torch.cat([place, times[:, None] / self.geometry.time_extent], dim=-1)
        value: Tensor = self.theta(torch.cat([summed, place, features], dim=-1))
        return value

    def _of_pairs(
        self, coords: Tensor, features: Tensor, neighbors: Tensor, times: Tensor | None
    ) -> Tensor:
        """Sum over the neighbours that there are, P in number, and compute on nothing else; shape (B, E)."""
        rows, columns = (neighbors >= 0).nonzero(as_tuple=True)
        which = neighbors[rows, columns]
        own = [None if part is None else part.index_select(0, rows) for part in (coords, features, times)]
        given, scores = self._on_neighbors(*own, which)  # (P, E), (P, heads)
        weights = _softmax_by_row(scores, rows, columns, neighbors.shape)
        weighted = given.view(len(rows), self.heads, -1) * weights.unsqueeze(-1)
        return given.new_zeros(len(neighbors), given.shape[-1]).index_add(0, rows, weighted.flatten(1))

    def _of_padded(
        self, coords: Tensor, features: Tensor, neighbors: Tensor, times: Tensor | None
    ) -> Tensor:
        """Sum over all K places with no weight on those that are empty, so that no count is waited for; (B, E)."""
        there = (neighbors >= 0).unsqueeze(-1)  # (B, K, 1)
        expanded = (coords.unsqueeze(1), features.unsqueeze(1), None if times is None else times.unsqueeze(1))
        own = [
            None if part is None else part.expand(*neighbors.shape, *part.shape[2:]) for part in expanded
        ]
        given, scores = self._on_neighbors(*own, neighbors.clamp_min(0))  # (B, K, E), (B, K, heads)
        scores = scores.masked_fill(~there, torch.finfo(scores.dtype).min)
        weights = scores.softmax(1).masked_fill(~there, 0)
        shares = given.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, K, E / heads)
        return (weights.transpose(1, 2).unsqueeze(2) @ shares).flatten(1)

    def _on_neighbors(
        self, coords: Tensor, features: Tensor, times: Tensor | None, which: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Give phi's outputs, shape (..., E), and omega's scores, shape (..., heads), of neighbours (...)."""
        theirs = self.context["features"][which]
        where = self.geometry.pair(coords, self.context["coords"][which])
        if times is not None:
            where = torch.cat([where, self.geometry.lag(times, self.context["times"][which])], dim=-1)
        values = self.context["values"][which].unsqueeze(-1)
        given = self.phi(torch.cat([where, values, theirs], dim=-1))
        unlike = (theirs - features).abs()
        return given, self.omega(torch.cat([where, features, theirs, unlike], dim=-1))


def _softmax_by_row(scores: Tensor, rows: Tensor, columns: Tensor, shape: torch.Size) -> Tensor:
    """Make scores, shape (P, heads), into weights that sum to 1 in each row of the (B, K) that they stand in."""
    table = scores.new_full((*shape, scores.shape[-1]), -torch.inf)
    # A row without neighbours softens to NaN, which is never read.
    return table.index_put((rows, columns), scores).softmax(1)[rows, columns]
