"""A folder of 70,000 PNG files: how fast it is prepared, and how soon a second run starts.

    python tests/benchmarks/prepare_images.py --from DIR [--scratch DIR] [--repeats 5]

DIR holds the four MNIST files (*.gz). They are written out as one PNG file an image, below train/ and test/ in a
sub-folder a class, once; files that are there already are left alone. Each repetition

- prepares them anew: from the start of `dlkit train mlp --data FOLDER` until it says that training begins, less the
  same of a second run, which finds the prepared file: what remains is measuring and decoding all images and writing
  the file;
- starts that second run, and beside it `python -c "import torch"`.

Seconds are wall time; CPU seconds are those of the process and of those that decode for it.
"""

import argparse
import gzip
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

PARTS = {"train": "train", "test": "t10k"}
PER_SECOND = 3000
SECONDS_MORE = 2.0


def write_images(source: Path, folder: Path) -> int:
    """Write MNIST out, one PNG file an image, and give their number."""
    count = 0
    for part, prefix in PARTS.items():
        pixels = np.frombuffer(_unzipped(source / f"{prefix}-images-idx3-ubyte.gz"), np.uint8, offset=16)
        classes = np.frombuffer(_unzipped(source / f"{prefix}-labels-idx1-ubyte.gz"), np.uint8, offset=8)
        for name in range(10):
            (folder / part / str(name)).mkdir(parents=True, exist_ok=True)
        for index, (image, name) in enumerate(zip(pixels.reshape(-1, 28, 28), classes, strict=True)):
            place = folder / part / str(name) / f"{index:05d}.png"
            if not place.exists():
                Image.fromarray(image).save(place)
        count += len(classes)
    return count


def _unzipped(path: Path) -> bytes:
    with gzip.open(path) as file:
        return file.read()


def start_of_run(folder: Path, home: Path, scratch: Path) -> tuple[float, float]:
    """Give wall and CPU seconds from the start of the command until it says that training begins."""
    with tempfile.TemporaryDirectory(dir=scratch) as out:
        command = ["train", "mlp", "--data", str(folder), "--out", f"{out}/run", "--epochs", "100"]
        return _seconds_until(["-m", "dlkit", *command], "mlp (", home)


def import_of_torch(home: Path) -> tuple[float, float]:
    """Give wall and CPU seconds of a Python that imports torch."""
    return _seconds_until(
        ["-c", "import torch, sys; print('here', file=sys.stderr, flush=True)"], "here", home
    )


def _seconds_until(arguments: Sequence[str], line: str, home: Path) -> tuple[float, float]:
    """Run Python until it says a line on stderr that begins so, then end it."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DLKIT_HOME": str(home)},
    )
    said = []
    for text in process.stderr:
        said.append(text)
        if text.startswith(line):
            break
    else:
        raise SystemExit("".join(said))
    wall, cpu = time.perf_counter() - start, _cpu_seconds(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    return wall, cpu


def _cpu_seconds(process: int) -> float:
    """Give the CPU seconds of a process and of the children that it waited for (proc_pid_stat(5), fields 14 to 17)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def told(values: Sequence[float], unit: str, limit: str = "") -> str:
    """Write a median and its spread."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:,.2f} ({low:,.2f} to {high:,.2f}) {unit}{limit and f', asked: {limit}'}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--from", dest="source", type=Path, required=True, metavar="DIR")
    parser.add_argument("--scratch", type=Path, help="where the images and runs are written")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        scratch = options.scratch or Path(temporary)
        folder = scratch / "images"
        count = write_images(options.source, folder)
        first, second, torch = [], [], []
        for _ in range(options.repeats):
            with tempfile.TemporaryDirectory(dir=scratch) as home:
                first.append(start_of_run(folder, Path(home), scratch))
                second.append(start_of_run(folder, Path(home), scratch))
                torch.append(import_of_torch(Path(home)))
    print(f"{count:,} images, {os.cpu_count()} cores, median (spread) of {options.repeats}")
    for clock, name in enumerate(("wall", "CPU")):
        preparing = [count / (one[clock] - two[clock]) for one, two in zip(first, second, strict=True)]
        more = [two[clock] - bare[clock] for two, bare in zip(second, torch, strict=True)]
        unit, limit = (f"images a {name} second", f"{PER_SECOND:,}" if name == "wall" else "")
        print("prepared:", told(preparing, unit, limit))
        for what, runs in (("second run", second), ("import torch", torch)):
            print(f"{what}:", told([run[clock] for run in runs], f"s {name}"))
        print("second run less import torch:", told(more, f"s {name}", f"{SECONDS_MORE:g}"))


if __name__ == "__main__":
    main()
