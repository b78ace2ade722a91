"""A search of two workers against one of twice as many random trials, on the digits.

    python tests/benchmarks/search_against_random.py [--trials 30] [--seeds 5]

Searches the rate, the dropout, the optimizer and the batch of mlp over five epochs a trial: with each seed once with
`tpe`, the default pruner and `--jobs 2`, and once with twice the trials, at random and unpruned. Prints the best
validation losses and their means.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

SEARCHED = ("lr=1e-4..1:log", "s.dropout=0..0.5", "optimizer=sgd,adamw", "batch_size=16..256:log")
TRAIN = ("train", "mlp", "--data", "digits", "--device", "cpu", "--threads", "1", "--epochs", "5", "--quiet")


def best_loss(folder: Path, seed: int, *words: str) -> float:
    """Return the best validation loss of a search."""
    searched = [word for one in SEARCHED for word in ("--search", one)]
    command = [sys.executable, "-m", "dlkit", *TRAIN, *searched, "--seed", str(seed), "--json", *words]
    done = subprocess.run(
        [*command, "--out", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    )
    return float(json.loads(done.stdout)["value"])


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    found: dict[str, list[float]] = {"tpe": [], "random": []}
    few, many = str(asked.trials), str(2 * asked.trials)
    for seed in range(asked.seeds):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            found["tpe"].append(best_loss(folder / "tpe", seed, "--trials", few, "--jobs", "2"))
            at_random = ("--sampler", "random", "--pruner", "none")
            found["random"].append(best_loss(folder / "random", seed, "--trials", many, *at_random))
        print(f"seed {seed}: " + ", ".join(f"{name} {losses[-1]:.4f}" for name, losses in found.items()))
    for name, losses in found.items():
        print(f"{name:<8}{statistics.mean(losses):.4f} ({min(losses):.4f} to {max(losses):.4f})")


if __name__ == "__main__":
    main()
