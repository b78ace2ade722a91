"""What plots draw, kept in a run folder, so that they need no second evaluation."""

from pathlib import Path

from dlkit.device import pick_device
from dlkit.evaluation.failures.files import keep_failures
from dlkit.evaluation.run_evaluation import evaluate_checkpoint
from dlkit.files.checkpoint import Checkpoint
from dlkit.files.file_times import stamp_as
from dlkit.files.run_dir import RunDir
from dlkit.settings.eval_config import EvalConfig

NUM_WORST = 16


def store_predictions(checkpoint: Checkpoint, split: str, path: Path) -> None:
    """Write what a checkpoint predicts for a split of its own data into a CSV.

    Raises:
        DlkitError: As `evaluate_checkpoint`, or the file cannot be written.
    """
    report = evaluate_checkpoint(checkpoint, EvalConfig(split=split, ci=0), pick_device("auto"))
    report.write_predictions(path)
    stamp_as(path, checkpoint.path)


def store_failures(checkpoint: Checkpoint, split: str, *, importance: bool) -> None:
    """Write the importance of the columns, or the worst samples of a split, into the run folder.

    Raises:
        DlkitError: As `evaluate_checkpoint`, or a file cannot be written.
    """
    config = EvalConfig(split=split, ci=0, importance=importance, worst=0 if importance else NUM_WORST)
    report = evaluate_checkpoint(checkpoint, config, pick_device("auto"))
    keep_failures(RunDir(checkpoint.path.parent), split, report.sections, report.images)
