"""What a search reports: a line for each trial, and a table of the best."""

from typing import TYPE_CHECKING

from dlkit.cli import console
from dlkit.cli.tables import draw_table
from dlkit.errors import DlkitError

if TYPE_CHECKING:
    from dlkit.search.results import Results, TrialResult
    from dlkit.search.study import Search

_SHOWN = 5


def print_results(search: "Search") -> None:
    """Print the best checkpoint, and a table of the best trials to stderr.

    Raises:
        DlkitError: No trial was completed.
    """
    results = found_so_far(search)
    best = results.best(_SHOWN)
    counts = {state: results.count(state) for state in ("complete", "pruned", "failed", "running")}
    console.note(", ".join(f"{count} {state}" for state, count in counts.items() if count))
    if not best:
        failed = [trial for trial in results.trials if trial.reason]
        raise DlkitError(
            f"no trial of {search.sweep.path} was completed"
            + (f"; trial {failed[0].number}: {failed[0].reason}" if failed else ""),
            "a narrower range, or more trials: "
            f"dlkit train --join {search.sweep.path} --trials {search.plan.trials + 10}",
        )
    keys = [one.key for one in search.space]
    columns = ["trial", results.monitor, "epochs", *keys]
    rows = [
        [trial.number, trial.value, len(trial.curve), *(trial.values[key] for key in keys)] for trial in best
    ]
    for line in draw_table(columns, rows, console.stderr().width):
        console.note(line)
    run = search.sweep.run(best[0].number)
    if console.mode.json:
        console.print_json(
            {
                "search": str(search.sweep.path),
                "best": str(run.best),
                "trial": best[0].number,
                "monitor": results.monitor,
                "value": best[0].value,
                "settings": dict(best[0].values),
                "trials": counts,
            }
        )
    else:
        console.print_line(str(run.best))


def found_so_far(search: "Search") -> "Results":
    """Return the trials so far."""
    from dlkit.search.results import results_of

    return results_of(search)


def trial_line(results: "Results", number: int, trials: int) -> str:
    """Return the line that a trial ends with."""
    trial = next(one for one in results.trials if one.number == number)
    ended = len(results.trials) - results.count("running")
    (best, *_) = [*results.best(), None]
    settings = ", ".join(f"{key} {_shown(value)}" for key, value in trial.values.items())
    return f"trial {number} ({ended}/{trials})  {_outcome(trial, results, best)}  {settings}"


def _outcome(trial: "TrialResult", results: "Results", best: "TrialResult | None") -> str:
    if trial.state == "failed":
        return f"failed: {trial.reason}"
    value = f"{results.monitor.replace('_', ' ')} {console.figure(trial.value)}"
    if trial.state == "pruned":
        return f"{value}, pruned after epoch {max(trial.curve)}"
    return f"{value}{', the best so far' if trial is best else ''}"


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
