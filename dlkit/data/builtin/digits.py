"""The 1,797 handwritten digits that scikit-learn carries: 8 x 8 images with values 0 to 16."""

import importlib.util
from pathlib import Path

import numpy as np
import torch

from dlkit.data.prepared import Source, fingerprint

_SCALE = 16.0


def load_digits() -> Source:
    """Read the digits.

    Importing scikit-learn takes longer than training on them, so its file is read where it lies; where a
    version keeps it elsewhere, its own reader is asked.
    """
    table = _read_table()
    inputs = torch.from_numpy(table[:, :-1].astype(np.uint8)).reshape(-1, 1, 8, 8)  # (N, C, H, W)
    parts = {"all": (inputs, torch.from_numpy(table[:, -1].astype(np.int64)))}
    return Source(parts, _SCALE, fingerprint(parts))


def _read_table() -> np.ndarray:
    """Return 64 pixel values and the class of each digit, shape (1797, 65)."""
    spec = importlib.util.find_spec("sklearn")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if path.exists():
            return np.loadtxt(path, np.uint8, delimiter=",")
    from sklearn.datasets import load_digits as load

    digits = load()
    return np.column_stack([digits.data, digits.target])
