"""The folders and images under a data folder, walked once; what is no data is passed over."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dlkit.data.images.image_file import SUFFIXES
from dlkit.errors import DataError, printable, reason

# Left behind by notebooks, archives, systems and network drives; names that begin with a point are passed over too.
_JUNK = frozenset(
    ("__MACOSX", "__pycache__", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found")
)
_RUN_FILES = frozenset(("history.csv", "run.lock", "best.safetensors", "last.safetensors"))

Found = tuple[bytes, int, int]  # name in the data folder, size, time of the last change


@dataclass
class Folder:
    """One folder.

    Args:
        name: Its path inside the data folder; empty for that itself.
        images: The images that lie in it directly.
        folders: Its sub-folders by name, in the order of their names.
        faults: Names of what cannot be an image, and why.
        ignored: Files of other kinds.
        is_run: dlkit wrote it, as the folder of a run or one that holds nothing but such.
    """

    name: str
    images: list[Found] = field(default_factory=list)
    folders: dict[str, "Folder"] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)
    ignored: int = 0
    is_run: bool = False

    def below(self) -> Iterator["Folder"]:
        """Yield it and all folders under it."""
        yield self
        for folder in self.folders.values():
            yield from folder.below()

    @property
    def count(self) -> int:
        """How many images lie in it and under it."""
        return sum(len(folder.images) for folder in self.below())

    @property
    def filled(self) -> dict[str, "Folder"]:
        """The sub-folders that hold images, sound or faulty, at any depth."""
        return {
            name: folder
            for name, folder in self.folders.items()
            if any(each.images or each.faults for each in folder.below())
        }


def walk(root: Path) -> Folder:
    """Collect the images under a folder, and what cannot be one.

    Raises:
        OSError: It cannot be read.
        DataError: A link leads back into a folder above it.
    """
    return _walk(os.fspath(root), "", ())


def only(image: Path) -> Folder:
    """Return a folder as if a single image lay in it alone.

    Raises:
        OSError: It cannot be read.
    """
    folder = Folder("")
    _add(folder, image.name, image)
    return folder


def _walk(root: str, name: str, above: tuple[tuple[int, int], ...]) -> Folder:
    path = f"{root}/{name}" if name else root
    here = os.stat(path)  # noqa: PTH116 - half the time of a Path
    if (here.st_dev, here.st_ino) in above:
        raise DataError(
            f"{printable(path, 300)} is a link that leads back into a folder above it", "remove the link"
        )
    inner = (*above, (here.st_dev, here.st_ino))
    folder, files = Folder(name), set()
    with os.scandir(path) as entries:
        for entry in entries:
            own = entry.name
            if own.startswith(".") or own in _JUNK:
                continue
            inside = f"{name}/{own}" if name else own
            try:
                if entry.is_dir():
                    folder.folders[own] = _walk(root, inside, inner)
                elif own[own.rfind(".") :].lower() in SUFFIXES:
                    _add(folder, inside, entry)
                else:
                    folder.ignored += 1
                    files.add(own)
            except OSError as err:
                lost = entry.is_symlink() and isinstance(err, FileNotFoundError)
                fault = "is a broken link" if lost else f"cannot be opened: {reason(err)}"
                folder.faults.append((inside, fault))
    if name and "config.toml" in files and files & _RUN_FILES:
        return Folder(name, is_run=True)
    kept = {own: each for own, each in sorted(folder.folders.items()) if not each.is_run}
    folder.is_run = bool(name) and len(kept) < len(folder.folders) and not kept and not folder.images
    folder.folders = kept
    return folder


def _add(folder: Folder, name: str, entry: os.DirEntry[str] | Path) -> None:
    """Add a file whose name is that of an image."""
    about = entry.stat()
    if stat.S_ISREG(about.st_mode) and about.st_size:
        folder.images.append((os.fsencode(name), about.st_size, about.st_mtime_ns))
    else:
        folder.faults.append((name, "is empty" if stat.S_ISREG(about.st_mode) else "is not a regular file"))
