import itertools

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from dlkit.plotting.figure_file import figure_bytes
from dlkit.plotting.predictions.confusion import count_confusion, plot_confusion


def counts_of(num_classes, seed=0):
    random = np.random.default_rng(seed)
    targets = random.integers(num_classes, size=40 * num_classes)
    preds = np.where(
        random.random(len(targets)) < 0.8, targets, random.integers(num_classes, size=len(targets))
    )
    return confusion_matrix(targets, preds, labels=range(num_classes))


def texts_of(figure):
    return [text.get_text() for text in figure.get_axes()[0].texts]


def test_count_confusion_equals_scikit_learn():
    random = np.random.default_rng(0)
    names = ["cat", "dog", "owl", "never seen"]
    targets, preds = (random.choice(names[:3], 200).tolist() for _ in range(2))
    assert (count_confusion(targets, preds, names) == confusion_matrix(targets, preds, labels=names)).all()


def test_count_confusion_has_the_truth_in_rows():
    assert count_confusion(["a", "a", "b"], ["a", "b", "b"], ["a", "b"]).tolist() == [[1, 1], [0, 1]]


def test_plot_confusion_writes_the_counts_and_the_share_that_is_right():
    figure = plot_confusion(np.array([[1234, 0], [10, 20]]), ["cat", "dog"])
    axes = figure.get_axes()[0]
    assert texts_of(figure) == ["1234", "10", "20"]
    assert axes.get_title() == "1,254 of 1,264 right (99.2 %)"
    assert [label.get_text() for label in axes.get_xticklabels()] == ["cat", "dog"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Predicted class", "True class")


def test_plot_confusion_shades_by_the_share_of_the_true_class():
    figure = plot_confusion(np.array([[1, 3], [0, 0]]), ["a", "b"])
    assert figure.get_axes()[0].images[0].get_array().tolist() == [[0.25, 0.75], [0, 0]]


def test_plot_confusion_gets_darker_evenly_so_that_it_prints_in_grey():
    shades = (
        plot_confusion(np.eye(2, dtype=int), ["a", "b"]).get_axes()[0].images[0].cmap(np.linspace(0, 1, 50))
    )
    lightness = shades[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) < 0).all()


@pytest.mark.parametrize(
    ("num_classes", "labels", "with_counts"),
    [(2, 2, True), (10, 10, True), (30, 30, True), (31, 31, False), (100, 50, False), (400, 40, False)],
)
def test_plot_confusion_writes_no_more_than_can_be_read(num_classes, labels, with_counts):
    figure = plot_confusion(counts_of(num_classes), [f"class_{index}" for index in range(num_classes)])
    axes = figure.get_axes()[0]
    assert len(axes.get_yticks()) == len(axes.get_xticks()) == labels
    assert bool(axes.texts) == with_counts


@pytest.mark.parametrize("num_classes", [2, 10, 26, 100])
@pytest.mark.quick(1)
def test_plot_confusion_keeps_class_names_apart(num_classes):
    figure = plot_confusion(
        counts_of(num_classes), [f"a_long_class_name_{index}" for index in range(num_classes)]
    )
    figure.draw_without_rendering()
    renderer = figure._get_renderer()
    axes = figure.get_axes()[0]
    below = [label.get_window_extent(renderer) for label in axes.get_xticklabels()]
    beside = [label.get_window_extent(renderer) for label in axes.get_yticklabels()]
    assert all(left.x1 <= right.x0 + 2 for left, right in itertools.pairwise(below))
    assert all(lower.y1 <= upper.y0 + 1 for upper, lower in itertools.pairwise(beside))


def test_plot_confusion_draws_any_class_name():
    names = ["$x$", "_y", "a\x1bb", "\N{CJK UNIFIED IDEOGRAPH-732B}"]
    figure = plot_confusion(np.eye(4, dtype=int), names)
    assert figure_bytes(figure)
    shown = [label.get_text() for label in figure.get_axes()[0].get_yticklabels()]
    assert shown == [*names[:2], "a\N{REPLACEMENT CHARACTER}b", names[3]]


def test_plot_confusion_draws_an_empty_matrix():
    assert (
        plot_confusion(np.zeros((2, 2), int), ["a", "b"]).get_axes()[0].get_title() == "0 of 0 right (0.0 %)"
    )
