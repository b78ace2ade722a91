"""Predictions kept in a run folder, so that plots of them need no second evaluation."""

from pathlib import Path

from dlkit.device import pick_device
from dlkit.evaluation.report import evaluate_checkpoint
from dlkit.files.checkpoint import Checkpoint
from dlkit.files.run_dir import stamp_as
from dlkit.settings.eval_config import EvalConfig


def store_predictions(checkpoint: Checkpoint, split: str, path: Path) -> None:
    """Write what a checkpoint predicts for a split of its own data into a CSV.

    Raises:
        DlkitError: As `evaluate_checkpoint`, or the file cannot be written.
    """
    report = evaluate_checkpoint(checkpoint, EvalConfig(split=split, ci=0), pick_device("auto"))
    report.write_predictions(path)
    stamp_as(path, checkpoint.path)
