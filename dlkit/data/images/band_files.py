"""Images of which each band lies in a file of its own, as tile_0001_B02.tif and tile_0001_B08.tif: found by names."""

import contextlib
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from dlkit.data.images.band_names import LETTERS, TOKENS, order_of_bands
from dlkit.data.images.frame import WORDS, ImageFault
from dlkit.data.images.image_file import measure
from dlkit.data.images.listing import Listing
from dlkit.errors import DataError, MissingError, first_of, printable
from dlkit.settings.config import TrainConfig

_ID = r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"  # that some microscopes give to every file
_PLACE = rf"(^|[ ._-])(BAND)(_[126]0m|{_ID})?(?=[ ._-]|sk\d|$)"
_PLACES = 3
_FEWEST, _SHARE, _MOST_BANDS = 5, 0.9, 40
_OPENED = 12


@dataclass(frozen=True)
class BandFiles:
    """Images whose bands are files.

    Args:
        bands: What distinguishes the names of the files of an image, in order.
        names: The files of each image, by band.
    """

    bands: tuple[str, ...]
    names: Sequence[dict[str, str]]


def find_band_files(names: Sequence[str]) -> BandFiles | None:
    """Return the images whose files differ in a band alone, nearly all of which have every band; None without them.

    Args:
        names: Paths inside the data folder.
    """
    token = re.compile(_PLACE.replace("BAND", TOKENS), re.IGNORECASE)
    found = [(name, list(token.finditer(PurePosixPath(name).stem))) for name in names]
    if sum(bool(matches) for _, matches in found) < _SHARE * len(names):
        return None
    for place in range(1, _PLACES + 1):
        images: dict[str, dict[str, str]] = {}
        for name, matches in found:
            if len(matches) >= place:
                match = matches[-place]
                key = f"{name.rpartition('/')[0]}/{match.string[: match.start()]}\0{match.string[match.end() :]}"
                images.setdefault(key, {})[match[2]] = name
        bands = sorted({band for each in images.values() for band in each}, key=order_of_bands)
        whole = [each for each in images.values() if len(each) == len(bands)]
        letters = {band.lower() for band in bands if len(band) == 1}
        if (
            2 <= len(bands) <= _MOST_BANDS
            and len(whole) >= _FEWEST
            and len(whole) * len(bands) >= _SHARE * len(names)
            and (not letters or letters >= LETTERS)
        ):
            return BandFiles(tuple(bands), whole)
    return None


def refuse_band_files(listing: Listing, config: TrainConfig, *, trained: bool = False) -> None:
    """Refuse to take bands of an image as images, unless --bands says what is taken of each file.

    Args:
        listing: The files.
        config: What --bands asks for.
        trained: A network is there, which takes the bands that it was trained on.

    Raises:
        DataError: Each band has a file of its own.
    """
    found = None if config.bands is not None else find_band_files(listing.names)
    if found is None:
        return
    root = listing.root
    few = [name for each in found.names[:: max(1, len(found.names) // 2)] for name in each.values()]
    kinds, sizes = set(), set()
    for name in few[: max(_OPENED, len(found.bands))]:
        with contextlib.suppress(ImageFault, MissingError):  # reported when all are decoded
            width, height, kind = measure(f"{root}/{name}")
            kinds.add((kind.bands, kind.values))
            sizes.add((width, height))
    if not kinds or {bands for bands, _ in kinds} != {1}:
        return
    new = f"{root.name}-bands"
    words = any(values == WORDS for _, values in kinds)
    code = _command(root.as_posix(), new, found, words=words, resized=len(sizes) > 1)
    example = printable(next(iter(found.names[0].values())), 100)
    raise DataError(
        f"--data {printable(config.data, 300)}: {len(listing):,} files seem to be {len(found.names):,} images with a "
        f"file for each of {len(found.bands)} bands ({first_of(found.bands, 12)}), such as {example}",
        f"all bands of an image in one file: python -c {shlex.quote(code)}; then --data {shlex.quote(new)}"
        + "; --bands 1 takes each file as an image of its own" * (not trained),
    )


def _command(root: str, new: str, found: BandFiles, *, words: bool, resized: bool) -> str:
    """Return the Python that writes the bands of each image into one TIFF file, with their names."""
    place = _PLACE.replace("BAND", "|".join(map(re.escape, sorted(found.bands, key=len, reverse=True))))
    if not any(re.search(_ID, name) for name in found.names[0].values()):
        place = place.replace(f"|{_ID}", "")
    suffixes = sorted({PurePosixPath(name).suffix for each in found.names for name in each.values()})
    if all(suffix.lower() in (".tif", ".tiff") for suffix in suffixes):
        read = "tifffile.imread(p)"
    else:
        read = "np.asarray(Image.open(p))" + '.astype("u2")' * words
    stack = f"[{read} for p in map(v.get, b)]"
    if resized:
        stack = f"fit({stack})"
    fit = (
        'fit = lambda l: [np.asarray(Image.fromarray(a.astype("f4")).resize(max(i.shape for i in l)[::-1]))'
        ".round().astype(a.dtype) for a in l]; "
    )
    return (
        "import pathlib, re, numpy as np, tifffile; from PIL import Image; "
        f"b = {json.dumps(list(found.bands), ensure_ascii=False)}; r = re.compile({json.dumps(place)}); d = {{}}; "
        f"o, n = map(pathlib.Path, ({json.dumps(root, ensure_ascii=False)}, {json.dumps(new, ensure_ascii=False)})); "
        + fit
        * resized
        + '[d.setdefault(p.parent.relative_to(o) / r.sub("", p.stem, 1), {}).update({m[2]: p}) '
        f'for p in sorted(o.rglob("*")) if p.suffix in {json.dumps(suffixes)} and (m := r.search(p.stem))]; '
        r't = "".join(f"<Item name=\"DESCRIPTION\" sample=\"{i}\">{c}</Item>" for i, c in enumerate(b)); '
        "[((n / k).parent.mkdir(parents=True, exist_ok=True), "
        f'tifffile.imwrite(f"{{n / k}}.tif", np.stack({stack}), photometric="minisblack", planarconfig="separate", '
        'extratags=[(42112, "s", 0, f"<GDALMetadata>{t}</GDALMetadata>", True)])) '
        "for k, v in d.items() if len(v) == len(b)]"
    )
