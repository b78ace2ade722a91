"""Folders that may be meant in two ways, and images that belong to others: refused."""

import os
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations
from typing import NoReturn

from dlkit.data.images.folders.roles import (
    COMPANIONS,
    IMAGES,
    companions_in,
    entered,
    own_folders,
    plain_name,
    same_name,
    some_of,
)
from dlkit.data.images.folders.tree import Folder
from dlkit.data.part_names import part_of
from dlkit.errors import DataError, printable

_MASK = re.compile(r"(.+)[ ._-](masks?|seg|segmentation|gt|labels?)\.[^./]+", re.IGNORECASE)
_FEWEST_MASKED = 0.4  # of all images


def refuse_twins(shown: str, folder: Folder) -> None:
    """Refuse a folder that holds the same classes again, as an archive packed with a copy of itself does.

    Such are folders called alike (`Plants/`, `plants/`) that hold the same folders, and one that holds the others.
    """
    inner = _inner_names(folder)
    for one, other in combinations(inner, 2):
        if _letters(one) == _letters(other) and len(inner[one]) > 1 and inner[one] == inner[other]:
            _refuse_either(shown, folder, [one, other], inner[one])
    beside = set(map(same_name, inner))
    for name, inside in inner.items():
        if len(inside) > 1 and inside == beside - {same_name(name)}:
            raise DataError(
                f"--data {shown}: {printable(name, 40)}/ holds {some_of(sorted(inside))} as they lie beside it too: a "
                "copy of them, or a class",
                f"--data {_path(shown, entered(folder.folders[name], ()))} takes those in it; --layout classes takes "
                f"{printable(name, 40)}/ as a class",
            )


def refuse_sets(shown: str, folder: Folder) -> None:
    """Refuse folders that all hold the same class folders, and so may be sets of data."""
    inner = _inner_names(folder)
    common = set.intersection(*inner.values()) if len(inner) > 1 else set()
    if len(common) > 1:
        _refuse_either(shown, folder, list(inner), common)


def note_of_inner(folder: Folder) -> list[str]:
    """Return which folders are the classes, where folders of one name lie in all of them."""
    inner = _inner_names(folder)
    common = set.intersection(*inner.values()) if len(inner) > 1 else set()
    if not common:
        return []
    return [
        f"the classes are {some_of(inner)}; {some_of(sorted(common))} in each of them belongs to its class"
    ]


def _inner_names(folder: Folder) -> dict[str, set[str]]:
    """Return what the folders inside each sub-folder are called; none where images lie beside them."""
    inside = {name: entered(each, ()) for name, each in folder.filled.items()}
    return {
        name: set()
        if each.images or folder.folders[name].images
        else {same_name(own) for own in each.filled if plain_name(own) not in COMPANIONS | IMAGES}
        for name, each in inside.items()
    }


def _refuse_either(shown: str, folder: Folder, names: Sequence[str], common: Collection[str]) -> NoReturn:
    inside = [entered(folder.folders[name], ()) for name in names]
    least = min(inside, key=lambda each: each.name.count("/"))
    raise DataError(
        f"--data {shown}: {some_of(names)} all hold {some_of(sorted(common))}: the classes may be either",
        f"--data {_path(shown, least)} takes the inner ones of one; --layout classes takes the upper folders; to take "
        "the inner ones of all, name the upper ones train, val and test",
    )


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", same_name(name)) or name


def _path(shown: str, folder: Folder) -> str:
    return shlex.quote(f"{shown}/{printable(folder.name, 300)}")


def refuse_part(shown: str, folder: Folder, named: Mapping[str, str]) -> None:
    """Refuse one folder that differs from the classes beside it by the name of a part, as `Test cases`."""
    words = {name: set(re.split(r"[\W_]+", name.lower())) for name in folder.filled}
    name, part = next(iter(named.items()), ("", ""))
    if len(named) != 1 or name not in words or len(words) <= 2:
        return
    if part_of(" ".join(words[name] - set.intersection(*words.values()))) == (part, True):
        old, new = shlex.quote(f"{shown}/{printable(name, 300)}"), shlex.quote(f"{shown}-{part}")
        raise DataError(
            f"--data {shown}: {name}/ may be the {part} part of the data, or a class as the others",
            f"as a part, move it away: mv {old} {new}; --layout classes reads it as a class",
        )


def refuse_masks(shown: str, folder: Folder, otherwise: str = "", *, flat: bool = False) -> None:
    """Refuse images beside their masks or labels, which are no two classes.

    Args:
        shown: The folder, for messages.
        folder: What lies in it.
        otherwise: How they are read as classes.
        flat: Only where the images are in no class folders.
    """
    companions = [name for name in folder.folders if plain_name(name) in COMPANIONS]
    others = [name for name in folder.filled if name not in companions]
    if not companions or len(others) != 1 or plain_name(others[0]) not in IMAGES:
        return
    inside = folder.folders[others[0]].filled
    if not flat or not any(each.filled or part_of(name) is None for name, each in inside.items()):
        raise _of_places(
            f"{shown}: {others[0]}/ and {companions[0]}/ are images and what belongs to them, not two classes",
            otherwise * (companions[0] in folder.filled),
        )


def refuse_pairs(shown: str, folder: Folder) -> None:
    """Refuse images that have their masks in one folder with them, or in a folder of each image."""
    names = sorted(os.fsdecode(name).rpartition("/")[2] for name, _, _ in folder.images)
    stems = {name.rpartition(".")[0] for name in names}
    masks = [match[0] for name in names if (match := _MASK.fullmatch(name)) and match[1] in stems]
    if not folder.filled and masks and len(masks) >= _FEWEST_MASKED * len(names):
        raise _of_places(f"{shown} holds images and their masks, such as {printable(masks[0], 60)}")
    every = folder.filled.values()
    single = [sum(len(each.images) for each in own_folders(inside)) == 1 for inside in every]
    if len(single) > 2 and all(single) and all(map(companions_in, every)):
        example = next(iter(folder.filled))
        raise _of_places(
            f"{shown}: each folder, such as {example}/, holds an image and its masks, and no class"
        )


def _of_places(what: str, otherwise: str = "") -> DataError:
    """Return the error that images have a class for each place in them, which is not learned."""
    return DataError(
        f"--data {what}; segmentation (a class for each pixel) and detection (boxes) are not supported",
        "one class or number for each image is: a function may load both and return it, such as the share of its mask: "
        f"--data file.py:make{otherwise}",
    )
