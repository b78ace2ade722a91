"""The study of a search: made, opened, and its trials taken one by one, by any number of workers."""

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dlkit.errors import ConfigError, MissingError, file_error
from dlkit.files.atomic import make_folder
from dlkit.files.sweep_dir import SweepDir
from dlkit.metrics import higher_is_better
from dlkit.search.samplers import build_pruner, build_sampler, own_seed
from dlkit.settings.search import Plan, Searched, Value, cell_of_grid, grid_size

try:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import TrialState

    from dlkit.search.evolution import next_point
except ImportError as err:
    raise MissingError(
        f"searches need a package that is not installed: {err.name}", "pip install 'dlkit[search]'"
    ) from err

if TYPE_CHECKING:
    from filelock import BaseFileLock
    from optuna.trial import FrozenTrial

REASON = "reason"
"""Attribute of a failed trial: why it failed."""

_NAME = "search"
_PLAN = "dlkit"
optuna.logging.set_verbosity(optuna.logging.ERROR)


@dataclass(kw_only=True)
class Search:
    """A search that is open: its folder, its plan, and Optuna's study.

    Args:
        sweep: The folder.
        plan: What is searched, and how.
        study: Optuna's study.
        lock: Held while the journal is written or a trial is taken.
    """

    sweep: SweepDir
    plan: Plan
    study: "optuna.Study"
    lock: "BaseFileLock"
    space: list[Searched] = field(init=False)

    def __post_init__(self) -> None:
        self.space = self.plan.space
        self.config = self.plan.config()
        longest = max([self.config.epochs, *(int(one.high) for one in self.space if one.key == "epochs")])
        self.study.pruner = build_pruner(self.plan, longest)

    @property
    def monitor(self) -> str:
        """The column of history.csv that trials are compared by."""
        return self.config.monitor

    def trials(self) -> "list[FrozenTrial]":
        """Return the trials that have begun, by number."""
        found = self.study.get_trials(deepcopy=False)
        return [trial for trial in found if trial.state != TrialState.WAITING]

    @contextlib.contextmanager
    def next_trial(self) -> "Iterator[optuna.Trial | None]":
        """Take a trial, and keep it from other workers while the block runs: one whose worker has gone, or a new one.

        Returns:
            The trial, its settings chosen; None if there is nothing left to begin.
        """
        trial, held = self._take()
        try:
            yield trial
        finally:
            if held is not None:
                held.release()

    def values(self, trial: "optuna.Trial") -> dict[str, Value]:
        """Return the settings of a trial, by key."""
        return {one.key: trial.params[one.key] for one in self.space}

    def grow(self, trials: int) -> None:
        """Set how many trials there are to be."""
        self.plan = replace(self.plan, trials=trials)
        self.study.set_user_attr(_PLAN, self.plan.to_dict())

    def _take(self) -> "tuple[optuna.Trial | None, BaseFileLock | None]":
        with self.lock:
            begun = self.trials()
            for left in begun:
                if left.state == TrialState.RUNNING and (held := self._try_lock(left.number)):
                    self._prepare_sampler(left.number)
                    return self._with_values(optuna.Trial(self.study, left._trial_id)), held
            number, plan = len(begun), Plan(**self.study.user_attrs[_PLAN])
            if number >= (min(plan.trials, grid_size(self.space)) if plan.sampler == "grid" else plan.trials):
                return None, None
            self._prepare_sampler(number)
            values = self._determined(begun)
            if values and not self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
                self.study.enqueue_trial(values)
            trial = self.study.ask()
            held = self._try_lock(trial.number)
            return self._with_values(trial), held

    def _prepare_sampler(self, number: int) -> None:
        with warnings.catch_warnings(category=optuna.exceptions.ExperimentalWarning, action="ignore"):
            self.study.sampler = build_sampler(self.plan, own_seed(self.config.seed, number))

    def _determined(self, begun: "list[FrozenTrial]") -> dict[str, Value]:
        """Return the values of the next trial that Optuna's samplers do not choose."""
        number = len(begun)
        if self.plan.sampler == "grid":
            return cell_of_grid(self.space, number)
        if self.plan.sampler == "cmaes":
            higher = higher_is_better(self.monitor)
            return next_point(self.space, begun, higher=higher, seed=own_seed(self.config.seed, number))
        return {}

    def _with_values(self, trial: "optuna.Trial") -> "optuna.Trial":
        """Choose the settings of a trial; one that has them keeps them."""
        for one in self.space:
            _suggest(trial, one)
        return trial

    def _try_lock(self, number: int) -> "BaseFileLock | None":
        from filelock import Timeout

        lock = self.sweep.trial_lock(number)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return None
        return lock


def create_search(sweep: SweepDir, plan: Plan, *, force: bool = False) -> Search:
    """Make the folder of a search and its study.

    Args:
        sweep: The folder.
        plan: What is searched, and how.
        force: Remove the search that is there.

    Raises:
        ConfigError: There is a search already.
        DlkitError: The folder cannot be made, or a worker trains in it.
    """
    make_folder(sweep.path)
    lock = sweep.study_lock()
    with _files_of(sweep), lock:
        if not force:
            sweep.refuse_taken()
        elif sweep.journal.exists():
            sweep.clear()
        higher = higher_is_better(plan.config().monitor)
        study = optuna.create_study(
            storage=_storage(sweep, lock), study_name=_NAME, direction="maximize" if higher else "minimize"
        )
        study.set_user_attr(_PLAN, plan.to_dict())
    return Search(sweep=sweep, plan=plan, study=study, lock=lock)


def open_search(sweep: SweepDir, changes: Mapping[str, Any] | None = None) -> Search:
    """Open the search in a folder.

    Args:
        sweep: The folder.
        changes: Settings of this worker alone.

    Raises:
        ConfigError: There is none, or it was not made by dlkit.
    """
    sweep.refuse_missing()
    lock = sweep.study_lock()
    with _files_of(sweep):
        try:
            study = optuna.load_study(storage=_storage(sweep, lock), study_name=_NAME)
            plan = Plan(**study.user_attrs[_PLAN])
            plan = replace(plan, settings={**plan.settings, **(changes or {})})
            return Search(sweep=sweep, plan=plan, study=study, lock=lock)
        except (KeyError, TypeError, ValueError) as err:
            raise ConfigError(
                f"{sweep.journal} holds no search of dlkit",
                "name the folder of a search",
            ) from err


class _JournalLock:
    """Guards the journal by a lock that ends with its process, where Optuna's own stays for 30 s."""

    def __init__(self, lock: "BaseFileLock", sweep: SweepDir) -> None:
        self._lock = lock
        self._sweep = sweep

    def acquire(self) -> bool:
        self._lock.acquire()
        self._sweep.cut_torn_line()
        return True

    def release(self) -> None:
        self._lock.release()


def _storage(sweep: SweepDir, lock: "BaseFileLock") -> JournalStorage:
    return JournalStorage(JournalFileBackend(str(sweep.journal), lock_obj=_JournalLock(lock, sweep)))  # type: ignore[arg-type]


@contextlib.contextmanager
def _files_of(sweep: SweepDir) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise file_error(err, sweep.path, "keep the search in") from err


def _suggest(trial: "optuna.Trial", one: Searched) -> None:
    """Let Optuna choose a value."""
    if one.choices:
        trial.suggest_categorical(one.key, one.choices)
    elif one.whole:
        trial.suggest_int(one.key, int(one.low), int(one.high), step=int(one.step or 1), log=one.log)
    else:
        trial.suggest_float(one.key, one.low, one.high, step=one.step, log=one.log)
