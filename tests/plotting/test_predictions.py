"""The plots of predictions, against numbers worked out apart from them."""

import numpy as np
import pytest
from refusals import assert_reports
from sklearn.metrics import average_precision_score, roc_auc_score

from dlkit.errors import DataError
from dlkit.plotting import kinds
from dlkit.plotting.figure_file import figure_bytes
from dlkit.plotting.predictions.calibration import expected_error, plot_calibration
from dlkit.plotting.predictions.parity import plot_parity
from dlkit.plotting.predictions.ranking import plot_pr, plot_roc
from dlkit.plotting.predictions.reading import PredictedNumbers, Predictions
from dlkit.plotting.predictions.residual import plot_residual


@pytest.fixture
def classes():
    """Make predictions of K classes for N samples; the true class is a little likelier."""

    def make(num_classes: int, samples: int = 200) -> Predictions:
        rng = np.random.default_rng(0)
        truth = rng.integers(num_classes, size=samples)
        logits = rng.normal(size=(samples, num_classes))
        logits[np.arange(samples), truth] += 1
        probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        names = [f"c{index}" for index in range(num_classes)]
        preds = [names[index] for index in probs.argmax(1)]
        return Predictions([names[index] for index in truth], preds, names, probs.tolist())

    return make


@pytest.fixture
def read(tmp_path):
    def read_text(text: str, kind: str | None = None):
        (tmp_path / "p.csv").write_text(text)
        return kinds.read_input(tmp_path / "p.csv", kind)

    return read_text


def text_of(figure) -> str:
    return figure_bytes(figure, "svg").decode()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("index,target,pred\n0,1.5,1.4\n1,2,2.25\n", "parity"),
        ("index,target,pred\n0,,1.4\n1,2,2\n", "parity"),
        ("index,target_a,target_b,pred_a,pred_b\n0,1,2,3,4\n", "parity"),
        ("index,target,pred\n0,1,1\n1,2,2\n", "confusion"),
        ("index,target,pred,prob_1,prob_2.5\n0,1,1,1,0\n", "confusion"),
        ("index,organ,time,target,pred\n0,liver,1,2.5,2\n", "organs"),
    ],
)
def test_kind_follows_from_what_was_predicted(read, text, kind):
    assert read(text)[0].name == kind


@pytest.mark.parametrize(
    ("text", "kind", "facts", "hint"),
    [
        ("target,pred\ncat,dog\n", "roc", ["no probabilities"], "dlkit eval"),
        ("target,pred\n1.5,2.5\n", "roc", ["1.5"], "--kind parity"),
        ("target,pred,prob_a\na,a,1\n", "parity", ["prob_a"], "--kind confusion"),
        ("target,pred\ncat,dog\n", "parity", ["line 2", "cat"], ""),
        ("target,pred\n,1.5\n,2.5\n", "parity", ["target", "pred"], "dlkit eval"),
        ("target,pred,prob_a\n,a,1\n,a,1\n", "roc", ["no true classes"], ""),
        ("target,pred,prob_a\na,a,nan\n", "calibration", ["prob_a", "nan"], ""),
        ("a,b\n1,2\n", "residual", ["target", "a, b"], "dlkit eval"),
    ],
)
def test_file_that_cannot_be_drawn_is_refused(read, text, kind, facts, hint):
    with pytest.raises(DataError) as caught:
        read(text, kind)
    assert_reports(caught.value, *facts)
    assert hint in (caught.value.hint or "")


def test_one_class_alone_has_no_roc_curve():
    with pytest.raises(DataError, match="cat"):
        plot_roc(Predictions(["cat"] * 3, ["cat"] * 3, ["cat", "dog"], [[0.9, 0.1]] * 3))


@pytest.mark.parametrize("num_classes", [2, 3, 9])
def test_roc_and_pr_write_the_areas_of_scikit_learn(classes, num_classes):
    found = classes(num_classes)
    truth, probs = np.array(found.targets), np.array(found.probs)
    for plot, score, name in ((plot_roc, roc_auc_score, "AUC"), (plot_pr, average_precision_score, "AP")):
        each = [score(truth == one, probs[:, place]) for place, one in enumerate(found.class_names)]
        drawn = text_of(plot(found))
        if num_classes == 2:
            assert f"c1, {name} {each[1]:.4f}<" in drawn
            assert "c0, " not in drawn
        else:
            assert f"{name} {min(each):.4f}<" in drawn
            assert f"mean {name} of {num_classes} classes {np.mean(each):.4f}" in drawn


def test_roc_of_a_perfect_ranking_goes_through_the_corner():
    found = Predictions(
        ["a", "a", "b", "b"], ["a"] * 4, ["a", "b"], [[1 - p, p] for p in (0.1, 0.2, 0.3, 0.4)]
    )
    (axes,) = plot_roc(found).axes
    assert [0.0, 1.0] in axes.lines[0].get_xydata().tolist()


def test_expected_error_equals_a_hand_worked_example():
    # Bins of 1/15: 0.95 and 0.97 share one with accuracy 0.5, 0.62 stands alone and is right.
    probs, right = np.array([0.95, 0.97, 0.62]), np.array([True, False, True])
    assert expected_error(probs, right) == pytest.approx((2 * abs(0.5 - 0.96) + abs(1 - 0.62)) / 3)


def test_calibration_draws_the_share_that_was_right_with_its_interval(classes):
    found = classes(3, samples=150)
    axes = plot_calibration(found).axes[0]
    points = [line for line in axes.lines if line.get_marker() == "o"]
    right = np.array(found.targets) == np.array(found.preds)
    lowest = np.argsort(np.array(found.probs).max(1))[:10]
    assert len(points) == 15
    assert points[0].get_ydata()[0] == right[lowest].mean()


def test_parity_writes_rmse_r2_and_the_share_within_intervals():
    values = PredictedNumbers([1.0, 2.0, 3.0], [1.0, 2.0, 5.0], [0.0, 1.0, 4.0], [2.0, 3.0, 6.0])
    drawn = text_of(plot_parity({"": values}))
    assert f"RMSE {np.sqrt(4 / 3):.4g}" in drawn
    assert "R2 -1<" in drawn  # 1 - 4 / 2
    assert "66.7 % within" in drawn


@pytest.mark.parametrize("plot", [plot_parity, plot_residual])
@pytest.mark.parametrize(("samples", "outputs"), [(1, 1), (2, 4), (5000, 1), (40, 7)])
@pytest.mark.quick(1)
def test_numbers_of_any_count_are_drawn(plot, samples, outputs):
    rng = np.random.default_rng(0)
    values = {
        f"y{index}": PredictedNumbers(*rng.normal(size=(2, samples)).tolist()) for index in range(outputs)
    }
    drawn = text_of(plot(values))
    assert all(f">{name}<" in drawn for name in values)


def test_constant_targets_have_no_r2():
    assert "R2 not defined" in text_of(plot_parity({"": PredictedNumbers([2.0, 2.0], [1.0, 3.0])}))


def test_residual_draws_prediction_minus_truth_and_its_median():
    preds = np.arange(40.0)
    axes = plot_residual({"": PredictedNumbers((preds - 3).tolist(), preds.tolist())}).axes[0]
    assert axes.collections[0].get_offsets()[:, 1].tolist() == [3.0] * 40
    assert axes.lines[1].get_ydata().tolist() == [3.0, 3.0]


@pytest.mark.parametrize(
    ("text", "kind", "preds"),
    [
        ("target,pred,prob_a,prob_b\na,a,0.9,0.1\nb,,,\n,b,0.2,0.8\nb,a,0.6,0.4\n", "confusion", ["a", "a"]),
        ("target,pred,prob_a,prob_b\na,a,0.9,0.1\nb,,,\n,b,0.2,0.8\nb,a,0.6,0.4\n", "roc", ["a", "a"]),
        ("target,pred\n1.5,1.25\n2,\n,3\n3,2.5\n", "parity", [1.25, 2.5]),
    ],
)
def test_rows_that_were_not_scored_are_left_out_and_reported(tmp_path, text, kind, preds):
    (tmp_path / "p.csv").write_text(text)
    notes: list[str] = []

    _, found = kinds.read_input(tmp_path / "p.csv", kind, notes.append)

    assert list((found[""] if kind == "parity" else found).preds) == preds
    (note,) = notes
    assert "2 of 4 rows" in note
