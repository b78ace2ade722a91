"""What a network of the user's own gets: sequences and codes as they are, images where it takes nothing else."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

NETS = """
from torch import nn
class Mean(nn.Module):  # (B, T, F)
    def __init__(self, num_outputs, features: int = 3):
        super().__init__(); self.out = nn.Linear(features, num_outputs)
    def forward(self, x):
        assert x.ndim == 3
        return self.out(x.mean(1))
class Conv(nn.Module):  # (B, 1, H, W)
    def __init__(self, in_channels, num_classes):
        super().__init__(); self.conv = nn.Conv2d(in_channels, 4, 3); self.out = nn.Linear(4, num_classes)
    def forward(self, x):
        return self.out(self.conv(x).relu().amax((2, 3)))
class Bag(nn.Module):  # (B, T) codes
    def __init__(self, num_classes):
        super().__init__(); self.table = nn.Embedding(50, 16); self.out = nn.Linear(16, num_classes)
    def forward(self, ids):
        return self.out(self.table(ids).amax(1))
class Rows(nn.Module):  # (B, D)
    def __init__(self, in_features, num_outputs):
        super().__init__(); self.out = nn.Linear(in_features, num_outputs)
    def forward(self, x):
        return self.out(x)
class Broken(nn.Module):
    def __init__(self, num_outputs):
        super().__init__(); self.out = nn.Linear(7, num_outputs)
    def forward(self, x):
        return self.out(x)
"""
DRAW = np.random.default_rng(0)


@pytest.fixture
def trained(dlkit: Callable[..., Any], home: Path) -> Callable[..., tuple[str, dict[str, float]]]:
    """Train a network of one's own on arrays; give what was said and the scores of the test split."""
    (home / "net.py").write_text(NETS)

    def call(name: str, x: np.ndarray, y: np.ndarray, *options: Any) -> tuple[str, dict[str, float]]:
        np.savez(home / "a.npz", x=x, y=y)
        model = f"net.py:{name}" if name[0].isupper() else name
        result = dlkit("train", model, "--data", "a.npz", "--no-plot", "--out", "run", "--force", *options)
        assert result.code == 0, result.stderr
        own = ("--model", model) if name[0].isupper() else ()
        scores = json.loads(dlkit("eval", "run", *own, "--json").stdout)["metrics"]
        return result.stderr, {metric: each["value"] for metric, each in scores.items()}

    return call


def sensors(count: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Pressure, temperature and vibration, (N, 12, 3); the target follows from the last two alone."""
    pressure = DRAW.normal(101325, 300, (count, 12))
    heat = DRAW.normal(20, 3, (count, 1)) + DRAW.normal(0, 0.3, (count, 12))
    shaking = DRAW.normal(0.01, 0.003, (count, 1)) + DRAW.normal(0, 3e-4, (count, 12))
    target = (heat.mean(1) - 20) / 3 + (shaking.mean(1) - 0.01) / 0.003 + DRAW.normal(0, 0.1, count)
    return np.stack([pressure, heat, shaking], 2), target


def best_r2(x: np.ndarray, y: np.ndarray) -> float:
    """Least squares on the means of the features over time."""
    design = np.column_stack([x.mean(1), np.ones(len(x))])
    rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return float(1 - rest.var() / y.var())


@pytest.mark.parametrize("name", ["Mean", "mlp"])
@pytest.mark.quick(1)
def test_sequences_are_passed_as_they_are_and_normalised_by_feature(trained: Any, name: str) -> None:
    x, y = sensors()

    said, scores = trained(name, x, y, "--epochs", 20, "--lr", 0.05, "--batch-size", 32)

    assert "12 steps with 3 features" in said
    assert "--layout" in said
    assert scores["r2"] > best_r2(x, y) - 0.02


def test_features_that_come_first_are_normalised_each_too(dlkit: Any, home: Path) -> None:
    x, y = sensors(60)
    np.savez(home / "a.npz", x=x.transpose(0, 2, 1), y=y)

    shown = json.loads(dlkit("data", "show", "a.npz", "--json").stdout)

    train = json.loads(dlkit("data", "show", "a.npz", "--layout", "nft", "--json").stdout)
    assert len(shown["mean"]) == 3
    assert shown["mean"] == train["mean"]
    np.testing.assert_allclose(shown["mean"], x.mean((0, 1)), rtol=0.05)


def stripes(count: int = 200) -> tuple[np.ndarray, np.ndarray]:
    y = np.arange(count) % 2
    x = DRAW.normal(size=(count, 10, 10)).astype(np.float32)
    x[y == 1, ::2] += 3
    x[y == 0, :, ::2] += 3
    return x, y


def test_a_network_that_takes_images_gets_them(trained: Any, dlkit: Any) -> None:
    said, scores = trained("Conv", *stripes(), "--epochs", 10, "--lr", 0.05, "--batch-size", 32)

    assert "images of 10x10 with 1 band" in said
    assert scores["accuracy"] == 1.0
    again = dlkit("train", "net.py:Conv", "--resume", "run", "--epochs", 11, "--sched-on-resume", "keep")
    assert again.code == 0, again.stderr
    assert dlkit("inspect", "model", "net.py:Conv", "--data", "a.npz").code == 0


def test_codes_reach_an_embedding_as_they_are(trained: Any) -> None:
    y = np.arange(400) % 2
    x = DRAW.integers(0, 50, (400, 6))
    x[x == 7] = 8
    x[y == 1, DRAW.integers(0, 6)] = 7

    said, scores = trained("Bag", x, y, "--epochs", 15, "--lr", 0.1, "--batch-size", 32)

    assert "whole numbers" in said
    assert scores["accuracy"] == 1.0


def test_whole_numbers_are_normalised_for_a_network_that_does_not_take_them(trained: Any) -> None:
    x = DRAW.integers(0, 1000, (300, 2)) * [1, 50]
    y = x @ [3.0, -0.05]

    said, scores = trained("Rows", x, y, "--epochs", 15, "--lr", 0.1, "--batch-size", 32)

    assert "whole numbers, which" not in said
    assert scores["r2"] > 0.99


@pytest.mark.parametrize(
    ("x", "part"),
    [(DRAW.normal(size=(40, 5, 4)), "(2, 5, 4)"), (DRAW.integers(0, 9, (40, 4)), "FloatTensor|2x4")],
    ids=["sequences", "codes"],
)
def test_a_network_that_takes_no_reading_is_told_of_the_likeliest(
    dlkit: Any, home: Path, x: np.ndarray, part: str
) -> None:
    (home / "net.py").write_text(NETS)
    np.savez(home / "a.npz", x=x, y=DRAW.normal(size=40))

    result = dlkit("train", "net.py:Broken", "--data", "a.npz")

    assert result.code == 2
    assert any(each in result.stderr for each in part.split("|")), result.stderr
    assert "Long" not in result.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--layout", "nhwc"), 2, "--layout nhwc"),
        (("--layout", "classes"), 2, "--layout classes"),
    ],
)
def test_a_layout_that_does_not_fit_is_refused(
    dlkit: Any, home: Path, options: tuple[str, ...], code: int, message: str
) -> None:
    np.savez(home / "a.npz", x=np.zeros((40, 5, 4)), y=np.arange(40) % 2)

    result = dlkit("train", "mlp", "--data", "a.npz", *options)

    assert (result.code, result.stdout) == (code, "")
    assert message in result.stderr
