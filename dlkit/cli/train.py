"""dlkit train: flags in, a run folder and the path of its best checkpoint out."""

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Context, Option

from dlkit.cli import console
from dlkit.cli.bars import show_preparing
from dlkit.cli.help import HelpAllOption
from dlkit.cli.options import given_options
from dlkit.cli.own_code import check_named
from dlkit.cli.progress import show_progress
from dlkit.cli.search import (
    SEARCH_OPTIONS,
    Asked,
    JobsOption,
    JoinOption,
    PrunerOption,
    SamplerOption,
    SearchOption,
    TrialsOption,
    run_search,
)
from dlkit.cli.settings import Given, as_toml, explained, given_settings, with_settings
from dlkit.cli.signals import stop_signals
from dlkit.cli.train_folds import configs_of_folds, folds_asked, note_spread
from dlkit.cli.verbose import phase
from dlkit.errors import CheckpointError, ConfigError, printable
from dlkit.files.atomic import probe_folder, sweep_temporaries
from dlkit.files.run_dir import RunDir, check_out, open_run
from dlkit.inspection.runs import is_folder_of_runs, newest_unfinished
from dlkit.settings.catalogue import DATA
from dlkit.settings.config import DATA_PANEL, FIELDS, TrainConfig
from dlkit.settings.models import MODELS
from dlkit.settings.resolve import resolve, stored_settings
from dlkit.settings.texts import parse_log

if TYPE_CHECKING:
    from dlkit.training.run import TrainRun


_TRY_PANEL = "Try"


@with_settings()
def train(
    context: Context,
    model: Annotated[str | None, Argument(help=FIELDS["model"].metadata["help"], show_default=False)] = None,
    arguments: Annotated[
        list[str] | None, Option("-s", metavar="KEY=VALUE", help="An argument of the model; repeatable.")
    ] = None,
    out: Annotated[
        Path | None, Option("--out", "-o", help="The run folder. Default: the next runs/MODEL-DATA-NNN.")
    ] = None,
    resume: Annotated[
        Path | None,
        Option(
            "--resume",
            metavar="[RUN]",
            help="Resume a run; without a name the newest in runs/ that did not come to its end.",
        ),
    ] = None,
    force: Annotated[bool, Option("--force", "-f", help="Replace the run in --out.")] = False,
    download: Annotated[
        bool,
        Option("--download", help="Download the data first if they are missing.", rich_help_panel=DATA_PANEL),
    ] = False,
    config_file: Annotated[
        Path | None,
        Option(
            "--config",
            metavar="F.toml",
            help="Settings in a file.",
            envvar="DLKIT_TRAIN_CONFIG",
            rich_help_panel=_TRY_PANEL,
        ),
    ] = None,
    print_config: Annotated[
        bool,
        Option(
            "--print-config", help="Print the settings and where they come from.", rich_help_panel=_TRY_PANEL
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        Option(
            "--dry-run",
            help="Take one real step, report time and memory, write nothing.",
            rich_help_panel=_TRY_PANEL,
        ),
    ] = False,
    overfit: Annotated[
        int | None,
        Option(
            "--overfit",
            metavar="N",
            min=1,
            help="Overfit N samples (sanity check), or report why it fails.",
            rich_help_panel=_TRY_PANEL,
        ),
    ] = None,
    search: SearchOption = None,
    trials: TrialsOption = None,
    sampler: SamplerOption = "tpe",
    pruner: PrunerOption = "median",
    jobs: JobsOption = 1,
    join: JoinOption = None,
    list_models: Annotated[bool, Option("--list", help="List the built-in models and exit.")] = False,
    help_all: HelpAllOption = False,  # noqa: ARG001 - its callback acts on it
    **settings: Any,
) -> None:
    """Train a model and leave a run folder; stdout is the path of the best checkpoint."""
    if list_models:
        _print_models()
        return
    resuming = resume is not None
    counted = given_options(context, ("COMMANDLINE",) if resuming else ("COMMANDLINE", "ENVIRONMENT"))
    own = {
        "out": out,
        "force": force,
        "config_file": config_file,
        "print_config": print_config,
        "dry_run": dry_run,
        "overfit": overfit,
    }
    modes = {name for name, value in own.items() if value and name in counted}
    given = given_settings(context, {**settings, "model": model}, arguments, config_file, resuming=resuming)
    if searching := counted & SEARCH_OPTIONS:
        asked = Asked(
            search=search or [], trials=trials, sampler=sampler, pruner=pruner, join=join, out=out, jobs=jobs
        )
        run_search(asked, given, searching | modes | ({"resume"} if resuming else set()))
        return
    given.faults.extend(_clashes(modes, resuming=resuming))
    folds = 0 if resuming or modes & {"print_config", "dry_run", "overfit"} else folds_asked(given)
    if folds > 1:
        _train_folds(given, folds, out, force=force)
        return
    run_dir = None if resume is None else _open_to_resume(resume, given.faults)
    if run_dir is None:
        config = resolve(given.settings, given.arguments, file=given.file, faults=given.faults)
    else:
        config = _config_of_run(run_dir, given)
    if "print_config" in modes:
        _print_config(explained(config, given, resuming=resuming))
        return
    check_named(config, given.settings, resuming=resuming)
    if modes & {"dry_run", "overfit"}:
        _try(config, overfit)
        return
    if run_dir is None:
        check_out(out, force=force)
    if download and "download" in counted:
        _download(config)
    _print_result(_run(config, run_dir, set(given.typed), out, force=force))


def _train_folds(given: Given, folds: int, out: Path | None, *, force: bool) -> None:
    """Train one run a fold, each of which tests another part of the rows."""
    configs = configs_of_folds(given, folds, out, force=force)
    check_named(configs[0][0], given.settings)
    runs = []
    for number, (config, folder) in enumerate(configs, 1):
        console.note(f"fold {number} of {folds}")
        runs.append(_run(config, None, set(given.typed), folder, force=force))
    note_spread(runs)
    for run in runs:
        _print_result(run, indent=None)


def _run(
    config: TrainConfig, run_dir: RunDir | None, named: set[str], out: Path | None, *, force: bool
) -> "TrainRun":
    """Train a new run, or the one in a folder to its end."""
    with phase("load torch"):
        from dlkit.training.resume import resume_run
        from dlkit.training.run import start_run

    with phase("load the data, build the network"), show_preparing():
        run = resume_run(config, run_dir, named) if run_dir else start_run(config, out, force=force)
    for text in run.notes:
        console.note(text)
    if run.done_reason:
        run.complete()
    else:
        with phase("train"), _stopped_by_signals(run), show_progress(run) as display:
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


def _print_models() -> None:
    """Print the built-in models: the data and the recipe each starts from."""
    rows = [(entry.name, entry.data, entry.recipe or "by the data", entry.help) for entry in MODELS.values()]
    console.print_table(("model", "data", "recipe", "what"), rows)


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


def _clashes(modes: set[str], *, resuming: bool) -> Iterator[ConfigError]:
    """Find options that do not go with --resume or with one another."""
    hints = {
        **dict.fromkeys(("out", "force"), "a resumed run continues in its own folder"),
        "config_file": "a resumed run has its settings; type those that should change",
        **dict.fromkeys(("dry_run", "overfit"), "it tries a new run; leave --resume out"),
    }
    flags = {name: f"--{name.removesuffix('_file').replace('_', '-')}" for name in modes}
    for name in (name for name in hints if resuming and name in modes):
        yield ConfigError(f"{flags[name]} does not go with --resume", hints[name])
    tried = [flags[name] for name in ("print_config", "dry_run", "overfit") if name in modes]
    if len(tried) > 1:
        yield ConfigError(f"{tried[0]} does not go with {' and '.join(tried[1:])}", "one at a time")


def _open_to_resume(resume: Path, faults: list[ConfigError]) -> RunDir:
    """Return the run to resume, once the options are valid and its folder is writable."""
    if faults:
        raise ConfigError.of(faults)
    run_dir = open_run(newest_unfinished(resume).path if is_folder_of_runs(resume) else resume)
    probe_folder(run_dir.path)
    return run_dir


def _config_of_run(run_dir: RunDir, given: Given) -> TrainConfig:
    """Return the settings of the run to resume, with what was typed in place of its own."""
    try:
        stored = _stored_settings(run_dir)
        resolve({}, {}, stored)
    except (ConfigError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as err:
        raise CheckpointError(
            f"{run_dir.last} holds no settings of a run: {printable(str(err), limit=200)}",
            "name the run folder that dlkit train made",
        ) from err
    return resolve(given.typed, given.arguments, stored, faults=given.faults)


def _stored_settings(run_dir: RunDir) -> dict[str, Any]:
    """Read a run's settings out of `last`, or out of the one before it where `last` is damaged."""
    from dlkit.files.digest import verify

    try:
        stored = verify(run_dir.last)["config"]
    except CheckpointError:
        if not run_dir.last_prev.exists():
            raise
        stored = verify(run_dir.last_prev)["config"]
    return stored_settings(stored)


def _download(config: TrainConfig) -> None:
    """Download the data if they are neither embedded nor downloaded."""
    if config.data not in DATA or DATA[config.data].embedded:
        return
    from dlkit.cli.bars import show_download
    from dlkit.data.builtin.get import get

    with show_download(config.data) as progress:
        get(config.data, progress=progress, note=console.note)


def _print_result(run: "TrainRun", indent: int | None = 2) -> None:
    best = run.best or {}
    column = f"val_{run.metric}"
    if best:
        console.note(
            f"best epoch {best['epoch']}: val loss {console.figure(best['val_loss'])}, "
            f"{run.metric} {console.figure(best[column])}; "
            f"the run is in {run.dir.path}"
        )
    if console.stderr().is_terminal:
        console.note(f"next: {', '.join(_next_commands(run))}")
    if console.mode.json:
        console.print_json(
            {
                "run": str(run.dir.path),
                "best": str(run.dir.best),
                "last": str(run.dir.last),
                "epochs": run.config.epochs,
                "metrics": best,
            },
            indent=indent,
        )
    else:
        console.print_line(str(run.dir.best))


def _next_commands(run: "TrainRun") -> list[str]:
    """Return what one does with a trained run."""
    path = shlex.quote(str(run.dir.path))
    logged = "tensorboard" in parse_log(run.config.log)
    return [
        f"dlkit eval {path}",
        f"dlkit plot {path}",
        f"tensorboard --logdir {path}" if logged else f"dlkit inspect run {path}",
    ]


def _stopped_by_signals(run: "TrainRun") -> AbstractContextManager[None]:
    """Let the first Ctrl-C, SIGTERM or SIGHUP finish the step and save; the second ends the process."""

    def request_stop(number: int) -> None:
        run.stop_signal = number

    return stop_signals(
        request_stop,
        notify=lambda: console.note("finishing this step and saving; press Ctrl-C again to quit now"),
        clean_up=lambda: sweep_temporaries(run.dir.path, os.getpid()),
    )
