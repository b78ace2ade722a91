"""What the images of a folder are resized to, and how all of them are gone through."""

import contextlib
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dlkit.data.images.bands import choose_bands
from dlkit.data.images.decoding import Decoded, Decoder, pick_threads
from dlkit.data.images.frame import BYTES, CHECK, FLOATS, WORDS, Frame, ImageFault, Kind
from dlkit.data.images.image_file import decode, measure
from dlkit.data.images.listing import Listing
from dlkit.data.preparing import report
from dlkit.errors import DataError, counted, printable

_SCALES = {BYTES: 255.0, WORDS: 65535.0, FLOATS: 1.0}
_DEFAULT_SIDE = 224
_NATIVE_UP_TO = 256
_MEASURED_AT_ONCE = 64
_DECODED_BYTES = 4 * 2**20
_MOST_AT_ONCE = 64
_SHOWN = 8
_SAMPLED_FILES = 50
_SMALL_FILE_BYTES = 4096
_LONGEST_COMMAND = 1000  # letters
_MOST_GONE_THROUGH = 100_000
_DEPTH_SEEN, _FEW_BITS = 256, 2**14
_ALPHA_SEEN = 20
_MASK_SHARE = 0.5

Fault = tuple[str, str]


@dataclass(frozen=True)
class Plan:
    """How the images of a folder are read.

    Args:
        frame: What they are resized to.
        notes: Messages for the user of it.
        bands: The names of the bands; empty where they have none.
    """

    frame: Frame
    notes: tuple[str, ...]
    bands: tuple[str, ...] = ()

    @property
    def scale(self) -> float:
        """The stored value that counts as 1."""
        return _SCALES[self.frame.values]


def make_plan(
    listing: Listing, size: int | None, wanted: Frame | None, asked: tuple[str, ...] | None = None
) -> Plan:
    """Measure all images and choose what they are resized to.

    Args:
        listing: The images.
        size: What --size asks for.
        wanted: What a network takes; decides, where there is one.
        asked: What --bands asks for.

    Raises:
        DataError: Some images cannot be read, or they differ in what they hold.
        ConfigError: A band that is asked for is not there.
        MissingError: They are compressed in a way that needs imagecodecs.
    """
    sizes, kinds, faults = _measure(listing)
    refuse(listing, [*listing.faults, *faults])
    if wanted is not None:
        dropped = sum(count for kind, count in kinds.items() if kind.alpha and wanted.read <= kind.bands)
        notes = [f"alpha (transparency) of {counted(dropped, 'image')} is left out"] if dropped else []
        return Plan(wanted, tuple(notes))
    bands = choose_bands(
        kinds, asked, printable(str(listing.root), 300), lambda: _alpha_is_data(listing, kinds)
    )
    if {kind.values for kind in kinds} == {BYTES, WORDS}:
        _refuse_dark(listing)
    different = np.unique(sizes, axis=0)
    shorter = different.min(1)
    width, height = (int(side) for side in different[0])
    notes = []
    if size is not None:
        width = height = size
    elif len(different) > 1 or shorter[0] > _NATIVE_UP_TO:
        side = min(_DEFAULT_SIDE, max(8, int(np.median(sizes.min(1)))))
        low, high = different[different.prod(1).argmin()], different[different.prod(1).argmax()]
        found = f"{low[0]}x{low[1]}" + (f" to {high[0]}x{high[1]}" if len(different) > 1 else "")
        notes.append(
            f"images of {found} are resized to {side}x{side}: the shorter side is scaled, the centre is kept; "
            "--size chooses another size"
        )
        width = height = side
    of = bands.of if bands.picked else 0
    frame = Frame(bands.count, height, width, bands.values, of, bands.picked, bands.missing)
    return Plan(frame, (*notes, *bands.notes), bands.names)


def _measure(listing: Listing) -> tuple[np.ndarray, dict[Kind, int], list[Fault]]:
    """Read all headers: widths and heights, shape (N, 2), how many images there are of each kind, and faults."""
    sizes: list[tuple[int, int]] = []
    kinds: dict[Kind, int] = {}
    faults: list[Fault] = []
    done = 0
    with Decoder(0) as decoder:  # headers are read faster by one thread than by several that share a lock
        for decoded, count in decode_all(listing, decoder, None, report(f"{listing.root.name}: sizes")):
            for width, height, kind in decoded.measures:
                sizes.append((width, height))
                kinds[kind] = kinds.get(kind, 0) + 1
            faults += [(listing.names[done + index], text) for index, text in decoded.faults]
            done += count
    return np.array(sizes or [(0, 0)]), kinds, faults


def _alpha_is_data(listing: Listing, kinds: Mapping[Kind, int]) -> bool:
    """Return whether the last band of some TIFF files is anything but all or nothing in most pixels."""
    (kind, *others) = kinds
    if any(other.bands != kind.bands or other.values != kind.values for other in others):
        return False
    opaque = _SCALES[kind.values]
    between = []
    for name in listing.names[:: max(1, len(listing) // _ALPHA_SEEN)]:
        with contextlib.suppress(ImageFault):  # reported when all are decoded
            width, height, _ = measure(f"{listing.root}/{name}")
            last = Frame(1, height, width, kind.values, kind.bands + 1, (kind.bands,))
            pixels = decode(f"{listing.root}/{name}", last)
            between.append(((pixels > 0) & (pixels < opaque)).mean())
    return bool(between) and float(np.mean(between)) > _MASK_SHARE


def _refuse_dark(listing: Listing) -> None:
    """Refuse images of 16 bits, some of which are used, beside others of 8 bits: they would be nearly black.

    Raises:
        DataError: They are.
    """
    highest = 0
    for name in listing.names[:: max(1, len(listing) // _DEPTH_SEEN)]:
        with contextlib.suppress(ImageFault):  # reported when all are decoded
            width, height, kind = measure(f"{listing.root}/{name}")
            if kind.values == WORDS:
                highest = max(
                    highest,
                    int(decode(f"{listing.root}/{name}", Frame(kind.bands, height, width, WORDS)).max()),
                )
    if not 0 < highest < _FEW_BITS:
        return
    bits = highest.bit_length()
    root, copy = (shlex.quote(printable(f"{listing.root}{end}", 300)) for end in ("", "-8"))
    script = (
        "import sys, numpy as np; from PIL import Image; [Image.fromarray((np.asarray(i) >> "
        f"{max(bits - 8, 0)}).astype('uint8')).save(p) for p in sys.argv[1:] "
        "if (i := Image.open(p)).mode.startswith('I;16')]"
    )
    raise DataError(
        f"--data {printable(str(listing.root), 300)}: images of 16 bits have values up to {highest:,} ({bits} bits), "
        "and others have 8 bits: in one type, the former would be nearly black",
        f'a copy with 8 bits: cp -r {root} {copy}; python -c "{script}" {copy}/*/*',
    )


def decode_all(
    listing: Listing, decoder: Decoder, frame: Frame | None, progress: Callable[[int, int], None]
) -> Iterator[tuple[Decoded, int]]:
    """Measure or decode all images; with each result comes the number of images it is of."""
    most = _MEASURED_AT_ONCE
    if frame is not None:
        most = max(1, min(_MOST_AT_ONCE, _DECODED_BYTES // frame.bytes))
    batches = [
        [f"{listing.root}/{name}" for name in listing.names[start : start + most]]
        for start in range(0, len(listing), most)
    ]
    done = 0
    for batch, decoded in zip(batches, decoder.run(batches, frame), strict=True):
        done += len(batch)
        progress(done, len(listing))
        yield decoded, len(batch)


def decoder_for(listing: Listing) -> Decoder:
    """Return a thread a core; the calling thread alone for files so small that threads only share a lock."""
    sampled = listing.names[:: max(1, len(listing) // _SAMPLED_FILES)]
    sizes = []
    for name in sampled:
        with contextlib.suppress(OSError):  # a file that is gone is reported when it is decoded
            sizes.append((listing.root / name).stat().st_size)
    small = sum(size < _SMALL_FILE_BYTES for size in sizes)
    return Decoder(0 if 2 * small >= len(sizes) else pick_threads())


def find_faults(listing: Listing) -> list[Fault]:
    """Decode every image, and give the name and the fault of each that cannot be read."""
    faults = list(listing.faults)
    with decoder_for(listing) as decoder:
        done = 0
        for decoded, count in decode_all(listing, decoder, CHECK, report(listing.root.name)):
            faults += [(listing.names[done + index], text) for index, text in decoded.faults]
            done += count
    return sorted(faults)


def refuse(listing: Listing, faults: Sequence[Fault], *, complete: bool = False) -> None:
    """Refuse images that cannot be read, the first of them by name.

    Args:
        listing: The images.
        faults: Those that are known to be faulty.
        complete: All images were decoded; otherwise the rest are gone through, so that all faults are reported at once.

    Raises:
        DataError: There are any.
    """
    if not faults:
        return
    if not complete and len(listing) <= _MOST_GONE_THROUGH:
        faults = find_faults(listing)
    alike = len(faults) > _SHOWN and len({text for _, text in faults}) == 1
    most = 1 if alike else _SHOWN
    shown = "; ".join(f"{printable(name, 100)} {text}" for name, text in faults[:most])
    more = f"; and {len(faults) - most:,} more{' likewise' if alike else ''}" if len(faults) > most else ""
    root = printable(str(listing.root), 300)
    total = len(listing) + len(listing.faults)
    which = counted(len(faults), "image")
    raise DataError(
        f"--data {root}: {which} of {total:,} cannot be read: {shown}{more}",
        _stacks_as_bands(listing.root, faults)
        or (
            "a function of your own can load them: --data file.py:make (docs/images.md)"
            if alike and len(faults) == total
            else "fix or remove them" + _set_aside(listing.root, [name for name, _ in faults])
        ),
    )


def _set_aside(root: Path, names: Sequence[str]) -> str:
    """Return the command that gives files another ending, by which they are passed over; empty where they are many."""
    words = " ".join(map(shlex.quote, names))
    command = f'cd {shlex.quote(str(root))} && for f in {words}; do mv "$f" "$f.broken"; done'
    return f"; or rename them: ({command})" * (len(command) <= _LONGEST_COMMAND and command.isprintable())


def _stacks_as_bands(root: Path, faults: Sequence[Fault]) -> str:
    """Return the command that makes bands of the pages of stacks; empty where a fault is another one."""
    if not all(re.search("stack of the axes [A-Z]+YX ", text) for _, text in faults):
        return ""
    old, new = shlex.quote(str(root)), shlex.quote(f"{root}-bands")
    depth = "/*" * (1 + max(name.count("/") for name, _ in faults))
    code = (
        'import sys, tifffile; [tifffile.imwrite(p, a.reshape(-1, *a.shape[-2:]), photometric="minisblack", '
        'planarconfig="separate") for p in sys.argv[1:] if (a := tifffile.imread(p)).ndim > 3]'
    )
    ends = "".join(sorted({f" {new}{depth}{Path(name).suffix}" for name, _ in faults}))
    return f"every page as a band, in a copy: cp -r {old} {new}; python -c '{code}'{ends}; then --data {new}"
