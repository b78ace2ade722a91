"""What the name of a folder, and what lies in it, say of its role."""

import re
import unicodedata
from collections.abc import Collection, Iterator

from dlkit.data.images.folders.tree import Folder
from dlkit.data.part_names import part_of
from dlkit.errors import printable

_MOST_SHOWN = 8
IMAGES = frozenset(("image", "images", "img", "imgs", "photos", "pictures", "raw", "original", "originals"))
COMPANIONS = frozenset(
    ("mask", "masks", "label", "labels", "annotation", "annotations", "groundtruth", "gt", "segmentation")
)


def own_folders(folder: Folder) -> Iterator[Folder]:
    """Yield the folders of a class, without those of masks or labels that belong to its images."""
    yield folder
    companions = set(companions_in(folder))
    for name, each in folder.folders.items():
        if name not in companions:
            yield from own_folders(each)


def same_name(name: str) -> str:
    """Return a name without what systems write differently: case, and accents as letters of their own."""
    return unicodedata.normalize("NFC", name).casefold()


def holds_images(name: str) -> bool:
    """Return whether a folder is called by what lies in it, as `images`."""
    return plain_name(name) in IMAGES


def companions_in(folder: Folder) -> list[str]:
    """Return the sub-folders that hold masks or labels of the images beside them."""
    filled = folder.filled
    companions = [name for name in filled if plain_name(name) in COMPANIONS]
    return companions if folder.images or len(companions) < len(filled) else []


def entered(folder: Folder, stop: Collection[str]) -> Folder:
    """Go into a folder that holds nothing but another folder of folders."""
    while True:
        filled = folder.filled
        name, only = next(iter(filled.items()), ("", folder))
        if len(filled) != 1 or name in stop or not only.filled or says_only_part(name):
            return folder
        folder = only


def says_only_part(name: str) -> bool:
    """Return whether a name says a part, and nothing else."""
    part = part_of(name)
    return part is not None and part[1]


def plain_name(name: str) -> str:
    """Return the plain letters of a name, in small ones."""
    return re.sub("[^a-z]", "", name.lower())


def some_of(names: Collection[str]) -> str:
    """Return the names of folders, the first of many."""
    shown = [f"{printable(name, 40)}/" for name in list(names)[:_MOST_SHOWN]]
    more = ", ..." if len(names) > _MOST_SHOWN else ""
    return (", ".join(shown) if len(shown) != 2 else " and ".join(shown)) + more
