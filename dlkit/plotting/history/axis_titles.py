"""What the curves of a run are of: the kind of loss, and the unit of metrics that have one; no torch needed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlkit.errors import CheckpointError, printable
from dlkit.files.header import read_header
from dlkit.files.run_dir import RunDir

_LOSSES = {
    "cross-entropy": "cross-entropy",
    "bce": "binary cross-entropy",
    "mse": "mean squared error",
    "l1": "mean absolute error",
    "huber": "Huber loss",
    "log1p": "mean squared error\nof log(1 + y)",
}
_SCALES = {"mae": "MAE", "rmse": "RMSE", "median_error": "median error"}  # metrics in the target's own unit
_SHORT = {"r2": "R\N{SUPERSCRIPT TWO}", "roc_auc": "ROC AUC", "ece": "ECE", "mcc": "MCC"}


def read_axis_titles(histories: Sequence[Path]) -> dict[str, str]:
    """Return the titles of quantities by their names in history.csv, as far as all runs agree on them.

    Args:
        histories: Files in run folders; of others nothing is known.
    """
    titles = [_titles_of(RunDir(path.parent)) for path in histories]
    first, *others = titles
    return {name: title for name, title in first.items() if all(other.get(name) == title for other in others)}


def _titles_of(run: RunDir) -> dict[str, str]:
    try:
        facts = read_header(run.last).dlkit_metadata(run.last)
        description, loss = facts["description"], facts["config"]["loss"]
        return axis_titles(description, loss)
    except (CheckpointError, KeyError, TypeError):
        return {}


def axis_titles(description: Mapping[str, Any], loss: str) -> dict[str, str]:
    """Return the titles of the loss and of the metrics.

    Args:
        description: Of the data, as in a checkpoint.
        loss: The setting.
    """
    classes = description["task"] == "classification"
    name = _LOSSES.get(("cross-entropy" if classes else "mse") if loss == "auto" else loss, "loss")
    if description["target_scaling"] is not None and "\n" not in name:
        name += "\nof scaled targets"
    of = ", ".join(filter(None, dict.fromkeys([*description["target_names"][:1], description["units"]])))
    unit = f"\n({printable(of, limit=32)})" if of and len(description["target_names"]) <= 1 else ""
    return {"loss": name, **{metric: f"{title}{unit}" for metric, title in _SCALES.items()}, **_SHORT}
