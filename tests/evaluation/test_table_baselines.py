"""What simpler methods make of the same rows of a table."""

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from dlkit.data.dataset import DataSet, TensorSplit
from dlkit.errors import ConfigError
from dlkit.evaluation.table_baselines import table_baselines
from dlkit.files.description import DataDescription

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


def test_numbers_are_those_of_scikit_learn() -> None:
    targets = (2 * INPUTS[:, :1] - INPUTS[:, 1:2]).astype(np.float32)

    found = table_baselines(dataset(targets), "test", seed=0)

    trees = HistGradientBoostingRegressor(random_state=0).fit(INPUTS[:300], targets[:300, 0])
    np.testing.assert_allclose(found["gradient boosting"][:, 0], trees.predict(INPUTS[300:]))
    assert found["linear"].shape == (100, 1)
    plain = LinearRegression().fit(INPUTS[:300, :2], targets[:300, 0])
    assert np.abs(found["linear"][:, 0] - plain.predict(INPUTS[300:, :2])).max() < 0.2


def test_classes_get_probabilities_also_one_that_training_did_not_see() -> None:
    targets = (INPUTS[:, 0] > 0).astype(np.int64) + 1
    targets[399] = 0

    found = table_baselines(dataset(targets, ("never", "no", "yes")), "test", seed=0)

    for outputs in found.values():
        np.testing.assert_allclose(outputs.sum(1), 1, rtol=1e-6)
        assert (outputs[:, 0] == 0).all()
        assert (outputs.argmax(1)[:99] == targets[300:399]).mean() > 0.9


def test_other_rows_have_nothing_to_learn_from() -> None:
    with pytest.raises(ConfigError) as caught:
        table_baselines(dataset(INPUTS[:, :1], parts=("test",)), "test", seed=0)

    assert caught.value.message == (
        "--baselines learn from the training rows; t.csv is not the table trained on"
    )
    assert caught.value.hint == "leave --data out"
