"""Images that belong together by their names or folders, as the slices of one patient: p07_03.png."""

import re
from collections import Counter

from dlkit.data.images.listing import Listing
from dlkit.errors import printable

_NUMBERED = re.compile(r"(.*\d.*)[ ._-][a-z]*\d+")
SERIES_CURE = "--split-file keeps each in one split (docs/images.md)"
_FEWEST, _SHARE, _EACH = 5, 0.8, 3


def series_in(listing: Listing) -> str:
    """Return what the names say of images that belong together; empty where they say nothing or are split already.

    Images are of one series if their names differ in a last number alone, or if they lie in one folder within a class.
    There must be several series in a class, of three images on average: one series a class is a way to name files.
    """
    if set(listing.sizes) != {"all"}:
        return ""
    keys = [_key(name) for name in listing.names]
    counts = Counter(key for key in keys if key)
    together = sum(count for count in counts.values() if count > 1)
    few = max(_FEWEST, 2 * len(listing.class_names))
    if len(counts) < few or together < _SHARE * len(keys) or together < _EACH * len(counts):
        return ""
    example = next(name for name, key in zip(listing.names, keys, strict=True) if counts[key] > 1)
    shown = printable(example, 100)
    return f"{together:,} images seem to be {len(counts):,} series, e.g. of a patient, by names as {shown}"


def _key(name: str) -> str:
    """Return the series of an image by its path inside the data folder; empty where its name tells none."""
    *inner, file = name.split("/")
    inner = inner[1:]
    if inner:
        return "/".join(inner)
    match = _NUMBERED.fullmatch(file.rpartition(".")[0].lower())
    return match[1] if match else ""
