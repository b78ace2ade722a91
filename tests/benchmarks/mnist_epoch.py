"""Time and memory of one MNIST epoch: dlkit as a user has it, a bare loop, and the tutorial's loop.

    python tests/benchmarks/mnist_epoch.py --from DIR [--repeats 5] [--json FILE]

DIR holds the four MNIST files (*.gz). Each loop trains the 784-128-10 network with SGD, momentum 0.9, batch 64,
on the same 54,000 samples (the tutorial's loop on all 60,000; its time is taken per sample), with the same number
of threads. Repetitions alternate. Time is the training part of an epoch: for dlkit with the display drawing,
probes and checkpoints on, and validation left out. Memory is the peak of a fresh process. Rows that begin with `--`
are dlkit with that setting, the last of them with all together.
"""

import argparse
import contextlib
import gzip
import io
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
BATCH = 64
DLKIT_LIMIT = 1.20
TUTORIAL_SHARE = 1 / 9
MEMORY_LIMIT = 1.05
EVERYTHING_LIMIT = 1.35
SETTINGS = {
    "--grad-clip 1": {"grad_clip": 1.0},
    "--ema 0.999": {"ema": 0.999},
    "--weight-decay 5e-4": {"weight_decay": 5e-4},
    "--schedule onecycle": {"schedule": "onecycle"},
}
EVERYTHING = "--all of these"


class Terminal(io.StringIO):
    """Takes what is drawn and says it is a terminal, so that the bars are drawn."""

    def isatty(self) -> bool:
        return True


def dlkit_run(epochs: int = 3, *, plot: bool = False, **settings: float | str) -> float:
    """Give the seconds per sample of dlkit's epochs after the first, validation left out."""
    from dlkit.cli.progress import show_progress
    from dlkit.settings.resolve import resolve
    from dlkit.training.run import start_run

    typed = {"model": "mlp", "data": "mnist", "epochs": epochs, "plot": plot, **settings}
    config = resolve(typed, {})
    ends = []
    with tempfile.TemporaryDirectory() as folder, drawn(), validation_timed() as validation:
        run = start_run(config, Path(folder) / "run")
        with show_progress(run) as display:
            for step, reading in run:
                display.update(step, reading)
                if step.record is not None:
                    ends.append(time.perf_counter() - sum(validation))
                    samples = step.running.samples
    return (ends[-1] - ends[0]) / max(1, epochs - 1) / samples


@contextlib.contextmanager
def validation_timed() -> Iterator[list[float]]:
    """Give the seconds that each validation took."""
    from dlkit.training import loop

    seconds: list[float] = []
    validate = loop.running_scores

    def timed(*arguments: object) -> object:
        start = time.perf_counter()
        scores = validate(*arguments)
        seconds.append(time.perf_counter() - start)
        return scores

    loop.running_scores = timed
    try:
        yield seconds
    finally:
        loop.running_scores = validate


@contextlib.contextmanager
def drawn() -> Iterator[None]:
    """Draw on a terminal that nobody looks at."""
    before, sys.stderr = sys.stderr, Terminal()
    try:
        yield
    finally:
        sys.stderr = before


def bare_loop() -> Callable[[], float]:
    """Give the bare loop over resident tensors: index_select, forward, cross-entropy, backward, fused SGD."""
    import torch
    from torch import nn

    from dlkit.data.prepared import read_prepared

    inputs, targets = read_prepared("mnist").parts["train"]
    inputs = ((inputs[:54_000].float() / 255) - 0.1307) / 0.3081
    targets = targets[:54_000].clone()

    def epoch() -> float:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)
        loss_fn = nn.CrossEntropyLoss()
        start = time.perf_counter()
        for rows in torch.randperm(len(targets)).split(BATCH):
            optimizer.zero_grad()
            loss = loss_fn(model(inputs.index_select(0, rows)), targets.index_select(0, rows))
            loss.backward()
            optimizer.step()
        return (time.perf_counter() - start) / len(targets)

    return epoch


def tutorial_loop(root: Path) -> Callable[[], float]:
    """Give the tutorial's loop: torchvision's MNIST with ToTensor and Normalize in a DataLoader."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))])
    dataset = datasets.MNIST(root, train=True, transform=transform)
    loader = DataLoader(dataset, batch_size=BATCH, shuffle=True)

    def epoch() -> float:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        loss_fn = nn.CrossEntropyLoss()
        start = time.perf_counter()
        model.train()
        for batch, (inputs, targets) in enumerate(loader):
            optimizer.zero_grad()
            loss = loss_fn(model(inputs), targets)
            loss.backward()
            optimizer.step()
            if batch % 100 == 0:
                loss.item()
        return (time.perf_counter() - start) / len(dataset)

    return epoch


def peak_mib(kind: str) -> float:
    """Give the peak memory of a fresh process that trains one epoch, MiB."""
    command = [sys.executable, __file__, "--only", kind]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def only(kind: str) -> None:
    """Train one epoch and print this process's peak memory, MiB."""
    import torch

    if kind == "dlkit":
        dlkit_run(epochs=1, plot=True)
    else:
        bare_loop()()
    from dlkit.device import peak_memory_mib

    print(peak_memory_mib(torch.device("cpu")))


def prepare(source: Path, home: Path) -> Path:
    """Make dlkit's prepared file, and the folder that torchvision reads; give the latter's root."""
    from dlkit.data.builtin.get import get

    get("mnist", from_dir=source)
    raw = home / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in FILES:
        with gzip.open(source / f"{name}.gz") as packed, (raw / name).open("wb") as plain:
            shutil.copyfileobj(packed, plain)
    return home


def summary(seconds: list[float]) -> dict[str, float]:
    """Give median and spread in microseconds per sample, and samples a second at the median."""
    micros = sorted(1e6 * value for value in seconds)
    median = statistics.median(micros)
    return {"us_per_sample": median, "low": micros[0], "high": micros[-1], "samples_per_second": 1e6 / median}


def ratios(above: list[float], below: list[float]) -> dict[str, float]:
    """Give median and spread of the ratios, repetition by repetition."""
    values = sorted(a / b for a, b in zip(above, below, strict=True))
    return {"median": statistics.median(values), "low": values[0], "high": values[-1]}


def measure(source: Path, repeats: int) -> dict[str, object]:
    """Run everything and give the figures."""
    import torch
    import torchvision

    with tempfile.TemporaryDirectory() as folder:
        os.environ["DLKIT_HOME"] = folder
        root = prepare(source, Path(folder))
        dlkit_run(epochs=1)
        threads = torch.get_num_threads()
        loops = {"dlkit": dlkit_run, "bare": bare_loop(), "tutorial": tutorial_loop(root)}
        loops |= {name: partial(dlkit_run, **settings) for name, settings in SETTINGS.items()}
        together = {key: value for settings in SETTINGS.values() for key, value in settings.items()}
        loops[EVERYTHING] = partial(dlkit_run, **together)
        times: dict[str, list[float]] = {name: [] for name in loops}
        for _ in range(repeats):
            for name, loop in loops.items():
                times[name].append(loop())
        memory: dict[str, list[float]] = {"dlkit": [], "bare": []}
        for _ in range(repeats):
            for name, values in memory.items():
                values.append(peak_mib(name))
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {threads} threads used",
        "versions": ", ".join(
            f"{name} {version}"
            for name, version in (
                ("Python", platform.python_version()),
                ("torch", torch.__version__),
                ("torchvision", torchvision.__version__),
            )
        ),
        "repeats": repeats,
        "loops": {name: summary(values) for name, values in times.items()},
        "dlkit_over_bare": {**ratios(times["dlkit"], times["bare"]), "limit": DLKIT_LIMIT},
        "everything_over_bare": {**ratios(times[EVERYTHING], times["bare"]), "limit": EVERYTHING_LIMIT},
        "dlkit_over_tutorial": {**ratios(times["dlkit"], times["tutorial"]), "limit": TUTORIAL_SHARE},
        "memory_mib": {name: statistics.median(values) for name, values in memory.items()},
        "memory_over_bare": {**ratios(memory["dlkit"], memory["bare"]), "limit": MEMORY_LIMIT},
    }


def show(figures: dict) -> None:
    """Print the figures as a table."""
    print(f"{figures['machine']}; {figures['versions']}; {figures['repeats']} alternating repetitions")
    print(f"{'loop':<22}{'us/sample':>10}{'low':>10}{'high':>10}{'samples/s':>12}")
    for name, row in figures["loops"].items():
        cells = f"{row['us_per_sample']:>10.2f}{row['low']:>10.2f}{row['high']:>10.2f}"
        print(f"{name:<22}{cells}{row['samples_per_second']:>12,.0f}")
    print(f"{'ratio':<22}{'median':>10}{'low':>10}{'high':>10}{'limit':>12}")
    for name in ("dlkit_over_bare", "everything_over_bare", "dlkit_over_tutorial", "memory_over_bare"):
        row = figures[name]
        print(f"{name:<22}{row['median']:>10.3f}{row['low']:>10.3f}{row['high']:>10.3f}{row['limit']:>12.3f}")


def main() -> None:
    """Read the options, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--from", dest="source", type=Path, help="folder of the four MNIST files")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", choices=("dlkit", "bare"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        only(options.only)
        return
    if options.source is None:
        parser.error("--from DIR is missing")
    figures = measure(options.source, options.repeats)
    show(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
