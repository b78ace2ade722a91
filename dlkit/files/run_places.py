"""Where runs lie: the folder of a new one, and the folder that a path names."""

from pathlib import Path

from dlkit.errors import CheckpointError, file_error, reason
from dlkit.files.atomic import make_folder, probe_folder
from dlkit.files.run_dir import RunDir


def check_out(out: Path | None, *, force: bool = False) -> None:
    """Refuse a folder that a new run cannot have, before anything is loaded or computed.

    Args:
        out: The folder asked for; None stands for the next free `runs/<name>-NNN`.
        force: Allow a folder that holds a run.

    Raises:
        RunExistsError: The folder holds a run and `force` is not set.
        ConfigError: The folder holds files of these names that are no run's.
        DlkitError: No file can be made there.
    """
    folder = Path("runs") if out is None else out
    try:
        if out is not None:
            RunDir(out).refuse_taken(force=force)
        there = next(place for place in (folder, *folder.parents) if place.exists())
    except OSError as err:
        raise file_error(err, folder, "look into") from err
    probe_folder(there)


def create_run(out: Path | None, name: str, *, force: bool = False) -> RunDir:
    """Make a run folder.

    Args:
        out: The folder asked for; None takes the next free `runs/<name>-NNN`.
        name: What the run is of, e.g. `mlp-digits`.
        force: Allow a folder that holds a run; `RunDir.clear` empties it once it is locked.

    Raises:
        RunExistsError: The folder holds a run and `force` is not set.
        ConfigError: The folder holds files of these names that are no run's.
        DlkitError: It cannot be made.
    """
    if out is None:
        return RunDir(next_numbered(Path("runs"), name), new=True)
    check_out(out, force=force)
    make_folder(out)
    return RunDir(out, new=not force)


def open_run(path: Path) -> RunDir:
    """Open the run folder that a path names: the folder itself or a file in it.

    Raises:
        CheckpointError: There is no run.
    """
    try:
        run = RunDir(path if path.is_dir() else path.parent)
        found = path.exists() and (run.last.exists() or run.last_prev.exists())
    except OSError as err:
        raise CheckpointError(f"cannot read {path}: {reason(err)}") from err
    if not found:
        raise CheckpointError(f"no run to resume at {path}", "name a run folder, e.g. runs/mlp-digits-001")
    return run


def next_numbered(parent: Path, name: str) -> Path:
    """Make the next free folder `<name>-NNN` and return it.

    Raises:
        DlkitError: It cannot be made.
    """
    make_folder(parent)
    taken = [path.name.removeprefix(f"{name}-") for path in parent.glob(f"{name}-*")]
    number = max((int(text) for text in taken if text.isdecimal()), default=0)
    while True:
        number += 1
        folder = parent / f"{name}-{number:03d}"
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        except OSError as err:
            raise file_error(err, folder, "make the folder") from err
        return folder
