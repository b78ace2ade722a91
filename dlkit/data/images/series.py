"""Images that belong together by their names or folders, as the slices of one patient: p07_03.png."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from dlkit.data.images.folders.roles import holds_images
from dlkit.data.images.listing import Listing
from dlkit.errors import ConfigError, DataError, printable
from dlkit.settings.config import TrainConfig

_NUMBERED = re.compile(r"(.*\d.*)[ ._-][a-z]*\d+")
_PERSON = re.compile(
    r"(.*[ ._-])?(p|pt|pat|patients?|paciente|patiente?n?|s|subj?|subjects?|person|case|donor|id|mouse|rat|animal"
    r"|vid|videos?|clip|film|slide|wsi|scan|session|series|study|exam|plate|cam|camera)[ ._-]?\d.*|[\d.-]+"
)
BY_SERIES = "series"
SERIES_CURE = "--group series keeps each series in one split; --stratify splits at random by class anyway"
_FEWEST, _SHARE, _EACH = 5, 0.8, 3
_COPIED = re.compile(
    r" ?\(\d+\)|.*(flip|mirror|rotat|[ _.-]rot([ _.-]|\d|$)|\ddeg|[ _.-]deg\d|[ _.-]aug(ment|[ _.-]|\d|$)|[ _.-]copy"
    r"|blur|nois[ey]|bright|contrast|zoom|shear|jitter|crop).*"
)
_COPIES = 0.05  # of all images


def series_in(listing: Listing) -> str:
    """Return what the names say of images that belong together; empty where they say nothing or are split already.

    Images are of one series if their names differ in a last number alone, or if they lie in one folder within a class.
    So are changed copies of an image, as `7_flip.png` is of `7.png`.
    There must be several series in a class, of three images on average: one series a class is a way to name files.
    """
    if set(listing.sizes) != {"all"}:
        return ""
    copies = copies_in(listing.names)
    if len(copies) >= max(_FEWEST, _COPIES * len(listing.names)):
        copy, shown = len(copies), printable(next(iter(copies)), 100)
        return f"{copy:,} images seem to be copies of {len(set(copies.values())):,} others, by names such as {shown}"
    keys = [_key(name, listing.class_names) for name in listing.names]
    counts = Counter(key for key in keys if key)
    together = sum(count for count in counts.values() if count > 1)
    few = max(_FEWEST, 2 * len(listing.class_names))
    if len(counts) < few or together < _SHARE * len(keys) or together < _EACH * len(counts):
        return ""
    example = next(name for name, key in zip(listing.names, keys, strict=True) if counts[key] > 1)
    shown = printable(example, 100)
    return f"{together:,} images seem to be {len(counts):,} series, e.g. of one patient, by names such as {shown}"


def series_of(config: TrainConfig, names: Sequence[str], class_names: Sequence[str]) -> np.ndarray | None:
    """Return the number of the series of each image, shape (N,), int64; None where --group does not ask for them.

    Args:
        config: What --group asks for.
        names: Paths inside the data folder.
        class_names: The names of the class folders.

    Raises:
        ConfigError: --group names something else.
        DataError: The names tell no series.
    """
    if config.group is None:
        return None
    if config.group != BY_SERIES:
        raise ConfigError(
            f"--group {printable(config.group)} names a column of a table; {config.data} has none",
            "--group series uses the names of images, such as p07_03.png",
        )
    groups = number_series(names, class_names)
    if len(names) > 1 and groups.max() + 1 == len(names):
        raise DataError(
            f"--group series: no two images of {config.data} belong to one series by their names, such as p07_03.png",
            "leave it out; --split-file takes any other splits",
        )
    return groups


def number_series(names: Sequence[str], class_names: Sequence[str]) -> np.ndarray:
    """Return the number of the series of each image, shape (N,), int64; one of no series has a number of its own."""
    copies = copies_in(names)
    copied = {original: _key(original, class_names) or original for original in copies.values()}
    keys = [copied.get(copies.get(name, name)) or _key(name, class_names) or name for name in names]
    return np.asarray(np.unique(np.array(keys), return_inverse=True)[1], dtype=np.int64)


def copies_in(names: Sequence[str]) -> dict[str, str]:
    """Return the image that each changed copy is of: one in its folder whose name it has, and then as `_flip` or `(1)`.

    Args:
        names: Paths inside the data folder.
    """
    originals = {name.rpartition(".")[0].lower(): name for name in names}
    copies: dict[str, str] = {}
    for stem, name in sorted(originals.items(), key=lambda each: len(each[0])):
        start = stem.rfind("/") + 1
        for place in [match.start() for match in re.finditer(r"[ ._(-]", stem[start:])][::-1]:
            original = originals.get(stem[: start + place])
            if original is not None and _COPIED.fullmatch(stem[start + place :]):
                copies[name] = copies.get(original, original)
                break
    return copies


def refuse_series(listing: Listing, config: TrainConfig) -> None:
    """Refuse to split images of one series at random, unless that is asked for.

    Raises:
        DataError: There are series.
    """
    if series := unheeded_series(listing, config):
        raise DataError(
            f"--data {printable(config.data, 300)}: {series}; a random split would separate them", SERIES_CURE
        )


def unheeded_series(listing: Listing, config: TrainConfig) -> str:
    """Return what the names say of images that belong together, where nothing says how they are to be split."""
    asked = config.group is not None or config.split_file is not None or config.stratify
    return "" if asked else series_in(listing)


def _key(name: str, class_names: Sequence[str]) -> str:
    """Return the series of an image by its path inside the data folder; empty where its name tells none.

    A patient, by a word or a number alone, may have images of several classes; others are numbered within their class.
    """
    *folders, file = name.split("/")
    depth = next((place for place, folder in enumerate(folders, 1) if folder in class_names), 0)
    inner = [folder for folder in folders[depth:] if not holds_images(folder)]
    match = _NUMBERED.fullmatch(file.rpartition(".")[0].lower())
    key = inner[0] if inner else match[1] if match else ""
    if not key or not depth or _PERSON.fullmatch(key.lower()):
        return key
    return f"{folders[depth - 1]}/{key}"
