"""The tables of dlkit eval: scores with their intervals, differences, simpler methods, and what the task has."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dlkit.cli import console
from dlkit.cli.streams import result
from dlkit.errors import counted

if TYPE_CHECKING:
    from dlkit.evaluation.across import Spread
    from dlkit.evaluation.certainty.comparison import Comparison
    from dlkit.evaluation.report import Report


def summary(report: "Report") -> str:
    """Return loss and metrics in one line."""
    where = f"{report.checkpoint} on {report.data} {report.split} ({counted(len(report.places), 'sample')})"
    if not report.metrics:
        return f"{where}: no targets, so no scores"
    metrics = ", ".join(f"{name} {console.figure(value)}" for name, value in report.metrics.items())
    return f"{where}: loss {console.figure(report.loss)}, {metrics}"


def print_reports(reports: "Sequence[Report]", against: "Sequence[Comparison | None]") -> None:
    """Print what was found: tables, or an object for each checkpoint.

    Args:
        reports: One a checkpoint.
        against: What each but the first has over the first; None where the samples are others.
    """
    from dlkit.evaluation.across import are_repeats, over_runs

    spread = over_runs(reports) if are_repeats(reports) else {}
    compared = {number: found for number, found in enumerate(against, 1) if found is not None}
    if console.mode.json:
        for number, report in enumerate(reports):
            other: dict[str, Any] = {"difference": compared[number].to_dict()} if number in compared else {}
            if spread and report is reports[-1]:
                other["over_runs"] = spread
            console.print_json({**report.to_dict(), **other}, indent=None)
        return
    _print_scores(reports)
    _print_spread(spread, len(reports))
    _print_differences(list(compared.values()))
    for report in reports:
        _print_baselines(report)
    for report in reports if len(reports) == 1 else ():
        _print_tables(report)


def _print_scores(reports: "Sequence[Report]") -> None:
    """Print the metrics: a line a checkpoint in a pipe, a line a metric on a terminal."""
    names = list(dict.fromkeys(name for report in reports for name in report.metrics))
    if result().isatty() and names:
        _draw_scores(reports, names)
        return
    ends = any(report.intervals for report in reports)
    columns = [
        column for name in names for column in ((name, f"{name}_lo", f"{name}_hi") if ends else (name,))
    ]
    console.print_table(
        ["checkpoint", "data", "split", "n", "loss", *columns],
        [
            [
                str(report.checkpoint),
                report.data,
                report.split,
                len(report.places),
                report.loss if report.metrics else None,
                *_values(report, names, ends=ends),
            ]
            for report in reports
        ],
    )


def _print_spread(spread: "Mapping[str, Spread]", runs: int) -> None:
    """Print mean and spread of each metric over runs."""
    if spread:
        console.print_line("")
        console.print_table(
            ["metric", "runs", "mean", "sd", "min", "max"],
            [[name, runs, *of.values()] for name, of in spread.items()],
        )


def _print_differences(found: "Sequence[Comparison]") -> None:
    """Print what each checkpoint has over the first, and say it in a sentence."""
    if not result().isatty() and found:
        console.print_line("")
        console.print_table(
            ["metric", "checkpoint", "against", "difference", "lo", "hi"],
            [
                [name, str(each.second.checkpoint), str(each.first.checkpoint), *ends]
                for each in found
                for name, ends in each.differences.items()
            ],
        )
    for each in found:
        if result().isatty():
            console.print_line("")
            console.print_table(
                ["metric", "difference", "95 % from", "to"],
                [[name, *ends] for name, ends in each.differences.items()],
            )
        console.note(each.sentence())


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
    for section in report.sections:
        if shown := section.rows[: section.shown]:
            console.print_line("")
            console.print_table(section.columns, shown)


def _draw_scores(reports: "Sequence[Report]", names: Sequence[str]) -> None:
    if len(reports) == 1:
        (report,) = reports
        title = f"{report.name} on {report.data} {report.split}, {counted(len(report.places), 'sample')}"
        rows = [[name, *_values(report, [name], ends=True)] for name in names]
        console.print_line(title)
        console.print_table(
            ["metric", "value", "95 % from", "to"], [["loss", report.loss, None, None], *rows]
        )
        return
    columns = [f"{report.name} on {report.data} {report.split}" for report in reports]
    console.print_table(
        ["metric", *columns],
        [
            ["samples", *(f"{len(report.places):,}" for report in reports)],
            ["loss", *(console.figure(report.loss) if report.metrics else "" for report in reports)],
            *([name, *(_with_interval(report, name) for report in reports)] for name in names),
        ],
    )


def _values(report: "Report", names: Sequence[str], *, ends: bool) -> Iterator[float | None]:
    for name in names:
        yield report.metrics.get(name)
        if ends:
            yield from report.intervals.get(name, (None, None))


def _with_interval(report: "Report", name: str) -> str:
    value = console.figure(report.metrics.get(name))
    if name not in report.intervals:
        return value
    lo, hi = map(console.figure, report.intervals[name])
    return f"{value} ({lo} to {hi})"
