"""What dlkit train prints when a run is done: the path of the best checkpoint, and what one does with it next."""

import shlex
from typing import TYPE_CHECKING

from dlkit.cli import console
from dlkit.settings.texts import parse_log

if TYPE_CHECKING:
    from dlkit.training.run import TrainRun


def print_result(run: "TrainRun", indent: int | None = 2) -> None:
    """Print the path of the best checkpoint of a run, or with --json what it holds; a summary goes to stderr."""
    best = run.best or {}
    column = f"val_{run.metric}"
    if best:
        console.note(
            f"best epoch {best['epoch']}: val loss {console.figure(best['val_loss'])}, "
            f"{run.metric} {console.figure(best[column])}; "
            f"the run is in {run.dir.path}"
        )
    if console.stderr().is_terminal:
        console.note(f"next: {', '.join(_next_commands(run))}")
    if console.mode.json:
        console.print_json(
            {
                "run": str(run.dir.path),
                "best": str(run.dir.best),
                "last": str(run.dir.last),
                "epochs": run.config.epochs,
                "metrics": best,
            },
            indent=indent,
        )
    else:
        console.print_line(str(run.dir.best))


def _next_commands(run: "TrainRun") -> list[str]:
    """Return what one does with a trained run."""
    path = shlex.quote(str(run.dir.path))
    logged = "tensorboard" in parse_log(run.config.log)
    return [
        f"dlkit eval {path}",
        f"dlkit plot {path}",
        f"tensorboard --logdir {path}" if logged else f"dlkit inspect run {path}",
    ]
