"""A worker of a search: take a trial, train it as an ordinary run, report to Optuna how it did, take the next."""

import contextlib
import math
import signal
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from optuna.trial import TrialState

from dlkit.errors import CheckpointError, ConfigError, DataError, DivergedError, DlkitError, InterruptedRun
from dlkit.files.history import read_history
from dlkit.files.run_dir import RunDir
from dlkit.files.run_lock import last_process
from dlkit.search.study import REASON, Search
from dlkit.settings.search import Plan
from dlkit.settings.spec import parse_code
from dlkit.torch_compat import is_device_full, is_host_full
from dlkit.training.assemble import assemble_new
from dlkit.training.resume import newest_state, resume_run
from dlkit.training.run import TrainRun, start_run
from dlkit.user_code import source_digest

if TYPE_CHECKING:
    import optuna

_MOST_DEATHS = 5
_DEATHS = "deaths"


def with_digests(plan: Plan) -> tuple[Plan, list[str]]:
    """Return a plan with the digests of data and code, by which workers know theirs; and messages on the data.

    Raises:
        DlkitError: The data are not there, or no trial can be assembled from them.
    """
    config = plan.config()
    dataset = assemble_new(config).dataset
    code = parse_code(config.model)
    digest = "" if code is None else source_digest(code)
    return replace(plan, fingerprint=dataset.description.fingerprint, code=digest), list(dataset.notes)


def check_same(search: Search) -> None:
    """Check that data and code are those that the search began with.

    Raises:
        DataError: The data differ.
        ConfigError: The file of the network differs.
    """
    here, _ = with_digests(search.plan)
    if here.code != search.plan.code:
        raise ConfigError(
            f"{search.config.model} has changed since the search in {search.sweep.path} began",
            "put the file back, or start a new search",
        )
    if here.fingerprint != search.plan.fingerprint:
        raise DataError(
            f"{search.config.data} has changed since the search in {search.sweep.path} began",
            "put the data back, or start a new search",
        )


@dataclass(kw_only=True)
class Worker:
    """Trains the trials of a search one after the other.

    Args:
        search: The search.
        named: Settings that the command line names, so that code of the user's own may run.
        stop_signal: Set by `request_stop`.
        run: The run under way.
    """

    search: Search
    named: Container[str] = ()
    stop_signal: int | None = None
    run: TrainRun | None = None

    def __iter__(self) -> Iterator[int]:
        """Train trials until there is nothing left to begin; yield the number of each that has ended.

        Raises:
            InterruptedRun: A stop was requested; the trial under way is saved.
            DlkitError: What is no fault of a trial: no space, no permission, data that are gone.
        """
        while True:
            with self.search.next_trial() as trial:
                if trial is None:
                    return
                self._train(trial)
            yield trial.number
            if self.stop_signal is not None:
                raise interrupted(self.search, self.stop_signal)

    def request_stop(self, number: int) -> None:
        """Let the step under way finish, save, and stop."""
        self.stop_signal = number
        if self.run is not None:
            self.run.stop_signal = number

    def _train(self, trial: "optuna.Trial") -> None:
        """Train a trial; one that diverges, does not fit into memory or has impossible settings has failed."""
        study = self.search.study
        try:
            value = self._value_of(trial)
        except InterruptedRun as err:
            raise interrupted(self.search, err.exit_code - 128) from err
        except (DlkitError, RuntimeError, MemoryError) as err:
            if not _is_own_fault(err):
                raise
            trial.set_user_attr(REASON, next(iter(str(err).splitlines()), type(err).__name__))
            study.tell(trial, state=TrialState.FAIL)
        else:
            pruned = self.run is not None and self.run.pruned
            study.tell(trial, None if pruned else value, state=TrialState.PRUNED if pruned else None)
        finally:
            self.run = None  # its memory is the next one's

    def _value_of(self, trial: "optuna.Trial") -> float:
        """Train a trial to its end or until it is pruned, and return its best value."""
        monitor = self.search.monitor
        folder = self.search.sweep.run(trial.number)
        _count_deaths(trial, folder)
        self.run = run = self._open(trial, folder)
        run.stop_signal = self.stop_signal
        for step, _ in run:
            value = None if step.record is None else step.record.to_row()[monitor]
            if value is None:
                continue
            trial.report(value, step.epoch)
            run.pruned = not run.done_reason and trial.should_prune()
        best: float | None = None if run.best is None else run.best[monitor]
        if best is None or not math.isfinite(best):
            raise DivergedError(f"{monitor} is not defined in any epoch")
        return best

    def _open(self, trial: "optuna.Trial", folder: RunDir) -> TrainRun:
        """Return the run of a trial: resumed where a worker left it, else new."""
        config = self.search.plan.config(self.search.values(trial))
        if folder.last.exists() or folder.last_prev.exists():
            with contextlib.suppress(CheckpointError):
                checkpoint, _ = newest_state(folder, parse_code(config.model))
                run = resume_run(checkpoint.config, folder, self.named)
                _report_again(trial, run, self.search.monitor)
                return run
        return start_run(config, folder.path, force=True)


def _report_again(trial: "optuna.Trial", run: TrainRun, monitor: str) -> None:
    """Report the epochs that a killed worker has saved and could not report.

    Rows behind them are not read: their epochs are trained again, and the last line may be cut off.
    """
    saved = run.position.epoch - 1
    if not saved:
        return
    known = trial.storage.get_trial(trial._trial_id).intermediate_values
    history = read_history(run.dir.history).columns
    for epoch, value in zip(history["epoch"], history[monitor], strict=True):
        if epoch is not None and epoch <= saved and value is not None and int(epoch) not in known:
            trial.report(value, int(epoch))


def _count_deaths(trial: "optuna.Trial", folder: RunDir) -> None:
    """Count how often a trial took its process with it, as one does that the system kills for its memory.

    Raises:
        MemoryError: It did so too often.
    """
    last = last_process(folder.lock)
    if last is None or last.state != "vanished":
        return
    deaths = trial.user_attrs.get(_DEATHS, 0) + 1
    trial.set_user_attr(_DEATHS, deaths)
    if deaths >= _MOST_DEATHS:
        raise MemoryError(f"its process was killed {deaths} times")


def _is_own_fault(err: BaseException) -> bool:
    """Return whether an error is of the trial's settings: others with other settings can be trained."""
    chain = (err, err.__cause__, err.__context__)
    return isinstance(err, DivergedError | ConfigError | MemoryError) or any(
        isinstance(one, BaseException) and (is_device_full(one) or is_host_full(one)) for one in chain
    )


def interrupted(search: Search, number: int) -> InterruptedRun:
    """Return the error that a search ends with when a signal stops it."""
    name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
    return InterruptedRun(
        number,
        f"the search was stopped by {name}; everything is saved in {search.sweep.path}",
        f"continue with dlkit train --join {search.sweep.path}",
    )
