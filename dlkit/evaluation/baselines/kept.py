"""Predictions of simpler methods, kept in the run folder so that they are computed once."""

import hashlib
import json
from collections.abc import Mapping

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from dlkit.data.dataset import DataSet
from dlkit.data.kinds import kind_of
from dlkit.errors import DlkitError
from dlkit.evaluation.baselines.constant import constant_answer
from dlkit.files.atomic import write_file
from dlkit.files.run_dir import RunDir

_VERSION = "1"  # of the methods; kept predictions of another one are computed anew


def baselines_of(
    dataset: DataSet, name: str, seed: int, run: RunDir | None
) -> tuple[Mapping[str, np.ndarray], list[str]]:
    """Return the predictions of simpler methods for a split by method, and messages.

    Args:
        dataset: The data.
        name: The split.
        seed: Of the methods.
        run: Where they are kept; None keeps nothing.
    """
    key = _key(dataset, name, seed)
    if run is not None and (kept := _read(run, name, key)):
        return kept, []
    found = {}
    if constant := constant_answer(dataset, len(dataset.split(name))):
        found[constant[0]] = constant[1]
    found |= kind_of(dataset).baselines(dataset, name, seed)
    notes = []
    if run is not None:
        tensors = {method: np.ascontiguousarray(preds, dtype=np.float64) for method, preds in found.items()}
        try:
            write_file(
                run.baselines(name),
                safetensors.numpy.save(tensors, {"key": key, "methods": json.dumps(list(tensors))}),
            )
            notes.append(f"kept the predictions of simpler methods in {run.baselines(name)}")
        except DlkitError as err:
            notes.append(f"not kept in the run folder: {err.message}")
    return found, notes


def _read(run: RunDir, name: str, key: str) -> Mapping[str, np.ndarray]:
    """Return what is kept; nothing where it is missing, damaged, or of other samples."""
    path = run.baselines(name)
    try:
        with safe_open(path, framework="numpy") as file:
            about = file.metadata() or {}
            if about.get("key") == key:
                return {method: file.get_tensor(method) for method in json.loads(about["methods"])}
    except (OSError, SafetensorError, ValueError):
        pass
    return {}


def _key(dataset: DataSet, name: str, seed: int) -> str:
    """Return a hash of all that the predictions depend on."""
    import sklearn

    digest = hashlib.sha256(
        "/".join((_VERSION, sklearn.__version__, str(seed), dataset.description.fingerprint)).encode()
    )
    for part in ("train", name):
        digest.update(dataset.split(part).rows.numpy().tobytes())
    return digest.hexdigest()
