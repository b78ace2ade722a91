"""dlkit train: flags in, a run folder and the path of its best checkpoint out."""

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Context, Option

from dlkit.atomic import probe_folder
from dlkit.catalogue import DATA
from dlkit.cli import console
from dlkit.cli.options import typed_options
from dlkit.cli.progress import show_progress
from dlkit.config import TrainConfig, parse_arguments, resolve, setting_help
from dlkit.errors import CheckpointError, ConfigError
from dlkit.header import verify
from dlkit.run_dir import RunDir, check_out, open_run

if TYPE_CHECKING:
    from dlkit.training.run import TrainRun


def _option(name: str, *flags: str, panel: str | None = None, recipe: bool = False) -> Any:
    """Make the option of a setting, with the help and the default that config.py gives it."""
    text = setting_help(name)
    return Option(
        *flags,
        help=f"{text} Default: the model's recipe." if recipe else text,
        rich_help_panel=panel,
        metavar=None,
    )


_DATA_PANEL = "Data"
_OPTIMISE = "Optimise"
_COMPUTE = "Compute"
_WATCH = "Watch"
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def train(
    context: Context,
    model: Annotated[str | None, Argument(help=setting_help("model"), show_default=False)] = None,
    data: Annotated[str | None, _option("data", "--data", "-d", recipe=True)] = None,
    epochs: Annotated[int, _option("epochs")] = TrainConfig.epochs,
    lr: Annotated[float | None, _option("lr", recipe=True)] = None,
    batch_size: Annotated[int | None, _option("batch_size", "--batch-size", "-b", recipe=True)] = None,
    optimizer: Annotated[str | None, _option("optimizer", recipe=True)] = None,
    device: Annotated[str, _option("device")] = TrainConfig.device,
    arguments: Annotated[
        list[str] | None, Option("-s", metavar="KEY=VALUE", help="An argument of the model; repeatable.")
    ] = None,
    out: Annotated[
        Path | None, Option("--out", "-o", help="The run folder. Default: the next runs/MODEL-DATA-NNN.")
    ] = None,
    resume: Annotated[Path | None, Option("--resume", metavar="RUN", help="Go on with a run.")] = None,
    force: Annotated[bool, Option("--force", "-f", help="Replace the run in --out.")] = False,
    val: Annotated[float, _option("val", panel=_DATA_PANEL)] = TrainConfig.val,
    test: Annotated[float, _option("test", panel=_DATA_PANEL)] = TrainConfig.test,
    limit: Annotated[int | None, _option("limit", panel=_DATA_PANEL)] = TrainConfig.limit,
    normalize: Annotated[str, _option("normalize", panel=_DATA_PANEL)] = TrainConfig.normalize,
    download: Annotated[
        bool,
        Option("--download", help="Get the data first if they are not here.", rich_help_panel=_DATA_PANEL),
    ] = False,
    momentum: Annotated[float, _option("momentum", panel=_OPTIMISE)] = TrainConfig.momentum,
    weight_decay: Annotated[float | None, _option("weight_decay", panel=_OPTIMISE, recipe=True)] = None,
    l1: Annotated[float, _option("l1", panel=_OPTIMISE)] = TrainConfig.l1,
    loss: Annotated[str, _option("loss", panel=_OPTIMISE)] = TrainConfig.loss,
    schedule: Annotated[str | None, _option("schedule", panel=_OPTIMISE, recipe=True)] = None,
    seed: Annotated[int, _option("seed", panel=_COMPUTE)] = TrainConfig.seed,
    log_every: Annotated[int | None, _option("log_every", panel=_WATCH)] = TrainConfig.log_every,
    plot: Annotated[bool, _option("plot", "--plot/--no-plot", panel=_WATCH)] = TrainConfig.plot,
) -> None:
    """Train a model and leave a run folder; stdout is the path of the best checkpoint."""
    names = typed_options(context) - {"arguments", "out", "resume", "force", "download"}
    typed = {name: context.params[name] for name in names if context.params[name] is not None}
    typed_arguments = parse_arguments(arguments or [])
    if resume is not None:
        config, run_dir = _config_of_run(resume, typed, typed_arguments, out, force)
    elif model is None:
        raise ConfigError("MODEL is missing", "for example dlkit train mlp; --resume RUN goes on with a run")
    else:
        config, run_dir = resolve(typed, typed_arguments), None
        check_out(out, force=force)

    from dlkit.training.run import resume_run, start_run

    if download:
        _download(config)
    run = resume_run(config, run_dir) if run_dir is not None else start_run(config, out, force=force)
    for text in run.notes:
        console.note(text)
    with _signals(run), show_progress(run) as display:
        for step, reading in run:
            display.update(step, reading)
    _print_result(run)


def _config_of_run(
    resume: Path, typed: Mapping[str, Any], arguments: Mapping[str, str], out: Path | None, force: bool
) -> tuple[TrainConfig, RunDir]:
    """Read the settings of the run to go on with, and change what was typed."""
    if out is not None or force:
        given = "--out" if out is not None else "--force"
        raise ConfigError(f"{given} does not go with --resume", "a resumed run goes on in its own folder")
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
        run.stop_signal = number
        for each in _STOP_SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        console.note("finishing the step and saving; once more leaves at once")
        console.stderr().show_cursor()  # which the bars hide, and leaving at once would not show again

    before = {number: signal.signal(number, ask_to_stop) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
