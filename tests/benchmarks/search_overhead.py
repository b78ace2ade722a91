"""What a search costs beyond training: trials of a search against the same runs without one, in one process.

    python tests/benchmarks/search_overhead.py [--trials 40] [--repeats 3] [--sampler tpe] [--json FILE]

Each repeat searches two settings of mlp on digits, then trains the settings of its trials once more as plain runs. The
difference by trial is printed in seconds of the clock and of the processor, with medians and spreads.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from dlkit.cli.search.report import trial_line
from dlkit.files.sweep_dir import SweepDir
from dlkit.search.results import results_of
from dlkit.search.study import create_search
from dlkit.search.worker import Worker, with_digests
from dlkit.settings.search import Plan
from dlkit.training.run import start_run


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Return the seconds of some work: of the clock, and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def measure(folder: Path, asked: argparse.Namespace) -> dict[str, float]:
    """Return the seconds a trial of a search, and of the same runs without one."""
    plan = Plan(
        settings={"model": "mlp", "epochs": 3, "device": "cpu", "threads": "1"},
        arguments={},
        file={},
        searched=("lr=1e-3..1e-1:log", "s.dropout=0..0.5"),
        sampler=asked.sampler,
        pruner="none",
        trials=asked.trials,
    )
    search = create_search(SweepDir(folder / "search"), with_digests(plan)[0])

    def train_alone() -> None:
        for trial in search.trials():
            run = start_run(search.plan.config(trial.params), folder / f"run-{trial.number}")
            for _ in run:
                pass

    def train_in_search() -> None:
        for number in Worker(search=search):
            trial_line(results_of(search), number, asked.trials)

    searching = timed(train_in_search)
    training = timed(train_alone)
    return {
        "search, clock": searching[0] / asked.trials,
        "search, processor": searching[1] / asked.trials,
        "training, clock": training[0] / asked.trials,
        "training, processor": training[1] / asked.trials,
        "overhead, clock": (searching[0] - training[0]) / asked.trials,
        "overhead, processor": (searching[1] - training[1]) / asked.trials,
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    found: dict[str, list[float]] = {}
    for repeat in range(asked.repeats + 1):
        with tempfile.TemporaryDirectory() as place:
            measured = measure(Path(place), asked)
        if repeat:  # the first pays for what is loaded late
            for name, seconds in measured.items():
                found.setdefault(name, []).append(seconds)
    for name, values in found.items():
        print(
            f"{name:<20}{statistics.median(values):8.3f} ({min(values):.3f} to {max(values):.3f}) s a trial"
        )
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
