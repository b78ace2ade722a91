"""The figures of a search."""

import pytest

from dlkit.plotting.search import plot_parallel, plot_search
from dlkit.search.results import Results, TrialResult


def results(*trials: tuple[str, float | None]) -> Results:
    """Trials with these states and values, of a rate and an optimizer."""
    return Results(
        trials=[
            TrialResult(
                number=number,
                state=state,
                value=value,
                values={"lr": 0.1 / (number + 1), "optimizer": ("sgd", "adamw")[number % 2]},
                curve={} if value is None else {1: 2 * value, 2: value},
            )
            for number, (state, value) in enumerate(trials)
        ],
        monitor="val_loss",
        importance={"lr": 0.2, "optimizer": 0.8},
        logarithmic=["lr"],
    )


FOUND = results(("complete", 0.9), ("pruned", 0.2), ("failed", None), ("complete", 0.5), ("complete", 0.7))


def test_best_so_far_falls_with_complete_trials_alone() -> None:
    axes = plot_search(FOUND).axes[0]

    (line,) = [line for line in axes.lines if line.get_label() == "best so far"]
    assert list(zip(*line.get_data(orig=True), strict=True)) == [(0, 0.9), (3, 0.5), (4, 0.5), (4, 0.5)]


def test_best_so_far_rises_where_higher_is_better() -> None:
    rising = Results(trials=FOUND.trials, monitor="val_accuracy")

    (line,) = [line for line in plot_search(rising).axes[0].lines if line.get_label() == "best so far"]
    assert list(line.get_ydata(orig=True)) == [0.9, 0.9, 0.9, 0.9]


def test_slices_stand_in_the_order_of_importance() -> None:
    _, curves, *slices = plot_search(FOUND).axes

    assert [axes.get_xlabel() for axes in slices] == ["optimizer (importance 0.80)", "lr (importance 0.20)"]
    assert [label.get_text() for label in slices[0].get_xticklabels()] == ["adamw", "sgd"]
    assert slices[1].get_xscale() == "log"
    assert [line.get_alpha() for line in curves.lines] == [None, 0.4, None, None, None]


def test_parallel_draws_complete_trials_with_the_best_on_top() -> None:
    axes = plot_parallel(FOUND).axes[0]

    segments = axes.collections[0].get_segments()
    assert len(segments) == 3
    assert [segment[-1][1] for segment in segments] == pytest.approx([1.0, 0.5, 0.0])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["optimizer", "lr", "val loss"]


def test_the_legend_names_what_there_is_and_lies_over_no_data() -> None:
    figure = plot_search(FOUND)

    assert all(axes.get_legend() is None for axes in figure.axes)
    (legend,) = [legend for part in figure.subfigs for legend in part.legends]
    assert [text.get_text() for text in legend.get_texts()] == [
        "complete",
        "pruned",
        "failed",
        "best",
        "best so far",
    ]
