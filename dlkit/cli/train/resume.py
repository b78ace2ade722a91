"""dlkit train --resume: which run is meant, and with which settings it continues."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlkit.cli.settings import Given
from dlkit.cli.train.devices import is_first, open_shared
from dlkit.errors import CheckpointError, ConfigError, printable
from dlkit.files.atomic import probe_folder
from dlkit.files.run_dir import RunDir
from dlkit.files.run_places import open_run
from dlkit.inspection.runs import is_folder_of_runs, newest_unfinished
from dlkit.settings.config import TrainConfig
from dlkit.settings.resolve import resolve, stored_settings

if TYPE_CHECKING:
    from dlkit.distributed.join import Joined


def open_to_resume(resume: Path, faults: list[ConfigError], joined: "Joined | None") -> RunDir:
    """Return the run to resume, once the options are valid and its folder is writable."""
    if faults:
        raise ConfigError.of(faults)
    if not is_first(joined):
        return open_shared(joined, None)
    run_dir = open_run(newest_unfinished(resume).path if is_folder_of_runs(resume) else resume)
    probe_folder(run_dir.path)
    return open_shared(joined, run_dir)


def config_of_run(run_dir: RunDir, given: Given) -> TrainConfig:
    """Return the settings of the run to resume, with what was typed in place of its own."""
    try:
        stored = _stored_settings(run_dir)
        resolve({}, {}, stored)
    except (ConfigError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as err:
        raise CheckpointError(
            f"{run_dir.last} holds no settings of a run: {printable(str(err), limit=200)}",
            "name the run folder that dlkit train made",
        ) from err
    return resolve(given.typed, given.arguments, stored, faults=given.faults)


def _stored_settings(run_dir: RunDir) -> dict[str, Any]:
    """Read a run's settings out of `last`, or out of the one before it where `last` is damaged."""
    from dlkit.files.digest import verify

    try:
        stored = verify(run_dir.last)["config"]
    except CheckpointError:
        if not run_dir.last_prev.exists():
            raise
        stored = verify(run_dir.last_prev)["config"]
    return stored_settings(stored)
