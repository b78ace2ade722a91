"""dlkit train --folds K without --fold: all K runs, one after the other."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dlkit.cli import console
from dlkit.cli.settings import Given
from dlkit.errors import ConfigError
from dlkit.files.run_places import check_out
from dlkit.settings.config import TrainConfig
from dlkit.settings.resolve import resolve
from dlkit.settings.spec import parse_code

if TYPE_CHECKING:
    from dlkit.training.run import TrainRun


def folds_asked(given: Given) -> int:
    """Return how many folds are to be trained one after the other; 0 where one is named, or none."""
    settings = {**given.file, **given.settings}
    return 0 if settings.get("fold") is not None else int(settings.get("folds") or 0)


def configs_of_folds(
    given: Given, folds: int, out: Path | None, *, force: bool
) -> list[tuple[TrainConfig, Path | None]]:
    """Return the settings and the run folder of each fold.

    Raises:
        ConfigError: A setting is wrong, or the data can be read but once.
        RunExistsError: A folder holds a run already.
    """
    numbers = range(1, folds + 1)
    configs = [
        resolve({**given.settings, "fold": number}, given.arguments, file=given.file, faults=given.faults)
        for number in numbers
    ]
    if configs[0].data == "-":
        raise ConfigError(
            f"--folds {folds} reads the data {folds} times, but --data - can be read only once", "use a file"
        )
    folders = [None if out is None else out / f"fold-{number}" for number in numbers]
    for folder in folders:
        check_out(folder, force=force)
    return list(zip(configs, folders, strict=True))


def note_spread(runs: "Sequence[TrainRun]") -> None:
    """Note mean and spread of the metrics on the test parts, each of which is another."""
    from dlkit.device import pick_device
    from dlkit.evaluation.across import over_runs, sentence
    from dlkit.evaluation.run_evaluation import evaluate_checkpoint
    from dlkit.files.checkpoint import load_checkpoint
    from dlkit.settings.eval_config import EvalConfig

    device = pick_device(runs[0].config.device)
    config = EvalConfig(ci=0)
    code = parse_code(runs[0].config.model)
    reports = [evaluate_checkpoint(load_checkpoint(run.dir.best, code), config, device) for run in runs]
    console.note(f"test parts of the folds: {sentence(over_runs(reports), len(reports))}")
