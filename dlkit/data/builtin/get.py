"""Getting a data set: its files downloaded or found, checked, and made into the prepared file."""

import contextlib
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from dlkit.data.builtin.download import PATIENCE, Note, Patience, Progress, difference, fetch_file, ignore
from dlkit.data.home import downloads_folder, prepared_path
from dlkit.errors import CheckpointError, ConfigError, DataError, did_you_mean, file_error
from dlkit.files.atomic import make_folder
from dlkit.settings.catalogue import DATA, DataEntry


def get(
    name: str,
    *,
    mirror: str | None = None,
    from_dir: Path | None = None,
    force: bool = False,
    patience: Patience = PATIENCE,
    progress: Progress = ignore,
    note: Note = ignore,
    catalogue: Mapping[str, DataEntry] = DATA,
) -> Path:
    """Download a data set, unless it is prepared already, and return the path of its prepared file.

    Args:
        name: A built-in data set that is not embedded.
        mirror: A base URL to take the files from in place of the known ones.
        from_dir: A folder that holds the files as published; nothing is downloaded.
        force: Make the prepared file anew; files that are downloaded already are used again.
        patience: Timeouts and tries of the download.
        progress: Called with the bytes that are here and the bytes wanted, of all files together.
        note: Called with a line about whatever did not go as planned.
        catalogue: The data sets there are; passed in by tests.

    Raises:
        ConfigError: There is no such data set, or the mirror is no URL.
        DataError: A file cannot be had, or is not the one published.
        DlkitError: A file cannot be written.
    """
    entry = _remote_entry(name, catalogue)
    check_mirror(mirror)
    if not force and is_prepared(name, note):
        note(f"{name} is already there; --force prepares it again")
        return prepared_path(name)
    if from_dir is not None:
        _check_folder(name, entry, from_dir)
        return _prepare(name, from_dir)
    folder = downloads_folder(name)
    make_folder(folder)
    with _alone_in(folder, note):
        if not force and is_prepared(name, ignore):
            return prepared_path(name)
        _fetch_all(name, entry, (mirror,) if mirror else entry.mirrors, folder, patience, progress, note)
        return _prepare(name, folder)


def check_mirror(mirror: str | None) -> None:
    """Check that a mirror is a URL that files can be fetched from.

    Raises:
        ConfigError: It is not.
    """
    if mirror is None:
        return
    try:
        parts = urllib.parse.urlsplit(mirror)
        host = (parts.hostname or "").encode("idna")
        good = parts.scheme in ("http", "https") and bool(host) and not parts.query and parts.port != 0
    except ValueError:
        good = False
    if not (good and mirror.isascii() and mirror.isprintable() and " " not in mirror):
        raise ConfigError(
            f"--mirror {mirror} is not a base URL of http or https",
            "file names are appended to it, for example --mirror https://example.org/mnist/",
        )


def is_prepared(name: str, note: Note) -> bool:
    """Return whether a data set's prepared file exists and is whole; one that is not is reported and made anew."""
    from dlkit.files.digest import verify

    path = prepared_path(name)
    if not path.exists():
        return False
    try:
        if verify(path).get("data") == name:
            return True
        note(f"{path} is of another data set; it is prepared again")
    except CheckpointError as err:
        note(f"{err.message}; it is prepared again")
    return False


def _remote_entry(name: str, catalogue: Mapping[str, DataEntry]) -> DataEntry:
    remote = [known for known, entry in catalogue.items() if not entry.embedded]
    if name not in remote:
        raise ConfigError(
            f"NAME {name} is not known; choose from {', '.join(remote)}", did_you_mean(name, remote)
        )
    return catalogue[name]


def _fetch_all(
    name: str,
    entry: DataEntry,
    mirrors: tuple[str, ...],
    folder: Path,
    patience: Patience,
    progress: Progress,
    note: Note,
) -> None:
    before = 0
    for file in entry.files:

        def all_together(done: int, _total: int, before: int = before) -> None:
            progress(before + done, entry.download_bytes)

        try:
            fetch_file(file, mirrors, folder, patience=patience, progress=all_together, note=note)
        except DataError as err:
            raise DataError(
                err.message,
                f"with {_file_names(entry)} downloaded elsewhere into DIR: dlkit data get {name} --from DIR",
            ) from err
        before += file.size


def _check_folder(name: str, entry: DataEntry, folder: Path) -> None:
    """Check that a folder holds every file of a data set, byte for byte as published."""
    if not folder.is_dir():
        kind = "is not a folder" if folder.exists() else "is not there"
        raise DataError(f"--from {folder} {kind}", f"it must contain {_file_names(entry)}")
    faults = {file.name: fault for file in entry.files if (fault := difference(folder / file.name, file))}
    if faults:
        found = "; ".join(f"{file_name} {fault}" for file_name, fault in faults.items())
        unpacked = [
            name for name in faults if (folder / name.removesuffix(".gz")).is_file() and name.endswith(".gz")
        ]
        raise DataError(
            f"--from {folder}: {found}",
            "unpacked files cannot be checked; the .gz files are needed, as published"
            if unpacked
            else f"{name} is made of {_file_names(entry)}, as published at {entry.mirrors[0]}",
        )


def _prepare(name: str, folder: Path) -> Path:
    from dlkit.data.builtin.readers import READERS
    from dlkit.data.prepared import write_prepared

    return write_prepared(name, READERS[name](folder))


@contextlib.contextmanager
def _alone_in(folder: Path, note: Note) -> Iterator[None]:
    """Let one process at a time download into a folder; the others wait, and find the work done."""
    path = folder / "get.lock"
    lock = FileLock(path)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            note(f"another process is downloading into {folder}; waiting for it")
            lock.acquire()
    except OSError as err:
        raise file_error(err, path, "write") from err
    try:
        yield
    finally:
        lock.release()


def _file_names(entry: DataEntry) -> str:
    *first, last = [file.name for file in entry.files]
    return f"{', '.join(first)} and {last}" if first else last
