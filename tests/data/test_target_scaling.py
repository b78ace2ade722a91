"""Numbers to predict are standardised for the network, whatever they come in, and reported in their own unit."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import assert_reports

from dlkit.data.kinds import load_dataset
from dlkit.errors import ConfigError
from dlkit.evaluation.objective import check_description
from dlkit.settings.config import TrainConfig
from dlkit.settings.resolve import resolve

SOURCES: dict[str, dict[str, Any]] = {
    "table": {"data": "t.csv", "target": "y"},
    "arrays": {"data": "t.npz"},
    "function": {"data": "net.py:make"},
    "points": {"data": "t.csv", "target": "y", "model": "spatial", "coords": "a,b", "task": "auto"},
}
QUICK = ("--epochs", 25, "--lr", 0.02, "--no-plot")
CODE = """
import numpy as np
from torch import nn
def make():
    kept = np.load("t.npz")
    return kept["x"], kept["y"]
class Net(nn.Module):
    def __init__(self, in_features, num_outputs):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(in_features, 32), nn.ReLU(), nn.Linear(32, num_outputs))
    def forward(self, x):
        return self.net(x)
"""


@pytest.fixture
def rows(home: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Write y = 10 + 9 a - 2 b in every form; gives a, b and y, shape (500, 3)."""
    monkeypatch.chdir(home)
    inputs = np.random.default_rng(0).normal(size=(500, 2))
    table = np.c_[inputs, 10 + inputs @ [9, -2]]
    np.savetxt("t.csv", table, "%.17g", ",", header="a,b,y", comments="")
    np.savez("t.npz", x=table[:, :2], y=table[:, 2])
    Path("net.py").write_text(CODE)
    return table


@pytest.mark.parametrize("source", SOURCES)
def test_targets_are_scaled_by_the_training_rows_unless_switched_off(source: str, rows: np.ndarray) -> None:
    settings = {"model": "mlp", **SOURCES[source]}

    scaled = load_dataset(resolve(settings, {}))
    plain = load_dataset(resolve({**settings, "scale_target": False}, {}))

    train = rows[scaled.splits["train"].rows, 2]
    assert scaled.description.target_scaling is not None
    assert scaled.description.target_scaling.mean == pytest.approx((train.mean(),), rel=1e-5)
    assert scaled.description.target_scaling.std == pytest.approx((train.std(),), rel=1e-5)
    off = plain.description.target_scaling
    assert off is None or (off.mean, off.std, off.scale) == ((0.0,), (1.0,), 1.0)


@pytest.mark.parametrize("source", ["table", "arrays", "function"])
@pytest.mark.quick(1)
def test_a_network_of_ones_own_learns_the_same_rows_alike(
    source: str, rows: np.ndarray, dlkit: Callable[..., Any]
) -> None:
    data, *target = SOURCES[source].values()
    words = ["--target", *target] if target else []
    trained = dlkit("train", "net.py:Net", "--data", data, *words, "-o", "run", *QUICK)
    named = ["--model", "net.py:Net", *(["--data", data] if source == "function" else [])]

    found = dlkit("eval", "run", *named, "--split", "all", "--predict", "p.csv", "--json")

    metrics = json.loads(found.stdout)["metrics"]
    assert (trained.code, found.code) == (0, 0), found
    assert metrics["r2"]["value"] > 0.97
    preds = np.genfromtxt("p.csv", delimiter=",", names=True)
    np.testing.assert_allclose(np.sort(preds["target"]), np.sort(rows[:, 2]), rtol=1e-5)
    assert metrics["mae"]["value"] == pytest.approx(np.abs(preds["pred"] - preds["target"]).mean(), rel=1e-4)


def test_a_class_has_no_unit_to_scale() -> None:
    config = TrainConfig(model="mlp", data="digits", scale_target=False)

    with pytest.raises(ConfigError) as caught:
        check_description(config, load_dataset(config).description)

    assert_reports(caught.value, "--no-scale-target")


def test_curves_are_never_scaled() -> None:
    with pytest.raises(ConfigError) as caught:
        resolve({"model": "pbpk", "data": "pbpk", "scale_target": False}, {})

    assert_reports(caught.value, "--no-scale-target")
