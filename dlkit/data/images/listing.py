"""The images in a folder, by part and class: what is there, before any of it is opened."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dlkit.data.images.folders.layout import LAYOUT, Layout, find_layout
from dlkit.data.images.folders.roles import companions_in, own_folders, same_name
from dlkit.data.images.folders.tree import Folder, Found, only, walk
from dlkit.data.images.image_file import SUFFIXES
from dlkit.data.images.label_table import (
    command_for_classes,
    command_for_names,
    command_for_parts,
    find_label_table,
)
from dlkit.errors import DataError, counted, did_you_mean, first_of, printable, reason

_NO_CLASS = ""  # in the place of a folder's name
_BESIDE = re.compile(
    rb"(.+)[ _-](mask|quick-?look|thumb(?:nail)?|preview|browse|overview)(?:_\d+)?\.[^./]+", re.IGNORECASE
)


@dataclass(frozen=True)
class Listing:
    """The images of a folder, part by part, in each class by class, each in the order of their names.

    Args:
        root: The folder, absolute.
        class_names: The classes, in the order of their indices.
        names: Paths inside the folder.
        targets: The class index of each; -1 where not known.
        sizes: How many belong to each part: `all`, or `train` and maybe `val` and `test`.
        state: SHA-256 over names, sizes and times of change: another one means that the folder has changed.
        content: SHA-256 over names and sizes alone, which a copy of the folder shares.
        faults: Names of what cannot be an image, and why.
        ignored: Files of other kinds.
        notes: What was assumed and what was left out, for the user.
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
    notes: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class _Class:
    """What lies in a class folder, at any depth: images in the order of their names, and what is none."""

    images: Sequence[Found]
    faults: Sequence[tuple[str, str]]
    ignored: int
    beside: int
    companions: Mapping[str, int]


def list_images(
    root: Path, known: Sequence[str] | None = None, layout: str = "auto", size: int | None = None
) -> Listing:
    """List the images of a folder.

    Args:
        root: The folder: a sub-folder a class, or `train`, `val` and `test` above them; or a single image.
        known: The classes that a network knows; None takes those of the folder. Then no part to train on is needed.
        layout: `classes` or `splits`, where the folders may be either; `auto` goes by their names.
        size: What --size asks for, for the hint where a table has the labels.

    Raises:
        DataError: The folder is missing or laid out otherwise, a class is empty or not known, or a link leads back
            into its own folder.
        ConfigError: It is not laid out as asked for.
    """
    try:
        return _list_images(root, known, layout)
    except DataError as err:
        asked = known is not None or layout != "auto" or not root.is_dir()
        if not asked and (hint := command_for_parts(root, size)):
            raise DataError(err.message, hint) from None
        table = None if asked else find_label_table(root)
        names = (
            () if asked else sorted(path.name for path in root.iterdir() if path.suffix.lower() in SUFFIXES)
        )
        hint = command_for_names(root.absolute(), names, size) if table is None else table.command(None, size)
        if not hint:
            raise
        raise DataError(err.message, hint) from None


def _list_images(root: Path, known: Sequence[str] | None, layout: str) -> Listing:
    single = root.is_file()
    if single and known is None:
        raise DataError(
            f"--data {printable(str(root), 300)} is a single image, which is not enough to train on",
            f"a folder of images is: it needs {LAYOUT}",
        )
    try:
        top = only(root) if single else walk(root)
    except OSError as err:
        raise DataError(
            f"--data {printable(str(root), 300)} cannot be read: {reason(err)}", "check the path"
        ) from err
    if single:
        root = root.parent
    if known is not None and (single or (top.images and not top.filled)):
        return _unlabelled(root, tuple(known), top)
    laid_out = find_layout(root, top, known or (), layout)
    laid_out = _with_known_names(laid_out, known)
    found = {
        part: {
            name: each
            for name, each in ((name, _class_of(folder)) for name, folder in classes.items())
            # An empty folder may be a class to train on, which is refused; elsewhere it is nothing.
            if each.images or each.faults or (known is None and part in ("all", "train"))
        }
        for part, classes in laid_out.parts.items()
    }
    class_names = tuple(known) if known is not None else _class_names(root, found)
    _refuse_foreign(root, found, class_names)
    return _listing(root, class_names, found, laid_out)


def _with_known_names(laid_out: Layout, known: Sequence[str] | None) -> Layout:
    """Call classes as those to train on are called, where only case or the way of writing accents differs."""
    main = laid_out.parts.get("train", laid_out.parts.get("all", {}))
    names = list(main) if known is None else list(known)
    by_plain = {same_name(name): name for name in names}
    if len(by_plain) < len(names):  # two classes differ in case alone
        return laid_out
    notes, parts = [], {}
    for part, classes in laid_out.parts.items():
        called = {name: by_plain.get(same_name(name), name) for name in classes}
        if len(set(called.values())) < len(called):
            return laid_out
        parts[part] = {called[name]: folder for name, folder in classes.items()}
        notes += [
            f"{printable(name)}/ in {part} is read as the class {printable(other)}"
            for name, other in called.items()
            if other != name
        ]
    return replace(laid_out, parts=parts, notes=[*laid_out.notes, *notes])


def _unlabelled(root: Path, class_names: tuple[str, ...], top: Folder) -> Listing:
    """List images that lie in no class folder: their classes are not known."""
    note = f"{counted(len(top.images), 'image')} in no class folder: predicted and not scored"
    laid_out = Layout({"all": {_NO_CLASS: top}}, {}, [], [note])
    return _listing(root, class_names, {"all": {_NO_CLASS: _class_of(top)}}, laid_out)


def _listing(
    root: Path, class_names: tuple[str, ...], found: dict[str, dict[str, _Class]], laid_out: Layout
) -> Listing:
    names: list[str] = []
    targets: list[int] = []
    state, content = hashlib.sha256(), hashlib.sha256()
    for part, classes in found.items():
        for class_name, each in classes.items():
            target = -1 if class_name == _NO_CLASS else class_names.index(class_name)
            targets += [target] * len(each.images)
            names += [os.fsdecode(name) for name, _, _ in each.images]
            content.update(b"".join([b"%s\0%d\0" % (name, size) for name, size, _ in each.images]))
            state.update(b"".join([b"%s\0%d\0%d\0" % image for image in each.images]))
        state.update(part.encode())
    sizes = {part: sum(len(each.images) for each in classes.values()) for part, classes in found.items()}
    every = [each for classes in found.values() for each in classes.values()]
    faults = [fault for each in every for fault in each.faults]
    if not all(sizes.values()) and not faults:
        empty = "".join(f": {laid_out.names.get(part, part)}/" for part, size in sizes.items() if not size)
        raise DataError(
            f"--data {printable(str(root), 300)}{empty} holds no images",
            "remove it; it is then split off train" if len(found) > 1 else f"it needs {LAYOUT}",
        )
    notes = (*laid_out.notes, *_left_out(every, laid_out), *_missing(class_names, found))
    ignored = sum(each.ignored for each in every)
    return Listing(
        root,
        class_names,
        names,
        targets,
        sizes,
        state.hexdigest(),
        content.hexdigest(),
        faults,
        ignored,
        notes,
    )


def _class_of(folder: Folder) -> _Class:
    """Return what lies in a class folder; masks and previews beside the images are no images of the class."""
    own = list(own_folders(folder))
    images = sorted(image for each in own for image in each.images)
    kept = _without_previews(images)
    return _Class(
        kept,
        [fault for each in own for fault in each.faults],
        sum(each.ignored for each in own),
        len(images) - len(kept),
        {name: each.folders[name].count for each in own for name in companions_in(each)},
    )


def _without_previews(images: list[Found]) -> list[Found]:
    """Leave out `cat_mask.png` and `cat_quicklook.jpg` where `cat.png` is there too."""
    beside = {name: match[1] for name, _, _ in images if (match := _BESIDE.fullmatch(name))}
    if not beside:
        return images
    stems = {name.rpartition(b".")[0] for name, _, _ in images}
    return [image for image in images if beside.get(image[0]) not in stems]


def _class_names(root: Path, found: dict[str, dict[str, _Class]]) -> tuple[str, ...]:
    """Return the classes to train on: the sub-folders that hold images.

    Raises:
        DataError: One of them holds none, there is but one, or a name is no text.
    """
    main = found["train" if "train" in found else "all"]
    shown = printable(str(root), 300)
    for name in main:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise DataError(
                f"{printable(f'{root}/{name}', 300)}: the name of a class is not UTF-8 text",
                "rename the folder",
            ) from None
    if empty := [name for name, each in main.items() if not each.images and not each.faults]:
        raise DataError(
            f"--data {shown}: no image in {first_of([f'{name}/' for name in empty])}",
            command_for_classes(root, {"".join(path.suffixes[-2:]) for path in root.glob("*/*")}, None)
            or f"remove folders that are not classes; images end in {', '.join(sorted(SUFFIXES)[:4])}, ...",
        )
    if len(main) < 2:
        raise DataError(f"--data {shown} has one class, {printable(next(iter(main)))}", f"it needs {LAYOUT}")
    return tuple(main)


def _refuse_foreign(root: Path, found: dict[str, dict[str, _Class]], class_names: Sequence[str]) -> None:
    for part, classes in found.items():
        if foreign := [name for name in classes if name not in class_names]:
            where = printable(str(root), 300) + ("" if part == "all" else f": {part}")
            raise DataError(
                f"--data {where} has the class {first_of(foreign)}, none of the {len(class_names)} trained on: "
                f"{first_of(class_names)}",
                did_you_mean(foreign[0], class_names)
                or (
                    f"put images of it into train, or take {first_of(foreign)} out of {part}"
                    if "train" in found
                    else "a class that training has not seen cannot be recognised; images of unknown classes lie in a "
                    "folder without sub-folders"
                ),
            )


def _left_out(classes: Sequence[_Class], laid_out: Layout) -> Iterator[str]:
    """Report images that are not used."""
    companions: dict[str, int] = {}
    for each in classes:
        for name, count in each.companions.items():
            companions[name] = companions.get(name, 0) + count
    for name, count in companions.items():
        beside = counted(count, "image")
        yield f"{printable(name, 40)}/ in class folders left out ({beside} beside those of the classes)"
    if previews := sum(each.beside for each in classes):
        yield f"{counted(previews, 'image')} left out by the name of another with _mask, _quicklook or the like"
    if loose := [name for folder in laid_out.above for name, _, _ in folder.images]:
        shown = first_of([os.fsdecode(name) for name in loose])
        yield f"{counted(len(loose), 'image')} outside the class folders left out: {shown}"


def _missing(class_names: Sequence[str], found: dict[str, dict[str, _Class]]) -> Iterator[str]:
    """Report classes without images in val or test."""
    for part in ("val", "test"):
        missing = [
            name for name in class_names if part in found and not found[part].get(name, _NOTHING).images
        ]
        if missing:
            yield f"{part} has no image of {first_of(missing)}: metrics on it leave these classes out"


_NOTHING = _Class((), (), 0, 0, {})
