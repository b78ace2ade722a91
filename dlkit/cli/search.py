"""dlkit train --search: many runs with other settings, and the best of them."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Exit, Option

from dlkit.cli import console
from dlkit.cli.bars import show_preparing
from dlkit.cli.own_code import check_named
from dlkit.cli.search_jobs import WORKER, Jobs
from dlkit.cli.settings import Given
from dlkit.cli.signals import stop_signals
from dlkit.cli.tables import draw_table
from dlkit.cli.verbose import phase
from dlkit.errors import ConfigError, DlkitError, InterruptedRun
from dlkit.files.atomic import probe_folder, sweep_temporaries
from dlkit.files.run_dir import next_numbered
from dlkit.files.sweep_dir import SweepDir
from dlkit.settings.search import EXAMPLE, PRUNERS, SAMPLERS, Plan, find_plan_faults, grid_size
from dlkit.settings.spec import parse_code, parse_spec

if TYPE_CHECKING:
    from dlkit.search.results import Results, TrialResult
    from dlkit.search.study import Search

SEARCH_OPTIONS = {"search", "trials", "sampler", "pruner", "jobs", "join"}

_PANEL = "Search"
_SHOWN = 5
_OF_A_WORKER = ("threads", "device")

SearchOption = Annotated[
    list[str] | None,
    Option(
        "--search",
        metavar="KEY=RANGE",
        help="Search a setting, or s.NAME of the network: lr=1e-4..1e-1:log, s.dropout=0..0.5, "
        "optimizer=sgd,adamw; repeatable.",
        rich_help_panel=_PANEL,
    ),
]
TrialsOption = Annotated[
    int | None, Option("--trials", metavar="N", help="Number of trials.", rich_help_panel=_PANEL)
]
SamplerOption = Annotated[
    str, Option("--sampler", help=f"{', '.join(SAMPLERS[:-1])} or {SAMPLERS[-1]}.", rich_help_panel=_PANEL)
]
PrunerOption = Annotated[
    str,
    Option(
        "--pruner",
        help=f"How poor trials are stopped early: {', '.join(PRUNERS[:-1])} or {PRUNERS[-1]}.",
        rich_help_panel=_PANEL,
    ),
]
JobsOption = Annotated[
    int,
    Option(
        "--jobs",
        metavar="N",
        min=1,
        max=256,
        help="Processes that train trials at the same time, with one thread each.",
        rich_help_panel=_PANEL,
    ),
]
JoinOption = Annotated[
    Path | None,
    Option("--join", metavar="SWEEP", help="Continue an existing search.", rich_help_panel=_PANEL),
]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the options of searches say.

    Args:
        search: The ranges.
        trials: How many trials.
        sampler: What chooses the settings.
        pruner: What ends trials early.
        join: The search to continue.
        out: The folder of a new search.
        jobs: How many processes train.
    """

    search: list[str]
    trials: int | None
    sampler: str
    pruner: str
    join: Path | None
    out: Path | None
    jobs: int = 1


def run_search(asked: Asked, given: Given, typed: set[str]) -> None:
    """Begin or join a search, train its trials, and print the best checkpoint.

    Args:
        asked: What the options of searches say.
        given: The settings that the user gave.
        typed: Options beside settings that were typed.

    Raises:
        DlkitError: An option is wrong, or the search was stopped.
    """
    joining = asked.join is not None
    faults = [*given.faults, *_clashes(typed, joining=joining)]
    search = _join(asked, given, faults) if joining else _begin(asked, given, faults)
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

    def clean_up() -> None:
        if worker.run is not None:
            sweep_temporaries(worker.run.dir.path, os.getpid())

    with stop_signals(worker.request_stop, notify=_note_stop, clean_up=clean_up):
        for number in worker:
            console.note(_line(_results(search), number, search.plan.trials))


def _train_in_processes(search: "Search", count: int, given: Given) -> None:
    """Let processes train, and report each trial when it has ended."""
    from dlkit.search.worker import interrupted

    code = [given.typed["model"]] if parse_code(given.typed.get("model", "")) else []
    data = given.typed.get("data")
    code += ["--data", data] if data is not None and parse_spec(data).code else []
    reported = {trial.number for trial in _results(search).trials if trial.state != "running"}

    def look() -> None:
        results = _results(search)
        for trial in results.trials:
            if trial.state != "running" and trial.number not in reported:
                reported.add(trial.number)
                console.note(_line(results, trial.number, search.plan.trials))

    jobs = Jobs(count=count, sweep=search.sweep.path, named=code)
    with stop_signals(jobs.request_stop, notify=_note_stop, clean_up=jobs.end_at_once):
        jobs.run(look)
    if jobs.stop_signal is not None:
        raise interrupted(search, jobs.stop_signal)


def _note_stop() -> None:
    console.note("finishing this step and saving; press Ctrl-C again to quit now")


def print_results(search: "Search") -> None:
    """Print the best checkpoint, and a table of the best trials to stderr.

    Raises:
        DlkitError: No trial was completed.
    """
    results = _results(search)
    best = results.best(_SHOWN)
    counts = {state: results.count(state) for state in ("complete", "pruned", "failed", "running")}
    console.note(", ".join(f"{count} {state}" for state, count in counts.items() if count))
    if not best:
        failed = [trial for trial in results.trials if trial.reason]
        raise DlkitError(
            f"no trial of {search.sweep.path} was completed"
            + (f"; trial {failed[0].number}: {failed[0].reason}" if failed else ""),
            "a narrower range, or more trials: "
            f"dlkit train --join {search.sweep.path} --trials {search.plan.trials + 10}",
        )
    keys = [one.key for one in search.space]
    columns = ["trial", results.monitor, "epochs", *keys]
    rows = [
        [trial.number, trial.value, len(trial.curve), *(trial.values[key] for key in keys)] for trial in best
    ]
    for line in draw_table(columns, rows, console.stderr().width):
        console.note(line)
    run = search.sweep.run(best[0].number)
    if console.mode.json:
        console.print_json(
            {
                "search": str(search.sweep.path),
                "best": str(run.best),
                "trial": best[0].number,
                "monitor": results.monitor,
                "value": best[0].value,
                "settings": dict(best[0].values),
                "trials": counts,
            }
        )
    else:
        console.print_line(str(run.best))


def _begin(asked: Asked, given: Given, faults: list[ConfigError]) -> "Search":
    """Check a new search, without torch and Optuna at first, and make its folder."""
    plan = Plan(
        settings=given.settings,
        arguments=given.arguments,
        file=given.file,
        searched=asked.search,
        sampler=asked.sampler,
        pruner=asked.pruner,
        trials=1 if asked.trials is None else asked.trials,
    )
    if not asked.search:
        faults.append(ConfigError("there is nothing to search without --search", EXAMPLE))
    faults += find_plan_faults(plan)
    if asked.trials is None and not (asked.sampler == "grid" and not faults):
        faults.append(ConfigError("--search needs --trials", "for example --trials 50"))
    if faults:
        raise ConfigError.of(faults)
    if asked.sampler == "grid":
        size = grid_size(plan.space)
        plan = replace(plan, trials=min(size, asked.trials or size))
        if asked.trials is not None and asked.trials > size:
            console.note(f"the grid has {size} combinations; --trials {asked.trials} is more")
    config = plan.config()
    check_named(config, given.settings)
    folder = Path("sweeps") if asked.out is None else asked.out
    probe_folder(next(place for place in (folder, *folder.parents) if place.exists()))

    with phase("load torch"):
        from dlkit.search.study import create_search
        from dlkit.search.worker import with_digests

    with phase("load the data"), show_preparing():
        plan, notes = with_digests(plan)
    for text in notes:
        console.note(text)
    if asked.out is None:
        folder = next_numbered(folder, f"{config.model_name}-{parse_spec(config.data).name}")
    return create_search(SweepDir(folder), plan)


def _join(asked: Asked, given: Given, faults: list[ConfigError]) -> "Search":
    """Open a search, and check that its data and its code are those it began with."""
    faults += _join_faults(asked, given)
    if faults:
        raise ConfigError.of(faults)
    assert asked.join is not None, "checked by the caller"
    with phase("load torch"):
        from dlkit.search.study import open_search
        from dlkit.search.worker import check_same

    changes = {name: given.typed[name] for name in _OF_A_WORKER if name in given.typed}
    search = open_search(SweepDir(asked.join), changes)
    for name in ("model", "data"):
        value = getattr(search.config, name)
        if name in given.typed and _whole(name, given.typed[name]) != value:
            raise ConfigError(
                f"{given.typed[name]} differs from the search's {value}",
                "leave it out, or start a new search",
            )
    check_named(search.config, given.typed)
    with phase("load the data"), show_preparing():
        check_same(search)
    if asked.trials is not None:
        if asked.trials < search.plan.trials:
            raise ConfigError(
                f"--trials {asked.trials} is fewer than the search's {search.plan.trials}",
                "it can only be increased",
            )
        search.grow(asked.trials)
    return search


def _whole(name: str, text: str) -> str:
    """Return a network or data as a search keeps them: with the whole path."""
    return str(parse_code(text) or text) if name == "model" else parse_spec(text).text


def _clashes(typed: set[str], *, joining: bool) -> list[ConfigError]:
    """Find options that cannot be used with a search."""
    allowed = {"join", "trials", "jobs"} if joining else {*SEARCH_OPTIONS, "out", "config_file"}
    option = "--join" if joining else "--search"
    hint = "the search has its own; start a new one to change it" if joining else "leave one of them out"
    flags = [f"--{name.removesuffix('_file').replace('_', '-')}" for name in sorted(typed - allowed)]
    return [ConfigError(f"{flag} cannot be used with {option}", hint) for flag in flags]


def _join_faults(asked: Asked, given: Given) -> list[ConfigError]:
    fixed = [name for name in given.typed if name not in (*_OF_A_WORKER, "model", "data")]
    named = [f"--{name.replace('_', '-')}" for name in fixed]
    named += ["-s"] * bool(given.arguments)
    faults = [
        ConfigError(
            f"{name} cannot be used with --join", "the search has its own; start a new one to change it"
        )
        for name in named
    ]
    if asked.trials is not None and asked.trials < 1:
        faults.append(ConfigError(f"--trials {asked.trials} is below 1", "for example --trials 50"))
    return faults


def _results(search: "Search") -> "Results":
    from dlkit.search.results import results_of

    return results_of(search)


def _line(results: "Results", number: int, trials: int) -> str:
    """Return the line that a trial ends with."""
    trial = next(one for one in results.trials if one.number == number)
    ended = len(results.trials) - results.count("running")
    (best, *_) = [*results.best(), None]
    settings = ", ".join(f"{key} {_shown(value)}" for key, value in trial.values.items())
    return f"trial {number} ({ended}/{trials})  {_outcome(trial, results, best)}  {settings}"


def _outcome(trial: "TrialResult", results: "Results", best: "TrialResult | None") -> str:
    if trial.state == "failed":
        return f"failed: {trial.reason}"
    value = f"{results.monitor.replace('_', ' ')} {console.figure(trial.value)}"
    if trial.state == "pruned":
        return f"{value}, pruned after epoch {max(trial.curve)}"
    return f"{value}{', the best so far' if trial is best else ''}"


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
