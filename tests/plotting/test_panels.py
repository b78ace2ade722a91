import math

import pytest
from refusals import assert_reports

from dlkit.errors import ConfigError, DataError
from dlkit.plotting.history.panels import (
    Panel,
    check_x,
    choose_panels,
    count_not_positive,
    find_lacking,
    smoothed,
    split_and_name,
)

LOSS = Panel("loss", ("train_loss", "val_loss"))
ACCURACY = Panel("accuracy", ("train_accuracy", "val_accuracy"))


def test_choose_panels_takes_loss_and_metric_when_nothing_is_chosen(history):
    assert choose_panels([history(3)]) == [LOSS, ACCURACY]


def test_choose_panels_gives_each_metric_a_panel_when_runs_have_different_ones(history):
    panels = choose_panels([history(3), history(3, metric="mae")])
    assert [panel.name for panel in panels] == ["loss", "accuracy", "mae"]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        pytest.param(["loss"], [LOSS], id="both-splits-by-name"),
        pytest.param(["val_loss", "train_loss"], [LOSS], id="train-before-val"),
        pytest.param(["val_loss"], [Panel("loss", ("val_loss",))], id="one-split"),
        pytest.param(["lr", "accuracy"], [Panel("lr", ("lr",)), ACCURACY], id="order-as-typed"),
        pytest.param(["lr", "lr"], [Panel("lr", ("lr",))], id="twice-is-once"),
    ],
)
def test_choose_panels_groups_the_chosen_columns(history, columns, expected):
    assert choose_panels([history(3)], columns) == expected


def test_choose_panels_leaves_out_what_was_not_measured(history):
    empty = [None] * 3
    run = history(3, train_accuracy=empty, val_accuracy=empty, val_loss=empty)
    assert choose_panels([run]) == [Panel("loss", ("train_loss",))]


def test_choose_panels_names_every_unknown_column(history):
    with pytest.raises(ConfigError) as caught:
        choose_panels([history(3)], ["val_los", "lr", "zzz"])
    first, second = caught.value.faults
    assert_reports(first, "-y val_los ", "val_loss", "epoch, step")
    assert_reports(second, "-y zzz ")


@pytest.mark.parametrize("value", [None, math.nan, math.inf], ids=str)
def test_choose_panels_refuses_a_column_without_numbers(history, value):
    with pytest.raises(DataError) as caught:
        choose_panels([history(2, grad_norm=[value, value])], ["lr", "grad_norm"])
    assert "grad_norm" in caught.value.message
    assert caught.value.hint


def test_choose_panels_refuses_a_history_without_numbers(history):
    nothing = {name: [None] for name in ("train_loss", "val_loss", "train_accuracy", "val_accuracy")}
    with pytest.raises(DataError) as caught:
        choose_panels([history(1, **nothing)])
    assert_reports(caught.value, "train_loss, val_loss", "-y ")


def test_choose_panels_refuses_a_logarithm_of_nothing_positive(history):
    with pytest.raises(ConfigError) as caught:
        choose_panels([history(2, lr=[0.0, -1.0])], ["lr"], log_y=True)
    assert_reports(caught.value, "--log-y ", " lr ", "leave --log-y out")


def test_choose_panels_asks_no_logarithm_of_the_metric_when_nothing_is_chosen(history):
    run = history(2, train_accuracy=[0.0, 0.0], val_accuracy=[0.0, 0.0])
    assert choose_panels([run], log_y=True) == [LOSS, ACCURACY]


def test_count_not_positive_counts_what_a_logarithmic_axis_hides(history):
    run = history(3, val_loss=[0.5, 0.0, -1.0], lr=[0.0, 0.0, 0.1])
    assert count_not_positive([run], [LOSS, Panel("lr", ("lr",))], None, log_y=True) == 2
    assert count_not_positive([run], [LOSS, Panel("lr", ("lr",))], ["loss", "lr"], log_y=True) == 4
    assert count_not_positive([run], [LOSS], None, log_y=False) == 0


def test_find_lacking_names_the_file_without_the_column(history):
    runs = [history(2), history(2, grad_norm=[1.0, 2.0])]
    assert find_lacking(runs, ["a", "b"], [Panel("grad_norm", ("grad_norm",))]) == [("a", "grad_norm")]


def test_check_x_refuses_a_column_without_numbers(history):
    check_x([history(2)], ["a.csv"], "seconds")
    with pytest.raises(ConfigError) as caught:
        check_x([history(2), history(2, seconds=[None, None])], ["a.csv", "b.csv"], "seconds")
    assert_reports(caught.value, "-x seconds", "b.csv", "-x epoch")


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("val_loss", ("val", "loss")),
        ("train_top_5", ("train", "top_5")),
        ("lr", ("", "lr")),
        ("val_", ("", "val_")),
    ],
)
def test_split_and_name_takes_a_column_apart(column, expected):
    assert split_and_name(column) == expected


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        pytest.param(1, [1, 2, 6, 3, 3], id="one-is-nothing"),
        pytest.param(3, [1.5, 3, 11 / 3, 4, 3], id="odd-centred-shorter-at-the-ends"),
        pytest.param(2, [1, 1.5, 4, 4.5, 3], id="even-has-one-more-before"),
        pytest.param(99, [3, 3, 3, 3, 3], id="longer-than-the-run"),
    ],
)
def test_smoothed_is_the_running_mean(window, expected):
    assert smoothed([1.0, 2.0, 6.0, 3.0, 3.0], window) == pytest.approx(expected)


def test_smoothed_keeps_gaps_and_does_not_count_them():
    values = smoothed([1.0, math.nan, 3.0], 3)
    assert values[0] == 1.0
    assert math.isnan(values[1])
    assert values[2] == 3.0
