"""Batches of points and an epoch of `dlkit train spatial` against a dataset that scans all points for each sample.

    python tests/benchmarks/spatial_batches.py [--repeats 5] [--points 20000] [--lists 1000000] [--json FILE]

`scan` is the dataset that such scripts have: for each sample NumPy compares all training points with it, 20 to 50 of
those in radius and window are drawn, and their differences to the point and values are padded and masked. `batches` is
the time to build all batches of an epoch: for dlkit the draw, and the same differences and values gathered for the
neighbours that were drawn. `epoch` trains the same network, from the same weights, with the same optimizer: for the
scan on padded batches, for dlkit by its own loop, with all that the loop does beside. `network` compares what the
padded network alone took, without the scan, to that whole epoch of dlkit: what not computing on padding brings. One
thread; time is that of the process; repetitions alternate. The two networks are also given the same neighbours, and
the largest difference of their outputs is told.

`lists` builds neighbour lists in a process of its own, on all cores: wall time, processor time, and the most memory.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

LIMITS = {"batches": 50.0, "epoch": 1.5}
BATCH_SIZE, NEIGHBORS, FEWEST, HIDDEN = 2048, 50, 20, "128,128"
RADIUS, WINDOW, T_MAX = 0.15, 5.0, 50.0
LISTS = """
import json, resource, sys, time
import numpy as np
from dlkit.data.spatial.neighbors import Points, find_neighbors
count, timed = int(sys.argv[1]), sys.argv[2] == "timed"
random = np.random.default_rng(0)
points = Points(random.uniform(size=(count, 2)), random.uniform(size=count) if timed else None)
wall, process = time.perf_counter(), time.process_time()
find_neighbors(points, points, own=np.arange(count))
told = {"wall": time.perf_counter() - wall, "process": time.process_time() - process}
print(json.dumps({**told, "gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))
"""


class Scan:
    """A dataset of points that looks at all training points for each sample.

    Args:
        coords: Shape (N, 2).
        times: Shape (N,).
        values: Standardised, shape (N,).
    """

    def __init__(self, coords: object, times: object, values: object) -> None:
        import numpy as np

        self.coords, self.times, self.values = coords, times, values
        self.random = np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> tuple[object, ...]:
        """Give the point, its neighbours' differences (50, 3), values (50,) and mask (50,), and its value."""
        import numpy as np
        import torch

        apart = np.sqrt(((self.coords - self.coords[index]) ** 2).sum(1))
        ago = self.times[index] - self.times
        candidates = np.flatnonzero((apart <= RADIUS) & (ago > 0) & (ago <= WINDOW))
        count = min(len(candidates), int(self.random.integers(FEWEST, NEIGHBORS + 1)))
        drawn = self.random.choice(candidates, count, replace=False)
        differences = np.zeros((NEIGHBORS, 3), dtype=np.float32)
        values, mask = np.zeros(NEIGHBORS, dtype=np.float32), np.zeros(NEIGHBORS, dtype=bool)
        differences[:count, :2] = self.coords[drawn] - self.coords[index]
        differences[:count, 2] = ago[drawn]
        values[:count], mask[:count] = self.values[drawn], True
        point = np.append(self.coords[index], self.times[index]).astype(np.float32)
        given = (point, differences, values, mask)
        return (*map(torch.from_numpy, given), torch.tensor(self.values[index : index + 1]))

    def batches(self) -> Iterator[tuple[object, ...]]:
        """Give an epoch's batches."""
        from torch.utils.data import DataLoader

        return iter(DataLoader(self, batch_size=BATCH_SIZE, shuffle=True))


def padded_forward(model: object, point: object, differences: object, values: object, mask: object) -> object:
    """Pass padded batches, (B, 3), (B, K, 3), (B, K) and (B, K), through the layers of dlkit's network."""
    import torch

    geometry, heads = model.geometry, model.heads
    offsets, lags = differences[..., :2], differences[..., 2]

    def place(coords: object, times: object) -> object:
        return torch.cat([geometry.place(coords), times.unsqueeze(-1) / geometry.time_extent], dim=-1)

    coords, times = point[:, :2], point[:, 2]
    theirs = place(coords.unsqueeze(1) + offsets, times.unsqueeze(1) - lags)
    residuals = values.unsqueeze(-1) - model.trend(theirs)
    pair = [geometry.pair(torch.zeros_like(offsets), offsets), geometry.lag(lags, torch.zeros_like(lags))]
    given = model.phi(torch.cat([*pair, values.unsqueeze(-1), residuals], dim=-1))
    scores = model.omega(torch.cat(pair, dim=-1)).masked_fill(~mask.unsqueeze(-1), torch.finfo().min)
    weights = scores.softmax(1).masked_fill(~mask.unsqueeze(-1), 0)
    summed = (given.unflatten(-1, (heads, -1)) * weights.unsqueeze(-1)).sum(1).flatten(1)
    means = (weights * residuals).sum(1)
    own = place(coords, times)
    corrected = model.theta(torch.cat([summed, means, own], dim=-1))
    return model.trend(own) + means.mean(1, keepdim=True) + corrected


def prepare(points: int) -> Callable[[], object]:
    """Give a function that makes the parts of a new run with so many training points."""
    from dlkit.settings.resolve import resolve
    from dlkit.training.assemble import assemble_new

    settings = {
        "model": "spatial",
        "data": f"spatial:n={round(points / 0.8)},t_max={T_MAX}",
        "neighbors": NEIGHBORS,
        "min_neighbors": 0,
        "radius": RADIUS,
        "window": WINDOW,
        "batch_size": BATCH_SIZE,
        "threads": "1",
        "plot": False,
    }
    config = resolve(settings, {"phi": HIDDEN, "omega": "128", "theta": HIDDEN})
    return lambda: assemble_new(config).parts


def scan_of(model: object) -> Scan:
    """Give the scanning dataset over the points that a network holds."""
    return Scan(*(model.context[name].numpy() for name in ("coords", "times", "values")))


def check_same(parts: object) -> float:
    """Give the largest difference of outputs on a batch whose neighbours are the same."""
    import torch

    inputs, _ = next(iter(parts.train.shuffled(1)))
    where, context = inputs["neighbors"].clamp_min(0), parts.model.context
    mask = inputs["neighbors"] >= 0
    offsets = context["coords"][where] - inputs["coords"].unsqueeze(1)
    lags = inputs["times"].unsqueeze(1) - context["times"][where]
    differences = torch.cat([offsets, lags.unsqueeze(-1)], dim=-1)
    point = torch.cat([inputs["coords"], inputs["times"].unsqueeze(1)], dim=1)
    with torch.no_grad():
        padded = padded_forward(parts.model, point, differences, context["values"][where], mask)
        return (parts.model(**inputs) - padded).abs().max().item()


def scan_batches(parts: object) -> None:
    """Build the batches of an epoch by scanning."""
    for _ in scan_of(parts.model).batches():
        pass


def dlkit_batches(parts: object) -> None:
    """Build the batches of an epoch, with the differences and values of all neighbours that are drawn."""
    context = parts.model.context
    for inputs, _ in parts.train.shuffled(1):
        rows, columns = (inputs["neighbors"] >= 0).nonzero(as_tuple=True)
        which = inputs["neighbors"][rows, columns]
        for name in ("coords", "times"):
            context[name].index_select(0, which) - inputs[name].index_select(0, rows)
        context["values"].index_select(0, which)


def dlkit_epoch(parts: object) -> None:
    """Train one epoch as dlkit does, up to the last step, which validates too."""
    from dlkit.training.loop import Position, fit

    for step in fit(parts, Position(), 1):
        if step.step == parts.steps_per_epoch - 1:
            return


def scan_epoch(parts: object) -> float:
    """Train as many steps on padded batches from the scanning dataset; give the seconds that the network took."""
    from torch.nn import functional as F  # noqa: N812 - the field's own name

    parts.model.train()
    seconds = 0.0
    batches = scan_of(parts.model).batches()
    for step, (*inputs, targets) in zip(range(parts.steps_per_epoch - 1), batches, strict=False):
        start = time.process_time()
        for group in parts.optimizer.param_groups:
            group["lr"] = parts.schedule(step)
        parts.optimizer.zero_grad()
        F.mse_loss(padded_forward(parts.model, *inputs), targets).backward()
        parts.optimizer.step()
        seconds += time.process_time() - start
    return seconds


def seconds_of(work: Callable[[], float | None]) -> tuple[float, float | None]:
    """Give the processor time that something takes, and what it gives."""
    start = time.process_time()
    given = work()
    return time.process_time() - start, given


def summary(values: list[float]) -> dict[str, float]:
    """Give median and spread."""
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def measure_lists(counts: list[int]) -> dict[str, dict[str, float]]:
    """Build neighbour lists of random points, with and without time."""
    found = {}
    for count in counts:
        for kind in ("untimed", "timed"):
            command = [sys.executable, "-c", LISTS, str(count), kind]
            run = subprocess.run(command, capture_output=True, text=True, check=True)
            found[f"{count:,} points{', timed' if kind == 'timed' else ''}"] = json.loads(run.stdout)
    return found


def measure(points: int, repeats: int) -> dict[str, object]:
    """Run everything but the lists and give the figures."""
    import torch

    torch.set_num_threads(1)
    make = prepare(points)
    difference = check_same(make())
    times = {name: {"scan": [], "dlkit": []} for name in ("batches", "epoch", "network")}
    for _ in range(repeats):
        for name, scan, ours in (
            ("batches", scan_batches, dlkit_batches),
            ("epoch", scan_epoch, dlkit_epoch),
        ):
            parts = make()
            seconds, network = seconds_of(lambda scan=scan, parts=parts: scan(parts))
            times[name]["scan"].append(seconds)
            parts = make()
            times[name]["dlkit"].append(seconds_of(lambda ours=ours, parts=parts: ours(parts))[0])
        times["network"]["scan"].append(network)
        times["network"]["dlkit"].append(times["epoch"]["dlkit"][-1])
    return {
        "machine": f"{platform.machine()}, 1 thread, torch {torch.__version__}",
        "points": points,
        "seconds": {f"{who}, {name}": summary(v) for name, of in times.items() for who, v in of.items()},
        "times_faster": {
            name: summary([slow / fast for slow, fast in zip(of["scan"], of["dlkit"], strict=True)])
            for name, of in times.items()
        },
        "largest_difference_of_outputs": difference,
        "limits": LIMITS,
    }


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--points", type=int, default=20_000)
    parser.add_argument("--lists", type=int, default=1_000_000, help="points of the largest lists; 0: none")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    # First, while this process is small: a child's peak of memory is at least what its parent held.
    lists = measure_lists(sorted({options.points, options.lists})) if options.lists else {}
    figures = measure(options.points, options.repeats) | {"lists": lists}
    print(f"{figures['machine']}; {options.points:,} training points, {options.repeats} repetitions")
    print(f"{'processor seconds':<20}{'median':>10}{'low':>10}{'high':>10}")
    for name, row in figures["seconds"].items():
        print(f"{name:<20}{row['median']:>10.3f}{row['low']:>10.3f}{row['high']:>10.3f}")
    for name, row in figures["times_faster"].items():
        spread = f"{row['median']:.1f} ({row['low']:.1f} to {row['high']:.1f})"
        limit = f", limit {LIMITS[name]:g}" if name in LIMITS else ""
        print(f"{name}: {spread} times faster{limit}")
    print(f"largest difference of outputs: {figures['largest_difference_of_outputs']:.1e}")
    for name, row in lists.items():
        told = f"{row['wall']:.2f} s, {row['process']:.2f} s of processor time, {row['gib']:.2f} GiB"
        print(f"lists, {name}: {told}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
