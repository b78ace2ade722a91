from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh

from dlkit.errors import DataError
from dlkit.plotting import kinds
from dlkit.plotting.concentrations import plot_fold, plot_organs
from dlkit.plotting.figure_file import figure_bytes
from dlkit.plotting.inputs import PredictedCurve

TIMES = [0.0, 1.0, 2.0, 4.0]


def read_input(*args: Any) -> Any:
    return kinds.read_input(*args)[1]


def make_curves(
    factors: Sequence[float] = (1.0, 1.1, 3.0), organs: Sequence[str] = ("blood", "liver", "gut")
) -> Mapping[str, Mapping[str, PredictedCurve]]:
    """Curves of one compound a factor, each predicted that many times too high."""
    truth = [8.0, 4.0, 2.0, 1.0]
    return {
        str(row): {
            organ: PredictedCurve(TIMES, truth, [factor * value for value in truth]) for organ in organs
        }
        for row, factor in enumerate(factors)
    }


def panels(axes: Sequence[Axes]) -> dict[str, Axes]:
    return {panel.get_title(): panel for panel in axes if panel.get_title()}


def test_each_organ_has_a_panel_with_marks_and_lines() -> None:
    found = panels(plot_organs(make_curves()).axes)

    assert list(found) == ["blood", "liver", "gut"]
    for panel in found.values():
        assert panel.get_yscale() == "log"
        assert len(panel.lines) == 4  # of the median and the worst, the prediction and the truth
        line, marks = panel.lines[:2]
        assert line.get_xdata().tolist() == marks.get_xdata().tolist() == TIMES[1:]  # t = 0 is given
        assert line.get_linestyle() == "-"
        assert marks.get_linestyle() == "None"


def test_the_median_the_90th_and_the_worst_compound_are_drawn() -> None:
    factors = [1 + row / 100 for row in range(100)]
    (panel,) = panels(plot_organs(make_curves(factors, ["blood"])).axes).values()

    drawn = [line.get_ydata()[0] / 4.0 for line in panel.lines[::2]]

    assert drawn == pytest.approx([1.49, 1.89, 1.99])


def test_a_single_compound_is_drawn_once() -> None:
    (panel,) = panels(plot_organs(make_curves([1.5], ["blood"])).axes).values()

    assert len(panel.lines) == 2


def test_fold_figure_counts_values_and_shows_the_shares() -> None:
    figure = plot_fold(make_curves())
    axes = figure.axes[0]

    (mesh,) = (drawn for drawn in axes.collections if isinstance(drawn, QuadMesh))
    assert np.ma.filled(mesh.get_array(), 0).sum() == 27  # 3 compounds, 3 organs, 3 times after the dose
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    (shares,) = (text.get_text() for text in axes.texts)
    assert shares.splitlines() == [
        "66.7 % within 1.25-fold",
        "66.7 % within 1.5-fold",
        "66.7 % within 2-fold",
        "of 27 values",
    ]


def test_the_band_is_twofold() -> None:
    axes = plot_fold(make_curves()).axes[0]

    band = axes.collections[0].get_paths()[0].vertices
    ratios = band[:, 1] / band[:, 0]

    assert ratios.min() == pytest.approx(0.5)
    assert ratios.max() == pytest.approx(2.0)


@pytest.mark.parametrize("draw", [plot_organs, plot_fold])
@pytest.mark.parametrize("truth", [0.0, 0.001])
@pytest.mark.quick(1)
def test_nothing_above_the_floor_is_drawn(draw: object, truth: float) -> None:
    curves = {"0": {"blood": PredictedCurve([0.0, 1.0], [truth, truth], [0.0, 0.0])}}

    assert figure_bytes(draw(curves)).startswith(b"\x89PNG")  # type: ignore[operator]


def test_a_predicted_zero_is_drawn_at_the_edge() -> None:
    curves = {"0": {"blood": PredictedCurve([1.0, 2.0], [5.0, 1.0], [0.0, 0.0])}}

    (mesh,) = (drawn for drawn in plot_fold(curves).axes[0].collections if isinstance(drawn, QuadMesh))

    assert np.ma.filled(mesh.get_array(), 0).sum() == 2


def test_curves_are_read_by_compound_and_organ(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_text(
        "index,organ,time,target,pred\n5,blood,0,9,9\n5,blood,1,4,4.5\n5,gut,0,0,0\n5,gut,1,2,1\n8,blood,0,1,1\n"
    )

    found = read_input(path)

    assert isinstance(found, dict)
    assert list(found) == ["5", "8"]
    assert found["5"]["blood"] == PredictedCurve([0, 1], [9, 4], [9, 4.5])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("index,organ,time,target,pred\n", "p.csv "),
        ("index,organ,time,target,pred\n1,gut,0,x,1\n", "line 2: target is 'x'"),
        ("index,organ,time,target,pred\n1,gut,0,1,-1\n", "line 2: pred is '-1'"),
        ("index,organ,time,target,pred\n1,gut,0,1,1\n1,gut,inf,1,1\n", "line 3: time is 'inf'"),
    ],
)
def test_faulty_curves_are_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "p.csv").write_text(text)

    with pytest.raises(DataError) as caught:
        read_input(tmp_path / "p.csv")

    assert says in str(caught.value)
