"""dlkit train: flags in, a run folder and the path of its best checkpoint out."""

import inspect
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import Field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Context, Option

from dlkit.atomic import probe_folder
from dlkit.catalogue import DATA
from dlkit.cli import console
from dlkit.cli.options import given_options
from dlkit.cli.progress import show_progress
from dlkit.config import DATA_PANEL, FIELDS, TrainConfig, flag
from dlkit.errors import CheckpointError, ConfigError
from dlkit.header import verify
from dlkit.resolve import parse_arguments, read_config_file, recipe_settings, resolve, source_of
from dlkit.run_dir import RunDir, check_out, open_run

if TYPE_CHECKING:
    from dlkit.training.run import TrainRun


_TRY_PANEL = "Try"


def _with_settings(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each setting of `TrainConfig`, with the help and the default it has there."""
    own = [
        parameter
        for parameter in inspect.signature(function, eval_str=True).parameters.values()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    options = [_option_of(field) for name, field in FIELDS.items() if name not in ("model", "arguments")]
    function.__signature__ = inspect.Signature([*own, *options])  # type: ignore[attr-defined]
    return function


def _option_of(field: Field[Any]) -> inspect.Parameter:
    by_recipe = field.name in recipe_settings()
    text = field.metadata["help"] + (" Default: the model's recipe." if by_recipe else "")
    names = [flag(field.name), field.metadata["short"]]
    if field.default is True:
        names = [f"{flag(field.name)}/--no-{field.name}"]
    declared: Any = field.type
    kind = declared | None if by_recipe else declared
    option = Option(*filter(None, names), help=text, rich_help_panel=field.metadata["panel"])
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None if by_recipe else field.default,
        annotation=Annotated[kind, option],
    )


@_with_settings
def train(
    context: Context,
    model: Annotated[str | None, Argument(help=FIELDS["model"].metadata["help"], show_default=False)] = None,
    arguments: Annotated[
        list[str] | None, Option("-s", metavar="KEY=VALUE", help="An argument of the model; repeatable.")
    ] = None,
    out: Annotated[
        Path | None, Option("--out", "-o", help="The run folder. Default: the next runs/MODEL-DATA-NNN.")
    ] = None,
    resume: Annotated[Path | None, Option("--resume", metavar="RUN", help="Go on with a run.")] = None,
    force: Annotated[bool, Option("--force", "-f", help="Replace the run in --out.")] = False,
    download: Annotated[
        bool,
        Option("--download", help="Get the data first if they are not here.", rich_help_panel=DATA_PANEL),
    ] = False,
    config_file: Annotated[
        Path | None,
        Option("--config", metavar="F.toml", help="Settings in a file.", rich_help_panel=_TRY_PANEL),
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
            help="Take one real step, tell time and memory, write nothing.",
            rich_help_panel=_TRY_PANEL,
        ),
    ] = False,
    overfit: Annotated[
        int | None,
        Option(
            "--overfit",
            metavar="N",
            min=1,
            help="Memorise N samples, or say why not.",
            rich_help_panel=_TRY_PANEL,
        ),
    ] = None,
    **settings: Any,
) -> None:
    """Train a model and leave a run folder; stdout is the path of the best checkpoint."""
    sources = ("COMMANDLINE",) if resume is not None else ("COMMANDLINE", "ENVIRONMENT")
    given = {**settings, "model": model}
    typed = {name: given[name] for name in given_options(context, sources) if given.get(name) is not None}
    typed_arguments = parse_arguments(arguments or [])
    if "init" in typed:
        typed["init"] = str(Path(typed["init"]).absolute())
    run_dir = None
    if resume is not None:
        _check_resume(out=out is not None, force=force, config=config_file is not None)
        config, run_dir = _config_of_run(resume, typed, typed_arguments)
    else:
        file = {} if config_file is None else read_config_file(config_file)
        if "model" not in typed and "model" not in file:
            raise ConfigError(
                "MODEL is missing", "for example dlkit train mlp; --resume RUN goes on with a run"
            )
        config = resolve(typed, typed_arguments, file=file)
        if print_config:
            console.print_text(_explained(config, typed, file))
            return
    if overfit is not None or dry_run:
        _try(config, overfit)
        return
    if run_dir is None:
        check_out(out, force=force)
    if download:
        _download(config)

    from dlkit.training.run import resume_run, start_run

    run = resume_run(config, run_dir) if run_dir is not None else start_run(config, out, force=force)
    for text in run.notes:
        console.note(text)
    with _signals(run), show_progress(run) as display:
        for step, reading in run:
            display.update(step, reading)
    _print_result(run)


def _explained(config: TrainConfig, typed: Mapping[str, Any], file: Mapping[str, Any]) -> str:
    """Write the settings as TOML, with a comment that says where each comes from."""
    import tomli_w

    plain = config.to_dict()
    arguments = plain.pop("arguments")
    lines = ["# biases and the parameters of normalisation layers have no weight decay"]
    for name, value in plain.items():
        lines.append(
            f"{tomli_w.dumps({name: value}).rstrip()}  # {source_of(name, typed, file, config.model)}"
        )
    return "\n".join([*lines, "", tomli_w.dumps({"arguments": arguments})])


def _try(config: TrainConfig, overfit: int | None) -> None:
    """Try a run before the night: without writing anything."""
    from dlkit.training.trial import dry_run, memorise

    console.print_pairs(dry_run(config) if overfit is None else memorise(config, overfit))


def _check_resume(**given: bool) -> None:
    """Refuse what a resumed run cannot have."""
    for name in (name for name, is_given in given.items() if is_given):
        raise ConfigError(f"--{name} does not go with --resume", "a resumed run goes on in its own folder")


def _config_of_run(
    resume: Path, typed: Mapping[str, Any], arguments: Mapping[str, str]
) -> tuple[TrainConfig, RunDir]:
    """Read the settings of the run to go on with, and change what was typed."""
    run_dir = open_run(resume)
    probe_folder(run_dir.path)
    try:
        return resolve(typed, arguments, _stored_settings(run_dir)), run_dir
    except (KeyError, TypeError, AttributeError) as err:
        raise CheckpointError(
            f"{run_dir.last} holds no settings of a run", "name the run folder that dlkit train made"
        ) from err


def _stored_settings(run_dir: RunDir) -> dict[str, Any]:
    """Read a run's settings out of `last`, or out of the one before it where `last` is damaged."""
    try:
        stored = verify(run_dir.last)["config"]
    except CheckpointError:
        if not run_dir.last_prev.exists():
            raise
        stored = verify(run_dir.last_prev)["config"]
    arguments = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in stored["arguments"].items()
    }
    return {**stored, "arguments": arguments}


def _download(config: TrainConfig) -> None:
    """Get the data if they are neither embedded nor here."""
    if DATA[config.data].embedded:
        return
    from dlkit.data.get import get

    console.note(f"getting {config.data}")
    get(config.data)


def _print_result(run: "TrainRun") -> None:
    best = run.best or {}
    column = f"val_{run.metric}"
    if best:
        console.note(
            f"best epoch {best['epoch']}: val loss {best['val_loss']:.4f}, {run.metric} {best[column]:.4f}; "
            f"the run is in {run.dir.path}"
        )
    if console.mode.json:
        console.print_json(
            {
                "run": str(run.dir.path),
                "best": str(run.dir.best),
                "last": str(run.dir.last),
                "epochs": run.config.epochs,
                "metrics": best,
            }
        )
    else:
        console.print_line(str(run.dir.best))


@contextmanager
def _signals(run: "TrainRun") -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM finish the step and save; the second leaves at once."""

    def ask_to_stop(number: int, _frame: FrameType | None) -> None:
        if run.stop_signal is not None:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        run.stop_signal = number
        console.note("finishing the step and saving; once more leaves at once")

    before = {number: signal.signal(number, ask_to_stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
