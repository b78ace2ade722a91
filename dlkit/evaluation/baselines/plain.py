"""What methods that are not deep make of the same inputs: a linear model, nearest neighbours and boosted trees."""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlkit.data.dataset import DataSet, Split

_MAX_TREE_CATEGORIES = 255
_ITERATIONS = 1_000
_WIDE = 200  # inputs from which on there are no trees, and fewer samples do
_MOST_OF_WIDE = 10_000


def plain_baselines(dataset: DataSet, name: str, seed: int) -> dict[str, np.ndarray]:
    """Predict a split by simpler methods that learn from the training samples.

    All have scikit-learn's default settings. They see what the network sees, images pixel by pixel, categories as
    columns of 0 and 1; trees see codes. Of more than 200 inputs there are no trees, and 10,000 random training samples.

    Args:
        dataset: Data whose samples are one input of numbers.
        name: The split.
        seed: Of the trees and the samples.

    Returns:
        Probabilities, shape (N, K), or numbers in the target's unit, (N, D), by method: `linear`, a linear or a
        logistic regression, `nearest neighbours` and `gradient boosting`; nothing where samples are of another form.
    """
    about = dataset.description
    if about.named_inputs or about.input_dtype != "float32" or len(about.target_shape) > 1:
        return {}
    split = dataset.split(name)
    inputs, _ = _stored(split, split.rows)
    train = dataset.split("train")
    rows, wide = train.rows, inputs.shape[1] > _WIDE
    if wide and len(rows) > _MOST_OF_WIDE:
        rows = rows[np.random.default_rng(seed).permutation(len(rows))[:_MOST_OF_WIDE]]
    train_inputs, train_targets = _stored(train, rows)
    codes = dict(about.learned.get("embedded", ()))
    classes = len(about.class_names)
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a solver has not converged to the last digit
        for method, model in _methods(classes, codes, seed, wide=wide).items():
            if classes:
                model.fit(train_inputs, train_targets)
                outputs = np.zeros((len(inputs), classes))
                outputs[:, model.classes_] = model.predict_proba(inputs)
                found[method] = outputs
            else:
                columns = [model.fit(train_inputs, values).predict(inputs) for values in train_targets.T]
                found[method] = np.stack(columns, axis=1)
    return found


def _stored(split: Split, rows: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs, shape (N, D), and targets, (N,) or (N, D), of rows of a split."""
    inputs, targets = split.batch(rows, torch.device("cpu"))
    assert isinstance(inputs, Tensor), "samples are one input"
    return inputs.flatten(1).numpy(), targets.numpy()


def _methods(classes: int, codes: Mapping[int, int], seed: int, *, wide: bool) -> dict[str, Any]:
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

    iterations = 100 if wide else _ITERATIONS
    linear = LogisticRegression(max_iter=iterations) if classes else LinearRegression()
    nearest = KNeighborsClassifier() if classes else KNeighborsRegressor()
    found = {"linear": _spread(codes, linear), "nearest neighbours": _spread(codes, nearest)}
    return found if wide else {"gradient boosting": _trees(classes, codes, seed), **found}


def _trees(classes: int, codes: Mapping[int, int], seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    few = [index for index, count in codes.items() if count <= _MAX_TREE_CATEGORIES]
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    return kind(categorical_features=few or None, random_state=seed)


def _spread(codes: Mapping[int, int], model: Any) -> Any:
    """Let a model see each code as a column of its own."""
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    if not codes:
        return model
    spread = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), list(codes)), remainder="passthrough"
    )
    return make_pipeline(spread, model)
