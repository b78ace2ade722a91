"""A run in several processes has the numbers of one process; in float64 nothing but a mistake could show."""

from pathlib import Path

import numpy as np
import pytest
from fork_server import ForkServer
from ranks import largest_difference, start_ranks, train
from safetensors.numpy import load_file

from dlkit.distributed.membership import LOST
from dlkit.errors import FullMemoryError

POINTS = ("--data", "spatial:n=240", "-s", "phi=8", "-s", "omega=8", "-s", "theta=8", "--batch-size", "32")
CURVES = ("--data", "pbpk:n=120,times=12", "-s", "hidden=4", "--batch-size", "14")
CASES: dict[str, tuple[str, ...]] = {
    "mlp": ("mlp", "--limit", "300"),
    "clipping": ("mlp", "--limit", "300", "--grad-clip", "0.2", "--optimizer", "adam", "--lr", "0.001"),
    "accumulate": ("mlp", "--limit", "330", "--batch-size", "16", "--accumulate", "3"),
    "l1, ema": ("mlp", "--limit", "300", "--l1", "1e-4", "--ema", "0.9", "--schedule", "cosine"),
    "weights": ("mlp", "--limit", "300", "--target-weights", "3=5,8=0.2", "--label-smoothing", "0.1"),
    "balance": ("mlp", "--limit", "300", "--balance", "sampler"),
    "balance by loss": ("mlp", "--limit", "300", "--balance", "loss", "--patience", "2"),
    "monitor": ("mlp", "--limit", "300", "--monitor", "val_macro_f1"),
    "cnn": (
        "cnn",
        "--sync-batchnorm",
        "--limit",
        "200",
        "-s",
        "width=4",
        "--accumulate",
        "2",
        "--grad-clip",
        "0.5",
    ),
    "cnn without batch norm": ("net.py:Plain", "--data", "digits", "--limit", "200"),
    "augment": ("cnn", "--sync-batchnorm", "--limit", "200", "-s", "width=4", "--augment", "strong"),
    "norm": ("mlp", "--sync-batchnorm", "--limit", "300", "-s", "norm=batch"),
    "spatial": ("spatial", *POINTS),
    "pbpk": ("pbpk", *CURVES),
    "table": ("mlp", "--data", "table.csv", "--target", "y", "--batch-size", "24", "-s", "dropout=0"),
}
PLAIN = """
from torch import nn


class Plain(nn.Sequential):
    def __init__(self, in_channels, num_classes):
        super().__init__(
            nn.Conv2d(in_channels, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
            nn.Linear(8, num_classes),
        )
"""


def write_files(folder: Path) -> None:
    """A network, and a table whose training rows leave a last batch of one: 121 of 24."""
    (folder / "net.py").write_text(PLAIN)
    rows = [f"{x},{x * x % 7},{3 * x % 5 + x / 100}" for x in range(151)]
    (folder / "table.csv").write_text("\n".join(["a,b,y", *rows, ""]))


@pytest.mark.slow
@pytest.mark.parametrize("words", CASES.values(), ids=CASES)
def test_history_in_float32_is_that_of_one_process_up_to_rounding(
    ranks: ForkServer, home: Path, words: tuple[str, ...]
) -> None:
    write_files(home)
    for count in (1, 2, 3, 4):
        train(ranks, home, count, *words, "--epochs", "5", "--out", f"of-{count}")
    assert [
        count for count in (2, 3, 4) if largest_difference(home / "of-1", home / f"of-{count}") > 1e-5
    ] == []


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 3, 4])
@pytest.mark.parametrize("words", CASES.values(), ids=CASES)
def test_history_is_that_of_one_process(
    double: ForkServer, home: Path, words: tuple[str, ...], processes: int
) -> None:
    write_files(home)
    for count in (1, processes):
        train(double, home, count, *words, "--epochs", "5", "--out", f"of-{count}")
    assert largest_difference(home / "of-1", home / f"of-{processes}") <= 1e-10


@pytest.mark.slow
def test_without_synchronising_running_statistics_are_averages(double: ForkServer, home: Path) -> None:
    words = ("cnn", "--limit", "200", "-s", "width=4", "--max-steps", "1")
    for count in (1, 2):
        train(double, home, count, *words, "--out", f"of-{count}")

    one, two = (load_file(home / f"of-{count}" / "last.safetensors") for count in (1, 2))
    means = [name for name in one if name.endswith("running_mean") and not name.startswith("dlkit.")]
    first = min(means, key=lambda name: len(one[name]))
    # Slices of one size: their means average to the mean of the batch, in the first layer, which gets the same inputs.
    np.testing.assert_allclose(two[first], one[first], rtol=1e-10)


CRAMPED = """
import os
import torch
from torch import nn


class Full(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        raise torch.OutOfMemoryError("CUDA out of memory")


class Net(nn.Module):
    def __init__(self, in_features, num_classes, full_in, norm):
        super().__init__()
        self.first = nn.Linear(in_features, 8)
        self.norm = nn.BatchNorm1d(8) if norm == "yes" else nn.Identity()
        self.last = nn.Linear(8, num_classes)
        self.full_in = full_in if os.environ.get("RANK") == "1" else ""

    def forward(self, x):
        full = self.training and len(x) > 3
        if full and self.full_in == "forward":
            raise torch.OutOfMemoryError("CUDA out of memory")
        hidden = self.norm(self.first(x.flatten(1)))
        return self.last(Full.apply(hidden) if full and self.full_in == "backward" else hidden)
"""


@pytest.mark.slow
@pytest.mark.parametrize("accumulate", ["1", "2"])
def test_a_process_whose_memory_is_full_splits_its_slice(
    double: ForkServer, home: Path, accumulate: str
) -> None:
    (home / "net.py").write_text(CRAMPED)
    words = (
        "net.py:Net",
        "--data",
        "digits",
        "--limit",
        "200",
        "--batch-size",
        "16",
        "--accumulate",
        accumulate,
    )
    for count in (1, 3):
        full = ("-s", "full_in=forward", "-s", "norm=no")
        train(double, home, count, *words, *full, "--epochs", "2", "--out", f"of-{count}")

    assert largest_difference(home / "of-1", home / "of-3") <= 1e-10


@pytest.mark.slow
def test_the_first_process_reports_that_another_splits_its_slices(ranks: ForkServer, home: Path) -> None:
    (home / "net.py").write_text(CRAMPED)
    words = ("net.py:Net", "--data", "digits", "--limit", "200", "--batch-size", "16", "--epochs", "2")
    settings = ("-s", "full_in=forward", "-s", "norm=no", "--device", "cpu", "--no-plot", "--out", "run")
    children = start_ranks(ranks, home, 2, "train", *words, *settings)

    assert [child.wait(60) for child in children] == [0, 0]
    assert children[0].stderr().count("out of memory in rank 1 of 2") == 1
    assert children[1].stderr() == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    "full", [("full_in=backward", "norm=no"), ("full_in=forward", "norm=yes")], ids=["backward", "batch norm"]
)
def test_full_memory_once_others_wait_ends_all_with_a_hint(
    ranks: ForkServer, home: Path, full: tuple[str, str]
) -> None:
    (home / "net.py").write_text(CRAMPED)
    words = ("net.py:Net", "--data", "digits", "--limit", "200", "--batch-size", "16", "--sync-batchnorm")
    settings = ("-s", full[0], "-s", full[1], "--device", "cpu", "--out", "run")
    children = start_ranks(ranks, home, 2, "train", *words, *settings)

    assert [child.wait(60) for child in children] == [LOST, FullMemoryError("", "").exit_code]
    assert "--batch-size 8 --accumulate 2" in children[1].stderr()
