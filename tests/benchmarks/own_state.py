"""What it costs to keep the result apart and to compare and save what a network keeps beside its weights.

    python tests/benchmarks/own_state.py [--epochs 4] [--repeats 15] [--json FILE]

A small network (64-32-10, batch 32, one thread), bare or with a generator, a counter, a buffer out of its state_dict
and a set, trains with both and with neither on the 1,437 digits or 10,000 random samples; the two alternate, now one
first, now the other, each a run of its own with its saves. Time is that of the processor, per epoch; the ratio is the
median over the repetitions, and includes that files hold more.
`inside` is the share of a run that is spent in the functions themselves, which other processes disturb less than a
ratio of runs.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

LIMIT = 0.01
NET = """
import random
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, in_features, num_classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(in_features, 32), nn.ReLU(), nn.Linear(32, num_classes))
        self.register_buffer("mean", torch.zeros(in_features), persistent=False)
        self.draw, self.passes, self.sizes = random.Random(1), 0, set()

    def forward(self, x):
        x = x.flatten(1)
        if self.training:
            self.passes += 1
            self.sizes.add(len(x))
            self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
            x = x * (1 + 0.01 * self.draw.random())
        return self.layers(x - self.mean)
"""


BARE = """
from torch import nn


class Net(nn.Sequential):
    def __init__(self, in_features, num_classes):
        super().__init__(nn.Flatten(), nn.Linear(in_features, 32), nn.ReLU(), nn.Linear(32, num_classes))
"""


class Spent:
    """Adds up the processor time within functions, but not twice where one calls another."""

    def __init__(self) -> None:
        self.seconds, self._depth = 0.0, 0

    @contextlib.contextmanager
    def measured(self) -> Iterator[None]:
        start, self._depth = time.process_time(), self._depth + 1
        yield
        self._depth -= 1
        if not self._depth:
            self.seconds += time.process_time() - start

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            with self.measured():
                return function(*args)

        return call


def epoch_seconds(net: Path, data: str, epochs: int, spent: Spent | None) -> float:
    """Return the processor time of an epoch; without `spent`, with neither."""
    from dlkit.cli.streams import result_apart
    from dlkit.settings.resolve import resolve
    from dlkit.training.run import start_run

    settings = {"model": f"{net}:Net", "data": data, "batch_size": 32, "epochs": epochs, "device": "cpu"}
    settings |= {"plot": False, "threads": "1"}
    with tempfile.TemporaryDirectory() as folder:
        run = start_run(resolve(settings, {}), Path(folder) / "run")
        hidden = run.parts.hidden
        assert hidden is not None
        if spent is None:
            object.__setattr__(run.parts, "hidden", None)  # frozen
        else:
            for name in ("compare", "warnings", "tensors"):
                setattr(hidden, name, spent.wrap(getattr(hidden, name)))
        start = time.process_time()
        apart = contextlib.ExitStack()
        if spent is not None:
            with spent.measured():
                apart.enter_context(result_apart())
        for _ in run:
            pass
        if spent is not None:
            with spent.measured():
                apart.close()
        return (time.process_time() - start) / epochs


def measure(net: Path, data: str, epochs: int, repeats: int) -> dict[str, float]:
    """Alternate the two, and return medians, quartiles of the ratio less 1, and the share spent inside."""
    pairs, shares = [], []
    for repeat in range(repeats + 1):
        spent = Spent()
        order = (spent, None) if repeat % 2 else (None, spent)
        found = {each: epoch_seconds(net, data, epochs, each) for each in order}
        pair = found[spent], found[None]
        if repeat:  # the first warms up
            pairs.append(pair)
            shares.append(spent.seconds / epochs / pair[0])
    ratios = [with_both / neither - 1 for with_both, neither in pairs]
    low, _, high = statistics.quantiles(ratios, n=4)
    return {
        "epoch_ms": 1000 * statistics.median(neither for _, neither in pairs),
        "more": statistics.median(ratios),
        "low": low,
        "high": high,
        "inside": statistics.median(shares),
        "inside_most": max(shares),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(f"{platform.platform()}, {os.cpu_count()} cores")
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        noise, bare, full = (Path(folder) / name for name in ("noise.npz", "bare.py", "full.py"))
        rng = np.random.default_rng(0)
        np.savez(noise, x=rng.normal(size=(10_000, 64)).astype("float32"), y=rng.integers(10, size=10_000))
        bare.write_text(BARE)
        full.write_text(NET)
        for name, net, data in (
            ("bare, digits", bare, "digits"),
            ("with state, digits", full, "digits"),
            ("with state, 10,000 samples", full, str(noise)),
        ):
            found = results[name] = measure(net, data, options.epochs, options.repeats)
            print(
                f"{name:<27} epoch {found['epoch_ms']:.1f} ms  with both {found['more']:+.2%} ({found['low']:+.2%} to "
                f"{found['high']:+.2%})  inside {found['inside']:.2%} (at most {found['inside_most']:.2%})  "
                f"{'ok' if found['inside'] <= LIMIT else 'OVER'}"
            )
    if options.json:
        options.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
