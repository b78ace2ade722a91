"""Trains in processes of their own, cheaply: children of one that has done nothing but import.

Run as a script by `test_resume_matrix.py`. Each line of stdin is a job, and is answered by a line with the child's
exit code, negative for the signal that killed it.
"""

import json
import os
import signal
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

import filelock  # noqa: F401 - these take long to import, and children need them
import scipy.spatial  # noqa: F401
import torch
from torch import nn

import dlkit.data.builtin.digits
import dlkit.data.pbpk.load
import dlkit.data.spatial.load
import dlkit.data.stored  # noqa: F401
from dlkit.errors import InterruptedRun
from dlkit.files.checkpoint import load_checkpoint
from dlkit.files.run_dir import RunDir
from dlkit.files.run_places import open_run
from dlkit.settings.resolve import resolve
from dlkit.training.resume import resume_run
from dlkit.training.run import TrainRun, start_run


def serve() -> None:
    """Answer jobs until stdin closes."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(work(json.loads(line)))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def work(job: dict[str, Any]) -> int:
    """Start a run, or resume the one in the folder, and return the exit code."""
    torch.set_num_threads(1)
    try:
        run = open_job(Path(job["folder"]), job["settings"], job["arguments"])
        if job["stop"] is not None:
            arm(run, **job["stop"])
        for _ in run:
            pass
    except InterruptedRun as err:
        return err.exit_code
    except BaseException:  # noqa: BLE001 - no exception may reach the code that comes after the fork
        traceback.print_exc()
        return 99
    return 0


def open_job(folder: Path, settings: dict[str, Any], arguments: dict[str, str]) -> TrainRun:
    """Start or resume."""
    if not RunDir(folder).last.exists():
        return start_run(resolve(settings, arguments), folder)
    run_dir = open_run(folder)
    return resume_run(resolve({}, {}, asdict(load_checkpoint(run_dir.last).config)), run_dir)


def arm(run: TrainRun, *, how: str, epoch: int, place: str) -> None:
    """Send this process a signal in the midst of a forward pass.

    Args:
        run: Not begun yet.
        how: `term` asks it to stop, `kill` does not ask.
        epoch: In which epoch.
        place: The `first` batch, one in the `middle` of a step, the `last` one, in `validation`, or in the step
            before one whose rate is another (`rate`).
    """
    number = {"term": signal.SIGTERM, "kill": signal.SIGKILL}[how]
    signal.signal(signal.SIGTERM, lambda *_: setattr(run, "stop_signal", 15))
    done = (run.position.epoch - 1) * len(run.parts.train) + run.position.batch
    wanted = (epoch - 1) * len(run.parts.train) + batch_of(run, epoch, place) - done
    assert place == "validation" or wanted > 0, f"{place} of epoch {epoch} lies behind"
    trained = 0

    def count(module: nn.Module, _inputs: object) -> None:
        nonlocal trained, wanted
        trained += module.training
        if trained == wanted and module.training != (place == "validation"):
            wanted = -1
            os.kill(os.getpid(), number)

    for network in {run.parts.model, run.parts.validated}:
        network.register_forward_pre_hook(count)


def batch_of(run: TrainRun, epoch: int, place: str) -> int:
    """Return the number of the batch in its epoch, from 1."""
    batches, accumulate = len(run.parts.train), run.parts.accumulate
    if place == "rate":
        start = (epoch - 1) * run.steps_per_epoch
        rates = [run.parts.schedule(start + step) for step in range(run.steps_per_epoch)]
        changed = [step for step in range(1, len(rates)) if rates[step] != rates[step - 1]]
        return (changed[0] if changed else 1) * accumulate
    middle = batches // 2 // accumulate * accumulate + 1
    return {"first": 1, "middle": middle, "last": batches, "validation": batches}[place]


if __name__ == "__main__":
    serve()
