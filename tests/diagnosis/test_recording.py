"""What a recording holds, and the sums that rules share."""

import math

import pytest

from dlkit.diagnosis.recording import Recording, early, first_above, late, median, persists

POINTS = [(1, 1.0), (2, 5.0), (50, 2.0), (100, 4.0)]


def test_signals_are_read_by_layer_without_what_is_not_finite() -> None:
    recording = Recording()
    recording.add_signals(
        [(1, "a", "s", 2.0), (2, "a", "s", math.nan), (3, "a", "s", 4.0), (1, "b", "s", math.inf)]
    )

    assert recording.points("s", "a") == [(1, 2.0), (3, 4.0)]
    assert recording.layers("s") == {"a": [(1, 2.0), (3, 4.0)]}
    assert (recording.number("s", "a"), recording.number("s", "b")) == (2.0, None)


def test_a_long_run_keeps_its_first_points_its_last_and_some_between() -> None:
    recording = Recording()
    recording.add_signals((step, "", "s", float(step)) for step in range(20_000))

    steps = [step for step, _ in recording.points("s")]

    assert len(steps) <= 1000
    assert steps[:50] == list(range(50))
    assert steps[-1] == 19_999
    assert steps == sorted(set(steps))


def test_sums_of_points() -> None:
    assert late(POINTS) == [(100, 4.0)]
    assert early(POINTS) == POINTS[:2]
    assert median(POINTS) == 3.0
    assert math.isnan(median([]))
    assert first_above(POINTS, 1.5) == 2
    assert first_above(POINTS, 9.0) is None


@pytest.mark.parametrize(
    ("values", "expected"), [([0, 0, 9, 9], True), ([9, 9, 9, 0], False), ([9, 0, 0, 9], True), ([], False)]
)
def test_a_signal_persists_if_half_of_the_late_values_and_the_last_are_above(values, expected) -> None:
    assert persists([(step, float(value)) for step, value in enumerate(values)], 1.0) is expected


def test_gain_is_the_share_of_the_best_constant_answers_loss() -> None:
    recording = Recording(
        history={"val_loss": [1.5, 1.0, None, 1.2], "train_loss": [1.4, 0.5, 0.4, math.nan]}
    )
    recording.add_signals([(1, "", "constant_loss", 2.0)])

    assert recording.gain() == 0.5
    assert recording.gain("train_loss") == 0.8
    assert recording.epochs == 4
    assert recording.gain("val_accuracy") is None


def test_without_signals_the_first_loss_stands_for_the_constant_answers() -> None:
    assert Recording(history={"val_loss": [2.0, 1.0], "train_loss": [3.0, 1.0]}).constant_loss == 3.0
    assert Recording().constant_loss is None
