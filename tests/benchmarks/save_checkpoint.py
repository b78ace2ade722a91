"""How long a save blocks training, beside writing the same bytes into a new file and syncing it.

    python tests/benchmarks/save_checkpoint.py [--folder DIR] [--repeats 21] [--json FILE]

Each kind of checkpoint is saved over the one before it, which is kept, as `last` is while training; the plain file is
a new one each time. The two alternate, so that what else the machine does meets both; the ratio is the median over the
repetitions of one over the other.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from dlkit.files.checkpoint import save_checkpoint
from dlkit.files.description import DataDescription
from dlkit.settings.resolve import resolve

LIMITS = {True: 1.3, False: 2.0}  # from 90 MiB on, and below
DESCRIPTION = DataDescription(
    name="digits",
    task="classification",
    input_shape=(1, 8, 8),
    class_names=("a", "b"),
    split_sizes={"train": 8},
)


def tensors_of(sizes: Mapping[str, int]) -> dict[str, Tensor]:
    """Return tensors of random numbers, the state of an optimizer with two moments among them."""
    return {
        f"{part}.{name}": torch.rand(count)
        for part in ("weight", "mean", "square")
        for name, count in sizes.items()
    }


KINDS = {
    "784-128-10 network": {"hidden": 100_352, "bias": 128, "output": 1280, "other": 10},
    "11 M weights in 62 tensors": {f"layer{number}": 181_484 for number in range(62)},
    "one matrix of 8 M": {"matrix": 8_000_000},
    "60 M weights in 200 tensors": {f"layer{number}": 300_000 for number in range(200)},
}


def plain_write(path: Path, data: memoryview) -> float:
    """Return the seconds of writing a new file and syncing it."""
    path.unlink(missing_ok=True)
    start = time.perf_counter()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    while data:
        data = data[os.write(descriptor, data) :]
    os.fsync(descriptor)
    os.close(descriptor)
    return time.perf_counter() - start


def save(folder: Path, tensors: Mapping[str, Tensor]) -> float:
    """Return the seconds of a save."""
    config = resolve({"model": "mlp"}, {})
    start = time.perf_counter()
    save_checkpoint(
        folder / "last.safetensors",
        tensors,
        config=config,
        description=DESCRIPTION,
        progress={},
        keep_previous=folder / "last.prev.safetensors",
    )
    return time.perf_counter() - start


def measure(folder: Path, sizes: Mapping[str, int], repeats: int) -> dict[str, float]:
    """Alternate the two, and return medians, the ratio and its quartiles."""
    tensors = tensors_of(sizes)
    save(folder, tensors)
    data = memoryview((folder / "last.safetensors").read_bytes())
    pairs = [(save(folder, tensors), plain_write(folder / "plain", data)) for _ in range(repeats)]
    ratios = [saved / plain for saved, plain in pairs]
    low, _, high = statistics.quantiles(ratios, n=4)
    return {
        "mib": len(data) / 2**20,
        "save_ms": 1000 * statistics.median(saved for saved, _ in pairs),
        "plain_ms": 1000 * statistics.median(plain for _, plain in pairs),
        "ratio": statistics.median(ratios),
        "low": low,
        "high": high,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--repeats", type=int, default=21)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} cores, torch {torch.__version__}")
    results = {}
    for name, sizes in KINDS.items():
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            found = results[name] = measure(Path(folder), sizes, options.repeats)
        verdict = "ok" if found["ratio"] <= LIMITS[found["mib"] >= 90] else "OVER"
        print(
            f"{name:<30} {found['mib']:7.1f} MiB  save {found['save_ms']:8.2f} ms  plain {found['plain_ms']:8.2f} ms  "
            f"ratio {found['ratio']:.2f} ({found['low']:.2f} to {found['high']:.2f})  {verdict}"
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
