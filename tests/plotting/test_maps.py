import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PathCollection, QuadMesh

from dlkit.errors import DataError
from dlkit.plotting import kinds
from dlkit.plotting.figure_file import figure_bytes
from dlkit.plotting.map_inputs import MapValues
from dlkit.plotting.maps import plot_map

CELLS = [(x, y, x + y, 0.1 * x) for y in (0.0, 1.0, 2.0) for x in (5.0, 6.0)]
EMPTY = (5.0, 3.0, math.nan, math.nan)


def read_input(*args: Any) -> Any:
    return kinds.read_input(*args)[1]


def make_map(names: tuple[str, str, str] = ("x", "y", "depth"), observations: int = 3) -> MapValues:
    return MapValues(
        names, [*CELLS, EMPTY], [(5.5, 0.1 * index, float(index)) for index in range(observations)]
    )


def test_cells_stand_where_they_are_and_empty_ones_stay_empty() -> None:
    left, right = plot_map(make_map()).axes[:2]

    for axes, column in ((left, 2), (right, 3)):
        (mesh,) = (drawn for drawn in axes.collections if isinstance(drawn, QuadMesh))
        table = np.ma.filled(mesh.get_array().reshape(4, 2), np.nan)
        assert table[:3].flatten() == pytest.approx([cell[column] for cell in CELLS])
        assert np.isnan(table[3]).all()
        assert axes.get_xlim() == (4.5, 6.5)
        assert axes.get_ylim() == (-0.5, 3.5)


def test_observations_lie_on_top_in_the_colours_of_the_mean() -> None:
    left = plot_map(make_map()).axes[0]
    (mesh,) = (drawn for drawn in left.collections if isinstance(drawn, QuadMesh))
    (dots,) = (drawn for drawn in left.collections if isinstance(drawn, PathCollection))

    assert dots.get_offsets().flatten().tolist() == pytest.approx([5.5, 0.0, 5.5, 0.1, 5.5, 0.2])
    assert dots.get_clim() == mesh.get_clim()
    assert dots.get_zorder() > mesh.get_zorder()
    assert left.get_title() == "mean, and 3 observations"


@pytest.mark.parametrize(
    ("observations", "title"), [(0, "mean"), (4000, "mean, and 400 of 4,000 observations")]
)
def test_many_observations_are_thinned_and_none_are_accepted(observations: int, title: str) -> None:
    assert plot_map(make_map(observations=observations)).axes[0].get_title() == title


@pytest.mark.parametrize(
    ("names", "stretch"),
    [(("x", "y", "v"), 1.0), (("Longitude", "Latitude", "v"), 1 / math.cos(math.radians(60)))],
)
def test_degrees_are_stretched_as_they_are_on_the_globe(names: tuple[str, str, str], stretch: float) -> None:
    cells = [(x, y + 59.0, mean, spread) for x, y, mean, spread in CELLS]

    axes = plot_map(MapValues(names, cells, [])).axes[0]

    assert axes.get_aspect() == pytest.approx(stretch)


@pytest.mark.parametrize("values", [[(0.0, 0.0, 1.0, 0.0)], [(0.0, 0.0, 1.0, 0.0), (1.0, 0.0, 1.0, 0.0)]])
def test_one_cell_or_one_value_is_drawn(values: list[tuple[float, float, float, float]]) -> None:
    assert figure_bytes(plot_map(MapValues(("x", "y", "v"), values, [])))


def test_a_map_is_known_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "map.csv"
    path.write_text("lon,lat,mean,sd_draws,half_width,depth\n1,2,3,0.1,0.5,\n1,3,,,,\n1.5,2.5,,,,7\n")

    found = read_input(path)

    assert isinstance(found, MapValues)
    assert found.names == ("lon", "lat", "depth")
    assert found.cells[0] == (1, 2, 3, 0.5)
    assert math.isnan(found.cells[1][2])
    assert found.observations == [(1.5, 2.5, 7)]


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("lon,lat,mean,sd_draws,half_width,depth\n1,2,x,0.1,0.5,\n", None, "map.csv line 2: mean is 'x'"),
        ("lon,lat,mean,sd_draws,half_width,depth\n1,,3,0.1,0.5,\n", None, "line 2: "),
        ("lon,lat,mean,sd_draws,half_width,depth\n1,2,,,,7\n", None, "mean"),
        ("a,b\n1,2\n", "map", "a, b"),
    ],
    ids=["text", "no coordinate", "no cell", "other"],
)
def test_a_faulty_map_is_refused_with_its_line(
    tmp_path: Path, text: str, kind: str | None, message: str
) -> None:
    path = tmp_path / "map.csv"
    path.write_text(text)

    with pytest.raises(DataError) as caught:
        read_input(path, kind)

    assert message in caught.value.message
    assert caught.value.hint
