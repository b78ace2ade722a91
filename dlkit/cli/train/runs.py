"""What a command line of `dlkit train` asks for, done: one run, a run for each fold, or a try that writes nothing."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer import Exit

from dlkit.cli import console
from dlkit.cli.bars import show_preparing
from dlkit.cli.own_code import check_named
from dlkit.cli.progress import show_progress
from dlkit.cli.settings import Given, as_toml, explained
from dlkit.cli.signals import stop_signals
from dlkit.cli.train.devices import check_batch, is_first, train_on_devices, watching_agent
from dlkit.cli.train.folds import configs_of_folds, folds_asked, note_spread
from dlkit.cli.train.result import print_result
from dlkit.cli.train.resume import config_of_run, open_to_resume
from dlkit.cli.verbose import phase
from dlkit.errors import ConfigError, DivergedError
from dlkit.files.atomic import sweep_temporaries
from dlkit.files.run_dir import RunDir
from dlkit.files.run_places import check_out
from dlkit.settings.catalogue import DATA
from dlkit.settings.config import TrainConfig
from dlkit.settings.resolve import resolve

if TYPE_CHECKING:
    from dlkit.distributed.join import Joined
    from dlkit.training.run import TrainRun


@dataclass(frozen=True, kw_only=True)
class Command:
    """What a command line asks for.

    Args:
        given: The settings.
        modes: Options beside settings that were given.
        out: The run folder of a new run.
        resume: The run to resume.
        force: Replace the run in the folder.
        download: Download the data first.
        overfit: How many samples to memorise.
        devices: `--devices`.
        words: The command line, after `dlkit`.
    """

    given: Given
    modes: set[str]
    out: Path | None
    resume: Path | None
    force: bool
    download: bool
    overfit: int | None
    devices: str | None
    words: Sequence[str]

    def run(self, joined: "Joined | None") -> None:
        """Do it; as one of several processes if others have joined."""
        given, resuming = self.given, self.resume is not None
        trying = self.modes & {"print_config", "dry_run", "overfit"}
        if trying and joined is not None:
            raise ConfigError(
                f"--{min(trying).replace('_', '-')} takes one process, and torchrun has started "
                f"{joined.membership.size}",
                "start it without torchrun",
            )
        folds = 0 if resuming or trying else folds_asked(given)
        first = is_first(joined)
        if folds > 1:
            configs = configs_of_folds(given, folds, self.out, force=self.force or not first)
            check_named(configs[0][0], given.settings)
            self._on_devices(configs[0][0], joined)
            _train_folds(configs, set(given.typed), force=self.force, joined=joined)
            return
        run_dir = None if self.resume is None else open_to_resume(self.resume, given.faults, joined)
        if run_dir is None:
            config = resolve(given.settings, given.arguments, file=given.file, faults=given.faults)
        else:
            config = config_of_run(run_dir, given)
        if "print_config" in trying:
            _print_config(explained(config, given, resuming=resuming))
            return
        check_named(config, given.settings, resuming=resuming)
        if trying:
            _try(config, self.overfit)
            return
        if run_dir is None and first:
            check_out(self.out, force=self.force)
        self._on_devices(config, joined)
        if self.download:
            _download(config, joined)
        run = _run(config, run_dir, set(given.typed), self.out, force=self.force, joined=joined)
        if first:
            print_result(run)

    def _on_devices(self, config: TrainConfig, joined: "Joined | None") -> None:
        """Let several processes do it in place of this one, if `--devices` asks for it.

        Raises:
            Exit: They have done it.
        """
        if joined is not None:
            check_batch(config, joined.membership.size)
        elif self.devices is not None:
            code = train_on_devices(self.devices, config, self.words)
            if code is not None:
                raise Exit(code)


def _train_folds(
    configs: Sequence[tuple[TrainConfig, Path | None]],
    named: set[str],
    *,
    force: bool,
    joined: "Joined | None",
) -> None:
    """Train one run a fold, each of which tests another part of the rows.

    Raises:
        DivergedError: A fold diverged. Unless there are several processes, the others were trained and printed.
    """
    runs, diverged = [], {}
    for number, (config, folder) in enumerate(configs, 1):
        console.note(f"fold {number} of {len(configs)}")
        try:
            runs.append(_run(config, None, named, folder, force=force, joined=joined))
        except DivergedError as err:
            if joined is not None:
                raise
            console.warn(f"fold {number}: {err.message}")
            diverged[number] = err
    if not is_first(joined):
        return
    if len(runs) > 1:
        note_spread(runs)
    for run in runs:
        print_result(run, indent=None)
    if diverged:
        numbers, first = ", ".join(map(str, diverged)), next(iter(diverged.values()))
        raise DivergedError(f"of {len(configs)} folds these diverged: {numbers}", first.hint)


def _run(
    config: TrainConfig,
    run_dir: RunDir | None,
    named: set[str],
    out: Path | None,
    *,
    force: bool,
    joined: "Joined | None" = None,
) -> "TrainRun":
    """Train a new run, or the one in a folder to its end."""
    with phase("load torch"):
        from dlkit.training.resume import resume_run
        from dlkit.training.run import start_run

    with phase("load the data, build the network"), show_preparing():
        if run_dir:
            run = resume_run(config, run_dir, named, joined)
        else:
            run = start_run(config, out, force=force, joined=joined)
    for text in run.notes:
        console.note(text)
    if run.done_reason:
        run.complete()
    else:
        with phase("train"), _stopped_by_signals(run, joined), show_progress(run) as display:
            for step, reading in run:
                display.update(step, reading)
                _show_messages(run)
    _show_messages(run)
    if run.ended_early:
        console.note(f"stopped early: {run.done_reason}")
    return run


def _show_messages(run: "TrainRun") -> None:
    for text in run.pop_warnings():
        console.warn(text)
    for text in run.pop_messages():
        console.note(text)


def _print_config(settings: Mapping[str, Any]) -> None:
    """Print the settings and where they come from: TOML that --config takes, or JSON."""
    if console.mode.json:
        console.print_json(settings)
    else:
        console.print_text(as_toml(settings))


def _try(config: TrainConfig, overfit: int | None) -> None:
    """Try a run without writing anything."""
    from dlkit.training.dry_run import dry_run, memorise

    with show_preparing():
        report = dry_run(config, console.note) if overfit is None else memorise(config, overfit, console.note)
    console.print_pairs(report)


def _download(config: TrainConfig, joined: "Joined | None") -> None:
    """Download the data if they are neither embedded nor downloaded; once a machine."""
    if config.data not in DATA or DATA[config.data].embedded:
        return
    from dlkit.cli.bars import show_download
    from dlkit.data.builtin.get import get

    if joined is None or joined.membership.local_rank == 0:
        with show_download(config.data) as progress:
            get(config.data, progress=progress, note=console.note)
    if joined is not None:
        joined.barrier()


@contextmanager
def _stopped_by_signals(run: "TrainRun", joined: "Joined | None") -> Iterator[None]:
    """Let the first Ctrl-C, SIGTERM or SIGHUP finish the step and save; the second ends the process."""

    def request_stop(number: int) -> None:
        run.stop_signal = number

    handling = stop_signals(
        request_stop,
        notify=lambda: console.note("finishing this step and saving; press Ctrl-C again to quit now"),
        clean_up=lambda: sweep_temporaries(run.dir.path, os.getpid()),
        passed_on=joined is not None and not joined.membership.launched,
    )
    with handling, watching_agent(joined, request_stop):
        yield
