"""For each point the nearest others, within a radius and a span of time before it, found with k-d trees."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

KEPT = 200
"""The most neighbours that are kept of a point."""
EARTH_RADIUS_KM = 6371.0088
"""The Earth's mean radius, as the International Union of Geodesy and Geophysics defines it."""

_ROWS_AT_ONCE = 16_384
_PAIRS_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Points:
    """Places, and when they were observed.

    Args:
        places: Shape (N, 2) or (N, 3), float64, such that the straight line between two is their distance or
            grows with it; see `to_space`.
        times: Shape (N,), float64; None where there is no time.
    """

    places: np.ndarray
    times: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.places)


def to_space(coords: np.ndarray, distance: str) -> np.ndarray:
    """Turn coordinates into places between which a straight line measures.

    Args:
        coords: Shape (N, 2), float64; longitude and latitude in degrees for `haversine`.
        distance: `euclidean`, in the coordinates' own unit, or `haversine`, the great circle on a sphere.

    Returns:
        The coordinates themselves, or points on a sphere, shape (N, 3), in kilometres.
    """
    if distance == "euclidean":
        return coords
    lon, lat = np.radians(coords).T
    sphere = [np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)]
    return EARTH_RADIUS_KM * np.stack(sphere, axis=1)


def straight(length: float, distance: str) -> float:
    """Return the straight line between two places that are so far apart: the chord under a great circle.

    Args:
        length: In the coordinates' unit, or in kilometres for `haversine`; half the Earth's girth and more is
            all of it.
        distance: `euclidean` or `haversine`.
    """
    if distance == "euclidean":
        return length
    angle = min(length / EARTH_RADIUS_KM, np.pi)
    return float(2 * EARTH_RADIUS_KM * np.sin(angle / 2))


def find_neighbors(
    points: Points,
    context: Points,
    *,
    own: np.ndarray | None = None,
    reach: float = np.inf,
    window: float = np.inf,
    keep: int = KEPT,
) -> np.ndarray:
    """Return the nearest points of the context, for many points at once.

    Where there are times, only what was observed before a point is its neighbour: never at the same time or
    later.

    Args:
        points: What neighbours are wanted of, N points.
        context: Where they are taken from, M points; with times if `points` has them.
        own: Where each point itself stands in the context, shape (N,), -1 where it does not; it is never its
            own neighbour. None: none of them is in the context.
        reach: Straight line to the farthest that counts.
        window: Span of time before a point that counts.
        keep: The most neighbours of a point.

    Returns:
        Positions in the context, nearest first, padded with -1, shape (N, keep), int32.
    """
    own = np.full(len(points), -1) if own is None else own
    found = np.full((len(points), keep), -1, dtype=np.int32)
    if len(points) == 0 or len(context) == 0:
        return found
    if points.times is None or context.times is None:
        tree = cKDTree(context.places)
        for rows in _in_space(points.places):
            found[rows] = _query(tree, points.places[rows], own[rows], reach, keep)[1]
        return found
    order = np.argsort(context.times, kind="stable")
    rank = np.empty(len(order) + 1, dtype=np.int64)
    rank[order], rank[-1] = np.arange(len(order)), -1  # the last one is that of -1, no point
    past = _Past(context.places[order], reach, keep)
    times = context.times[order]
    before = np.searchsorted(times, points.times, side="left")
    since = np.searchsorted(times, points.times - window, side="left")
    order = np.append(order, -1)
    for rows in _in_time(before, points.places, len(context)):
        positions = past.nearest(points.places[rows], since[rows], before[rows], rank[own[rows]])
        found[rows] = order[positions]
    return found


@dataclass(frozen=True)
class _Past:
    """Places in the order of time.

    Args:
        places: Shape (M, 2) or (M, 3).
        reach: Straight line to the farthest that counts.
        keep: The most neighbours of a point.
    """

    places: np.ndarray
    reach: float
    keep: int

    def nearest(
        self, points: np.ndarray, since: np.ndarray, before: np.ndarray, own: np.ndarray
    ) -> np.ndarray:
        """Return the nearest of `places[since:before]` to points whose spans are nearly the same.

        What all of them see is searched with a tree; the few places that only some see are compared one by one.
        """
        first, last = int(since.max()), int(before.min())
        if last - first > self.keep:
            tree = cKDTree(self.places[first:last], balanced_tree=False, compact_nodes=False)
            inside = np.where(own >= first, own - first, -1)
            distances, positions = _query(tree, points, inside, self.reach, self.keep)
            positions = np.where(positions >= 0, positions + first, -1)
            edges = np.r_[int(since.min()) : first, last : int(before.max())]
        else:
            distances = np.full((len(points), self.keep), np.inf)
            positions = np.full((len(points), self.keep), -1)
            edges = np.arange(int(since.min()), int(before.max()))
        at_once = max(1, _PAIRS_AT_ONCE // max(1, len(edges)))
        for start in range(0, len(points), at_once):
            part = slice(start, start + at_once)
            apart = cdist(points[part], self.places[edges])
            near = np.flatnonzero(apart <= np.minimum(distances[part, -1:], self.reach))
            rows, columns = np.divmod(near, max(1, len(edges)))
            which, asking = edges[columns], rows + start
            seen = (which >= since[asking]) & (which < before[asking]) & (which != own[asking])
            _merge(distances[part], positions[part], rows[seen], apart.ravel()[near[seen]], which[seen])
        return positions


def _in_space(places: np.ndarray) -> Iterator[np.ndarray]:
    """Return rows in parts that lie close together, so that they walk the same branches of a tree."""
    rows = _close_together(places)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        yield rows[start : start + _ROWS_AT_ONCE]


def _in_time(before: np.ndarray, places: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Return rows in parts that see nearly the same past: where it ends differs by few of the context's points."""
    width = min(8192, max(256, size // 32))
    rows = np.argsort(before, kind="stable")
    for part in np.split(rows, np.flatnonzero(np.diff(before[rows] // width)) + 1):
        for start in range(0, len(part), _ROWS_AT_ONCE):
            some = part[start : start + _ROWS_AT_ONCE]
            yield some[_close_together(places[some])]


def _close_together(places: np.ndarray) -> np.ndarray:
    return np.asarray(cKDTree(places, balanced_tree=False, compact_nodes=False).indices)


def _merge(
    distances: np.ndarray, positions: np.ndarray, rows: np.ndarray, apart: np.ndarray, which: np.ndarray
) -> None:
    """Put more neighbours among those found before, and keep the nearest.

    Args:
        distances: Of the neighbours found, ascending, infinity where there are no more, shape (N, K); changed.
        positions: Where these stand, -1 where there are no more, shape (N, K); changed.
        rows: Rows that the others are neighbours of, ascending, shape (P,).
        apart: Their distances, shape (P,).
        which: Where they stand, shape (P,).
    """
    if not len(rows):
        return
    asking, firsts, counts = np.unique(rows, return_index=True, return_counts=True)
    more = np.full((len(asking), int(counts.max())), np.inf)
    others = np.full(more.shape, -1)
    row, column = np.repeat(np.arange(len(asking)), counts), np.arange(len(rows)) - np.repeat(firsts, counts)
    more[row, column], others[row, column] = apart, which
    more, others = np.hstack([distances[asking], more]), np.hstack([positions[asking], others])
    keep = distances.shape[1]
    nearest = np.argpartition(more, keep - 1, axis=1)[:, :keep]
    more, others = np.take_along_axis(more, nearest, 1), np.take_along_axis(others, nearest, 1)
    ascending = np.argsort(more, axis=1)
    distances[asking] = np.take_along_axis(more, ascending, 1)
    positions[asking] = np.take_along_axis(others, ascending, 1)


def _query(
    tree: cKDTree, points: np.ndarray, own: np.ndarray, reach: float, keep: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return distances, infinity where there are no more, and positions in the tree, -1 there, each (N, keep)."""
    bound = np.nextafter(reach, np.inf)  # the tree leaves out what lies at the bound itself
    distances, positions = tree.query(points, k=range(1, keep + 2), distance_upper_bound=bound, workers=-1)
    positions[np.isinf(distances)] = -1
    is_own = (positions == own[:, None]) & (own >= 0)[:, None]
    place = np.where(is_own.any(1), is_own.argmax(1), keep)  # the last where it is not among them
    later = np.arange(keep) >= place[:, None]
    return (
        np.where(later, distances[:, 1:], distances[:, :-1]),
        np.where(later, positions[:, 1:], positions[:, :-1]),
    )
