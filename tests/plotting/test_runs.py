import numpy as np
import pytest

from dlkit.files.history import History
from dlkit.plotting.history.runs import (
    differing,
    group_runs,
    join_pieces,
    name_runs,
    read_settings,
    single_setting,
)

A = {"lr": 0.01, "seed": 0, "s.hidden": [128]}


def piece(epochs, losses, **more):
    return History(
        {"epoch": list(epochs), "step": [10.0 * epoch for epoch in epochs], "val_loss": losses, **more}
    )


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ([{}, {"lr": 0.1}], ["lr 0.01", "lr 0.1"]),
        ([{}, {"s.hidden": [64, 32]}], ["hidden 128", "hidden 64-32"]),
        ([{}, {"lr": 0.1, "seed": 1}], ["lr 0.01", "lr 0.1"]),
        ([{}, {"grad_clip": 1.0}], ["grad_clip None", "grad_clip 1"]),
        ([{}, {"seed": 1}], ["x", "y"]),
        ([{}, {}], ["x", "y"]),
        ([{}, dict.fromkeys("abcd", 1)], ["x", "y"]),
    ],
)
def test_runs_are_named_by_what_differs(changes, names):
    assert name_runs([A | change for change in changes], ["x", "y"]) == names


def test_runs_without_settings_keep_their_names():
    assert name_runs([A, {}], ["x", "y"]) == ["x", "y"]


def test_seed_is_no_difference():
    assert differing([A, A | {"seed": 3, "threads": "2"}]) == []


@pytest.mark.parametrize(
    ("change", "values"),
    [
        ({"lr": 0.1}, [0.01, 0.1]),
        ({"s.hidden": [1]}, None),
        ({"lr": 0.1, "b": 1}, None),
        ({"compile": True}, None),
    ],
)
def test_single_setting_is_a_number_in_every_run(change, values):
    found = single_setting([A, A | change])
    assert (None if found is None else found.values) == values


def test_settings_are_read_beside_the_history(tmp_path):
    (tmp_path / "config.toml").write_text("lr = 0.5\n[arguments]\nhidden = [3]\n")
    assert read_settings(tmp_path / "history.csv") == {"lr": 0.5, "s.hidden": [3]}
    (tmp_path / "config.toml").write_text("lr = ")
    assert read_settings(tmp_path / "history.csv") == {}


def test_pieces_that_begin_again_are_moved_to_the_end():
    joined = join_pieces([piece([1, 2], [3.0, 2.0]), piece([1, 2], [1.0, None])])
    assert joined.columns == {
        "epoch": [1, 2, 3, 4],
        "step": [10, 20, 30, 40],
        "val_loss": [3.0, 2.0, 1.0, None],
    }


def test_later_piece_counts_where_both_have_an_epoch():
    joined = join_pieces([piece([1, 2, 3], [3.0, 2.0, 9.0]), piece([3, 4], [1.5, 1.0], lr=[0.1, 0.1])])
    assert joined.columns["val_loss"] == [3.0, 2.0, 1.5, 1.0]
    assert joined.columns["lr"] == [None, None, 0.1, 0.1]


def test_groups_have_mean_and_standard_deviation_by_epoch():
    runs = [piece([1, 2], [1.0, 4.0]), piece([1, 2], [2.0, None]), piece([1], [6.0]), piece([1], [5.0])]
    groups = group_runs(runs, ["a", "a", "a", "b"])
    assert groups["a"].count == 3
    assert groups["a"].mean.columns["val_loss"] == [3.0, 4.0]
    assert groups["a"].spread.columns["val_loss"] == [pytest.approx(np.std([1, 2, 6], ddof=1)), None]
    assert groups["b"].spread.columns["val_loss"] == [None]
