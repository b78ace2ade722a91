"""A value at a point from its neighbours: a network on each, attention over them, a network on their weighted sum."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from dlkit.files.description import DataDescription
from dlkit.models.context import Context
from dlkit.models.mlp import HiddenLayer
from dlkit.models.spatial.geometry import Geometry

# What a layer gives for so many pairs fits the cache, and memory that is used again; larger blocks are asked of the
# system anew each time, which takes longer than the arithmetic.
_PAIRS_AT_ONCE = 16_384


class Spatial(nn.Module):
    """A trend, what neighbours' values leave over it weighed by omega, and theta's correction.

    value = trend(x) + mean over heads of sum_i w_i (v_i - trend(x_i)) + theta(sum_i w_i phi_i, x), with x place, time
    and features of a point: the sum of a trend and weighted residuals is that of regression kriging (Hengl et al. 2007,
    Computers & Geosciences 33), with weights from attention in the place of a variogram's.

    The observations that may be neighbours are buffers `context.coords` (M, 2), `context.values` (M,),
    `context.features` (M, D) and, with time, `context.times` (M,); a batch names them by position.

    Args:
        context: These observations; values standardised.
        geometry: How coordinates and times become numbers of order one.
        phi: Widths of the layers on each neighbour; the last must be a multiple of the heads.
        omega: Widths of the hidden layers that weigh a neighbour.
        theta: Widths of the hidden layers from the weighted sum to the correction.
        trend: Widths of the hidden layers from place, time and features to the trend.
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
        trend: Sequence[int],
        heads: int,
        activation: str,
        dropout: float,
        norm: str,
    ) -> None:
        super().__init__()
        self.context = Context(context)
        self.geometry = geometry
        self.heads = heads
        pair, point = geometry.num_pair, geometry.num_place + context["features"].shape[1]
        width = context["features"].shape[1]

        def layers(widths: Sequence[int]) -> list[nn.Module]:
            shared: dict[str, Any] = {"activation": activation, "dropout": dropout, "norm": norm}
            return [
                HiddenLayer(before, after, residual=False, **shared) for before, after in pairwise(widths)
            ]

        def network(widths: Sequence[int], outputs: int) -> nn.Sequential:
            return nn.Sequential(*layers(widths), nn.Linear(widths[-1], outputs))

        self.trend = network([point, *trend], 1)
        self.phi = nn.Sequential(*layers([pair + 2 + 2 * width, *phi]))
        self.omega = network([pair + 3 * width, *omega], heads)
        self.omega[-1].register_parameter("bias", None)  # the softmax cancels it
        self.theta = network([phi[-1] + heads + point, *theta], 1)

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
            Standardised values, shape (B, 1). A point without neighbours is described by its place and features.
        """
        if neighbors.device.type == "cpu":
            size = max(1, _PAIRS_AT_ONCE // max(1, neighbors.shape[1]))
            starts = range(0, len(neighbors), size)
            cut_times = [None if times is None else times[start : start + size] for start in starts]
            pieces = zip(
                coords.split(size), features.split(size), neighbors.split(size), cut_times, strict=True
            )
            summed = torch.cat([self._of_pairs(*piece) for piece in pieces])
        else:
            summed = self._of_padded(coords, features, neighbors, times)
        point = self._point(coords, times, features)
        corrected = self.theta(torch.cat([summed, point], dim=-1))
        value: Tensor = self.trend(point) + summed[:, -self.heads :].mean(1, keepdim=True) + corrected
        return value

    def _of_pairs(self, coords: Tensor, features: Tensor, neighbors: Tensor, times: Tensor | None) -> Tensor:
        """Sum over the neighbours that there are, P in number, and compute on nothing else; (B, E + heads)."""
        rows, columns = (neighbors >= 0).nonzero(as_tuple=True)
        which = neighbors[rows, columns]
        own_times = None if times is None else times.index_select(0, rows)
        given, residuals, scores = self._on_neighbors(
            coords.index_select(0, rows), features.index_select(0, rows), own_times, which
        )  # (P, E), (P, 1), (P, heads)
        weights = _softmax_by_row(scores, rows, columns, neighbors.shape)
        shares = given.unflatten(-1, (self.heads, given.shape[-1] // self.heads))
        weighted = torch.cat([(shares * weights.unsqueeze(-1)).flatten(1), weights * residuals], dim=-1)
        return given.new_zeros(len(neighbors), weighted.shape[-1]).index_add(0, rows, weighted)

    def _of_padded(self, coords: Tensor, features: Tensor, neighbors: Tensor, times: Tensor | None) -> Tensor:
        """Sum over all K places with no weight on those that are empty, so that no count is waited for."""
        there = (neighbors >= 0).unsqueeze(-1)  # (B, K, 1)
        shape = neighbors.shape
        given, residuals, scores = self._on_neighbors(
            coords.unsqueeze(1).expand(*shape, -1),
            features.unsqueeze(1).expand(*shape, -1),
            None if times is None else times.unsqueeze(1).expand(shape),
            neighbors.clamp_min(0),
        )  # (B, K, E), (B, K, 1), (B, K, heads)
        scores = scores.masked_fill(~there, torch.finfo(scores.dtype).min)
        weights = scores.softmax(1).masked_fill(~there, 0)
        shares = given.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, K, E / heads)
        summed = (weights.transpose(1, 2).unsqueeze(2) @ shares).flatten(1)
        return torch.cat([summed, (weights * residuals).sum(1)], dim=-1)  # (B, E + heads)

    def _on_neighbors(
        self, coords: Tensor, features: Tensor, times: Tensor | None, which: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return phi's outputs (..., E), residuals (..., 1) and omega's scores (..., heads) of neighbours (...)."""
        places, theirs = self.context["coords"][which], self.context["features"][which]
        their_times = None if times is None else self.context["times"][which]
        where = self.geometry.pair(coords, places)
        if times is not None and their_times is not None:
            where = torch.cat([where, self.geometry.lag(times, their_times)], dim=-1)
        values = self.context["values"][which].unsqueeze(-1)
        residuals = values - self.trend(self._point(places, their_times, theirs))
        unlike = theirs - features
        given = self.phi(torch.cat([where, values, residuals, theirs, unlike], dim=-1))
        return given, residuals, self.omega(torch.cat([where, features, theirs, unlike.abs()], dim=-1))

    def _point(self, coords: Tensor, times: Tensor | None, features: Tensor) -> Tensor:
        """Return place, time and features as inputs of trend and theta, shape (..., D + 2 or 3)."""
        place = [self.geometry.place(coords)]
        if times is not None:
            place.append((times / self.geometry.time_extent).unsqueeze(-1))
        return torch.cat([*place, features], dim=-1)


def _softmax_by_row(scores: Tensor, rows: Tensor, columns: Tensor, shape: torch.Size) -> Tensor:
    """Make scores, shape (P, heads), into weights that sum to 1 in each row of the (B, K) that they stand in."""
    table = scores.new_full((*shape, scores.shape[-1]), -torch.inf)
    # A row without neighbours softens to NaN, which is never read.
    return table.index_put((rows, columns), scores).softmax(1)[rows, columns]


def build(
    description: DataDescription, arguments: Mapping[str, Any], context: Mapping[str, Tensor]
) -> Spatial:
    """Build the network for points, with the training points as its context."""
    return Spatial(context, Geometry.from_dict(description.learned["geometry"]), **arguments)
