import itertools
import math

import pytest

from dlkit.plotting.layers.statistics import plot_layers
from dlkit.plotting.style import WARNING_COLOUR


def row(layer="a", **columns):
    return {
        "layer": layer,
        "shape": "3x4",
        "norm": 2.0,
        "mean": 0.1,
        "std": 0.5,
        "min": -1.0,
        "max": 2.0,
    } | columns


def panels_of(figure):
    return {axes.get_xlabel(): axes for axes in figure.get_axes()}


def legend_of(figure):
    return [
        text.get_text() for part in figure.subfigs for legend in part.legends for text in legend.get_texts()
    ]


def hatched(axes):
    return [patch.get_y() + patch.get_height() / 2 for patch in axes.patches if patch.get_hatch()]


@pytest.mark.parametrize(
    ("columns", "panels"),
    [
        pytest.param({}, ["norm", "mean and spread"], id="weights"),
        pytest.param(
            {"grad_to_weight": 1e-3},
            ["norm", "gradient norm\n/ weight norm", "mean and spread"],
            id="gradients",
        ),
        pytest.param({"zeros": 0.4}, ["norm", "mean and spread", "share of zeros"], id="zeros"),
        pytest.param({"zeros": 0.4, "dead": 0.1}, ["norm", "mean and spread", "share"], id="two-shares"),
        pytest.param({"norm": None, "mean": None, "dead": 0.1}, ["share of dead"], id="shares-alone"),
    ],
)
def test_plot_layers_draws_a_panel_for_what_was_measured(columns, panels):
    assert list(panels_of(plot_layers([row("a", **columns), row("b", **columns)]))) == panels


def test_plot_layers_has_the_input_at_the_top():
    axes = panels_of(plot_layers([row("first"), row("last")]))["norm"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "last"]
    assert axes.yaxis_inverted()


def test_plot_layers_draws_spread_and_range_around_the_mean():
    axes = panels_of(plot_layers([row("a"), row("b", std=None, max=None)]))["mean and spread"]
    bar = axes.patches[0]
    assert (bar.get_x(), bar.get_width()) == (pytest.approx(-0.4), pytest.approx(1.0))
    assert next(path.vertices[:, 0].tolist() for path in axes.collections[0].get_paths()) == [-1.0, 2.0]
    assert axes.lines[1].get_xdata().tolist() == [0.1, 0.1]


def test_plot_layers_shows_a_norm_of_zero_at_the_edge_of_the_logarithmic_axis():
    figure = plot_layers([row(norm=0.0), row(norm=3.0)])
    axes = panels_of(figure)["norm"]
    (zero,) = [line for line in axes.lines if line.get_marker() == "<"]
    assert axes.get_xscale() == "log"
    assert zero.get_xydata().tolist() == [[axes.get_xlim()[0], 0]]
    assert legend_of(figure)[0] == "exactly 0"


def test_plot_layers_goes_logarithmic_where_layers_differ_much():
    alike = panels_of(plot_layers([row(std=0.5), row(std=1.0)]))["mean and spread"]
    apart = panels_of(plot_layers([row(std=0.5), row(mean=0.0, std=1e-4)]))["mean and spread"]
    assert (alike.get_xscale(), apart.get_xscale()) == ("linear", "symlog")


@pytest.mark.parametrize(
    "columns",
    [{"non_finite": 3}, {"norm": math.nan}, {"max": math.inf}, {"non_finite": 3, "norm": None, "mean": None}],
    ids=["counted", "nan-statistic", "infinite-statistic", "nothing-finite"],
)
def test_plot_layers_flags_non_finite_layers(columns):
    figure = plot_layers([row("fine", non_finite=0), row("broken", **columns)])
    for axes in figure.get_axes():
        assert hatched(axes) == [1.0]
    fine, broken = figure.get_axes()[0].get_yticklabels()
    assert (broken.get_color(), broken.get_fontweight()) == (WARNING_COLOUR, "bold")
    assert fine.get_color() != WARNING_COLOUR
    assert legend_of(figure)[-1] == "non-finite values"


def test_plot_layers_flags_nothing_when_all_is_finite():
    figure = plot_layers([row(non_finite=0), row(dead=None)])
    assert hatched(figure.get_axes()[0]) == []
    assert "non-finite values" not in legend_of(figure)


@pytest.mark.parametrize("count", [1, 4, 60, 161])
@pytest.mark.quick(1)
def test_plot_layers_keeps_the_names_apart_and_readable(count):
    figure = plot_layers([row(f"layer{index}.conv.weight", non_finite=index == 37) for index in range(count)])
    figure.draw_without_rendering()
    renderer = figure._get_renderer()
    labels = figure.get_axes()[0].get_yticklabels()
    boxes = [label.get_window_extent(renderer) for label in labels]
    assert all(lower.y1 <= upper.y0 + 1 for upper, lower in itertools.pairwise(boxes))
    assert min(label.get_fontsize() for label in labels) >= 5
    assert figure.get_figheight() <= 24 / 2.54
    assert count <= 37 or "layer37.conv.weight" in [label.get_text() for label in labels]


def test_plot_layers_shows_the_title_and_shortens_long_names():
    figure = plot_layers([row("encoder." * 20 + "weight")], title="gradients of $x")
    assert [text.get_text() for text in figure.subfigs[0].texts] == ["gradients of $x"]
    (label,) = figure.get_axes()[0].get_yticklabels()
    assert label.get_text().endswith("weight")
    assert len(label.get_text()) == 34


@pytest.mark.parametrize("table", [[], [{"layer": "a", "norm": None}]], ids=["no-row", "no-number"])
def test_plot_layers_refuses_a_table_without_numbers(table):
    with pytest.raises(ValueError, match="finite"):
        plot_layers(table)


@pytest.mark.parametrize("size", [5e-324, 1e-30, 1e300], ids=str)
def test_plot_layers_draws_extreme_values(size):
    figure = plot_layers([row(norm=size, mean=-size, std=size, min=-size, max=size), row(norm=1.0)])
    figure.draw_without_rendering()
