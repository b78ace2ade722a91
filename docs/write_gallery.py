"""Draw the pictures of docs/gallery.md: python docs/write_gallery.py (some two minutes)."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

PICTURES = Path(__file__).resolve().parent / "gallery"
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
)
FIGURES = {
    "curves": "plot mlp",
    "compare": "plot sweep/a0 sweep/b0 sweep/c0 sweep/d0",
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
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "DLKIT_HOME": str(Path(folder) / "home")}
        for line in RUNS:
            _dlkit(line, folder, environment)
        for name, line in FIGURES.items():
            _dlkit(f"{line} -o {PICTURES / name}.png", folder, environment)


def _dlkit(line: str, folder: str, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "dlkit", *line.split(), "--quiet"]
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
