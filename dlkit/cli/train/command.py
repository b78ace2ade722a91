"""dlkit train: flags in, a run folder and the path of its best checkpoint out."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Context, Option

from dlkit.cli import console
from dlkit.cli.help import HelpAllOption
from dlkit.cli.options import given_options
from dlkit.cli.search.command import run_search
from dlkit.cli.search.options import (
    SEARCH_OPTIONS,
    Asked,
    JobsOption,
    JoinOption,
    PrunerOption,
    SamplerOption,
    SearchOption,
    TrialsOption,
)
from dlkit.cli.settings import given_settings, with_settings
from dlkit.cli.train.devices import DevicesOption, as_member, refuse_torchrun
from dlkit.cli.train.runs import Command
from dlkit.errors import ConfigError
from dlkit.settings.config import DATA_PANEL, FIELDS
from dlkit.settings.models import MODELS

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
            help="Resume a run; without a name, the newest unfinished one in runs/.",
        ),
    ] = None,
    force: Annotated[bool, Option("--force", "-f", help="Replace the run or the search in --out.")] = False,
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
    devices: DevicesOption = None,
    list_models: Annotated[bool, Option("--list", help="List the built-in models and exit.")] = False,
    help_all: HelpAllOption = False,  # noqa: ARG001 - its callback acts on it
    **settings: Any,
) -> None:
    """Train a model and write a run folder; stdout is the path of the best checkpoint."""
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
        "devices": devices,
    }
    modes = {name for name, value in own.items() if value and name in counted}
    given = given_settings(context, {**settings, "model": model}, arguments, config_file, resuming=resuming)
    if searching := counted & SEARCH_OPTIONS:
        asked = Asked(
            search=search or [],
            trials=trials,
            sampler=sampler,
            pruner=pruner,
            join=join,
            out=out,
            force=force,
            jobs=jobs,
        )
        refuse_torchrun("a search")
        run_search(asked, given, searching | modes | ({"resume"} if resuming else set()))
        return
    given.faults.extend(_clashes(modes, resuming=resuming))
    command = Command(
        given=given,
        modes=modes,
        out=out,
        resume=resume,
        force=force,
        download=download and "download" in counted,
        overfit=overfit,
        devices=devices if "devices" in counted else None,
        words=context.obj or (),
    )
    paths = {"--out": out, "--resume": resume}
    doing = [
        *_flags(modes - {"out", "force", "config_file", "devices"}).values(),
        *(["--download"] * command.download),
    ]
    doing += [f"{flag} {path}" for flag, path in paths.items() if path is not None]
    with as_member(devices, " ".join(["dlkit train", *doing])) as joined:
        command.run(joined)


def _print_models() -> None:
    """Print the built-in models: the data and the recipe each starts from."""
    rows = [(entry.name, entry.data, entry.recipe or "by the data", entry.help) for entry in MODELS.values()]
    console.print_table(("model", "data", "recipe", "what"), rows)


def _clashes(modes: set[str], *, resuming: bool) -> Iterator[ConfigError]:
    """Find options that cannot be used with --resume or with one another."""
    hints = {
        **dict.fromkeys(("out", "force"), "a resumed run continues in its own folder"),
        "config_file": "a resumed run keeps its settings; give only those that should change",
        **dict.fromkeys(("dry_run", "overfit"), "it tries a new run; leave --resume out"),
    }
    flags = _flags(modes)
    for name in (name for name in hints if resuming and name in modes):
        yield ConfigError(f"{flags[name]} cannot be used with --resume", hints[name])
    tried = [flags[name] for name in ("print_config", "dry_run", "overfit") if name in modes]
    if "devices" in modes and tried:
        yield ConfigError(f"--devices does not go with {tried[0]}", "that takes one process")
    if len(tried) > 1:
        yield ConfigError(f"{tried[0]} cannot be used with {' and '.join(tried[1:])}", "one at a time")


def _flags(names: Iterable[str]) -> dict[str, str]:
    """Return the options of parameters, by their names."""
    return {name: f"--{name.removesuffix('_file').replace('_', '-')}" for name in sorted(names)}
