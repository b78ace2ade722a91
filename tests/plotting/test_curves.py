import math

import numpy as np
import pytest
from matplotlib.colors import to_rgba

from dlkit.plotting.figure_file import figure_bytes
from dlkit.plotting.history.curves import plot_history
from dlkit.plotting.history.runs import Setting
from dlkit.plotting.style import house_style

TRAIN = "train (mean during the epoch)"


def panels_of(figure):
    return {axes.get_ylabel().split("\n")[0]: axes for axes in figure.get_axes()}


def lines_of(axes):
    """Give the drawn curves, without the marks and the line of the best epoch."""
    return [line for line in axes.lines if line.get_marker() != "*" and line.get_linestyle() != ":"]


def stars_of(axes):
    return [tuple(line.get_xydata()[0]) for line in axes.lines if line.get_marker() == "*"]


def legend_of(figure):
    return [
        text.get_text() for part in figure.subfigs for legend in part.legends for text in legend.get_texts()
    ]


def test_plot_history_draws_a_panel_for_the_loss_and_one_for_the_metric(history):
    figure = plot_history([history(5)], [""])
    loss, accuracy = panels_of(figure).values()
    assert list(panels_of(figure)) == ["loss", "accuracy"]
    assert loss.get_shared_x_axes().joined(loss, accuracy)
    assert accuracy.get_xlabel() == "epoch"


def test_plot_history_tells_train_from_val_without_colour(history):
    train, val = lines_of(panels_of(plot_history([history(5)], [""]))["loss"])
    assert (train.get_linestyle(), val.get_linestyle()) == ("--", "-")
    with house_style():
        assert to_rgba(train.get_markerfacecolor()) == to_rgba("white") != to_rgba(val.get_markerfacecolor())


def test_plot_history_marks_the_lowest_val_loss_in_both_panels(history):
    run = history(4, val_loss=[0.9, 0.4, 0.4, 0.8], val_accuracy=[0.5, 0.6, 0.7, 0.8])
    figure = plot_history([run], [""])
    assert stars_of(panels_of(figure)["loss"]) == [(2, 0.4)]
    assert stars_of(panels_of(figure)["accuracy"]) == [(2, 0.6)]
    assert legend_of(figure) == [TRAIN, "val", "best epoch 2: val loss 0.4"]


def test_plot_history_marks_nothing_without_a_validation_loss(history):
    figure = plot_history([history(3, val_loss=[None, None, math.nan])], [""])
    assert stars_of(panels_of(figure)["loss"]) == []
    assert legend_of(figure) == [TRAIN, "val"]


def test_plot_history_names_each_run_and_gives_it_a_marker_of_its_own(history):
    runs = [history(4), history(6), history(3)]
    figure = plot_history(runs, ["a", "b", "c"])
    lines = lines_of(panels_of(figure)["loss"])
    assert legend_of(figure) == [
        *(
            f"{name}, {run.columns['val_loss'][-1]:.4g} in epoch {len(run)}"
            for name, run in zip("abc", runs, strict=True)
        ),
        TRAIN,
        "val",
        "lowest val loss",
    ]
    assert len({line.get_marker() for line in lines}) == 3
    assert len({line.get_color() for line in lines}) == 3


def test_plot_history_shows_a_single_runs_label_as_its_title(history):
    figure = plot_history([history(2)], ["mlp-digits-001"])
    assert [text.get_text() for part in figure.subfigs for text in part.texts] == ["mlp-digits-001"]


@pytest.mark.parametrize("label", ["_hidden", "$x", "a_b $y$", "\N{CJK UNIFIED IDEOGRAPH-732B}"])
@pytest.mark.quick(1)
def test_plot_history_shows_labels_as_they_are(history, label):
    figure = plot_history([history(2), history(2)], [label, "b"])
    assert f">{label}, 0." in figure_bytes(figure, "svg").decode()


def test_plot_history_takes_control_characters_out_of_labels(history):
    assert legend_of(plot_history([history(2), history(2)], ["a\x1b[31m", "b"]))[0].startswith(
        "a\N{REPLACEMENT CHARACTER}"
    )


def test_plot_history_breaks_the_line_at_gaps_and_marks_what_stands_alone(history):
    run = history(30, val_loss=[1.0 if row in (0, 1, 2, 17) else None for row in range(30)])
    val = lines_of(panels_of(plot_history([run], [""]))["loss"])[1]
    assert np.isnan(val.get_ydata()[[3, 16, 18]]).all()
    assert 17 in val.get_markevery()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf], ids=str)
def test_plot_history_draws_non_finite_values_as_gaps(history, value):
    train = lines_of(panels_of(plot_history([history(3, train_loss=[1.0, value, 0.5])], [""]))["loss"])[0]
    assert np.isnan(train.get_ydata()).tolist() == [False, True, False]


@pytest.mark.parametrize(("epochs", "most"), [(1, 1), (3, 3), (300, 10), (5000, 10)])
def test_plot_history_marks_few_points_of_many(history, epochs, most):
    line = lines_of(panels_of(plot_history([history(epochs)], [""]))["loss"])[0]
    assert 1 <= len(line.get_markevery()) <= most
    assert 0 in line.get_markevery()


@pytest.mark.parametrize("epochs", [1, 7, 300])
def test_plot_history_puts_ticks_on_whole_epochs(history, epochs):
    axes = panels_of(plot_history([history(epochs)], [""]))["accuracy"]
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert ticks
    assert all(float(tick).is_integer() for tick in ticks)


def test_plot_history_keeps_the_legend_off_the_data(history):
    figure = plot_history([history(9) for _ in range(12)], [f"a-run-with-a-long-name-{n}" for n in range(12)])
    figure.draw_without_rendering()
    renderer = figure._get_renderer()
    legends = [legend for part in figure.subfigs for legend in part.legends]
    top = max(axes.get_tightbbox(renderer).y1 for axes in figure.get_axes())
    boxes = [legend.get_tightbbox(renderer) for legend in legends]
    assert min(box.y0 for box in boxes) >= top
    assert boxes[1].y1 <= boxes[0].y0 + 1
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


@pytest.mark.parametrize(
    ("seconds", "unit", "first"),
    [(50.0, "s", 50), (600.0, "min", 10), (36000.0, "h", 10)],
    ids=["seconds", "minutes", "hours"],
)
def test_plot_history_chooses_the_unit_of_time(history, seconds, unit, first):
    figure = plot_history([history(2, seconds=[seconds, seconds * 1.1])], [""], x="seconds")
    assert panels_of(figure)["accuracy"].get_xlabel() == f"time ({unit})"
    assert lines_of(panels_of(figure)["loss"])[0].get_xdata()[0] == first


def test_plot_history_draws_over_steps(history):
    axes = panels_of(plot_history([history(3)], [""], x="step"))["accuracy"]
    assert axes.get_xlabel() == "step"
    assert list(lines_of(axes)[0].get_xdata()) == [23, 46, 69]


def test_plot_history_shows_how_it_smoothed_and_keeps_what_was_measured(history):
    run = history(3, train_loss=[1.0, 2.0, 6.0])
    axes = panels_of(plot_history([run], [""], smooth=3))["loss"]
    measured, mean = axes.lines[0], axes.lines[1]
    assert axes.get_ylabel() == "loss\n(mean of 3 epochs)"
    assert list(measured.get_ydata()) == [1, 2, 6]
    assert list(mean.get_ydata()) == [1.5, 3, 4]


def test_plot_history_makes_the_loss_logarithmic_and_with_columns_every_panel(history):
    usual = panels_of(plot_history([history(5)], [""], log_y=True))
    chosen = panels_of(plot_history([history(5)], [""], columns=["loss", "lr"], log_y=True))
    assert [axes.get_yscale() for axes in usual.values()] == ["log", "linear"]
    assert [axes.get_yscale() for axes in chosen.values()] == ["log", "log"]
    assert list(chosen) == ["loss", "learning rate"]


@pytest.mark.parametrize("spread", [0.001, 1.0, 30.0])
def test_plot_history_names_a_logarithmic_axis_in_plain_numbers(history, spread):
    values = [10 ** (-spread * row / 9) for row in range(10)]
    figure = plot_history([history(10, train_loss=values, val_loss=values)], [""], log_y=True)
    axes = panels_of(figure)["loss"]
    figure.draw_without_rendering()
    low, high = axes.get_ylim()
    labels = [tick.get_text() for tick in axes.get_yticklabels() if low <= tick.get_position()[1] <= high]
    assert 2 <= len(labels) <= 9
    assert not any("$" in label for label in labels)


def test_plot_history_draws_a_column_only_of_the_runs_that_have_it(history):
    figure = plot_history([history(2), history(2, grad_norm=[1.0, 2.0])], ["a", "b"], columns=["grad_norm"])
    assert len(lines_of(panels_of(figure)["gradient norm"])) == 1


@pytest.mark.parametrize("log_y", [False, True], ids=["linear", "log"])
@pytest.mark.parametrize(
    "values",
    [[1e308, -1e308, 1.0], [5e-324, 1.0], [1.0, 1.0], [1.0, 1.0 + 2e-16]],
    ids=str,
)
@pytest.mark.quick(2)
def test_plot_history_draws_extreme_values(history, values, log_y):
    figure = plot_history([history(len(values), train_loss=values, val_loss=values)], [""], log_y=log_y)
    figure.draw_without_rendering()


def test_plot_history_of_more_than_three_runs_draws_validation_alone(history):
    runs = [history(3) for _ in range(4)]
    figure = plot_history(runs, list("abcd"))
    assert [len(lines_of(axes)) for axes in panels_of(figure).values()] == [4, 4]
    assert TRAIN not in legend_of(figure)
    assert len(lines_of(panels_of(plot_history(runs, list("abcd"), columns=["loss"]))["loss"])) == 8


def test_plot_history_draws_the_spread_as_a_band(history):
    spread = history(3, **{name: [0.5, None, 0.25] for name in history(3).columns if "_" in name})
    axes = panels_of(plot_history([history(3, val_loss=[1.0, 2.0, 3.0])], ["a"], spreads=[spread]))["loss"]
    corners = axes.collections[-1].get_paths()[0].vertices.tolist()
    assert [1.0, 0.5] in corners
    assert [1.0, 1.5] in corners
    assert [3.0, 3.25] in corners


def test_plot_history_draws_the_best_values_over_the_setting_that_differs(history):
    runs = [
        history(2, val_loss=[0.3, 0.2], val_accuracy=[0.1, accuracy]) for accuracy in (0.5, 0.6, 0.7, 0.8)
    ]
    figure = plot_history(runs, list("abcd"), setting=Setting("lr", [0.001, 0.01, 0.1, 1.0]))
    axes = figure.get_axes()[-1]
    assert axes.get_ylabel() == "accuracy\nin the best epoch"
    assert [tuple(line.get_xydata()[0]) for line in axes.lines] == [
        (0.001, 0.5),
        (0.01, 0.6),
        (0.1, 0.7),
        (1.0, 0.8),
    ]
    assert (axes.get_xlabel(), axes.get_xscale()) == ("lr", "log")
