"""dlkit inspect lr: suggest a learning rate by a range test."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich.progress import track
from typer import Argument, Context, Option

from dlkit.cli import console
from dlkit.cli.options import TargetOption
from dlkit.cli.own_code import check_named
from dlkit.cli.settings import Given, given_settings
from dlkit.errors import ConfigError, did_you_mean
from dlkit.files.atomic import probe_folder
from dlkit.files.run_dir import RunDir
from dlkit.plotting.figure_file import FIGURE_SUFFIXES
from dlkit.settings.config import FIELDS, TrainConfig
from dlkit.settings.models import MODELS
from dlkit.settings.resolve import resolve

if TYPE_CHECKING:
    from dlkit.inspection.lr_range import Point, Suggestion

_MIN_STEPS, _MAX_STEPS = 20, 100_000
_SUFFIXES = (".csv", *FIGURE_SUFFIXES)
_COLUMNS = ("lr", "loss")


def lr(
    context: Context,
    model: Annotated[str | None, Argument(help=FIELDS["model"].metadata["help"], show_default=False)] = None,
    arguments: Annotated[
        list[str] | None, Option("-s", metavar="KEY=VALUE", help="An argument of the model; repeatable.")
    ] = None,
    data: Annotated[
        str | None, Option("--data", "-d", help="The data, as in dlkit train. Default: the model's own.")
    ] = None,
    target: TargetOption = None,
    batch_size: Annotated[
        int | None, Option("--batch-size", "-b", help="Samples per batch. Default: the model's recipe.")
    ] = None,
    optimizer: Annotated[
        str | None, Option("--optimizer", help="As in dlkit train. Default: the model's recipe.")
    ] = None,
    config_file: Annotated[
        Path | None,
        Option(
            "--config",
            metavar="F.toml",
            help="A TOML file of settings, for example a run's config.toml.",
            envvar="DLKIT_INSPECT_LR_CONFIG",
        ),
    ] = None,
    seed: Annotated[int, Option("--seed", help=FIELDS["seed"].metadata["help"])] = TrainConfig.seed,
    device: Annotated[str, Option("--device", help=FIELDS["device"].metadata["help"])] = TrainConfig.device,
    start: Annotated[float, Option("--start", help="The first learning rate.")] = 1e-6,
    end: Annotated[float, Option("--end", help="The last learning rate.")] = 10.0,
    steps: Annotated[int, Option("--steps", help="Number of steps from the first rate to the last.")] = 100,
    out: Annotated[
        Path | None,
        Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Write the curve: .csv for numbers, .png, .svg or .pdf for a plot.",
        ),
    ] = None,
) -> None:
    """Suggest a learning rate by a range test: increase it step by step and watch the loss."""
    settings = {"model": model, "data": data, "batch_size": batch_size, "optimizer": optimizer}
    settings |= {"seed": seed, "device": device, "target": target}
    given = given_settings(context, settings, arguments, config_file, resuming=False)
    faults = [*given.faults, *_range_faults(start, end, steps), *_out_faults(out)]
    if no_model := list(_model_faults(given)):
        raise ConfigError.of([*no_model, *faults])
    config = resolve(given.settings, given.arguments, file=given.file, faults=faults)
    check_named(config, given.settings)
    if out is not None:
        probe_folder(out.parent)

    from dlkit.diagnosis.recording import Recording
    from dlkit.inspection.lr_range import RULE, raise_rate, range_settings, rising_rates, suggest_rate
    from dlkit.training.assemble import assemble_new

    assembly = assemble_new(range_settings(config))
    for text in assembly.notes[1:]:
        console.note(text)
    rates = rising_rates(start, end, steps)
    recording = Recording(config=config.to_dict())
    points = list(_with_bar(raise_rate(assembly.parts, rates, recording), steps))
    found = suggest_rate(points, rates, recording)
    what = f"{config.model_name} on {config.data} with {config.optimizer}, batch {config.batch_size}"
    console.note(
        f"{what}: {len(points)} steps from {start:g} to {points[-1].lr:.3g}; {found.lr:g} is {RULE} "
        f"({found.half_way.lr:.3g} and {found.lowest.lr:.3g})"
    )
    if found.still_falling:
        console.warn(f"the loss was still falling at --end {end:g}; a higher --end may suggest a higher rate")
    if out is not None:
        _write_curve(out, points, found, what)
    if console.mode.json:
        curve = [{"lr": point.lr, "loss": point.smoothed} for point in points]
        console.print_json({"lr": found.lr, "rule": RULE, "steps": len(points), "curve": curve})
    else:
        console.print_line(f"{found.lr:g}")


def _model_faults(given: Given) -> Iterator[ConfigError]:
    """Check that a model is named, and not a run."""
    model = given.settings.get("model", given.file.get("model"))
    if model is None:
        yield ConfigError(
            "MODEL is missing", "for example dlkit inspect lr mlp, or --config with a model in it"
        )
    elif model not in MODELS and Path(model).exists():
        folder = Path(model) if Path(model).is_dir() else Path(model).parent
        yield ConfigError(
            f"MODEL {model} is a path; the test starts from new weights, as dlkit train does",
            f"use the settings of a run with --config {RunDir(folder).config}",
        )


def _range_faults(start: float, end: float, steps: int) -> Iterator[ConfigError]:
    lowest = start if 0 < start < float("inf") else 0.0
    if not lowest:
        yield ConfigError(f"--start {start:g} is outside (0, inf)", "use a small rate, for example 1e-6")
    if not lowest < end < float("inf"):
        yield ConfigError(
            f"--end {end:g} is outside ({lowest:g}, inf)", "use a rate above --start, for example 10"
        )
    if not _MIN_STEPS <= steps <= _MAX_STEPS:
        yield ConfigError(
            f"--steps {steps} is outside [{_MIN_STEPS}, {_MAX_STEPS}]", "100 steps give a smooth curve"
        )


def _out_faults(out: Path | None) -> Iterator[ConfigError]:
    if out is None:
        return
    suffix = out.suffix.lower()
    if suffix not in _SUFFIXES:
        yield ConfigError(
            f"-o {out} does not end in {', '.join(_SUFFIXES)}",
            did_you_mean(suffix, _SUFFIXES) or "for example -o lr.png",
        )
    run = RunDir(out.parent)
    if (run.best.exists() or run.last.exists()) and out in run.files():
        yield ConfigError(
            f"-o {out} would overwrite a file of a run", f"choose another name, e.g. lr{suffix}"
        )


def _with_bar(points: Iterable["Point"], steps: int) -> Iterable["Point"]:
    """Show a progress bar on a terminal that can draw one."""
    stderr = console.stderr()
    hidden = console.mode.quiet or not stderr.is_terminal or stderr.is_dumb_terminal
    return track(points, "range test", total=steps, console=stderr, transient=True, disable=hidden)


def _write_curve(out: Path, points: Sequence["Point"], found: "Suggestion", title: str) -> None:
    if out.suffix.lower() == ".csv":
        from dlkit.files.atomic import write_file
        from dlkit.inspection.layer_table import to_csv

        rows = [{"lr": point.lr, "loss": point.smoothed} for point in points]
        write_file(out, to_csv(_COLUMNS, rows))
    else:
        from dlkit.plotting.figure_file import save_figure
        from dlkit.plotting.lr_range import plot_lr_range

        figure = plot_lr_range(
            [point.lr for point in points],
            [point.loss for point in points],
            [point.smoothed for point in points],
            half_way=points.index(found.half_way),
            suggested=found.lr,
            title=title,
        )
        save_figure(figure, out)
    console.note(f"the curve was written to {out}")
