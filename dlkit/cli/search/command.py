"""dlkit train --search: many runs with other settings, and the best of them."""

import os
from typing import TYPE_CHECKING

from typer import Exit

from dlkit.cli import console
from dlkit.cli.search.folder import begin_search, join_search
from dlkit.cli.search.jobs import WORKER, Jobs, end_with_parent
from dlkit.cli.search.options import Asked
from dlkit.cli.search.report import found_so_far, print_results, trial_line
from dlkit.cli.settings import Given
from dlkit.cli.signals import stop_signals
from dlkit.cli.verbose import phase
from dlkit.errors import InterruptedRun
from dlkit.files.atomic import sweep_temporaries
from dlkit.settings.spec import parse_code, parse_spec

if TYPE_CHECKING:
    from dlkit.search.study import Search


def run_search(asked: Asked, given: Given, typed: set[str]) -> None:
    """Begin or join a search, train its trials, and print the best checkpoint.

    Args:
        asked: What the options of searches say.
        given: The settings that the user gave.
        typed: Options beside settings that were typed.

    Raises:
        DlkitError: An option is wrong, or the search was stopped.
    """
    search = (begin_search if asked.join is None else join_search)(asked, given, typed)
    if WORKER in os.environ:
        _work(search, given)
        return
    with phase("train"):
        if asked.jobs > 1:
            _train_in_processes(search, asked.jobs, given)
        else:
            _train_here(search, given)
    print_results(search)


def _work(search: "Search", given: Given) -> None:
    """Train trials as one process of --jobs: what came of them is reported by the process that started it."""
    try:
        _train_here(search, given)
    except InterruptedRun as err:
        raise Exit(err.exit_code) from err


def _train_here(search: "Search", given: Given) -> None:
    from dlkit.search.worker import Worker

    worker = Worker(search=search, named=set(given.typed))
    if WORKER in os.environ:
        end_with_parent(worker.request_stop)

    def clean_up() -> None:
        if worker.run is not None:
            sweep_temporaries(worker.run.dir.path, os.getpid())

    with stop_signals(worker.request_stop, notify=_note_stop, clean_up=clean_up):
        for number in worker:
            console.note(trial_line(found_so_far(search), number, search.plan.trials))


def _train_in_processes(search: "Search", count: int, given: Given) -> None:
    """Let processes train, and report each trial when it has ended."""
    from dlkit.search.worker import interrupted

    code = [given.typed["model"]] if parse_code(given.typed.get("model", "")) else []
    data = given.typed.get("data")
    code += ["--data", data] if data is not None and parse_spec(data).code else []
    reported = {trial.number for trial in found_so_far(search).trials if trial.state != "running"}

    def look() -> bool:
        results = found_so_far(search)
        ended = [trial.number for trial in results.trials if trial.state != "running"]
        new = [number for number in ended if number not in reported]
        for number in new:
            reported.add(number)
            console.note(trial_line(results, number, search.plan.trials))
        return bool(new)

    jobs = Jobs(count=count, sweep=search.sweep.path, named=code)
    with stop_signals(jobs.request_stop, notify=_note_stop, clean_up=jobs.end_at_once):
        jobs.run(look)
    if jobs.stop_signal is not None:
        raise interrupted(search, jobs.stop_signal)


def _note_stop() -> None:
    console.note("finishing this step and saving; press Ctrl-C again to quit now")
