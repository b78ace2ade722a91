"""Permutation importance (Breiman 2001): how much worse a metric gets when a column says nothing any more."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from dlkit.data.dataset import Split
from dlkit.data.tables.encoding import Encoding
from dlkit.errors import ConfigError, DataError
from dlkit.evaluation.certainty.intervals import Certainty, differences
from dlkit.evaluation.section import Cell, Section
from dlkit.evaluation.subject import Subject
from dlkit.evaluation.tasks import Results
from dlkit.inputs import call
from dlkit.metrics import Metric

_SHUFFLES = 10
_FEWEST = 10
_MOST_ROWS = 10_000
_AT_ONCE = 4096
_DRAWS = 200
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
    random.

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
    preds, targets = results.pairs()
    rows = split.rows.numpy()[scored]
    taken = np.sort(random.permutation(len(rows))[:_MOST_ROWS])
    preds, targets = preds[taken], targets[taken]
    inputs, _ = split.batch(torch.from_numpy(rows[taken]), torch.device("cpu"))
    assert isinstance(inputs, Tensor), "columns are one input"
    sign = -1 if metric.higher_is_better else 1
    groups = None if certainty.groups is None else certainty.groups[taken]
    how = Certainty(draws=_DRAWS, seed=certainty.seed, groups=groups)
    orders = [random.permutation(len(taken)) for _ in range(_SHUFFLES)]
    table: list[list[Cell]] = []
    for column, places in columns.items():
        found = [
            differences([metric], (preds, shuffled), targets, how)[metric.name]
            for shuffled in _predictions(subject, inputs, places, orders)
        ]
        changes = sign * np.array(found)
        lo, hi = sorted(changes[:, 1:].mean(0).tolist())
        table.append(
            [column, float(changes[:, 0].mean()), float(changes[:, 0].std(ddof=1)), lo, hi, metric.name]
        )
    table.sort(key=lambda row: -float(row[1] or 0))
    return Section(name="importance", columns=COLUMNS, rows=table)


def _inputs_of_columns(subject: Subject) -> Mapping[str, Sequence[int]]:
    """Return the inputs that each column became."""
    about = subject.dataset.description
    if about.kind == "table":
        encoding = Encoding.from_dict(about.learned["encoding"])
        ends = np.cumsum([0, *(len(code.features) for code in encoding.columns)]).tolist()
        return {
            code.name: range(start, stop)
            for code, start, stop in zip(encoding.columns, ends, ends[1:], strict=False)
        }
    if len(about.input_shape) != 1 or about.named_inputs or about.input_dtype != "float32":
        raise ConfigError(
            f"--importance is for columns; the samples of {about.name} have shape {about.input_shape}",
            "leave it out",
        )
    names = about.feature_names or [str(place) for place in range(about.input_shape[0])]
    return {name: (place,) for place, name in enumerate(names)}


@torch.inference_mode()
def _predictions(
    subject: Subject, inputs: Tensor, places: Sequence[int], orders: Sequence[np.ndarray]
) -> Iterator[np.ndarray]:
    """Yield the predictions with some inputs shuffled, for each order."""
    subject.model.eval()
    for order in orders:
        changed = inputs.clone()
        changed[:, list(places)] = inputs[torch.from_numpy(order)][:, list(places)]
        outputs = [call(subject.model, some.to(subject.device)).cpu() for some in changed.split(_AT_ONCE)]
        yield subject.objective.predictions(torch.cat(outputs)).numpy()
