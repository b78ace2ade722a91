"""dlkit eval: how good is it, and where is it wrong."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from dlkit.cli import console
from dlkit.cli.bars import show_preparing
from dlkit.cli.eval.checks import faults_of
from dlkit.cli.eval.map import MapOptions, write_map
from dlkit.cli.eval.tables import print_reports, summary
from dlkit.cli.options import DataOption, DeviceOption, SplitOption
from dlkit.cli.own_code import ModelOption, check_options, load_checkpoints
from dlkit.errors import ConfigError, DlkitError, GateError
from dlkit.settings.eval_config import EvalConfig

if TYPE_CHECKING:
    from dlkit.evaluation.report import Report

_POINTS = "Points (spatial)"
_FAILURES = "Where it fails"


def evaluate(
    checkpoints: Annotated[
        list[Path], Argument(metavar="CKPT...", help="Checkpoints, or run folders for their best ones.")
    ],
    data: DataOption = None,
    split: SplitOption = EvalConfig.split,
    predict: Annotated[
        Path | None, Option("--predict", metavar="FILE", help="Write the predictions as CSV; - is stdout.")
    ] = None,
    metrics: Annotated[
        str | None,
        Option("--metrics", metavar="A,B", help="The metrics to report. Default: those usual for the task."),
    ] = None,
    ci: Annotated[
        int, Option("--ci", metavar="N", help="Random draws for the 95 % intervals; 0 leaves them out.")
    ] = EvalConfig.ci,
    by: Annotated[
        str | None,
        Option(
            metavar="COL",
            help="Metrics for each class, or each value of a column of the table.",
            rich_help_panel=_FAILURES,
        ),
    ] = None,
    worst: Annotated[
        int,
        Option(
            metavar="N", help="The N samples with the largest loss, images too.", rich_help_panel=_FAILURES
        ),
    ] = 0,
    importance: Annotated[
        bool,
        Option(
            "--importance",
            help="How much worse the metric gets with each column shuffled.",
            rich_help_panel=_FAILURES,
        ),
    ] = False,
    calibrate: Annotated[
        bool,
        Option(
            "--calibrate",
            help="Calibrate probabilities with a temperature fitted on val.",
            rich_help_panel=_FAILURES,
        ),
    ] = False,
    baselines: Annotated[
        bool, Option("--baselines", help="Score simpler methods on the same samples.")
    ] = False,
    interval: Annotated[
        float | None,
        Option(
            metavar="SHARE",
            help="Intervals that contain this share of new values, e.g. 0.9.",
            show_default=False,
        ),
    ] = None,
    minimum: Annotated[
        list[str] | None,
        Option(
            "--min",
            metavar="M=V",
            help="Exit with 6 if a metric is below this; M.lo is the lower end of its interval.",
        ),
    ] = None,
    maximum: Annotated[
        list[str] | None, Option("--max", metavar="M=V", help="Exit with 6 if a metric is above this.")
    ] = None,
    bench: Annotated[bool, Option("--bench", help="Time forward passes by batch size.")] = False,
    allow_nan: Annotated[
        bool,
        Option("--allow-nan", help="Count samples whose outputs are NaN or infinite, and score the others."),
    ] = False,
    draws: Annotated[
        int | None,
        Option(
            metavar="M",
            help="Average M random draws of neighbours instead of taking the nearest.",
            rich_help_panel=_POINTS,
        ),
    ] = None,
    grid: Annotated[
        int | None,
        Option(
            metavar="N",
            help="Predict a map with N cells along its longer side.",
            rich_help_panel=_POINTS,
        ),
    ] = None,
    at: Annotated[
        float | None,
        Option(
            metavar="T",
            help="The time of the map, as in the table. Default: the newest.",
            rich_help_panel=_POINTS,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        Option("--out", "-o", metavar="FILE", help="The .csv file for the map.", rich_help_panel=_POINTS),
    ] = None,
    device: DeviceOption = "auto",
    model: ModelOption = None,
) -> None:
    """Evaluate checkpoints: loss, accuracy, precision, recall and F1 per class, confusion matrix."""
    asked = MapOptions(grid=grid, draws=draws, at=at, out=out, interval=interval)
    config = EvalConfig(
        data=data,
        split=split,
        metrics=metrics,
        ci=ci,
        by=by,
        worst=worst,
        importance=importance,
        calibrate=calibrate,
        baselines=baselines,
        interval=interval,
        bench=bench,
        min=tuple(minimum or ()),
        max=tuple(maximum or ()),
        draws=draws,
        allow_nan=allow_nan,
    )
    faults = [*faults_of(config, checkpoints, predict, device), *asked.faults(len(checkpoints))]
    if grid is not None:
        typed = [*config.typed("draws", "interval"), *([] if predict is None else ["--predict"])]
        faults += [
            ConfigError(
                f"--grid cannot be used with {option}", "it predicts a map, using only the checkpoint"
            )
            for option in typed
        ]
    if faults:
        raise ConfigError.of(faults)
    if grid is not None:
        write_map(checkpoints[0], asked, device)
        return
    code = check_options(model, data)

    from dlkit.device import pick_device
    from dlkit.evaluation.certainty.comparison import compare
    from dlkit.evaluation.run_evaluation import evaluate_checkpoint

    where = pick_device(device)
    loaded = load_checkpoints(checkpoints, code)
    with show_preparing():
        reports = [evaluate_checkpoint(checkpoint, config, where) for checkpoint in loaded]
    _keep(reports)
    _tell(reports)
    if predict is not None and str(predict) == "-":
        console.note(summary(reports[0]))
        for text in reports[0].predictions_csv():
            console.print_text(text)
    else:
        if predict is not None:
            reports[0].write_predictions(predict)
            console.note(f"wrote {len(reports[0].places):,} predictions to {predict}")
        print_reports(reports, [compare(reports[0], report) for report in reports[1:]])
    if unmet := [text for report in reports for text in report.unmet(config.gates)]:
        raise GateError(unmet)


def _tell(reports: "Sequence[Report]") -> None:
    for text in dict.fromkeys(text for report in reports for text in report.notes):
        console.note(text)
    for report in reports:
        for text in report.warnings:
            console.warn(text if len(reports) == 1 else f"{report.name}: {text}")


def _keep(reports: "Sequence[Report]") -> None:
    """Write what plots draw into the run folders; a folder that takes no files is no error here."""
    from dlkit.evaluation.failures.files import keep_failures

    for report in reports:
        if report.run is None:
            continue
        try:
            for path in keep_failures(report.run, report.split, report.sections, report.images):
                console.note(f"wrote {path}")
        except DlkitError as err:
            console.warn(f"not kept in the run folder: {err.message}")
