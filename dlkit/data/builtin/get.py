"""Getting a data set: its files downloaded or found, checked, and made into the prepared file."""

import contextlib
import fcntl
import os
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path

from dlkit.data.builtin.download import PATIENCE, Note, Patience, Progress, fetch_file, say_nothing
from dlkit.data.builtin.part_file import difference
from dlkit.data.home import downloads_folder, prepared_path
from dlkit.errors import CheckpointError, ConfigError, DataError, did_you_mean, file_error
from dlkit.files.atomic import make_folder
from dlkit.files.digest import verify
from dlkit.settings.catalogue import DATA, DataEntry


def get(
    name: str,
    *,
    mirror: str | None = None,
    from_dir: Path | None = None,
    force: bool = False,
    patience: Patience = PATIENCE,
    progress: Progress = say_nothing,
    note: Note = say_nothing,
    catalogue: Mapping[str, DataEntry] = DATA,
) -> Path:
    """Bring a data set here, unless it is, and give the place of its prepared file.

    Args:
        name: A built-in data set that is not embedded.
        mirror: A base URL to take the files from in place of the known ones.
        from_dir: A folder that holds the files as published; nothing is downloaded.
        force: Make the prepared file anew; files that are downloaded already are used again.
        patience: Timeouts and tries of the download.
        progress: Called with the bytes that are here and the bytes wanted, of all files together.
        note: Told about everything that did not go straight.
        catalogue: The data sets there are; passed in by tests.

    Raises:
        ConfigError: There is no such data set, or the mirror is no URL.
        DataError: A file cannot be had, or is not the one published.
        MissingError: torchvision, which reads the files, cannot be imported.
        DlkitError: A file cannot be written.
    """
    entry = _remote_entry(name, catalogue)
    check_mirror(mirror)
    if not force and is_here(name, note):
        note(f"{name} is here already; --force makes it anew")
        return prepared_path(name)
    if from_dir is not None:
        _check_at_hand(name, entry, from_dir)
        return _prepare(name, entry, from_dir)
    folder = downloads_folder(name)
    make_folder(folder)
    with _alone_in(folder, note):
        if not force and is_here(name, say_nothing):
            return prepared_path(name)
        _fetch_all(name, entry, (mirror,) if mirror else entry.mirrors, folder, patience, progress, note)
        return _prepare(name, entry, folder)


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


def is_here(name: str, note: Note) -> bool:
    """Say whether a data set's prepared file is here and whole; one that is not is told and made anew."""
    path = prepared_path(name)
    if not path.exists():
        return False
    try:
        if verify(path).get("data") == name:
            return True
        note(f"{path} is of another data set; it is made anew")
    except CheckpointError as err:
        note(f"{err.message}; it is made anew")
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
            raise DataError(err.message, _offline_hint(name, entry)) from err
        before += file.size


def _check_at_hand(name: str, entry: DataEntry, folder: Path) -> None:
    """Check that a folder holds every file of a data set, byte for byte as published."""
    if not folder.is_dir():
        kind = "is not a folder" if folder.exists() else "is not there"
        raise DataError(f"--from {folder} {kind}", f"it has to hold {_file_names(entry)}")
    faults = {file.name: fault for file in entry.files if (fault := difference(folder / file.name, file))}
    if faults:
        told = "; ".join(f"{file_name} {fault}" for file_name, fault in faults.items())
        unpacked = [
            name for name in faults if (folder / name.removesuffix(".gz")).is_file() and name.endswith(".gz")
        ]
        raise DataError(
            f"--from {folder}: {told}",
            "unpacked files cannot be checked; the .gz files are needed, as published"
            if unpacked
            else f"{name} is made of {_file_names(entry)}, as published at {entry.mirrors[0]}",
        )


def _prepare(name: str, entry: DataEntry, folder: Path) -> Path:
    from dlkit.data.builtin.cifar import read_cifar10
    from dlkit.data.builtin.torchvision_sets import CLASSES, read_torchvision_set
    from dlkit.data.prepared import write_prepared

    archive = folder / entry.files[0].name
    parts = read_torchvision_set(name, folder) if name in CLASSES else read_cifar10(archive)
    return write_prepared(name, parts, scale=255.0)


@contextlib.contextmanager
def _alone_in(folder: Path, note: Note) -> Iterator[None]:
    """Let one process at a time download into a folder; the others wait, and find the work done."""
    path = folder / "get.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as err:
        raise file_error(err, path, "write") from err
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note(f"another process is downloading into {folder}; waiting for it")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _offline_hint(name: str, entry: DataEntry) -> str:
    return f"with {_file_names(entry)} fetched elsewhere into DIR: dlkit data get {name} --from DIR"


def _file_names(entry: DataEntry) -> str:
    *first, last = [file.name for file in entry.files]
    return f"{', '.join(first)} and {last}" if first else last
