"""Which bands of the images in a folder are taken, and as numbers of which type."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dlkit.data.images.frame import BYTES, FLOATS, WORDS, Kind
from dlkit.errors import ConfigError, DataError, counted, did_you_mean, printable

_SHOWN = 16


@dataclass(frozen=True)
class Bands:
    """What is taken of each image.

    Args:
        of: How many bands an image has, alpha among them where it is taken.
        picked: Which are taken, counted from 0, if not all.
        values: The type of their numbers.
        missing: Some numbers may be missing.
        names: The names of those taken; empty where they have none.
        notes: What was assumed, for the user.
    """

    of: int
    picked: tuple[int, ...]
    values: str
    missing: bool
    names: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def count(self) -> int:
        """How many are taken."""
        return len(self.picked) or self.of


def choose_bands(
    kinds: Mapping[Kind, int], asked: tuple[str, ...] | None, root: str, alpha_is_data: Callable[[], bool]
) -> Bands:
    """Choose which bands are taken.

    Args:
        kinds: How many images there are of each kind.
        asked: What --bands names, by number or by name; None takes all but alpha.
        root: The folder, for messages.
        alpha_is_data: Tells whether bands that all TIFF files declare to be alpha look like data.

    Raises:
        DataError: The images differ in what they hold.
        ConfigError: A band that is asked for is not there.
    """
    values, notes = _common_type(kinds, root)
    counts = {kind.bands for kind in kinds}
    if 3 in counts:
        counts -= {1}  # grey among coloured ones is brought to three equal bands
    if len(counts) > 1 and asked is None:
        shown = "; ".join(f"{count:,} of {bands} bands" for bands, count in sorted(_by_bands(kinds).items()))
        least = ",".join(map(str, range(1, min(counts) + 1)))
        raise DataError(
            f"--data {root}: images have different numbers of bands: {shown}",
            f"--bands {least} selects those that all images have",
        )
    of = max(counts)
    if asked is None and of == 3 and (grey := _by_bands(kinds).get(1, 0)):
        notes.append(
            f"grey images ({grey:,} of {sum(kinds.values()):,}) are read with three equal bands, like the coloured ones"
        )
    names = {kind.names for kind in kinds}
    all_names = names.pop() if len(names) == 1 else ()
    with_alpha = sum(count for kind, count in kinds.items() if kind.alpha)
    everywhere = with_alpha == sum(kinds.values())
    picked: tuple[int, ...] = ()
    if asked is not None:
        have = min(counts) + everywhere
        picked = _picked(asked, all_names, have, root, with_alpha=bool(with_alpha))
        of += max(picked) >= of
        notes.append(f"--bands {','.join(asked)}: of {have} bands in each image")
    elif everywhere and all(kind.alpha == "tiff" for kind in kinds) and alpha_is_data():
        of += 1
        bands = ",".join(map(str, range(1, of)))
        notes.append(
            f"band {of} is declared to be alpha but holds data: it is kept; --bands {bands} leaves it out"
        )
    elif with_alpha:
        bands = ",".join(map(str, range(1, of + 2)))
        keeps = f"; --bands {bands} keeps it as a band" if everywhere else ""
        notes.append(f"alpha (transparency) of {counted(with_alpha, 'image')} is left out{keeps}")
    if asked is None and of not in (1, 3):
        called = f" ({', '.join(printable(name, 20) for name in all_names[:_SHOWN])})" if all_names else ""
        notes.append(
            f"images have {of} bands{called}, which are all used; --bands selects some, counted from 1"
        )
    if more := sum(count for kind, count in kinds.items() if kind.more):
        notes.append(f"{more:,} TIFF files hold further images, of which only the first is used")
    missing = values == FLOATS or any(kind.nodata for kind in kinds)
    taken = tuple(all_names[band] for band in picked or range(of)) if of <= len(all_names) else ()
    return Bands(of, picked, values, missing, taken, tuple(notes))


def _common_type(kinds: Mapping[Kind, int], root: str) -> tuple[str, list[str]]:
    """Return the type that all images are brought to, and a note where some change theirs."""
    counts = {
        values: sum(n for kind, n in kinds.items() if kind.values == values)
        for values in (BYTES, WORDS, FLOATS)
    }
    there = [values for values, count in counts.items() if count]
    if len(there) == 1:
        return there[0], []
    photographs = all(kind.bands in (1, 3) for kind in kinds)
    if counts[FLOATS] or not photographs:
        shown = ", ".join(f"{counts[values]:,} of {values}" for values in there)
        raise DataError(
            f"--data {root}: images hold numbers of different types: {shown}", "convert them to one type"
        )
    if any(kind.values == BYTES and kind.bands == 3 for kind in kinds):
        return BYTES, [f"16-bit images ({counts[WORDS]:,}) are converted to 8 bits, like the coloured ones"]
    return WORDS, [f"8-bit images ({counts[BYTES]:,}) are converted to 16 bits, like the others"]


def _by_bands(kinds: Mapping[Kind, int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for kind, count in kinds.items():
        found[kind.bands] = found.get(kind.bands, 0) + count
    return found


def _picked(
    asked: tuple[str, ...], names: tuple[str, ...], have: int, root: str, *, with_alpha: bool
) -> tuple[int, ...]:
    """Return the bands that --bands names, counted from 0."""
    picked = []
    for text in asked:
        if not text.isdecimal() and text in names:
            picked.append(names.index(text))
        elif text.isdecimal() and 1 <= int(text) <= have:
            picked.append(int(text) - 1)
        else:
            called = f", called {', '.join(names[:_SHOWN])}" if names else ", which have no names"
            some = (
                "; only some have alpha" if with_alpha and text.isdecimal() and int(text) == have + 1 else ""
            )
            raise ConfigError(
                f"--bands {text}: images in {root} have {have} band{'s' * (have != 1)}{called}{some}",
                did_you_mean(text, names) or f"bands are counted from 1 to {have}",
            )
    return tuple(picked)
