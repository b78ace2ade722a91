import numpy as np
import pytest

from dlkit.plotting.layers.updates import bin_steps, plot_updates


def test_every_sampled_step_has_a_column_of_its_own():
    edges, cells = bin_steps([[(1, 0.1), (2, 0.2), (10, 0.3)], [(2, 0.4)]])
    assert edges.tolist() == [0.5, 1.5, 9.5, 10.5]
    np.testing.assert_array_equal(cells, [[0.1, 0.2, 0.3], [np.nan, 0.4, np.nan]])


def test_many_steps_share_columns_by_their_median():
    values = np.random.default_rng(0).uniform(1e-4, 1e-2, 2400)
    _, cells = bin_steps([list(enumerate(values, 1))])
    assert cells.shape == (1, 240)
    assert cells[0] == pytest.approx(np.median(values.reshape(240, 10), axis=1))


@pytest.mark.parametrize("layers", [1, 5, 150])
def test_a_strip_a_layer(layers):
    ratios = {f"layer.{place}": [(1, 0.0), (5, 1e-3 * (place + 1))] for place in range(layers)}
    left, right = plot_updates(ratios, title="x").axes[:2]
    assert right.collections[0].get_array().size == 2 * layers
    assert left.get_ylim() == (layers - 0.4, -0.6)
    assert 0 < len(left.get_yticklabels()) <= 75


def test_layers_that_never_move_are_drawn():
    assert plot_updates({"a": [(1, 0.0)]}).axes
