"""Where the checks of gpu.py run: a scratch folder with its own data home, and commands with a deadline."""

import csv
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
Found = dict[str, Any]


class CheckError(Exception):
    """A command ended with an error, or found what must not be."""


@dataclass
class Place:
    """Where the checks run.

    Args:
        folder: Takes the runs.
        source: The folder with data.
        device: As `--device` takes it.
        deadline: When the check under way is cut off.
    """

    folder: Path
    source: Path
    device: str
    deadline: float = 0.0
    _prepared: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the folder until the deadline."""
        left = self.deadline - time.monotonic()
        environment = {**os.environ, "DLKIT_HOME": str(self.folder / "home"), "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            words,
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=max(left, 1),
            check=False,
        )

    def dlkit(self, *words: str) -> str:
        """Run a command of dlkit and return what it reports.

        Raises:
            CheckError: It failed.
        """
        result = self.run(sys.executable, "-m", "dlkit", *words)
        if result.returncode:
            raise CheckError(f"{' '.join(words)}: {result.stderr.strip()[-300:]}")
        return result.stderr

    def train(self, name: str, *words: str) -> Found:
        """Train on the device and return the last epoch: samples a second, memory and scores."""
        self.dlkit("train", *words, "--device", self.device, "--out", name, "--force", "--no-plot")
        with (self.folder / name / "history.csv").open(newline="") as file:
            *_, row = csv.DictReader(file)
        wanted = ("samples_per_second", "memory_mib", "val_loss", "val_accuracy")
        return {column: float(row[column]) for column in wanted if row.get(column)}

    def mnist(self) -> str:
        """Prepare MNIST."""
        if "mnist" not in self._prepared:
            self.dlkit("data", "get", "mnist", "--from", str(self.source / "mnist"))
            self._prepared["mnist"] = "mnist"
        return self._prepared["mnist"]

    def cifar10(self) -> str:
        """Prepare CIFAR-10, or random images of its shape."""
        if "cifar10" in self._prepared:
            return self._prepared["cifar10"]
        if (self.source / "cifar10").is_dir():
            self.dlkit("data", "get", "cifar10", "--from", str(self.source / "cifar10"))
            self._prepared["cifar10"] = "cifar10"
        else:
            import numpy as np

            rng = np.random.default_rng(0)
            images, classes = rng.integers(0, 256, (60_000, 32, 32, 3), np.uint8), rng.integers(0, 10, 60_000)
            np.savez(self.folder / "random.npz", x=images, y=classes)
            self._prepared["cifar10"] = "random.npz"
        return self._prepared["cifar10"]
