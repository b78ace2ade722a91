"""What the pictures of a folder are brought to, and how all of them are gone through."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dlkit.data.images.decoders import Answer, Decoders, chunks_of, pick_workers
from dlkit.data.images.image_file import COLOUR, DEEP, Frame
from dlkit.data.images.listing import Listing
from dlkit.data.preparing import report
from dlkit.errors import DataError, printable

BYTE, WORD = 255.0, 65535.0
_DEFAULT_SIDE = 224
_NATIVE_UP_TO = 256
_MEASURED_AT_ONCE = 64
_DECODED_BYTES = 4 * 2**20
_MOST_AT_ONCE = 64
_FEW = 1000  # pictures that are decoded before other processes would have started
_SHOWN = 8
_MOST_GONE_THROUGH = 100_000
_SMALL = Frame(3, 8, 8, deep=False)

Fault = tuple[str, str]


@dataclass(frozen=True)
class Plan:
    """How the pictures of a folder are read.

    Args:
        frame: What they are brought to.
        notes: What the user should be told of it.
    """

    frame: Frame
    notes: tuple[str, ...]

    @property
    def picture_bytes(self) -> int:
        """Bytes of one picture as it is stored."""
        return self.frame.bands * self.frame.height * self.frame.width * (4 if self.frame.deep else 1)

    @property
    def scale(self) -> float:
        """The stored value that counts as 1."""
        return WORD if self.frame.deep else BYTE


def make_plan(listing: Listing, size: int | None, wanted: Frame | None) -> Plan:
    """Measure all pictures and choose what they are brought to.

    Args:
        listing: The pictures.
        size: What --size asks for.
        wanted: What a network takes; decides, where there is one.

    Raises:
        DataError: Some pictures cannot be read.
    """
    if wanted is not None:
        return Plan(wanted, ())
    sizes, kinds, faults = _measure(listing)
    refuse(listing, [*listing.faults, *faults])
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
            f"pictures of {found} are brought to {side}x{side}: the shorter side is resized, the middle kept; "
            "--size chooses another"
        )
        width = height = side
    deep = kinds.get(DEEP, 0) > 0 and kinds.get(COLOUR, 0) == 0
    if kinds.get(DEEP, 0) and not deep:
        notes.append(f"pictures of 16 bits ({kinds[DEEP]:,}) are brought to the 8 bits of the coloured ones")
    return Plan(Frame(3 if kinds.get(COLOUR) else 1, height, width, deep), tuple(notes))


def _measure(listing: Listing) -> tuple[np.ndarray, dict[str, int], list[tuple[str, str]]]:
    """Read all headers: widths and heights, shape (N, 2), how many pictures there are of each kind, and faults."""
    sizes: list[tuple[int, int]] = []
    kinds: dict[str, int] = {}
    faults: list[tuple[str, str]] = []
    done = 0
    with decoders_for(len(listing)) as decoders:
        for answer, count in answers(listing, decoders, None, report(f"{listing.root.name}: sizes")):
            for _, width, height, kind in answer.measures:
                sizes.append((width, height))
                kinds[kind] = kinds.get(kind, 0) + 1
            faults += [(listing.names[done + index], text) for index, text in answer.faults]
            done += count
    return np.array(sizes or [(0, 0)]), kinds, faults


def answers(
    listing: Listing, decoders: Decoders, frame: Frame | None, tell: Callable[[int, int], None]
) -> Iterator[tuple[Answer, int]]:
    """Measure or decode all pictures; with each answer comes the number of pictures it is of."""
    most = _MEASURED_AT_ONCE
    if frame is not None:
        most = max(1, min(_MOST_AT_ONCE, _DECODED_BYTES // (frame.bands * frame.height * frame.width)))
    chunks = list(chunks_of(listing.root, listing.names, most))
    done = 0
    for chunk, answer in zip(chunks, decoders.run(chunks, frame), strict=True):
        done += len(chunk)
        tell(done, len(listing))
        yield answer, len(chunk)


def decoders_for(pictures: int) -> Decoders:
    """Give who goes through so many pictures once: this process for a few, one a core for many."""
    return Decoders(0 if pictures < _FEW else pick_workers())


def find_faults(listing: Listing) -> list[Fault]:
    """Decode every picture, and give the name and the fault of each that cannot be read."""
    faults = list(listing.faults)
    with decoders_for(len(listing)) as decoders:
        done = 0
        for answer, count in answers(listing, decoders, _SMALL, report(listing.root.name)):
            faults += [(listing.names[done + index], text) for index, text in answer.faults]
            done += count
    return sorted(faults)


def refuse(listing: Listing, faults: Sequence[Fault], *, complete: bool = False) -> None:
    """Refuse pictures that cannot be read, the first of them by name.

    Args:
        listing: The pictures.
        faults: Those that are known to be faulty.
        complete: All pictures were decoded; otherwise the rest are gone through, so that all faults are told at once.

    Raises:
        DataError: There are any.
    """
    if not faults:
        return
    if not complete and len(listing) <= _MOST_GONE_THROUGH:
        faults = find_faults(listing)
    told = "; ".join(f"{printable(name, 100)} {text}" for name, text in faults[:_SHOWN])
    more = f"; and {len(faults) - _SHOWN:,} more" if len(faults) > _SHOWN else ""
    root = printable(str(listing.root), 300)
    total = len(listing) + len(listing.faults)
    which = "1 picture" if len(faults) == 1 else f"{len(faults):,} pictures"
    raise DataError(
        f"--data {root}: {which} of {total:,} cannot be read: {told}{more}",
        "mend or remove them",
    )
