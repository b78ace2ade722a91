"""Two processes against one, with one thread each, and against DistributedDataParallel written by hand.

    python tests/benchmarks/distributed.py [--data mnist] [--limit 12000] [--batch-size 64] [--repeats 3] [--realtime]

Each variant trains `cnn` for two epochs in processes of its own; the first pays for what torch loads late and is left
out. dlkit's figure is `samples_per_second` of history.csv; the plain loop counts the same: its time over the training
batches of an epoch. Variants take turns; medians and spreads are printed. `--realtime` (as root) gives them real-time
priority, so that the cores are idle-like on a machine that is not.
"""

import argparse
import csv
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def plain(data: str, limit: int, batch_size: int) -> None:
    """Train as a tutorial does, in the process that RANK names, and print the samples per second of each epoch."""
    import torch
    import torch.distributed as dist
    from torch import nn

    from dlkit.data.kinds import load_dataset
    from dlkit.models.build import build_model
    from dlkit.settings.resolve import resolve

    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank, size = dist.get_rank(), dist.get_world_size()
    config = resolve({"model": "cnn", "data": data, "limit": limit, "batch_size": batch_size}, {})
    dataset = load_dataset(config)
    split = dataset.split("train")
    inputs, targets = split.batch(split.rows, torch.device("cpu"))
    torch.manual_seed(0)
    model = build_model("cnn", dataset.description, config.arguments, dataset.context)
    network = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(network.parameters(), lr=config.lr, momentum=config.momentum, fused=True)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(2):
        order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(epoch))
        network.train()
        start, total = time.perf_counter(), 0.0
        for batch in order.split(batch_size):
            rows = batch[len(batch) * rank // size : len(batch) * (rank + 1) // size]
            optimizer.zero_grad()
            loss = loss_fn(network(inputs[rows]), targets[rows])
            loss.backward()
            optimizer.step()
            total += loss.item()
        if rank == 0:
            print(json.dumps(len(targets) / (time.perf_counter() - start)), flush=True)
    dist.barrier()  # a process that leaves first can end the other in its last message
    dist.destroy_process_group()


def in_processes(count: int, words: list[str], folder: Path, *, realtime: bool) -> str:
    """Run a command line in some processes that find each other, and return what the first prints."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    started = [
        subprocess.Popen(
            [sys.executable, *words],
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                **({} if count == 1 else {**place, "RANK": str(rank), "LOCAL_RANK": str(rank)}),
                "LOCAL_WORLD_SIZE": str(count),
                "OMP_NUM_THREADS": "1",
            },
            preexec_fn=_take_cores if realtime else None,
        )
        for rank in range(count)
    ]
    printed = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit(f"{' '.join(words)} failed")
    return printed[0]


def _take_cores() -> None:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def of_dlkit(count: int, more: list[str], asked: argparse.Namespace, folder: Path) -> float:
    """Return the samples per second of the second epoch."""
    words = [
        "-m",
        "dlkit",
        "train",
        "cnn",
        "--data",
        asked.data,
        "--limit",
        str(asked.limit),
        "--epochs",
        "2",
    ]
    words += [
        "--batch-size",
        str(asked.batch_size),
        "--device",
        "cpu",
        "--threads",
        "1",
        "--no-plot",
        "--quiet",
        "--force",
    ]
    in_processes(count, [*words, "--out", "run", *more], folder, realtime=asked.realtime)
    with (folder / "run" / "history.csv").open(newline="") as file:
        return float(list(csv.DictReader(file))[-1]["samples_per_second"])


def of_plain(asked: argparse.Namespace, folder: Path) -> float:
    """Return the samples per second of the second epoch of the loop written by hand."""
    words = [str(Path(__file__).resolve()), "--plain", "--data", asked.data, "--limit", str(asked.limit)]
    words += ["--batch-size", str(asked.batch_size)]
    return float(in_processes(2, words, folder, realtime=asked.realtime).split()[-1])


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--limit", type=int, default=12000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--realtime", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.plain:
        plain(asked.data, asked.limit, asked.batch_size)
        return
    speeds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as place:
        for _ in range(asked.repeats):
            for name, speed in (
                ("one process", lambda: of_dlkit(1, [], asked, Path(place))),
                ("two, synced", lambda: of_dlkit(2, ["--sync-batchnorm"], asked, Path(place))),
                ("two processes", lambda: of_dlkit(2, [], asked, Path(place))),
                ("two, by hand", lambda: of_plain(asked, Path(place))),
            ):
                speeds.setdefault(name, []).append(speed())
                print(f"{name:<14}{speeds[name][-1]:>10,.0f} samples/s", flush=True)
    medians = {name: statistics.median(found) for name, found in speeds.items()}
    for name, found in speeds.items():
        print(
            f"{name:<14}{medians[name]:>10,.0f} ({min(found):,.0f} to {max(found):,.0f}) samples/s  "
            f"{medians[name] / medians['one process']:.2f} of one process  "
            f"{medians['two, by hand'] / medians[name]:.2f} times the epoch by hand"
        )
    if asked.json:
        asked.json.write_text(json.dumps(speeds, indent=2))


if __name__ == "__main__":
    main()
