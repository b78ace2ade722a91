"""Run the real `dlkit train` and `dlkit inspect run` in forked children of a process that has imported torch once."""

import contextlib
import csv
import importlib
import json
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.diagnosis.cases import Case
from tests.benchmarks.diagnosis.data import SETS, write_data

_STOPPED = 128  # exit codes above it are of runs that were stopped, not of ones that failed


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a run.

    Args:
        key: Of the case.
        code: Exit code of `train`: 0, 5 where it diverged, others where it was refused.
        value: The metric after the last epoch, higher is better; None where there is none.
        findings: What `inspect run --json` lists; None where it failed.
        message: The last lines on stderr.
        seconds: Of `train`.
    """

    key: str
    code: int
    value: float | None
    findings: list[dict[str, Any]] | None
    message: str
    seconds: float

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """Return the findings at warning level."""
        return [finding for finding in self.findings or [] if finding["level"] == "warning"]

    @property
    def primary(self) -> dict[str, Any] | None:
        """Return the cause; the first warning where none is marked."""
        return next(
            (finding for finding in self.warnings if finding["cause"]), next(iter(self.warnings), None)
        )

    @property
    def cure(self) -> tuple[str, str] | None:
        """Return the option of the primary cause's cure, with its value; None where the cure is words alone."""
        cure = (self.primary or {}).get("cure") or {}
        return (str(cure["option"]), str(cure["value"])) if cure.get("option") else None


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run to make.

    Args:
        case: What is run.
        folder: Of the run.
        data: The options that name the data.
        more: Options in place of its own: a cure.
    """

    case: Case
    folder: Path
    data: tuple[str, ...]
    more: tuple[tuple[str, str], ...] = ()


def prepare(case: Case, root: Path, more: Iterable[tuple[str, str]] = (), name: str = "run") -> Job:
    """Write the data of a case and name its folder."""
    base = case.base
    (root / "data").mkdir(parents=True, exist_ok=True)
    if base.form:
        assert base.data in SETS
        options = write_data(root / "data", base.data, case.change.data, base.form)
    else:
        options = ["--data", base.data]
    more = tuple(more)
    if case.change.start_from_base:
        options += [
            "--init",
            str(root / base.name / "healthy-base" / str(case.seed) / "run" / "best.safetensors"),
        ]
    return Job(case=case, folder=root / case.key / name, data=tuple(options), more=more)


def run_all(jobs: Iterable[Job], processes: int, *, reuse: bool, diagnose: bool = True) -> Iterator[Outcome]:
    """Run every job, a process each, and yield what came of it; those that start from another run come last.

    Args:
        jobs: What to run.
        processes: So many at a time.
        reuse: Take what the same command has trained already; the diagnosis is made anew.
        diagnose: Ask `inspect run`.
    """
    for name in ("dlkit.cli.app", "dlkit.training.run", "dlkit.data.kinds", "pandas", "sklearn"):
        importlib.import_module(name)  # once, before the processes fork
    import torch

    torch.set_num_threads(1)
    jobs = list(jobs)
    context = multiprocessing.get_context("fork")
    for late in (False, True):
        chosen = [(job, reuse, diagnose) for job in jobs if job.case.change.start_from_base is late]
        with context.Pool(processes, maxtasksperchild=1) as pool:
            yield from pool.imap_unordered(_run, chosen)


def _run(asked: tuple[Job, bool, bool]) -> Outcome:
    """Train and diagnose; runs in a process of its own."""
    job, reuse, diagnose = asked
    job.folder.parent.mkdir(parents=True, exist_ok=True)
    kept, words = job.folder.with_suffix(".json"), job.case.words(job.data, job.folder, job.more)
    trained = json.loads(kept.read_text()) if reuse and kept.exists() else None
    if trained is None or trained.get("words") != words or trained["code"] > _STOPPED:
        start = time.monotonic()
        code = _dlkit(words, job.folder)
        trained = {"code": code, "seconds": time.monotonic() - start, "words": words}
        kept.write_text(json.dumps(trained))
    findings = _findings(job.folder) if diagnose and trained["code"] in (0, 5) else None
    return Outcome(
        key=job.case.key,
        code=trained["code"],
        value=_last_value(job.folder / "history.csv", job.case.change.metric or job.case.base.metric),
        findings=findings,
        message=job.folder.with_suffix(".err").read_text()[-600:],
        seconds=trained["seconds"],
    )


def _findings(run: Path) -> list[dict[str, Any]] | None:
    beside = run.with_name("inspect")
    if _dlkit(["inspect", "run", str(run), "--json"], beside) not in (0, 1):
        return None
    with contextlib.suppress(ValueError, KeyError):
        findings: list[dict[str, Any]] = json.loads(beside.with_suffix(".out").read_text())["findings"]
        return findings
    return None


def _dlkit(words: list[str], beside: Path) -> int:
    """Run a command with its streams in files, and return its exit code."""
    import dlkit.cli.app

    sys.stdout.flush()
    sys.stderr.flush()
    streams = [
        os.open(beside.with_suffix(end), os.O_RDWR | os.O_CREAT | os.O_TRUNC) for end in (".out", ".err")
    ]
    saved = [os.dup(number) for number in (1, 2)]
    for number, stream in zip((1, 2), streams, strict=True):
        os.dup2(stream, number)
    try:
        return int(dlkit.cli.app.run(words))
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, stream, before in zip((1, 2), streams, saved, strict=True):
            os.dup2(before, number)
            os.close(stream)
            os.close(before)


def _last_value(history: Path, metric: str) -> float | None:
    """Return the validation metric after the last epoch, with its sign changed where lower is better."""
    if not history.exists():
        return None
    rows = list(csv.DictReader(history.read_text().splitlines()))
    text = rows[-1].get(f"val_{metric}") if rows else None
    value = float(text) if text else None
    if value is None or not math.isfinite(value):
        return None
    return value if metric in ("accuracy", "balanced_accuracy", "r2") else -value
