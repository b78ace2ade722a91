"""dlkit eval: how good is it, and where is it wrong."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from dlkit.cli import console
from dlkit.cli.bars import show_preparing
from dlkit.cli.eval_map import MapOptions, write_map
from dlkit.cli.options import DataOption, DeviceOption, SplitOption
from dlkit.cli.own_code import ModelOption, check_options, load_checkpoints
from dlkit.errors import ConfigError, did_you_mean
from dlkit.files.run_dir import RunDir
from dlkit.settings.checks import check_device
from dlkit.settings.spec import parse_spec

if TYPE_CHECKING:
    from dlkit.evaluation.report import Report

_POINTS = "Points (spatial)"
_SPLITS = ("test", "val", "train", "all")
_PREDICTIONS = (b"index,target", b"index,organ,time,target")


def evaluate(
    checkpoints: Annotated[
        list[Path], Argument(metavar="CKPT...", help="Checkpoints, or run folders for their best ones.")
    ],
    data: DataOption = None,
    split: SplitOption = "test",
    predict: Annotated[
        Path | None, Option("--predict", metavar="FILE", help="Write the predictions as CSV; - is stdout.")
    ] = None,
    metrics: Annotated[
        str | None,
        Option("--metrics", metavar="A,B", help="The metrics to report. Default: those usual for the task."),
    ] = None,
    baselines: Annotated[
        bool, Option("--baselines", help="Score simpler methods on the same samples, for tables and points.")
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
    names = None if metrics is None else [name.strip() for name in metrics.split(",")]
    faults = [
        *_metric_faults(names),
        *_faults(checkpoints, data, split, predict, device),
        *asked.faults(len(checkpoints)),
    ]
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
    from dlkit.evaluation.report import evaluate_checkpoint
    from dlkit.files.atomic import write_file

    where = pick_device(device)
    loaded = load_checkpoints(checkpoints, code)
    with show_preparing():
        reports = [
            evaluate_checkpoint(checkpoint, data, split, where, draws=draws, baselines=baselines, names=names)
            for checkpoint in loaded
        ]
    for text in dict.fromkeys(text for report in reports for text in report.notes):
        console.note(text)
    if predict is not None and str(predict) == "-":
        console.note(_summary(reports[0]))
        console.print_text(reports[0].predictions_csv())
        return
    if predict is not None:
        write_file(predict, reports[0].predictions_csv().encode())
        console.note(f"wrote {len(reports[0].places):,} predictions to {predict}")
    if console.mode.json:
        results = [report.to_dict() for report in reports]
        console.print_json(results if len(results) > 1 else results[0])
        return
    _print_scores(reports)
    for report in reports:
        _print_baselines(report)
    if len(reports) == 1:
        _print_tables(reports[0])


def _faults(
    checkpoints: list[Path], data: str | None, split: str, predict: Path | None, device: str
) -> list[ConfigError]:
    faults = list(check_device(device))
    if split not in _SPLITS:
        faults.append(
            ConfigError(
                f"--split {split} is not known; choose from {', '.join(_SPLITS)}",
                did_you_mean(split, _SPLITS),
            )
        )
    if data is not None:
        try:
            parse_spec(data)
        except ConfigError as err:
            faults.append(err)
    if predict is not None and len(checkpoints) > 1:
        faults.append(
            ConfigError(
                f"--predict takes one checkpoint; {len(checkpoints)} are given", "evaluate them one by one"
            )
        )
    if predict is not None:
        faults += _predict_faults(predict)
    return faults


def _metric_faults(names: list[str] | None) -> Iterator[ConfigError]:
    """Find names that no task has; whether the task at hand has them is seen when it is known."""
    if names is None:
        return
    from dlkit.metrics import IN_EVAL_ONLY, METRICS

    there = (*METRICS, *IN_EVAL_ONLY)
    for name in names:
        if name not in there:
            yield ConfigError(
                f"--metrics {name} is not known; choose from {', '.join(there)}", did_you_mean(name, there)
            )


def _predict_faults(predict: Path) -> Iterator[ConfigError]:
    if str(predict) == "-":
        if console.mode.json:
            yield ConfigError("--predict - and --json both want stdout", "write the predictions to a file")
    elif predict.suffix.lower() != ".csv":
        yield ConfigError(
            f"--predict {predict} does not end in .csv", "for example --predict predictions.csv"
        )
    elif predict in RunDir(predict.parent).files():
        yield ConfigError(
            f"--predict {predict} would replace a file of a run", "choose another name, as predictions.csv"
        )
    elif predict.is_file() and not _holds_predictions(predict):
        yield ConfigError(
            f"--predict {predict} would replace a file that holds no predictions",
            f"--data {predict} --predict FILE writes what is predicted for its rows into FILE",
        )


def _holds_predictions(path: Path) -> bool:
    """Tell by its first line whether a file is one that --predict wrote."""
    try:
        with path.open("rb") as file:
            start = file.read(80)
    except OSError:
        return False
    return not start or start.startswith(_PREDICTIONS)


def _summary(report: "Report") -> str:
    where = f"{report.checkpoint} on {report.data} {report.split} ({len(report.places):,} samples)"
    if not report.metrics:
        return f"{where}: no targets, so no scores"
    metrics = ", ".join(f"{name} {console.figure(value)}" for name, value in report.metrics.items())
    return f"{where}: loss {console.figure(report.loss)}, {metrics}"


def _print_scores(reports: list["Report"]) -> None:
    names = list(dict.fromkeys(name for report in reports for name in report.metrics))
    console.print_table(
        ["checkpoint", "data", "split", "n", "loss", *names],
        [
            [
                str(report.checkpoint),
                report.data,
                report.split,
                len(report.places),
                report.loss if report.metrics else None,
                *(report.metrics.get(name) for name in names),
            ]
            for report in reports
        ],
    )


def _print_baselines(report: "Report") -> None:
    """Print simpler methods, and the network beside them."""
    if not report.baselines:
        return
    rows = {str(report.checkpoint): report.metrics, **report.baselines}
    columns = list(report.metrics)
    console.print_line("")
    console.print_table(
        ["method", *columns], [[name, *(of.get(column) for column in columns)] for name, of in rows.items()]
    )


def _print_tables(report: "Report") -> None:
    """Print what its kind of data has beside the scores."""
    if report.results.note:
        console.note(report.results.note)
    for columns, rows in report.results.tables():
        console.print_line("")
        console.print_table(columns, rows)
