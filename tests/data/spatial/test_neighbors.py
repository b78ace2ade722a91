import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlkit.data.spatial.neighbors import EARTH_RADIUS_KM, Points, find_neighbors, straight, to_space


def compared_one_by_one(
    points: Points, context: Points, own: np.ndarray, reach: float, window: float, keep: int
) -> list[np.ndarray]:
    """Give the distances of the nearest, point by point, by looking at every pair."""
    found = []
    for index, place in enumerate(points.places):
        apart = np.sqrt(((context.places - place) ** 2).sum(1))
        seen = apart <= reach
        if points.times is not None and context.times is not None:
            ago = points.times[index] - context.times
            seen &= (ago > 0) & (ago <= window)
        if own[index] >= 0:
            seen[own[index]] = False
        found.append(np.sort(apart[seen])[:keep])
    return found


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    size=st.integers(1, 1200),
    keep=st.integers(1, 60),
    timed=st.booleans(),
    coarse=st.booleans(),
    reach=st.sampled_from([np.inf, 0.3, 0.02]),
    window=st.sampled_from([np.inf, 5.0, 0.5]),
)
def test_neighbors_are_those_of_a_comparison_of_all_pairs(
    seed: int, size: int, keep: int, timed: bool, coarse: bool, reach: float, window: float
) -> None:
    random = np.random.default_rng(seed)
    places, times = random.random((size, 2)), 10 * random.random(size)
    if coarse:  # many at the same place and the same time
        places, times = places.round(1), times.round()
    context = Points(places, times if timed else None)
    asking = random.integers(0, size, 60)
    own = np.where(random.random(60) < 0.5, asking, -1)
    points = Points(places[asking], times[asking] if timed else None)

    found = find_neighbors(points, context, own=own, reach=reach, window=window, keep=keep)

    expected = compared_one_by_one(points, context, own, reach, window, keep)
    for row, place, distances in zip(found, points.places, expected, strict=True):
        listed = row[row >= 0]
        assert (row[len(listed) :] == -1).all()
        assert len(set(listed.tolist())) == len(listed)
        apart = np.sqrt(((context.places[listed] - place) ** 2).sum(1))
        np.testing.assert_allclose(apart, distances, atol=1e-12)
    assert not (found == own[:, None])[own >= 0].any()
    if timed and points.times is not None:
        ago = points.times[:, None] - times[found]
        assert ((ago > 0) | (found < 0)).all()
        assert ((ago <= window) | (found < 0)).all()


def test_a_point_is_not_its_own_neighbour_among_many_at_its_place() -> None:
    context = Points(np.zeros((50, 2)))

    found = find_neighbors(context, context, own=np.arange(50), keep=10)

    assert not (found == np.arange(50)[:, None]).any()
    assert (found >= 0).all()


def test_a_point_outside_the_context_sees_the_one_at_its_place() -> None:
    found = find_neighbors(Points(np.zeros((1, 2))), Points(np.zeros((1, 2))), keep=3)

    assert found.tolist() == [[0, -1, -1]]


def test_the_limits_of_reach_and_window_count_as_inside() -> None:
    context = Points(np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([7.0, 8.0]))
    point = Points(np.zeros((1, 2)), np.array([9.0]))

    assert find_neighbors(point, context, reach=2.0, window=2.0, keep=3).tolist() == [[0, 1, -1]]
    assert find_neighbors(point, context, reach=1.0, window=2.0, keep=3).tolist() == [[0, -1, -1]]
    assert find_neighbors(point, context, reach=2.0, window=1.0, keep=3).tolist() == [[1, -1, -1]]


@pytest.mark.parametrize(("size", "asking"), [(0, 3), (3, 0)])
def test_no_context_gives_no_neighbours_and_no_points_no_rows(size: int, asking: int) -> None:
    found = find_neighbors(Points(np.zeros((asking, 2))), Points(np.zeros((size, 2))), keep=2)

    assert found.shape == (asking, 2)
    assert (found == -1).all()


@pytest.mark.parametrize(
    ("one", "other", "kilometres"),
    [
        ((0.0, 0.0), (1.0, 0.0), 2 * np.pi * EARTH_RADIUS_KM / 360),
        ((-179.5, 0.0), (179.5, 0.0), 2 * np.pi * EARTH_RADIUS_KM / 360),
        ((10.0, 90.0), (-120.0, 90.0), 0.0),
        ((0.0, -90.0), (0.0, 90.0), np.pi * EARTH_RADIUS_KM),
        ((-122.42, 37.77), (-118.24, 34.05), 559.1),  # San Francisco to Los Angeles
    ],
    ids=["equator", "date line", "pole", "antipodes", "cities"],
)
def test_the_line_through_the_globe_is_the_chord_of_the_great_circle(
    one: tuple[float, float], other: tuple[float, float], kilometres: float
) -> None:
    places = to_space(np.array([one, other]), "haversine")

    through = float(np.linalg.norm(places[0] - places[1]))

    assert through == pytest.approx(straight(kilometres, "haversine"), abs=0.5)


def test_a_line_longer_than_half_the_girth_reaches_all() -> None:
    assert straight(1e9, "haversine") == pytest.approx(2 * EARTH_RADIUS_KM)
    assert straight(np.inf, "haversine") == pytest.approx(2 * EARTH_RADIUS_KM)
    assert straight(3.0, "euclidean") == 3.0
