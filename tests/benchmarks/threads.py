"""Step times by the number of CPU threads and how they wait, on an idle machine and beside busy neighbours.

    python tests/benchmarks/threads.py [CASE...] [--repeats 6] [--neighbours 2] [--realtime]

Each variant is a process of its own, since OpenMP reads its variables when it loads: one thread; as many as there are
cores, waiting as OpenMP does by itself; the same, waiting as dlkit lets them. Variants take turns in short blocks; the
ratios are of blocks that followed each other. `--realtime` (as root) gives the idle blocks real-time priority, so that
they are idle-like on a machine that is not; the neighbours, which only spin, are of this script.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dlkit.cli.environment import prepare_environment

SECONDS = 0.4
CASES = {
    "mlp on MNIST": ("mlp", (784,), 64, {"hidden": (128,)}),
    "mlp 512,512": ("mlp", (784,), 64, {"hidden": (512, 512)}),
    "cnn on digits": ("cnn", (1, 8, 8), 64, {"width": 20}),
    "cnn on MNIST": ("cnn", (1, 28, 28), 64, {"width": 20}),
    "cnn on CIFAR-10": ("cnn", (3, 32, 32), 64, {"width": 20}),
    "mlp 1024,1024, batch 256": ("mlp", (784,), 256, {"hidden": (1024, 1024)}),
    "cnn on MNIST, width 32": ("cnn", (1, 28, 28), 64, {"width": 32}),
    "cnn on MNIST, batch 256": ("cnn", (1, 28, 28), 256, {"width": 20}),
}
OURS: dict[str, str] = {}
prepare_environment(OURS)
WAITS = {"as OpenMP": {}, "as dlkit": OURS}
PLAIN = {"activation": "relu", "dropout": 0.0, "norm": "none", "residual": False, "init": "default"}


def work(name: str, threads: int) -> None:
    """Train on random numbers whenever a line with a time comes, and answer with the seconds of a step."""
    import torch
    from torch.nn.functional import cross_entropy

    from dlkit.models.cnn import Cnn
    from dlkit.models.mlp import Mlp
    from dlkit.training.compute import pick_threads

    kind, shape, batch, arguments = CASES[name]
    torch.manual_seed(0)
    model = (
        Cnn(shape, 10, dropout=0.0, **arguments) if kind == "cnn" else Mlp(shape, 10, **PLAIN, **arguments)
    )
    inputs, targets = torch.randn(batch, *shape), torch.randint(0, 10, (batch,))
    chosen = pick_threads(model, inputs[:2], batch, os.cpu_count() or 1)
    torch.set_num_threads(threads)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, fused=True)
    print(chosen, flush=True)
    for line in sys.stdin:
        start, steps = time.perf_counter(), 0
        while steps < 2 or time.perf_counter() - start < float(line):
            optimizer.zero_grad()
            cross_entropy(model(inputs), targets).backward()
            optimizer.step()
            steps += 1
        print(json.dumps((time.perf_counter() - start) / steps), flush=True)


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Keep processes busy that do nothing."""
    spinning = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
        for _ in range(count)
    ]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


class Variant:
    """A process that trains with some threads that wait in some way."""

    def __init__(self, case: str, threads: int, wait: str) -> None:
        ours = {
            name: value
            for name, value in os.environ.items()
            if name not in ("OMP_NUM_THREADS", "GOMP_SPINCOUNT")
        }
        command = [sys.executable, __file__, "--work", case, "--threads", str(threads)]
        self.name = "1 thread" if threads == 1 else f"{threads} threads, waiting {wait}"
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**ours, **WAITS[wait]}
        )
        self.chosen = int(self._process.stdout.readline())

    def step_seconds(self, *, realtime: bool) -> float:
        """Give the seconds of a step, the mean over a block."""
        if realtime:
            self._set_priority(os.SCHED_FIFO, 1)
        self._process.stdin.write(f"{SECONDS}\n")
        self._process.stdin.flush()
        seconds = json.loads(self._process.stdout.readline())
        if realtime:
            self._set_priority(os.SCHED_OTHER, 0)
        return float(seconds)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _set_priority(self, policy: int, priority: int) -> None:
        for thread in os.listdir(f"/proc/{self._process.pid}/task"):  # noqa: PTH208
            os.sched_setscheduler(int(thread), policy, os.sched_param(priority))


def measure(case: str, repeats: int, busy: int, *, realtime: bool) -> None:
    """Print a line for each variant."""
    cores = os.cpu_count() or 1
    variants = [Variant(case, 1, "as dlkit"), *(Variant(case, cores, wait) for wait in WAITS)]
    try:
        for count in (0, busy):
            times: dict[str, list[float]] = {variant.name: [] for variant in variants}
            with neighbours(count):
                for repeat in range(repeats + 1):
                    for variant in variants:
                        seconds = variant.step_seconds(realtime=realtime and not count)
                        if repeat:
                            times[variant.name].append(1e3 * seconds)
            alone = times["1 thread"]
            for name, values in times.items():
                ratios = sorted(value / one for value, one in zip(values, alone, strict=True))
                print(
                    f"{case:<26}{count} neighbours  {name:<30}{statistics.median(values):>9.2f} ms "
                    f"{statistics.median(ratios):>7.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})  "
                    f"auto {variants[0].chosen}",
                    flush=True,
                )
    finally:
        for variant in variants:
            variant.close()


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--neighbours", type=int, default=2)
    parser.add_argument("--realtime", action="store_true")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.work, options.threads)
        return
    for case in options.cases or CASES:
        measure(case, options.repeats, options.neighbours, realtime=options.realtime)


if __name__ == "__main__":
    main()
