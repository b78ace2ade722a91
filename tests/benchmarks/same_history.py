"""Whether two checkouts train alike: history.csv and best weights of every model and kind of data at a fixed seed.

    python tests/benchmarks/same_history.py OLD NEW [--only NAME] [--json FILE]

OLD and NEW are checkouts of dlkit. Each case runs in both, on one CPU thread, in folders of their own with the same
data; what depends on the clock or the machine (seconds, samples_per_second, memory_mib) is left out. Exits with 1 where
any case differs.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import load_file

MEASURED = ("seconds", "samples_per_second", "memory_mib")
SHORT = ["--epochs", "2", "--quiet", "--no-plot"]
CASES: dict[str, list[str]] = {
    "mlp on digits": ["mlp"],
    "cnn on digits": ["cnn"],
    "adam, cosine, clipping": ["mlp", "--optimizer", "adam", "--schedule", "cosine", "--grad-clip", "0.5"],
    "adamw, plateau, ema": ["mlp", "--optimizer", "adamw", "--schedule", "plateau", "--ema", "0.9"],
    "rmsprop, accumulate": ["mlp", "--optimizer", "rmsprop", "--lr", "0.001", "--accumulate", "3"],
    "adagrad, l1, smoothing": ["mlp", "--optimizer", "adagrad", "--l1", "1e-4", "--label-smoothing", "0.1"],
    "dropout, batch norm": ["mlp", "-s", "dropout=0.3", "-s", "norm=batch", "--warmup-steps", "5"],
    "balance by sampler": ["mlp", "--balance", "sampler"],
    "bf16": ["mlp", "--precision", "bf16"],
    "resnet18 on digits": ["resnet18", "--limit", "64", "--batch-size", "16", "--epochs", "1"],
    "table, regression": ["mlp", "--data", "table.csv", "--target", "price"],
    "table, classes": ["mlp", "--data", "table.csv", "--target", "kind", "--group", "town"],
    "table, vectors": ["mlp", "--data", "table.csv", "--target", "price", "-s", "numbers=piecewise"],
    "table, folds": ["mlp", "--data", "table.csv", "--target", "kind", "--folds", "4", "--fold", "2"],
    "images in a folder": ["cnn", "--data", "photos", "--size", "16", "--augment", "strong"],
    "arrays": ["mlp", "--data", "arrays.npz"],
    "images in arrays": ["cnn", "--data", "bands.npz", "--augment", "light"],
    "function": ["mlp", "--data", "own.py:make"],
    "own network": ["own.py:Net", "--data", "arrays.npz", "-s", "width=8"],
    "points": ["spatial", "--data", "spatial:n=400"],
    "points from a table": ["spatial", "--data", "table.csv", "--target", "price", "--coords", "x,y"],
    "concentrations": ["pbpk", "--data", "pbpk:n=60"],
}
OWN = """
import numpy as np
import torch

def make():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(300, 5)).astype("float32")
    return x, (x[:, 0] > 0).astype("int64")

class Net(torch.nn.Module):
    def __init__(self, width: int, in_features: int, num_classes: int) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(in_features, width), torch.nn.ReLU(), torch.nn.Linear(width, num_classes)
        )

    def forward(self, x):
        return self.layers(x)
"""


def write_data(folder: Path) -> None:
    """Write the table, images, arrays and code that the cases name."""
    draw = np.random.default_rng(0)
    with (folder / "table.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["x", "y", "rooms", "town", "built", "kind", "price"])
        for _ in range(600):
            x, y = draw.uniform(size=2).round(4)
            rooms = "" if draw.uniform() < 0.1 else int(draw.integers(1, 9))
            town = f"town {draw.integers(12)}"
            built = f"{draw.integers(1950, 2020)}-0{draw.integers(1, 10)}-11"
            price = round(float(1000 * x + 500 * y + draw.normal(0, 20)), 2)
            lines.writerow([x, y, rooms, town, built, "high" if price > 750 else "low", price])
    for kind in ("dark", "light"):
        (folder / "photos" / kind).mkdir(parents=True)
        for number in range(60):
            pixels = draw.integers(0, 200, (20, 24, 3)) + (55 if kind == "light" else 0)
            Image.fromarray(pixels.astype("uint8")).save(folder / "photos" / kind / f"{number}.png")
    x = draw.normal(size=(400, 6)).astype("float32")
    np.savez(folder / "arrays.npz", x=x, y=(x.sum(1) > 0).astype("int64"))
    bands = draw.normal(size=(200, 5, 12, 12)).astype("float32")
    np.savez(folder / "bands.npz", x=bands, y=(bands.mean((1, 2, 3)) > 0).astype("int64"))
    (folder / "own.py").write_text(OWN)


def train(checkout: Path, folder: Path, words: list[str]) -> tuple[list[dict[str, str]], dict[str, bytes]]:
    """Return what a run left: the rows of its history without what is measured, and its weights."""
    command = [
        sys.executable,
        "-m",
        "dlkit",
        "train",
        *SHORT,
        *words,
        "--threads",
        "1",
        "--out",
        "run",
        "--force",
    ]
    environment = {**os.environ, "PYTHONPATH": str(checkout.resolve()), "DLKIT_HOME": str(folder / "home")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{checkout}: {' '.join(words)}: exit {done.returncode}\n{done.stderr}")
    with (folder / "run" / "history.csv").open(newline="") as file:
        rows = [
            {key: text for key, text in row.items() if key not in MEASURED} for row in csv.DictReader(file)
        ]
    weights = load_file(folder / "run" / "best.safetensors")
    return rows, {name: array.tobytes() for name, array in weights.items()}


def compare(
    old: Path, new: Path, names: list[str], report: Callable[[str], None]
) -> dict[str, dict[str, bool]]:
    """Return for each case whether histories and weights are equal."""
    found = {}
    with tempfile.TemporaryDirectory() as place:
        folders = [Path(place) / side for side in ("old", "new")]
        for folder in folders:
            folder.mkdir()
            write_data(folder)
        for name in names:
            (before, weights), (after, others) = (
                train(checkout, folder, CASES[name])
                for checkout, folder in zip((old, new), folders, strict=True)
            )
            found[name] = {"history": before == after, "weights": weights == others}
            report(f"{name:26} {'same' if all(found[name].values()) else f'DIFFERS {found[name]}'}")
            if before != after:
                report(f"  {before}\n  {after}")
    return found


def main() -> None:
    """Compare and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--only", default="", help="Part of the names of the cases to run.")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    names = [name for name in CASES if asked.only in name]
    found = compare(asked.old, asked.new, names, lambda line: print(line, flush=True))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2))
    raise SystemExit(not all(all(case.values()) for case in found.values()))


if __name__ == "__main__":
    main()
