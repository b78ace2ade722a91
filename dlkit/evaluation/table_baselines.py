"""What simpler methods make of the same rows of a table: boosted trees and a linear model."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from dlkit.data.dataset import DataSet
from dlkit.errors import ConfigError
from dlkit.evaluation.tasks import Outputs, results_of, scores_of_results

_MAX_TREE_CATEGORIES = 255
_ITERATIONS = 1_000


def table_scores(dataset: DataSet, name: str, seed: int) -> dict[str, Mapping[str, float]]:
    """Return the metrics of simpler methods on a split by method; see `table_baselines`."""
    split = dataset.split(name)
    _, targets = _stored(dataset, name)
    return {
        method: metrics
        for method, preds in table_baselines(dataset, name, seed).items()
        if (
            metrics := scores_of_results(
                results_of(Outputs(dataset=dataset, split=split, targets=targets, preds=preds))
            )
        )
    }


def table_baselines(dataset: DataSet, name: str, seed: int) -> dict[str, np.ndarray]:
    """Predict a split by simpler methods that learn from the training rows.

    Args:
        dataset: A table.
        name: The split.
        seed: Of the trees.

    Returns:
        Probabilities, shape (N, K), or numbers in the target's unit, (N, D), by method: `gradient boosting`,
        scikit-learn's HistGradientBoosting with its default settings, and `linear`, a linear or a logistic
        regression.

    Raises:
        ConfigError: The training rows are not at hand.
    """
    if "train" not in dataset.splits:
        raise ConfigError(
            f"--baselines learn from the training rows; {dataset.description.name} is not the table trained on",
            "leave --data out",
        )
    train_inputs, train_targets = _stored(dataset, "train")
    inputs, _ = _stored(dataset, name)
    codes = dict(dataset.description.learned.get("embedded", ()))
    classes = len(dataset.description.class_names)
    methods = {"gradient boosting": _trees(classes, codes, seed), "linear": _linear(classes, list(codes))}
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a solver has not converged to the last digit
        for method, model in methods.items():
            if classes:
                model.fit(train_inputs, train_targets)
                outputs = np.zeros((len(inputs), classes))
                outputs[:, model.classes_] = model.predict_proba(inputs)
                found[method] = outputs
            else:
                columns = [model.fit(train_inputs, values).predict(inputs) for values in train_targets.T]
                found[method] = np.stack(columns, axis=1)
    return found


def _stored(dataset: DataSet, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs, shape (N, D), and targets, (N,) or (N, D), of a split."""
    split = dataset.split(name)
    inputs, targets = split.batch(split.rows, torch.device("cpu"))
    assert isinstance(inputs, torch.Tensor), "a table has one input"
    return inputs.numpy(), targets.numpy()


def _trees(classes: int, codes: Mapping[int, int], seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    few = [index for index, count in codes.items() if count <= _MAX_TREE_CATEGORIES]
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    return kind(categorical_features=few or None, random_state=seed)


def _linear(classes: int, codes: list[int]) -> Any:
    """Make a linear model that sees each code as a column of its own."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    model = LogisticRegression(max_iter=_ITERATIONS) if classes else LinearRegression()
    spread = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), codes), remainder="passthrough")
    return make_pipeline(spread, model)
