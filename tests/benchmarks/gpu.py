"""Everything that needs a GPU: its tests, speeds, precision, resuming, memory, two processes on one device.

    tests/benchmarks/gpu.sh [--from DIR] [--only NAME,...] [--device cpu]

DIR (../shared/data by itself) holds mnist/ with the four MNIST files, and may hold cifar10/ with the archive of
CIFAR-10 in binary; without it images of the same shape and number are random, which takes the same time. Each check
has a time limit, 480 s in all; one that fails or is cut off does not stop the others. Prints a table and a line of
JSON; exit code 1 if a check failed. Without a GPU it prints what it would do, and `--device cpu --only resume` tries
the script itself.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from gpu_place import ROOT, CheckError, Found, Place

WHOLE_LIMIT = 480
STEPS = 100
PIECES = re.compile(r"into pieces of (\d+)")
CHANNELS_LAST = """
import torch
from torchvision.models import resnet18

def net(num_classes):
    return resnet18(num_classes=num_classes).to(memory_format=torch.channels_last)
"""


def gpu_tests(place: Place) -> Found:
    """Run the tests that need a device."""
    result = place.run(
        sys.executable,
        "-m",
        "pytest",
        "-n0",
        "-q",
        "-m",
        "gpu",
        "-p",
        "no:cacheprovider",
        str(ROOT / "tests"),
    )
    summary = result.stdout.strip().splitlines()[-1] if result.stdout.strip() else result.stderr[-200:]
    if result.returncode:
        raise CheckError(summary)
    return {"summary": summary}


def mnist(place: Place) -> Found:
    """Train three epochs, and count the launches of kernels in the steps of a fourth."""
    found = place.train("mnist", "mlp", "--data", place.mnist(), "--epochs", "3")
    found["epoch_seconds"] = 54_000 / found["samples_per_second"]
    counted = place.run(sys.executable, __file__, "--count-launches", place.device)
    if counted.returncode:
        raise CheckError(counted.stderr.strip()[-300:])
    return {**found, **json.loads(counted.stdout)}


def count_launches(device: str, first: int = 50, steps: int = 20) -> Found:
    """Return how many kernels a step of dlkit's loop on MNIST launches."""
    from torch.profiler import ProfilerActivity, profile

    from dlkit.settings.resolve import resolve
    from dlkit.training.run import start_run

    run = start_run(
        resolve({"model": "mlp", "data": "mnist", "epochs": 1, "plot": False, "device": device}, {}), None
    )
    iterator = iter(run)
    for _ in range(first):
        next(iterator)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        for _ in range(steps):
            next(iterator)
    launches = [event for event in profiler.events() if re.match(r"(cuda|cu)LaunchKernel", event.name)]
    return {"launches_per_step": len(launches) / steps}


def resnet(*words: str, model: str = "resnet18") -> Callable[[Place], Found]:
    """Return a check that trains resnet18 for three short epochs and reports the last."""

    def check(place: Place) -> Found:
        (place.folder / "net.py").write_text(CHANNELS_LAST)
        batch, limit = "128", str(128 * STEPS)
        return place.train(
            "resnet", model, "--data", place.cifar10(), "--epochs", "3", "-b", batch, "--limit", limit, *words
        )

    return check


def precision(place: Place) -> Found:
    """Train cnn in each precision: the losses must agree roughly."""
    losses = {
        name: place.train("precision", "cnn", "--data", place.mnist(), "--limit", "20000", "--epochs", "2",
                          "--precision", name)["val_loss"]
        for name in ("fp32", "tf32", "bf16", "fp16")
    }  # fmt: skip
    if max(losses.values()) > 1.2 * losses["fp32"]:
        raise CheckError(f"losses differ: {losses}")
    return {f"val_loss_{name}": loss for name, loss in losses.items()}


def resume(place: Place) -> Found:
    """Stop within an epoch and resume: the weights must have the same bits as those of one run."""
    words = ("cnn", "--data", "digits", "--device", place.device, "--deterministic", "--no-plot", "--force")
    whole = place.dlkit("train", *words, "--max-steps", "60", "--out", "whole")
    place.dlkit("train", *words, "--max-steps", "35", "--out", "parts")
    parts = place.dlkit("train", "--resume", "parts", "--max-steps", "60")
    hashes = [re.findall(r"sha256 of the weights (\w+)", text)[-1] for text in (whole, parts)]
    if hashes[0] != hashes[1]:
        raise CheckError(f"weights differ: {hashes}")
    return {"same_bits": True}


def out_of_memory(place: Place) -> Found:
    """Train on a batch that does not fit: it has to go through in pieces."""
    words = (
        "resnet18",
        "--data",
        place.cifar10(),
        "-b",
        "40000",
        "--max-steps",
        "2",
        "--device",
        place.device,
    )
    report = place.dlkit("train", *words, "--out", "memory", "--force", "--no-plot")
    pieces = PIECES.search(report)
    if pieces is None:
        raise CheckError("the batch fitted into the memory")
    return {"pieces_of": int(pieces[1])}


def two_processes(place: Place) -> Found:
    """Train on one device from two processes: trials of a search, and one run where --devices takes a device twice."""
    words = ("mlp", "--data", place.mnist(), "--epochs", "1", "--device", place.device)
    place.dlkit(
        "train",
        *words,
        "--search",
        "lr=0.01,0.1",
        "--sampler",
        "grid",
        "--jobs",
        "2",
        "--out",
        "sweep",
        "--force",
    )
    found: Found = {"search": "two trials at once"}
    if "--devices" in place.run(sys.executable, "-m", "dlkit", "train", "--help-all").stdout:
        words = (
            "mlp",
            "--data",
            place.mnist(),
            "--epochs",
            "1",
            "--devices",
            "0,0",
            "--out",
            "both",
            "--force",
        )
        result = place.run(sys.executable, "-m", "dlkit", "train", *words)
        if result.returncode:
            raise CheckError(f"--devices 0,0: {result.stderr.strip()[-300:]}")
        found["devices_0,0"] = result.stderr.strip().splitlines()[-1][:120]
    return found


CHECKS: dict[str, tuple[int, Callable[[Place], Found]]] = {
    "tests": (90, gpu_tests),
    "mnist": (60, mnist),
    "resnet18-fp32": (40, resnet("--precision", "fp32")),
    "resnet18-tf32": (35, resnet("--precision", "tf32")),
    "resnet18-bf16": (35, resnet("--precision", "bf16")),
    "resnet18-bf16-channels-last": (35, resnet("--precision", "bf16", model="net.py:net")),
    "resnet18-bf16-compiled": (75, resnet("--precision", "bf16", "--compile")),
    "precision": (40, precision),
    "resume": (30, resume),
    "out-of-memory": (25, out_of_memory),
    "two-processes": (15, two_processes),
}


def checked(name: str, place: Place, end: float) -> Found:
    """Run a check and return what it found, or why it failed."""
    limit, check = CHECKS[name]
    start = time.monotonic()
    place.deadline = min(start + limit, end) if place.device == "cuda" else start + WHOLE_LIMIT
    try:
        found = check(place)
    except CheckError as err:
        found = {"failed": str(err)}
    except subprocess.TimeoutExpired:
        found = {"failed": f"cut off after {time.monotonic() - start:.0f} s"}
    return {"check": name, "seconds": round(time.monotonic() - start, 1), **found}


def main() -> int:
    """Run the checks that were asked for, print a table and JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--from", dest="source", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--only", default=",".join(CHECKS))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--count-launches", metavar="DEVICE", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.count_launches:
        print(json.dumps(count_launches(asked.count_launches)))
        return 0
    import torch

    names = asked.only.split(",")
    if unknown := [name for name in names if name not in CHECKS]:
        parser.error(f"--only {unknown[0]} is not known; choose from {', '.join(CHECKS)}")
    if asked.device == "cuda" and not torch.cuda.is_available():
        print("no CUDA device here; with one this would")
        for name in names:
            limit, check = CHECKS[name]
            print(
                f"{name:30}{limit:>5} s  {(check.__doc__ or 'Train resnet18 for three short epochs.').splitlines()[0]}"
            )
        print(
            json.dumps(
                {"device": None, "seconds_at_most": sum(CHECKS[name][0] for name in names), "checks": names}
            )
        )
        return 0
    device = torch.cuda.get_device_name() if asked.device == "cuda" else asked.device
    end = time.monotonic() + WHOLE_LIMIT
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), asked.source.resolve(), asked.device)
        rows = []
        for name in names:
            rows.append(checked(name, place, end))
            values = (f"{key} {value}" for key, value in rows[-1].items() if key not in ("check", "seconds"))
            print(f"{name:30}{rows[-1]['seconds']:>7} s  {', '.join(values)}", flush=True)
    print(json.dumps({"device": device, "torch": torch.__version__, "checks": rows}))
    return any("failed" in row for row in rows)


if __name__ == "__main__":
    sys.exit(main())
