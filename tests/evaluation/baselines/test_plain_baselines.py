"""What simpler methods make of the same rows of a table."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor

from dlkit.data.dataset import DataSet, TensorSplit
from dlkit.evaluation.baselines.constant import constant_answer
from dlkit.evaluation.baselines.kept import baselines_of
from dlkit.evaluation.baselines.plain import plain_baselines
from dlkit.evaluation.baselines.verdict import best_baseline, no_better_than_constant
from dlkit.files.description import DataDescription
from dlkit.files.run_dir import RunDir
from dlkit.metrics import METRICS

RANDOM = np.random.RandomState(0)
INPUTS = RANDOM.randn(400, 3).astype(np.float32)
INPUTS[:, 2] = RANDOM.randint(0, 300, 400)  # codes
ROWS = {"train": np.arange(300), "test": np.arange(300, 400)}


def dataset(
    targets: np.ndarray, classes: tuple[str, ...] = (), parts: tuple[str, ...] = ("train", "test")
) -> DataSet:
    description = DataDescription(
        name="t.csv",
        kind="table",
        task="classification" if classes else "regression",
        input_shape=(3,),
        target_shape=() if classes else (1,),
        class_names=classes,
        learned={"embedded": [[2, 300]]},
        split_sizes={},
    )
    stored, values = torch.from_numpy(INPUTS), torch.from_numpy(targets)
    return DataSet(
        description, {name: TensorSplit(stored, values, torch.from_numpy(ROWS[name]), None) for name in parts}
    )


@pytest.mark.slow
def test_numbers_are_those_of_scikit_learn() -> None:
    targets = (2 * INPUTS[:, :1] - INPUTS[:, 1:2]).astype(np.float32)

    found = plain_baselines(dataset(targets), "test", seed=0)

    trees = HistGradientBoostingRegressor(random_state=0).fit(INPUTS[:300], targets[:300, 0])
    np.testing.assert_allclose(found["gradient boosting"][:, 0], trees.predict(INPUTS[300:]))
    assert found["linear"].shape == (100, 1)
    plain = LinearRegression().fit(INPUTS[:300, :2], targets[:300, 0])
    assert np.abs(found["linear"][:, 0] - plain.predict(INPUTS[300:, :2])).max() < 0.2


def test_classes_get_probabilities_also_one_that_training_did_not_see() -> None:
    targets = (INPUTS[:, 0] > 0).astype(np.int64) + 1
    targets[399] = 0

    found = plain_baselines(dataset(targets, ("never", "no", "yes")), "test", seed=0)

    for outputs in found.values():
        np.testing.assert_allclose(outputs.sum(1), 1, rtol=1e-6)
        assert (outputs[:, 0] == 0).all()
        assert (outputs.argmax(1)[:99] == targets[300:399]).mean() > 0.9


def test_nearest_neighbours_and_linear_see_categories_as_columns() -> None:
    found = plain_baselines(dataset(INPUTS[:, :1]), "test", seed=0)

    codes = INPUTS[:, 2:].astype(int)
    spread = np.concatenate([np.eye(300)[codes[:, 0]] * (np.isin(codes, codes[:300])), INPUTS[:, :2]], axis=1)
    nearest = KNeighborsRegressor().fit(spread[:300], INPUTS[:300, 0])
    np.testing.assert_allclose(found["nearest neighbours"][:, 0], nearest.predict(spread[300:]), rtol=1e-5)


def test_constant_answers_are_those_of_the_training_samples() -> None:
    numbers = dataset(INPUTS[:, :1])
    classes = dataset((INPUTS[:, 0] > 1).astype(np.int64), ("no", "yes"))
    classes = replace(classes, description=replace(classes.description, class_counts=(250, 50)))

    name, mean = constant_answer(numbers, 4)
    assert (name, mean.shape) == ("mean", (4, 1))
    np.testing.assert_allclose(mean, INPUTS[:300, 0].astype(np.float64).mean(), rtol=1e-5)
    name, shares = constant_answer(classes, 2)
    assert name == "majority class"
    np.testing.assert_allclose(shares, [[250 / 300, 50 / 300]] * 2)
    unknown = replace(classes, description=replace(classes.description, class_counts=()))
    assert constant_answer(unknown, 2) is None


@pytest.mark.slow
def test_predictions_are_kept_and_not_computed_again(tmp_path: Path) -> None:
    data, run = dataset(INPUTS[:, :1]), RunDir(tmp_path)

    first, (note,) = baselines_of(data, "test", 0, run)
    again, notes = baselines_of(data, "test", 0, run)

    assert str(run.baselines("test")) in note
    assert notes == []
    assert list(again) == list(first) == ["mean", "gradient boosting", "linear", "nearest neighbours"]
    for method, preds in first.items():
        np.testing.assert_array_equal(again[method], preds)
    other = replace(data, description=replace(data.description, fingerprint="another"))
    assert len(baselines_of(other, "test", 0, run)[1]) == 1, "other data are computed anew"
    run.baselines("test").write_bytes(b"damaged")
    assert len(baselines_of(data, "test", 0, run)[1]) == 1


@pytest.mark.parametrize(
    ("lead", "said"),
    [
        ((0.1, 0.05, 0.15), ""),
        ((0.0, -0.1, 0.1), "no better"),
        ((-0.2, -0.3, -0.1), "worse"),
        ((0.1, -0.05, 0.25), "not shown to be better"),
        ((0.1, -0.05, 0.25), "better by 0.1, which may be chance (95 % interval -0.05 to 0.25)"),
    ],
)
def test_a_network_no_better_than_the_majority_is_reported(lead: tuple, said: str) -> None:
    text = no_better_than_constant("majority class", "yes", METRICS["accuracy"], (0.5, 0.6), lead, {})

    assert said in text
    assert bool(text) == bool(said)
    if said:
        assert "majority class (yes)" in text
        assert "0.5 against 0.6" in text
        ranked = {"roc_auc": (0.6, 0.9)}
        assert "ROC AUC" in no_better_than_constant(
            "majority class", "yes", METRICS["accuracy"], (0.5, 0.6), lead, ranked
        )


def test_the_best_simpler_method_is_compared() -> None:
    reached = {"linear": 5.0, "trees": 2.0}

    better = best_baseline(METRICS["rmse"], 1.0, reached, {"linear": (4, 3, 5), "trees": (1, 0.5, 1.5)})
    worse = best_baseline(METRICS["rmse"], 3.0, reached, {"linear": (2, 1, 3), "trees": (-1, -1.5, -0.5)})

    assert better.startswith("the network is better than trees")
    assert worse.startswith(
        "trees is better than the network: rmse 3 against 2, by 1 (95 % interval 0.5 to 1.5)"
    )
