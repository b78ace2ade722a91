"""dlkit plot --report: gather what a run folder and an evaluation say, and write the page."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlkit.cli import console
from dlkit.cli.bars import show_preparing
from dlkit.cli.own_code import load_checkpoints
from dlkit.errors import ConfigError, DataError
from dlkit.files.atomic import write_file
from dlkit.files.file_times import stamp_as
from dlkit.files.history import read_history, read_rows
from dlkit.files.run_dir import RunDir
from dlkit.plotting.loading import load_matplotlib
from dlkit.settings.eval_config import EvalConfig
from dlkit.settings.spec import CodeSpec

if TYPE_CHECKING:
    from dlkit.evaluation.report import Report
    from dlkit.plotting.report.sections import RunFacts

_SUFFIX = ".html"
_NUM_WORST = 12


def check_report(report: Path, runs: Sequence[Path], typed: Sequence[str]) -> list[ConfigError]:
    """Return what is wrong with --report, the folders that it is of, and the other options typed."""
    faults = []
    if report.suffix.lower() != _SUFFIX:
        faults.append(
            ConfigError(f"--report {report} does not end in {_SUFFIX}", "for example --report report.html")
        )
    if others := [path for path in runs if not RunDir(path).history.exists()]:
        faults.append(
            ConfigError(
                f"--report is for run folders; {others[0]} has no history.csv", "name the folder of a run"
            )
        )
    if typed:
        faults.append(
            ConfigError(f"{typed[0]} cannot be used with --report", "leave it out, or draw a figure with -o")
        )
    return faults


def write_report(report: Path, runs: Sequence[Path], split: str, code: CodeSpec | None, title: str) -> None:
    """Evaluate runs and write the report on them.

    Raises:
        DlkitError: A run cannot be read or evaluated, or the page cannot be written.
    """
    load_matplotlib()
    from dlkit.plotting.report.page import render
    from dlkit.plotting.report.sections import sections_of_comparison, sections_of_run

    facts = [_gather(RunDir(path), split, code) for path in runs]
    if len(facts) == 1:
        text = render(title or facts[0].path.resolve().name, _subtitle(facts[0]), sections_of_run(facts[0]))
    else:
        text = render(title or f"{len(facts)} runs", ", ".join(map(str, runs)), sections_of_comparison(facts))
    write_file(report, text.encode())
    console.print_paths([report])


def _gather(run: RunDir, split: str, code: CodeSpec | None) -> "RunFacts":
    from dlkit.device import pick_device
    from dlkit.evaluation.run_evaluation import evaluate_checkpoint
    from dlkit.inspection.contents import read_contents
    from dlkit.plotting.history.runs import read_settings
    from dlkit.plotting.kinds import read_input
    from dlkit.plotting.report.sections import RunFacts

    (checkpoint,) = load_checkpoints([run.best], code)
    with show_preparing():
        asked = EvalConfig(split=split, worst=_NUM_WORST, baselines=run.baselines(split).exists())
        found = evaluate_checkpoint(checkpoint, asked, pick_device("auto"))
    predictions = run.predictions(split)
    found.write_predictions(predictions)
    stamp_as(predictions, run.best)
    kind, values = read_input(predictions)
    return RunFacts(
        path=run.path,
        settings=read_settings(run.history),
        facts={
            name: value for name, value in read_contents(run.best).to_pairs().items() if name != "checksum"
        },
        history=read_history(run.history),
        evaluation=found.to_dict(),
        predictions=values if kind.name in ("confusion", "parity") else None,
        layers=_layers(run.probes),
        worst=_worst(found),
        findings=_findings(run.path / "findings.json"),
    )


def _worst(found: "Report") -> tuple[Sequence[bytes], list[str]]:
    """Return images of the worst samples with captions; none where the samples are no images."""
    if not found.images:
        return (), []
    (section,) = (section for section in found.sections if section.name == "worst")
    place = {name: number for number, name in enumerate(section.columns)}
    return found.images, [
        f"{row[place['index']]}: {row[place['target']]} as {row[place['pred']]}" for row in section.rows
    ]


def _subtitle(run: "RunFacts") -> str:
    best = run.history.best_row()
    epoch = (
        "" if best is None else f", best epoch {run.history.columns['epoch'][best]:g} of {len(run.history)}"
    )
    return f"{run.settings.get('model', 'a network')} on {run.settings.get('data', 'its data')}{epoch}"


def _layers(probes: Path) -> list[dict[str, float | str | None]]:
    """Return the newest gradient norm and update ratio of each layer."""
    try:
        header, rows = read_rows(probes)
        layer, signal, value = (header.index(name) for name in ("layer", "signal", "value"))
    except (DataError, ValueError):
        return []
    names = {"grad_norm": "norm", "update_ratio": "update_ratio"}
    newest: dict[str, dict[str, float | str | None]] = {}
    for _, row in rows:
        if row[signal] in names and row[value]:
            newest.setdefault(row[layer], {"layer": row[layer]})[names[row[signal]]] = float(row[value])
    return list(newest.values())


def _findings(path: Path) -> list[Mapping[str, Any]]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return (
        [one for one in found.get("findings", []) if isinstance(one, dict)] if isinstance(found, dict) else []
    )
