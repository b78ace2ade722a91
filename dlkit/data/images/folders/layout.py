"""How the folders under a data folder are meant: which are parts, which are classes, which are neither."""

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

from dlkit.data.arrays.names import files_of_targets
from dlkit.data.arrays.reading import joined_files
from dlkit.data.images.folders.refusals import (
    note_of_inner,
    refuse_masks,
    refuse_pairs,
    refuse_part,
    refuse_sets,
    refuse_twins,
)
from dlkit.data.images.folders.roles import entered, holds_images, same_name, says_only_part, some_of
from dlkit.data.images.folders.tree import Folder
from dlkit.data.part_names import part_of
from dlkit.errors import ConfigError, DataError, first_of, printable

LAYOUT = "one sub-folder per class, such as cats/ and dogs/; or train/, val/ and test/ above them"
_MOST_SHOWN = 8
_PARTS = ("train", "val", "test")
Classes = Mapping[str, Folder]


@dataclass(frozen=True)
class Layout:
    """What the folders are.

    Args:
        parts: The folder of each class by its name, by part: `all`, or `train` and maybe `val` and `test`.
        names: What each part is called in the data folder.
        above: The folders that hold those of the classes, or of the parts.
        notes: What was assumed, for the user.
    """

    parts: Mapping[str, Classes]
    names: Mapping[str, str]
    above: Sequence[Folder]
    notes: Sequence[str] = ()


def find_layout(root: Path, top: Folder, known: Collection[str], asked: str = "auto") -> Layout:
    """Find out which folders are parts and which are classes.

    Folders are parts if their names say so and the same class folders lie in them. What may be either is refused.

    Args:
        root: The data folder, for messages.
        top: What lies in it.
        known: The classes that a network knows; empty for a new one.
        asked: `classes` or `splits` decides; `auto` does not.

    Raises:
        DataError: There are none, or it is not certain which of the two they are.
        ConfigError: They cannot be what was asked for.
    """
    shown = printable(str(root), 300)
    folder = entered(top, known)
    if asked == "auto" and not known:
        for place in (top, folder):
            refuse_masks(shown, place, "; --layout classes reads them as two classes", flat=True)
        refuse_pairs(shown, folder)
    if not folder.folders:
        loose = len(folder.images)
        what = "holds no sub-folders" + (f", but {loose:,} image{'s' * (loose != 1)}" if loose else "")
        raise DataError(
            f"--data {shown} {what}", _for_loose_images(root) if loose else _for_other_files(root)
        )
    named = _named_parts(folder)
    if asked == "splits" and not named:
        raise ConfigError(
            f"--layout splits: no folder of {shown} is called train, val or test; it has {some_of(folder.folders)}",
            "rename them, or leave it out",
        )
    inner = _inner(folder, named, known)
    inside = _parts_inside(folder)
    if asked == "splits" or (asked == "auto" and _are_parts(root, folder, named, inner, known)):
        layout = _parts_above(root, folder, named, inner, known)
    elif inside and asked == "auto":
        refuse_twins(shown, folder)
        note = f"each of {some_of(folder.filled)} holds folders for {' and '.join(inside)}: they are read as such"
        layout = Layout(inside, {}, [*folder.filled.values()], [note])
    else:
        if asked == "auto" and not set(folder.filled) <= set(known):
            refuse_twins(shown, folder)
            refuse_sets(shown, folder)
            refuse_part(shown, folder, named)
            refuse_masks(shown, folder, "; --layout classes reads them as two classes")
        layout = Layout({"all": folder.folders}, {}, [], note_of_inner(folder))
    notes = [f"the data are in {folder.name}/, the only folder there"] if folder.name else []
    above = [top, *([folder] if folder is not top else []), *layout.above]
    return replace(layout, above=above, notes=[*notes, *layout.notes])


def _named_parts(folder: Folder) -> dict[str, str]:
    """Return the part that the name of each sub-folder says; those of other names are left out."""
    found = {name: part_of(name) for name in folder.folders}
    named = {name: each[0] for name, each in found.items() if each is not None}
    lacks_test = "test" not in named.values()
    for name in named:
        if lacks_test and name.lower().startswith("eval") and list(named.values()).count("val") > 1:
            named[name] = "test"
    return named


def _inner(folder: Folder, named: Mapping[str, str], known: Collection[str]) -> dict[str, Folder]:
    """Return the folder that holds the class folders of each part; those without class folders are left out.

    A folder in a part that is called as a class of the part to train on is a class, and not one to go into.
    """
    stop, found = set(known), {}
    for name in sorted(named, key=lambda name: named[name] != "train"):
        inside = entered(folder.folders[name], stop)
        unsorted = all(holds_images(each) for each in inside.filled) and not stop & inside.filled.keys()
        if inside.filled and not (unsorted and len(inside.filled) == 1):
            found[name] = inside
            stop |= inside.filled.keys()
    return {name: found[name] for name in named if name in found}


def _are_parts(
    root: Path, folder: Folder, named: Mapping[str, str], inner: Mapping[str, Folder], known: Collection[str]
) -> bool:
    """Return whether the sub-folders are parts of the data.

    Raises:
        DataError: They may be, and may be classes.
    """
    filled = folder.filled
    if set(filled) <= set(known):
        return False
    called = [set(map(same_name, each.filled)) for each in inner.values()]
    if any(one & other for one, other in combinations(called, 2)):
        return True
    if not set(filled) <= set(named) or not any(says_only_part(name) for name in named):
        return False
    trains = len(inner) == 1 and (bool(known) or named[next(iter(inner))] == "train")
    if trains or len(named) == 1 or len(inner) < len(filled) == 1:
        return True
    shown = printable(str(root), 300)
    what = "no class folder lies in two of them" if inner else "they hold no class folders"
    if not inner and all(map(says_only_part, named)):
        moved = _for_loose_images(root / folder.name, list(named))
        if "mkdir" in moved:
            raise DataError(f"--data {shown}: {some_of(named)} are parts of the data, but {what}", moved)
    if sorted(named.values()) == sorted(_PARTS) and all(map(says_only_part, named)):
        raise DataError(
            f"--data {shown}: {some_of(named)} are parts of the data by their names, but {what}",
            "each needs folders named like the classes",
        )
    raise DataError(
        f"--data {shown}: {some_of(named)} may be parts of the data, or classes: {what}",
        f"as parts, each needs folders named like the classes; --layout classes makes {some_of(named)} the classes",
    )


def _parts_above(
    root: Path, folder: Folder, named: Mapping[str, str], inner: Mapping[str, Folder], known: Collection[str]
) -> Layout:
    """Return the layout of parts that hold classes.

    Raises:
        DataError: Two folders are the same part, one to train on is missing or holds no classes.
    """
    shown = printable(str(root), 300)
    flat = [name for name in named if name not in inner and folder.folders[name].count]
    parts: dict[str, str] = {}
    for name, part in named.items():
        if name in flat and inner:
            continue
        if part in parts:
            raise DataError(
                f"--data {shown} has {parts[part]}/ and {name}/, which are both {part}", "keep one"
            )
        parts[part] = name
        if name in flat:
            raise DataError(
                f"--data {shown}: {name}/ holds no sub-folders", _for_loose_images(root / folder.name, flat)
            )
        if name in inner:
            refuse_masks(f"{shown}/{name}", inner[name])
    if not known and "train" not in parts:
        raise DataError(
            f"--data {shown} holds {some_of(parts.values())} and no part to train on",
            f"rename one of them train, or name its path: --data {shown}/{next(iter(parts.values()))}/",
        )
    ordered = {part: parts[part] for part in _PARTS if part in parts}
    notes = []
    if renamed := [f"{name}/ is read as {part}" for part, name in ordered.items() if name.lower() != part]:
        notes.append(", ".join(renamed))
    if flat:
        notes.append(f"{some_of(flat)} left out: its images are not in class folders, so they have no labels")
    if others := [name for name in folder.filled if name not in named]:
        notes.append(f"{some_of(others)} left out: it is none of train, val and test")
    classes = {part: inner[name].folders if name in inner else {} for part, name in ordered.items()}
    above = [each for name in ordered.values() for each in (folder.folders[name], inner.get(name)) if each]
    return Layout(classes, ordered, list({id(each): each for each in above}.values()), notes)


def _parts_inside(folder: Folder) -> dict[str, dict[str, Folder]]:
    """Return the layout of classes that hold parts, as in `cat/train` and `cat/test`; empty for another."""
    parts: dict[str, dict[str, Folder]] = {}
    for name, each in folder.filled.items():
        filled = each.filled
        if not filled or each.images:
            return {}
        for own, inside in filled.items():
            part, plain = part_of(own) or ("", False)
            if not plain or name in parts.setdefault(part, {}):
                return {}
            parts[part][name] = inside
    return {part: parts[part] for part in _PARTS if part in parts} if len(parts.get("train", ())) > 1 else {}


def _for_other_files(root: Path) -> str:
    """Return the options that read arrays or a table in a folder without images."""
    arrays = sorted(root.glob("*.npy"))
    for path in arrays:
        pairs = files_of_targets(path, [other for other in arrays if other != path])
        if len(pairs) == 1:
            return f"name the files: --data {shlex.quote(str(path))} --target {shlex.quote(str(pairs[0][1]))}"
        if pairs:
            return joined_files(pairs)
    files = sorted(path for suffix in ("csv", "tsv", "parquet", "npz") for path in root.glob(f"*.{suffix}"))
    if len(files) == 1:
        return f"name the file in it: --data {shlex.quote(printable(str(files[0]), 300))}"
    named = f"; or name one of the files in it: {first_of([file.name for file in files])}"
    return f"it needs {LAYOUT}" + named * bool(files)


def _for_loose_images(root: Path, parts: Sequence[str] = (".",)) -> str:
    """Return the way out for images that lie in no class folder.

    Args:
        root: The data folder.
        parts: Those of its folders that hold the images.
    """
    words = {part: _first_words(root / part) for part in parts}
    named = [part for part in parts if words[part]]
    if not named:
        return f"it needs {LAYOUT}"
    classes = " ".join(map(printable, sorted(set().union(*words.values()))))
    folder = shlex.quote(printable(str(root / named[0] if len(named) == 1 else root), 300))
    moved = f"for c in {classes}; do mkdir $c; mv $c[._0-9-]* $c/; done"
    if len(named) > 1:
        inside = ' "$p"/$c'.join(moved.split(" $c"))
        moved = f"for p in {' '.join(map(shlex.quote, named))}; do {inside}; done"
    return f"if the first words of their names are the classes: cd {folder}; {moved}"


def _first_words(folder: Path) -> set[str]:
    """Return the words in front of the numbers of images, such as `cat.0.jpg`, where they may be classes; else none."""
    names = [
        path.name
        for path in folder.iterdir()
        if path.suffix.lower() not in ("", ".csv", ".tsv", ".txt", ".db")
    ]
    words = {re.split(r"[\d._ -]", name)[0] for name in names}
    return (
        words if "" not in words and 2 <= len(words) <= _MOST_SHOWN and len(names) > 2 * len(words) else set()
    )
