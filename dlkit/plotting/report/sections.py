"""What the report of a run or of several shows, made of what the run folder and the evaluation hold."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlkit.errors import counted
from dlkit.files.history import History
from dlkit.files.run_dir import RunDir
from dlkit.plotting.history.axis_titles import read_axis_titles
from dlkit.plotting.history.curves import plot_history
from dlkit.plotting.history.panels import choose_panels
from dlkit.plotting.history.runs import Settings, differing, name_runs
from dlkit.plotting.layers.statistics import plot_layers
from dlkit.plotting.predictions.calibration import plot_calibration
from dlkit.plotting.predictions.confusion import count_confusion, plot_confusion
from dlkit.plotting.predictions.parity import plot_parity
from dlkit.plotting.predictions.reading import PredictedNumbers, Predictions
from dlkit.plotting.predictions.residual import plot_residual
from dlkit.plotting.report.page import Images, Plot, Section, Table, Text

_MOST_CLASSES = 40
_MOST_LAYERS = 60


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """What is known of one run.

    Args:
        path: Its folder.
        settings: As in its config.toml.
        facts: What its best checkpoint says, by name.
        history: Its history.csv.
        evaluation: The JSON of `dlkit eval`.
        predictions: Classes, or numbers by output; None for other kinds of data.
        layers: The newest gradient norm and update ratio of each layer.
        worst: Images that the model was most wrong about, as PNG, with captions.
        findings: Those of the diagnosis, as in findings.json.
    """

    path: Path
    settings: Settings
    facts: Mapping[str, Any]
    history: History
    evaluation: Mapping[str, Any]
    predictions: Predictions | Mapping[str, PredictedNumbers] | None = None
    layers: Sequence[Mapping[str, float | str | None]] = ()
    worst: tuple[Sequence[bytes], Sequence[str]] = field(default=((), ()))
    findings: Sequence[Mapping[str, Any]] = ()


def sections_of_run(run: RunFacts) -> list[Section]:
    """Return the sections of the report on one run."""
    return [
        Section(heading="Metrics", blocks=_metrics(run)),
        Section(heading="Training", blocks=[_curves([run], [""])]),
        Section(heading="Findings", blocks=_findings(run)),
        *_predictions(run),
        Section(heading="Worst samples", blocks=_worst(run)),
        Section(heading="Layers", blocks=_layers(run)),
        Section(heading="Run", blocks=[_pairs(run.facts)]),
        Section(heading="Commands", blocks=[Text(text=_commands(run), code=True)]),
        Section(heading="All settings", blocks=[_pairs(run.settings)], folded=True, wide=True),
    ]


def sections_of_comparison(runs: Sequence[RunFacts]) -> list[Section]:
    """Return the sections of a report that compares runs."""
    names = name_runs([run.settings for run in runs], [run.path.name for run in runs])
    changed = differing([run.settings for run in runs])
    metrics = list(dict.fromkeys(name for run in runs for name in run.evaluation["metrics"]))
    rows = [
        [
            name,
            run.evaluation["n"],
            run.evaluation["loss"],
            *(_with_interval(run.evaluation, one) for one in metrics),
        ]
        for name, run in zip(names, runs, strict=True)
    ]
    settings = [[one, *(_text(run.settings.get(one)) for run in runs)] for one in changed]
    return [
        Section(
            heading="Metrics",
            blocks=[Table(header=["run", "samples", "loss", *metrics], rows=rows), *_different_data(runs)],
            wide=True,
        ),
        Section(heading="Training", blocks=[_curves(runs, names)]),
        Section(
            heading="Settings that differ",
            blocks=[Table(header=["setting", *names], rows=settings)]
            if settings
            else [Text(text="Only the seed differs.")],
        ),
        Section(
            heading="Findings",
            blocks=[
                Text(text=f"{name}: {text.text}", warning=text.warning)
                for name, run in zip(names, runs, strict=True)
                for text in _findings(run)
            ],
        ),
        Section(
            heading="Commands",
            blocks=[Text(text="\n".join(_train_command(run) for run in runs), code=True)],
        ),
    ]


def _metrics(run: RunFacts) -> list[Table | Text]:
    found = run.evaluation
    rows: list[list[Any]] = [["loss", found["loss"], ""]]
    rows += [[name, of["value"], _interval(of)] for name, of in found["metrics"].items()]
    blocks: list[Table | Text] = [
        Text(text=f"{found['split']} split of {found['data']}, {counted(found['n'], 'sample')}"),
        Table(header=["metric", "value", "95 % interval"], rows=rows),
    ]
    if found.get("baselines"):
        names = list(found["metrics"])
        values = {"this run": {name: found["metrics"][name]["value"] for name in names}, **found["baselines"]}
        blocks.append(
            Table(
                header=["method", *names],
                rows=[[who, *(of.get(one) for one in names)] for who, of in values.items()],
            )
        )
    if found.get("per_class") and len(found["per_class"]) <= _MOST_CLASSES:
        header = list(found["per_class"][0])
        blocks.append(
            Table(header=header, rows=[[row.get(name) for name in header] for row in found["per_class"]])
        )
    return blocks


def _different_data(runs: Sequence[RunFacts]) -> list[Text]:
    """Warn where runs were evaluated on different samples, so that their metrics cannot be compared."""
    kinds = {(run.facts.get("fingerprint"), run.evaluation["data"], run.evaluation["n"]) for run in runs}
    if len(kinds) == 1:
        return []
    return [
        Text(
            text="The runs were evaluated on different samples; their metrics are not comparable.",
            warning=True,
        )
    ]


def _curves(runs: Sequence[RunFacts], names: Sequence[str]) -> Plot:
    histories = [run.history for run in runs]
    titles = read_axis_titles([RunDir(run.path).history for run in runs])
    figure = plot_history(histories, names, titles=titles)
    epochs = sorted(
        {epoch for history in histories for epoch in history.columns["epoch"] if epoch is not None}
    )
    columns = dict.fromkeys(
        name for history in histories for name in history.columns if name not in ("epoch", "step")
    )
    series = [
        {"name": f"{name} {column}".strip(), "values": _values_at(history, column, epochs)}
        for history, name in zip(histories, names, strict=True)
        for column in columns
        if (len(runs) == 1 or column.startswith("val_")) and column in history.columns
    ]
    return Plot(
        figure=figure,
        description="Loss and metric after each epoch; train is the mean during the epoch.",
        readings={"x": epochs, "name": "epoch", "series": series, "panels": len(choose_panels(histories))},
    )


def _values_at(history: History, column: str, epochs: Sequence[float]) -> list[float | None]:
    by_epoch = dict(zip(history.columns["epoch"], history.columns[column], strict=True))
    values = [by_epoch.get(epoch) for epoch in epochs]
    return [value if value is not None and math.isfinite(value) else None for value in values]


def _predictions(run: RunFacts) -> list[Section]:
    found = run.predictions
    if found is None:
        return []
    if isinstance(found, Predictions):
        counts = count_confusion(found.targets, found.preds, found.class_names)
        sections = [
            Section(
                heading="Confusion",
                blocks=[
                    Plot(
                        figure=plot_confusion(counts, found.class_names),
                        description="Samples by true and predicted class.",
                    )
                ],
            )
        ]
        if found.probs:
            plot = Plot(
                figure=plot_calibration(found),
                description="Accuracy by predicted probability; dots below the line are overconfident.",
            )
            sections.append(Section(heading="Calibration", blocks=[plot]))
        return sections
    return [
        Section(
            heading="Parity",
            blocks=[Plot(figure=plot_parity(found), description="Predicted against true values.")],
        ),
        Section(
            heading="Residuals",
            blocks=[
                Plot(
                    figure=plot_residual(found),
                    description="Prediction minus truth against the prediction; the dashed lines hold the middle 90 %.",
                )
            ],
        ),
    ]


def _worst(run: RunFacts) -> list[Images | Text]:
    contents, captions = run.worst
    if not contents:
        return []
    return [
        Text(text="The samples whose true class got the lowest probability."),
        Images(contents=contents, captions=captions),
    ]


def _layers(run: RunFacts) -> list[Plot]:
    rows = run.layers[:_MOST_LAYERS]
    if not rows:
        return []
    text = "Gradient norm and update-to-weight ratio of each parameter at the last sampled step."
    if len(run.layers) > _MOST_LAYERS:
        text += f" The first {_MOST_LAYERS} of {len(run.layers):,}."
    return [Plot(figure=plot_layers(rows), description=text)]


def _findings(run: RunFacts) -> list[Text]:
    return [
        Text(text=f"{one['level']}: {one['message']}", warning=one["level"] == "warning")
        for one in run.findings
    ]


def _commands(run: RunFacts) -> str:
    path = shlex.quote(str(run.path))
    return "\n".join(
        [_train_command(run), f"dlkit eval {path}", f"dlkit plot {path}", f"dlkit inspect run {path}"]
    )


def _train_command(run: RunFacts) -> str:
    return f"dlkit train --config {shlex.quote(str(run.path / 'config.toml'))} --out NEW"


def _pairs(values: Mapping[str, Any]) -> Table:
    return Table(header=[], rows=[[name, _text(value)] for name, value in values.items()])


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return (
        ", ".join(map(str, value)) if isinstance(value, list | tuple) else str("" if value is None else value)
    )


def _interval(of: Mapping[str, float | None]) -> str:
    lo, hi = of.get("lo"), of.get("hi")
    return "" if lo is None or hi is None else f"{lo:.4g} to {hi:.4g}"


def _with_interval(found: Mapping[str, Any], name: str) -> str:
    of = found["metrics"].get(name)
    if of is None or of["value"] is None:
        return ""
    interval = _interval(of)
    return f"{of['value']:.4g}" + (f" ({interval})" if interval else "")
