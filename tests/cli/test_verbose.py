"""--verbose: what a command loads, reads and how long its phases take; stdout stays the result."""

import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

Dlkit = Callable[..., Any]


def test_train_reports_phases_threads_and_versions(dlkit: Dlkit, home: Path) -> None:
    Path("small.csv").write_text("a,b\n" + "".join(f"{number},{number % 7}\n" for number in range(40)))
    words = (
        "train",
        "mlp",
        "--data",
        "small.csv",
        "--target",
        "b",
        "--epochs",
        1,
        "--no-plot",
        "--out",
        "run",
    )

    result = dlkit(*words, "--verbose")

    assert (result.code, result.stdout) == (0, "run/best.safetensors\n")
    for name in ("load torch", "load the data, build the network", "train", "total"):
        assert re.search(rf"^{name}: \d+\.\d\d s$", result.stderr, re.MULTILINE), name
    assert f"threads: {torch.get_num_threads()} of" in result.stderr
    assert f"torch {version('torch')}" in result.stderr
    assert f"read {home}/small.csv" in result.stderr
    assert ".dlkit-tmp-" not in result.stderr
    assert "read " not in dlkit(*words, "--force").stderr


def test_a_command_that_fails_reports_too(dlkit: Dlkit) -> None:
    result = dlkit("inspect", "show", "none.safetensors", "-v")

    assert result.code == 4
    assert result.stderr.startswith("error: ")
    assert "versions: python" in result.stderr


def test_files_of_installed_packages_are_not_listed(dlkit: Dlkit, home: Path) -> None:
    Path("site-packages").mkdir()
    Path("site-packages", "small.csv").write_text("a,b\n" + "".join(f"{n},{n % 7}\n" for n in range(40)))

    result = dlkit("data", "show", "site-packages/small.csv", "--verbose")

    assert result.code == 0
    assert "small.csv" not in result.stderr.partition("versions: ")[0]
