"""Permutation importance (Breiman 2001): how much worse a metric gets when a column says nothing any more."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from dlkit.data.dataset import Split
from dlkit.data.spatial.columns import PointColumns
from dlkit.data.tables.encoding import Encoding
from dlkit.errors import ConfigError, DataError
from dlkit.evaluation.certainty.intervals import Certainty, differences
from dlkit.evaluation.section import Cell, Section
from dlkit.evaluation.subject import Subject
from dlkit.evaluation.tasks import Results
from dlkit.files.description import DataDescription
from dlkit.inputs import Inputs, call, on_device, rows_of, tensors_of
from dlkit.metrics import Metric

_SHUFFLES = 10
_FEWEST = 10
_MOST_ROWS = 10_000
_AT_ONCE = 4096
_DRAWS = 200
Shuffle = Callable[[Inputs, Tensor], Inputs]
"""Returns inputs with those of a column in another order of samples."""
COLUMNS = ("feature", "importance", "sd", "lo", "hi", "metric")


def permutation_importance(
    subject: Subject,
    split: Split,
    scored: np.ndarray,
    results: Results,
    metric: Metric,
    certainty: Certainty,
) -> Section:
    """Return how much worse a metric gets when the values of a column are shuffled among the samples.

    All inputs that a column became are shuffled together, 10 times; of more than 10,000 samples as many are taken at
    random. Coordinates and time of points are shuffled together with the neighbours that belong to them. The shuffled
    predictions are compared with the network's own, without draws and temperature.

    Args:
        subject: The network and its data.
        split: The samples.
        scored: Which of them have a target and a prediction, shape (N,).
        results: What it predicts for it.
        metric: Which metric.
        certainty: The seed and the groups.

    Returns:
        A row a column, the most important first: the mean over the shuffles, signed so that above 0 is worse, their
        standard deviation, and the mean 95 % interval over the samples.

    Raises:
        ConfigError: The samples have no columns.
        DataError: There are too few samples.
    """
    columns = _inputs_of_columns(subject)
    if len(results.pairs()[1]) < _FEWEST:
        raise DataError(
            f"--importance shuffles at least {_FEWEST} samples that have a target", "leave it out"
        )
    random = np.random.default_rng(certainty.seed)
    rows = split.rows.numpy()[scored]
    taken = np.sort(random.permutation(len(rows))[:_MOST_ROWS])
    targets = results.pairs()[1][taken]
    inputs, _ = split.batch(torch.from_numpy(rows[taken]), torch.device("cpu"))
    preds = _predictions(subject, inputs)
    sign = -1 if metric.higher_is_better else 1
    groups = None if certainty.groups is None else certainty.groups[taken]
    how = Certainty(draws=_DRAWS, seed=certainty.seed, groups=groups)
    orders = [torch.from_numpy(random.permutation(len(taken))) for _ in range(_SHUFFLES)]
    table: list[list[Cell]] = []
    for column, shuffle in columns.items():
        shuffled = (_predictions(subject, shuffle(inputs, order)) for order in orders)
        found = [differences([metric], (preds, others), targets, how)[metric.name] for others in shuffled]
        changes = sign * np.array(found)
        lo, hi = sorted(changes[:, 1:].mean(0).tolist())
        table.append(
            [column, float(changes[:, 0].mean()), float(changes[:, 0].std(ddof=1)), lo, hi, metric.name]
        )
    table.sort(key=lambda row: -float(row[1] or 0))
    return Section(name="importance", columns=COLUMNS, rows=table)


def _inputs_of_columns(subject: Subject) -> Mapping[str, Shuffle]:
    """Return what shuffles the inputs that each column became."""
    about = subject.dataset.description
    if about.kind == "table":
        return _by_encoding(about)
    if about.kind == "spatial":
        columns = PointColumns.from_dict(about.learned)
        place = ", ".join(name for name in columns.names if name != columns.target)
        return {place: _shuffle_places, **_by_encoding(about, "features")}
    if len(about.input_shape) != 1 or about.named_inputs or about.input_dtype != "float32":
        raise ConfigError(
            f"--importance is for columns; the samples of {about.name} have shape {about.input_shape}",
            "leave it out",
        )
    names = about.feature_names or [str(place) for place in range(about.input_shape[0])]
    return {name: partial(_shuffle, None, [place]) for place, name in enumerate(names)}


def _by_encoding(about: DataDescription, name: str | None = None) -> dict[str, Shuffle]:
    encoding = Encoding.from_dict(about.learned["encoding"])
    ends = np.cumsum([0, *(len(code.features) for code in encoding.columns)]).tolist()
    return {
        code.name: partial(_shuffle, name, list(range(start, stop)))
        for code, start, stop in zip(encoding.columns, ends, ends[1:], strict=False)
    }


def _shuffle(name: str | None, places: Sequence[int], inputs: Inputs, order: Tensor) -> Inputs:
    """Return inputs with some places of the one called `name`, or of the only one, in another order of samples."""
    if not isinstance(inputs, Tensor):
        assert name is not None, "one of several is named"
        return {**inputs, name: _shuffled(inputs[name], places, order)}
    return _shuffled(inputs, places, order)


def _shuffled(values: Tensor, places: Sequence[int], order: Tensor) -> Tensor:
    changed = values.clone()
    changed[:, places] = values[order][:, places]
    return changed


def _shuffle_places(inputs: Inputs, order: Tensor) -> Inputs:
    """Return points at the places of others, with the neighbours there, and with their own features."""
    assert not isinstance(inputs, Tensor), "a point is several inputs"
    return {name: values if name == "features" else values[order] for name, values in inputs.items()}


@torch.inference_mode()
def _predictions(subject: Subject, inputs: Inputs) -> np.ndarray:
    """Return the predictions for N samples, shaped as those of the results, a few thousand at a time."""
    subject.model.eval()
    count = len(tensors_of(inputs)[0])
    pieces = (rows_of(inputs, start, start + _AT_ONCE) for start in range(0, count, _AT_ONCE))
    outputs = [call(subject.model, on_device(some, subject.device)).cpu() for some in pieces]
    return np.asarray(subject.objective.predictions(torch.cat(outputs)).numpy())
