"""The images in a folder, by part and class: what is there, before any of it is opened."""

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlkit.data.arrays.headers import PARTS
from dlkit.data.images.image_file import SUFFIXES
from dlkit.errors import DataError, printable, reason

_SHOWN = 8
_LAYOUT = "one sub-folder a class, as in cats/ and dogs/; or train/, val/ and test/ above them"


@dataclass(frozen=True)
class Listing:
    """The images of a folder, part by part, in each class by class, each in the order of their names.

    Args:
        root: The folder, absolute.
        class_names: The classes, in the order of their indices.
        names: Paths inside the folder.
        targets: The class index of each.
        sizes: How many belong to each part: `all`, or `train` and maybe `val` and `test`.
        state: SHA-256 over names, sizes and times of change: another one means that the folder has changed.
        content: SHA-256 over names and sizes alone, which a copy of the folder shares.
        faults: Names of what cannot be an image, and why.
        ignored: Files of other kinds.
    """

    root: Path
    class_names: tuple[str, ...]
    names: Sequence[str]
    targets: Sequence[int]
    sizes: dict[str, int]
    state: str
    content: str
    faults: Sequence[tuple[str, str]]
    ignored: int

    def __len__(self) -> int:
        return len(self.names)


_Found = tuple[bytes, int, int]  # name in the folder, size, time of the last change


class _Walk:
    """Collects the images under a folder, and what cannot be one."""

    def __init__(self, root: Path) -> None:
        self.root = os.fspath(root)
        self.faults: list[tuple[str, str]] = []
        self.ignored = 0

    def images(self, name: str) -> list[_Found]:
        """Return all images under a sub-folder, in the order of their names."""
        found: list[_Found] = []
        top = os.stat(self.root)  # noqa: PTH116 - as below
        self._look_under(name, ((top.st_dev, top.st_ino),), found)
        return sorted(found)

    def _look_under(self, name: str, above: tuple[tuple[int, int], ...], found: list[_Found]) -> None:
        path = f"{self.root}/{name}"
        here = os.stat(path)  # noqa: PTH116 - half the time of a Path
        if (here.st_dev, here.st_ino) in above:
            raise DataError(
                f"{printable(path, 300)} is a link that leads back into a folder above it", "remove the link"
            )
        inner = (*above, (here.st_dev, here.st_ino))
        with os.scandir(path) as entries:
            for entry in entries:
                own = entry.name
                if own.startswith((".", "__MACOSX")):
                    continue
                inside = f"{name}/{own}"
                try:
                    if entry.is_dir():
                        self._look_under(inside, inner, found)
                    elif own[own.rfind(".") :].lower() not in SUFFIXES:
                        self.ignored += 1
                    else:
                        about = entry.stat()
                        if stat.S_ISREG(about.st_mode) and about.st_size:
                            found.append((os.fsencode(inside), about.st_size, about.st_mtime_ns))
                        else:
                            self.faults.append(
                                (inside, "is empty" if stat.S_ISREG(about.st_mode) else "is no regular file")
                            )
                except OSError as err:
                    self._fault(inside, entry, err)

    def _fault(self, name: str, entry: os.DirEntry[str], err: OSError) -> None:
        lost = entry.is_symlink() and isinstance(err, FileNotFoundError)
        self.faults.append((name, "is a link to nothing" if lost else f"cannot be opened: {reason(err)}"))


def list_images(root: Path, known: Sequence[str] | None = None) -> Listing:
    """List the images of a folder.

    Args:
        root: The folder: a sub-folder a class, or `train`, `val` and `test` above them.
        known: The classes that a network knows; None takes those of the folder. Then no part to train on is needed.

    Raises:
        DataError: The folder is missing or laid out otherwise, a class is empty or not known, or a link leads back
            into its own folder.
    """
    walk = _Walk(root)
    try:
        top = _sub_folders(root)
        by_part = _parts(root, top, need_train=known is None)
        found = {
            part: {name: walk.images(f"{folder}{name}") for name in classes}
            for part, (folder, classes) in by_part.items()
        }
    except OSError as err:
        raise DataError(
            f"--data {printable(str(root), 300)} cannot be read: {reason(err)}", "check the path"
        ) from err
    class_names = tuple(known) if known is not None else _class_names(root, found, walk)
    _refuse_foreign(root, found, class_names)
    names: list[str] = []
    targets: list[int] = []
    state, content = hashlib.sha256(), hashlib.sha256()
    for part, classes in found.items():
        for class_name, images in classes.items():
            targets += [class_names.index(class_name)] * len(images)
            names += [os.fsdecode(name) for name, _, _ in images]
            content.update(b"".join([b"%s\0%d\0" % (name, size) for name, size, _ in images]))
            state.update(b"".join([b"%s\0%d\0%d\0" % image for image in images]))
        state.update(part.encode())
    sizes = {part: sum(map(len, classes.values())) for part, classes in found.items()}
    if not all(sizes.values()) and not walk.faults:
        empty = "".join(f": {by_part[part][0]}" for part, size in sizes.items() if not size and part != "all")
        raise DataError(f"--data {printable(str(root), 300)}{empty} holds no images", f"it needs {_LAYOUT}")
    return Listing(
        root,
        class_names,
        names,
        targets,
        sizes,
        state.hexdigest(),
        content.hexdigest(),
        walk.faults,
        walk.ignored,
    )


def _sub_folders(folder: Path) -> list[str]:
    """Return the names of the sub-folders, sorted; those that begin with a point are left out."""
    with os.scandir(folder) as entries:
        names = [
            entry.name for entry in entries if not entry.name.startswith((".", "__MACOSX")) and entry.is_dir()
        ]
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DataError(
                f"{printable(f'{folder}/{name}', 300)}: the name of a class is not UTF-8 text",
                "rename the folder",
            ) from None
    return sorted(names)


def _parts(root: Path, top: list[str], *, need_train: bool) -> dict[str, tuple[str, list[str]]]:
    """Give, by part, what stands before the names of its class folders, and these."""
    shown = printable(str(root), 300)
    if not top:
        loose = sum(path.suffix.lower() in SUFFIXES for path in root.iterdir())
        what = "holds no sub-folders" + (f", but {loose:,} image{'s' * (loose != 1)}" if loose else "")
        raise DataError(f"--data {shown} {what}", f"it needs {_LAYOUT}")
    lower = [name.lower() for name in top]
    if not all(name in PARTS for name in lower) or (need_train and "train" not in lower):
        return {"all": ("", top)}
    parts: dict[str, tuple[str, list[str]]] = {}
    for name in top:
        part = PARTS[name.lower()]
        if part in parts:
            raise DataError(
                f"--data {shown} has {parts[part][0]} and {name}/, which are both {part}", "keep one"
            )
        parts[part] = (f"{name}/", _sub_folders(root / name))
        if not parts[part][1]:
            raise DataError(f"--data {shown}: {name}/ holds no sub-folders", f"it needs {_LAYOUT}")
    return {part: parts[part] for part in ("train", "val", "test") if part in parts}


def _class_names(root: Path, found: dict[str, dict[str, list[_Found]]], walk: _Walk) -> tuple[str, ...]:
    """Return the classes to train on: the sub-folders that hold images.

    Raises:
        DataError: One of them holds none, or there is but one.
    """
    main = found["train" if "train" in found else "all"]
    faulty = {name.rsplit("/", 2)[-2] for name, _ in walk.faults}
    shown = printable(str(root), 300)
    if empty := [name for name, images in main.items() if not images and name not in faulty]:
        raise DataError(
            f"--data {shown}: no image in {_some([f'{name}/' for name in empty])}",
            f"remove what is no class; images end in {', '.join(sorted(SUFFIXES)[:4])}, ...",
        )
    if len(main) < 2:
        raise DataError(f"--data {shown} has one class, {printable(next(iter(main)))}", f"it needs {_LAYOUT}")
    return tuple(main)


def _refuse_foreign(
    root: Path, found: dict[str, dict[str, list[_Found]]], class_names: Sequence[str]
) -> None:
    for part, classes in found.items():
        if foreign := [name for name in classes if name not in class_names]:
            where = printable(str(root), 300) + ("" if part == "all" else f": {part}")
            raise DataError(
                f"--data {where} has the class {_some(foreign)}, none of the {len(class_names)} trained on: "
                f"{_some(class_names)}",
                "a class that training has not seen cannot be recognised; remove or rename the folder",
            )


def _some(names: Sequence[str]) -> str:
    return ", ".join(printable(name, 40) for name in names[:_SHOWN]) + (
        ", ..." if len(names) > _SHOWN else ""
    )
