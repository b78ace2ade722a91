"""Draw the figures of docs/gallery.md: python docs/write_gallery.py (some two minutes)."""

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

FIGURES_FOLDER = Path(__file__).resolve().parent / "gallery"
RUNS = (
    "train mlp --epochs 15 --out mlp",
    "train mlp --epochs 6 --lr 0.003 --out sweep/a0",
    "train mlp --epochs 6 --lr 0.003 --seed 1 --out sweep/a1",
    "train mlp --epochs 6 --lr 0.01 --out sweep/b0",
    "train mlp --epochs 6 --lr 0.01 --seed 1 --out sweep/b1",
    "train mlp --epochs 6 --lr 0.03 --out sweep/c0",
    "train mlp --epochs 6 --lr 0.03 --seed 1 --out sweep/c1",
    "train mlp --epochs 6 --lr 0.1 --out sweep/d0",
    "train mlp --epochs 6 --lr 0.1 --seed 1 --out sweep/d1",
    "train spatial --epochs 5 --out spatial",
    "train pbpk --epochs 15 --out pbpk",
    "eval spatial --grid 50 -o map.csv",
    "train mlp --data own.csv --target y --epochs 30 --out table",
    "inspect weights mlp -o layers.csv",
)
FIGURES = {
    "curves": "plot mlp",
    "runs": "plot sweep/a0 sweep/b0 sweep/c0 sweep/d0",
    "compare": "plot scores.tsv",
    "worst": "plot mlp --kind worst",
    "importance": "plot table --kind importance",
    "layers": "plot layers.csv",
    "group": "plot sweep/a0 sweep/a1 sweep/b0 sweep/b1 sweep/c0 sweep/c1 sweep/d0 sweep/d1 --group",
    "confusion": "plot mlp --kind confusion",
    "roc": "plot mlp --kind roc",
    "pr": "plot mlp --kind pr",
    "calibration": "plot mlp --kind calibration",
    "parity": "plot spatial --kind parity",
    "residual": "plot spatial --kind residual",
    "map": "plot map.csv",
    "organs": "plot pbpk --kind organs",
    "fold": "plot pbpk --kind fold",
    "acts": "inspect acts mlp",
    "lr": "inspect lr mlp",
    "samples": "data show digits",
    "dark": "plot mlp --style dark",
}


def main() -> None:
    """Train small runs in a folder of their own, and draw each figure from them."""
    FIGURES_FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "DLKIT_HOME": str(Path(folder) / "home")}
        _write_table(Path(folder) / "own.csv")
        for line in RUNS:
            _dlkit(line, folder, environment)
        scores = _dlkit("eval sweep/a0 sweep/b0 sweep/c0 sweep/d0", folder, environment)
        (Path(folder) / "scores.tsv").write_text(scores)
        for name, line in FIGURES.items():
            _dlkit(f"{line} -o {FIGURES_FOLDER / name}.png", folder, environment)


def _dlkit(line: str, folder: str, environment: dict[str, str]) -> str:
    command = [sys.executable, "-m", "dlkit", *line.split(), "--quiet"]
    done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return done.stdout


def _write_table(path: Path) -> None:
    """Write a table whose target depends on three of five columns."""
    rng = random.Random(0)  # noqa: S311 - no secret
    lines = ["dose,age,weight,site,day,y"]
    for _ in range(600):
        dose, age, weight, day = rng.random() * 5, rng.randint(20, 80), rng.gauss(70, 10), rng.randint(1, 28)
        y = 3 * dose + 0.1 * age + 0.05 * weight + rng.gauss(0, 0.5)
        lines.append(f"{dose:.3f},{age},{weight:.1f},{rng.choice('abc')},{day},{y:.3f}")
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
