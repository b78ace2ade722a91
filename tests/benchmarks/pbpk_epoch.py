"""Time of one epoch of `dlkit train pbpk` against the same network run one compound at a time.

    python tests/benchmarks/pbpk_epoch.py [--repeats 5] [--data pbpk:saturable=true] [--batch-size 64] [--json FILE]

Three loops train the same network on the same compounds with one thread: dlkit's own; `one at a time`, where a Python
loop walks over the compounds of each batch, with a forward and a backward pass for each, and the optimizer steps after
as many compounds as in dlkit's; and `stepwise`, where it steps after each compound (dlkit with --batch-size 1).
Repetitions alternate; time is that of the process, of the training part of an epoch. After an epoch the weights of
the first two are the same but for rounding, which is checked.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

LIMIT = 20.0


def prepare(data: str, batch_size: int) -> Callable[[], object]:
    """Give a function that makes the parts of a new run."""
    from dlkit.settings.resolve import resolve
    from dlkit.training.assemble import assemble_new

    config = resolve({"model": "pbpk", "data": data, "batch_size": batch_size, "plot": False}, {})
    return lambda: assemble_new(config).parts


def dlkit_epoch(make: Callable[[], object]) -> tuple[float, object]:
    """Train one epoch as dlkit does; give the seconds and the network."""
    from dlkit.training.loop import Position, fit

    parts = make()
    position = Position()
    start = time.process_time()
    for step in fit(parts, position, 1):
        if step.step == parts.steps_per_epoch - 1:  # the last step validates too
            seconds = (time.process_time() - start) * parts.steps_per_epoch / (parts.steps_per_epoch - 1)
    return seconds, parts.model


def one_at_a_time(make: Callable[[], object]) -> tuple[float, object]:
    """Train one epoch with a pass for each compound; give the seconds and the network."""
    parts = make()
    parts.model.train()
    start = time.process_time()
    for step, (inputs, targets) in enumerate(parts.train.shuffled(1)):
        for group in parts.optimizer.param_groups:
            group["lr"] = parts.schedule(step)
        parts.optimizer.zero_grad()
        for row in range(len(targets)):
            one = {name: tensor[row : row + 1] for name, tensor in inputs.items()}
            loss = parts.objective.loss(parts.model(**one), targets[row : row + 1])
            (loss / len(targets)).backward()
        parts.guard.step()
    return time.process_time() - start, parts.model


def largest_difference(one: object, other: object) -> float:
    """Give the largest difference of two networks' weights."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return max((a - b).abs().max().item() for a, b in pairs)


def summary(seconds: list[float]) -> dict[str, float]:
    """Give median and spread, s."""
    return {"median": statistics.median(seconds), "low": min(seconds), "high": max(seconds)}


def measure(data: str, batch_size: int, repeats: int) -> dict[str, object]:
    """Run everything and give the figures."""
    import torch

    torch.set_num_threads(1)
    batched, single = prepare(data, batch_size), prepare(data, 1)
    dlkit_epoch(batched)
    times: dict[str, list[float]] = {"dlkit": [], "one at a time": [], "stepwise": []}
    difference = 0.0
    for _ in range(repeats):
        seconds, trained = dlkit_epoch(batched)
        times["dlkit"].append(seconds)
        seconds, reference = one_at_a_time(batched)
        times["one at a time"].append(seconds)
        times["stepwise"].append(dlkit_epoch(single)[0])
        difference = max(difference, largest_difference(trained, reference))
    ratios = {
        name: summary([slow / fast for slow, fast in zip(values, times["dlkit"], strict=True)])
        for name, values in times.items()
        if name != "dlkit"
    }
    return {
        "machine": f"{platform.machine()}, 1 thread, torch {torch.__version__}",
        "data": data,
        "batch_size": batch_size,
        "seconds": {name: summary(values) for name, values in times.items()},
        "times_faster": ratios,
        "largest_difference_of_weights": difference,
        "limit": LIMIT,
    }


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--data", default="pbpk")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = measure(options.data, options.batch_size, options.repeats)
    print(f"{figures['machine']}; {options.data}, batch {options.batch_size}, {options.repeats} repetitions")
    print(f"{'epoch':<16}{'seconds':>10}{'low':>10}{'high':>10}{'times faster':>14}{'low':>8}{'high':>8}")
    for name, row in figures["seconds"].items():
        ratio = figures["times_faster"].get(name)
        cells = f"{ratio['median']:>14.1f}{ratio['low']:>8.1f}{ratio['high']:>8.1f}" if ratio else ""
        print(f"{name:<16}{row['median']:>10.3f}{row['low']:>10.3f}{row['high']:>10.3f}{cells}")
    print(f"largest difference of the weights after an epoch: {figures['largest_difference_of_weights']:.1e}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
