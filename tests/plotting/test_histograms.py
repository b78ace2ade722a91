import numpy as np
import pytest
from matplotlib.figure import Figure

from dlkit.plotting.layers.histograms import NUM_BINS, bin_edges, draw_histograms
from dlkit.plotting.layers.statistics import plot_layers

LAYER = {"layer": "a", "norm": 2.0, "mean": 0.0, "std": 1.0, "min": -1.0, "max": 2.0}


def axes_of_scale(scale="linear", **options):
    axes = Figure().subplots()
    axes.set_xscale(scale, **options)
    return axes


def test_bins_are_of_one_width_along_the_axis():
    values = [np.array([-1.0, 4.0]), np.array([0.0, 9.0])]
    assert np.diff(bin_edges(axes_of_scale(), values)) == pytest.approx(10 / NUM_BINS, abs=1e-3)
    axes = axes_of_scale("symlog", linthresh=0.01)
    along = axes.xaxis.get_transform().transform(bin_edges(axes, values))
    assert np.diff(along) == pytest.approx((along[-1] - along[0]) / NUM_BINS)


def test_a_strip_holds_the_counts_of_numpy():
    draw = np.random.default_rng(0)
    values = {"a": draw.normal(size=1000), "b": draw.uniform(-3, 3, 500)}
    axes = axes_of_scale()
    draw_histograms(axes, ["a", "b", "missing"], values)
    shades = np.asarray(axes.collections[0].get_array()).reshape(3, NUM_BINS)
    edges = bin_edges(axes, list(values.values()))
    for row, name in enumerate(values):
        counts = np.histogram(values[name], edges)[0]
        assert shades[row] == pytest.approx(np.sqrt(counts / counts.max()))
    assert not shades[2].any()


@pytest.mark.parametrize(
    "values", [np.zeros(4), np.array([np.nan, np.inf]), np.full(3, -7.0), np.array([1e-30])], ids=str
)
def test_values_that_are_alike_or_not_finite_are_drawn(values):
    draw_histograms(axes_of_scale(), ["a"], {"a": values})


def test_plot_layers_has_a_strip_for_each_of_150_layers():
    table = [LAYER | {"layer": f"layer.{place}"} for place in range(150)]
    values = {str(row["layer"]): np.arange(9.0) for row in table}
    figure = plot_layers(table, values=values)
    (axes,) = [axes for axes in figure.get_axes() if axes.get_xlabel() == "histogram"]
    assert axes.collections[0].get_array().size == 150 * NUM_BINS
