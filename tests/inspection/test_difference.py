import math

import numpy as np
import pytest
import torch

from dlkit.inspection.difference import setting_rows, tensor_rows
from dlkit.inspection.layer_table import COLUMNS


def test_only_what_differs_is_listed_by_name() -> None:
    first = {
        "config": {"lr": 0.1, "seed": 0, "arguments": {"hidden": [8, 8], "norm": "none"}},
        "description": {"fingerprint": "x", "split_sizes": {"val": 10}},
        "progress": {"best": {"epoch": 3, "val_loss": 0.25, "seconds": 1.0}, "position": {"step": 9}},
        "sha256": "1",
    }
    second = {
        "config": {"lr": 0.01, "seed": 0, "arguments": {"hidden": [8], "norm": "none"}, "ema": 0.9},
        "description": {"fingerprint": "x", "split_sizes": {"val": 12}},
        "progress": {"best": {"epoch": 3, "val_loss": 0.5, "seconds": 2.0}, "position": {"step": 9}},
        "sha256": "2",
    }

    rows = {row["name"]: (row["a"], row["b"]) for row in setting_rows(first, second)}

    assert rows == {
        "lr": ("0.1", "0.01"),
        "arguments hidden": ("8, 8", "8"),
        "ema": (None, "0.9"),
        "data split_sizes val": ("10", "12"),
        "best val_loss": ("0.25", "0.5"),
    }


def test_weights_are_compared_as_numpy_does() -> None:
    draw = np.random.default_rng(0)
    old, new = draw.normal(size=(2, 4, 3)).astype("float32")
    (row,) = tensor_rows({"a": torch.tensor(old)}, {"a": torch.tensor(new)})

    left, right = old.astype("float64").ravel(), new.astype("float64").ravel()
    assert tuple(row) == COLUMNS["diff"]
    assert (row["change"], row["shape"]) == ("changed", "4x3")
    assert row["distance"] == pytest.approx(np.linalg.norm(right - left))
    assert row["relative"] == pytest.approx(np.linalg.norm(right - left) / np.linalg.norm(left))
    assert row["cosine"] == pytest.approx(left @ right / np.linalg.norm(left) / np.linalg.norm(right))


def test_each_kind_of_change_has_its_name() -> None:
    one = torch.ones(2)
    first = {"same": one, "gone": one, "shape": one, "zero": torch.zeros(2), "dlkit.random.torch": one}
    second = {"same": one, "new": one, "shape": torch.ones(3), "zero": one}

    rows = {row["layer"]: row for row in tensor_rows(first, second)}

    assert {name: row["change"] for name, row in rows.items()} == {
        "same": "same",
        "gone": "only in a",
        "shape": "other shape",
        "zero": "changed",
        "new": "only in b",
    }
    assert rows["shape"]["shape"] == "2 > 3"
    assert (rows["same"]["distance"], rows["gone"]["norm_b"]) == (0.0, None)
    assert rows["zero"]["distance"] == pytest.approx(math.sqrt(2))
    assert (rows["zero"]["relative"], rows["zero"]["cosine"]) == (None, None)
