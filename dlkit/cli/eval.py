"""dlkit eval: how good is it, and where is it wrong."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from dlkit.cli import console
from dlkit.cli.bars import show_preparing
from dlkit.cli.eval_checks import faults_of
from dlkit.cli.eval_map import MapOptions, write_map
from dlkit.cli.eval_tables import print_baselines, print_differences, print_scores, print_tables, summary
from dlkit.cli.options import DataOption, DeviceOption, SplitOption
from dlkit.cli.own_code import ModelOption, check_options, load_checkpoints
from dlkit.errors import ConfigError
from dlkit.settings.eval_config import EvalConfig

_POINTS = "Points (spatial)"


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
        int, Option("--ci", metavar="N", help="Random draws behind the 95 % intervals; 0 for none.")
    ] = EvalConfig.ci,
    baselines: Annotated[
        bool, Option("--baselines", help="Score simpler methods on the same samples, for tables and points.")
    ] = False,
    allow_nan: Annotated[
        bool,
        Option("--allow-nan", help="Count samples whose outputs are NaN or infinite, and score the others."),
    ] = False,
    draws: Annotated[
        int | None,
        Option(
            metavar="M",
            help="Predict the mean of M random draws of neighbours, not from the nearest.",
            rich_help_panel=_POINTS,
        ),
    ] = None,
    grid: Annotated[
        int | None,
        Option(
            metavar="N",
            help="Predict a map with N cells along the longer side instead.",
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
        Option(
            "--out", "-o", metavar="FILE", help="Where the map goes, a .csv file.", rich_help_panel=_POINTS
        ),
    ] = None,
    device: DeviceOption = "auto",
    model: ModelOption = None,
) -> None:
    """Evaluate checkpoints: loss, accuracy, precision, recall and F1 per class, confusion matrix."""
    asked = MapOptions(grid=grid, draws=draws, at=at, out=out)
    config = EvalConfig(
        data=data, split=split, metrics=metrics, ci=ci, baselines=baselines, draws=draws, allow_nan=allow_nan
    )
    faults = [*faults_of(config, checkpoints, predict, device), *asked.faults(len(checkpoints))]
    if grid is not None:
        typed = {"--data": data, "--predict": predict, "--metrics": metrics, "--baselines": baselines or None}
        faults += [
            ConfigError(f"--grid does not go with {option}", "it predicts a map, from the checkpoint alone")
            for option, value in typed.items()
            if value is not None
        ]
    if faults:
        raise ConfigError.of(faults)
    if grid is not None:
        write_map(checkpoints[0], asked, device)
        return
    code = check_options(model, data)

    from dlkit.device import pick_device
    from dlkit.evaluation.comparison import compare
    from dlkit.evaluation.report import evaluate_checkpoint
    from dlkit.files.atomic import write_file

    where = pick_device(device)
    loaded = load_checkpoints(checkpoints, code)
    with show_preparing():
        reports = [evaluate_checkpoint(checkpoint, config, where) for checkpoint in loaded]
    for text in dict.fromkeys(text for report in reports for text in report.notes):
        console.note(text)
    if predict is not None and str(predict) == "-":
        console.note(summary(reports[0]))
        console.print_text(reports[0].predictions_csv())
        return
    if predict is not None:
        write_file(predict, reports[0].predictions_csv().encode())
        console.note(f"wrote {len(reports[0].places):,} predictions to {predict}")
    against = [compare(reports[0], report) for report in reports[1:]]
    compared = {number: found for number, found in enumerate(against, 1) if found is not None}
    if console.mode.json:
        for number, report in enumerate(reports):
            other = {"difference": compared[number].to_dict()} if number in compared else {}
            console.print_json({**report.to_dict(), **other}, indent=None)
        return
    print_scores(reports)
    print_differences(list(compared.values()))
    for report in reports:
        print_baselines(report)
    if len(reports) == 1:
        print_tables(reports[0])
