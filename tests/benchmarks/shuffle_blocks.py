"""Epochs over a file of four times the memory: --shuffle blocks against --shuffle full.

    python tests/benchmarks/shuffle_blocks.py [--limit-mib 512] [--steps N[,M]] [--repeats 3] [--scratch DIR]

Writes rows of 12 KiB of random bytes to a .npy file of four times the limit and trains a small network for an epoch
in a process of its own, in a control group with that limit (caches count; needs the right to make one). The file is
dropped from the caches before each run. With --steps training ends after that many steps of 64 samples (M of them with
--shuffle full), and the seconds of an epoch are those that it would take at that rate: a full shuffle may take hours.

Peaks are of the process (resident, mapped pages counted) and of the group (caches counted). Prints a table and JSON.
"""

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

ROW = 12 * 2**10
AT_ONCE = 4096


def write_data(folder: Path, rows: int) -> None:
    """Write inputs, shape (N, 12288), bytes, and two classes that a network can tell apart."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, rows)
    inputs = np.lib.format.open_memmap(folder / "x.npy", "w+", np.uint8, (rows, ROW))
    for start in range(0, rows, AT_ONCE):
        part = rng.integers(0, 256, (len(targets[start : start + AT_ONCE]), ROW), np.uint8)
        part[:, :64] //= 1 + targets[start : start + AT_ONCE, None].astype(np.uint8)
        inputs[start : start + len(part)] = part
    inputs.flush()
    np.save(folder / "y.npy", targets)


def drop_from_caches(path: Path) -> None:
    """Let the system forget the pages of a file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


@contextmanager
def memory_limit(limit: int) -> Iterator[Path]:
    """Make a control group with a limit below that of this process; the folder is what a process joins it by.

    Raises:
        OSError: That is not allowed here.
    """
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    old = next((own for _, names, own in lines if "memory" in names.split(",")), None)
    own = old or next(own for _, names, own in lines if not names)
    root = Path("/sys/fs/cgroup") / ("memory" if old else "")
    group = root / own.lstrip("/") / f"dlkit-{os.getpid()}"
    group.mkdir()
    try:
        (group / ("memory.limit_in_bytes" if old else "memory.max")).write_text(str(limit))
        yield group
    finally:
        group.rmdir()


def epoch(folder: Path, shuffle: str, group: Path, steps: int | None) -> dict[str, float]:
    """Return the rate of an epoch, its seconds, and peak memory, MiB."""
    drop_from_caches(folder / "x.npy")
    out = folder / "run"
    command = [
        sys.executable,
        "-m",
        "dlkit",
        "train",
        "mlp",
        "--data",
        "x.npy",
        "--target",
        "y.npy",
        "--force",
    ]
    command += ["--out", str(out), "--shuffle", shuffle, "--epochs", "1", "--no-plot", "--quiet"]
    command += ["--val", "0.01", "--test", "0.01", "--threads", "1", "--device", "cpu", "-s", "hidden=8"]
    command += ["--batch-size", "64", *(["--max-steps", str(steps)] if steps else [])]
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: (group / "cgroup.procs").write_text(str(os.getpid())),
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"dlkit ended with {status}; is the limit too low?")
    with (out / "history.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    rows = int(0.98 * len(np.load(folder / "y.npy")))
    peak = next(
        group / name for name in ("memory.max_usage_in_bytes", "memory.peak") if (group / name).exists()
    )
    found = {
        "samples_per_second": float(row["samples_per_second"]),
        "epoch_seconds": rows / float(row["samples_per_second"]),
        "resident_mib": usage.ru_maxrss / 1024,
        "group_mib": int(peak.read_text()) / 2**20,
        "val_loss": float(row["val_loss"]),
    }
    if peak.name == "memory.max_usage_in_bytes":
        peak.write_text("0")
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--limit-mib", type=int, default=512)
    parser.add_argument("--steps", default="")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scratch", type=Path)
    asked = parser.parse_args()
    limit = asked.limit_mib * 2**20
    steps = [int(part) for part in asked.steps.split(",") if part] or [None]
    found: dict[str, list[dict[str, float]]] = {"blocks": [], "full": []}
    with tempfile.TemporaryDirectory(dir=asked.scratch) as scratch:
        folder = Path(scratch)
        write_data(folder, 4 * limit // ROW)
        for _ in range(asked.repeats):
            for shuffle, runs in found.items():
                with memory_limit(limit) as group:
                    runs.append(epoch(folder, shuffle, group, steps[0 if shuffle == "blocks" else -1]))
                print(shuffle, json.dumps(runs[-1]), file=sys.stderr)
    medians = {
        shuffle: {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        for shuffle, runs in found.items()
    }
    print(f"{'--shuffle':10}" + "".join(f"{name:>20}" for name in medians["full"]))
    for shuffle, row in medians.items():
        print(f"{shuffle:10}" + "".join(f"{value:20.4g}" for value in row.values()))
    print(json.dumps({"limit_mib": asked.limit_mib, "steps": asked.steps, "runs": found, "medians": medians}))


if __name__ == "__main__":
    main()
