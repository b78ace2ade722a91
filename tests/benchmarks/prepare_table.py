"""How fast a large CSV becomes a prepared table, and how much memory that takes.

    python tests/benchmarks/prepare_table.py [--megabytes 1000] [--folder DIR] [--repeats 1]

A CSV of numbers, whole numbers, gaps, texts, dates and truths is written into the folder and read in a process of its
own, which reports wall and CPU seconds and how far its peak memory (RSS) rose above that after the imports, pages of
mapped files counted in. A second process then opens the prepared file that the first one left.
"""

import argparse
import itertools
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

LIMIT_MB_PER_SECOND, LIMIT_MIB = 80, 1000
ROWS_A_BLOCK, BLOCKS = 50_000, 10
HEADER = b"price,latitude,longitude,rooms,serial,income,city,street,sold,garden\n"


def rows(first: int, generator: np.random.Generator) -> str:
    """Return some rows of text."""
    count = ROWS_A_BLOCK
    floats = generator.normal(size=(count, 4)) * (1e5, 10, 100, 3)
    cities, streets = generator.integers(0, 30, count), generator.integers(0, 5_000, count)
    rooms, days = generator.integers(1, 12, count), generator.integers(1, 29, count)
    gaps = generator.random(count) < 0.05
    return "".join(
        f"{f[0]:.2f},{f[1]:.5f},{f[2]:.5f},{rooms[i]},{first + i},{'' if gaps[i] else f'{f[3]:.4f}'},"
        f"city {cities[i]},street {streets[i]},2024-{rooms[i]:02}-{days[i]:02},{'true' if gaps[i] else 'false'}\n"
        for i, f in enumerate(floats)
    )


def write_csv(path: Path, megabytes: int) -> None:
    """Write a CSV of so many megabytes (10^6 bytes): a few blocks of rows, over and over."""
    generator = np.random.default_rng(0)
    blocks = [rows(number * ROWS_A_BLOCK, generator).encode() for number in range(BLOCKS)]
    with path.open("wb") as file:
        file.write(HEADER)
        for block in itertools.cycle(blocks):
            file.write(block)
            if file.tell() >= megabytes * 10**6:
                return


def peak_mib() -> float:
    """Return the most memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def work(path: str) -> None:
    """Read a table and print what it took."""
    from dlkit.data.tables.reading.table_file import read_table

    before, wall, cpu = peak_mib(), time.perf_counter(), time.process_time()
    table = read_table(path)
    found = {
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "mib": peak_mib() - before,
        "rows": len(table),
    }
    print(json.dumps(found))


def measure(path: Path, home: Path) -> dict[str, float]:
    """Read a table in a new process."""
    command = [sys.executable, __file__, "--work", str(path)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, "DLKIT_HOME": str(home)}
    )
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work)
        return
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "large.csv"
        write_csv(path, options.megabytes)
        size = path.stat().st_size / 10**6
        found = []
        for number in range(options.repeats):
            home = Path(folder) / f"home{number}"
            first, again = measure(path, home), measure(path, home)
            found.append(first)
            print(
                f"{size:,.0f} MB, {first['rows']:,} rows: {first['seconds']:.1f} s ({first['cpu_seconds']:.1f} s CPU), "
                f"{first['mib']:.0f} MiB; again {again['seconds']:.2f} s, {again['mib']:.0f} MiB"
            )
    speed, memory = (
        size / statistics.median(run["seconds"] for run in found),
        max(run["mib"] for run in found),
    )
    verdict = "ok" if speed >= LIMIT_MB_PER_SECOND and memory <= LIMIT_MIB else "FALLS SHORT"
    cpu = size / statistics.median(run["cpu_seconds"] for run in found)
    print(f"{speed:.1f} MB/s ({cpu:.1f} MB a CPU second), {memory:.0f} MiB above the imports: {verdict}")


if __name__ == "__main__":
    main()
