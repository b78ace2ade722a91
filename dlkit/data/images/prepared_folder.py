"""The prepared file of a folder of images: written once, mapped into memory by later runs."""

import hashlib
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlkit.data.home import data_home
from dlkit.data.images.frame import Frame
from dlkit.data.images.listing import Listing
from dlkit.data.images.plan import Plan, decode_all, decoder_for, refuse
from dlkit.data.memory import size_text
from dlkit.data.prepared import fingerprint
from dlkit.data.preparing import report
from dlkit.errors import CheckpointError, DlkitError, counted, file_error
from dlkit.files.atomic import make_folder
from dlkit.files.tensor_file import read_tensors, write_tensors

_FORMAT = 2


class Missing:
    """Counts missing values among those that were decoded."""

    def __init__(self) -> None:
        self._values = self._images = self._all = self._empty = 0

    def count(self, pixels: np.ndarray) -> None:
        """Count those of some images, shape (B, C, H, W)."""
        if pixels.dtype != np.float32:
            return
        by_image = np.isnan(pixels).sum((1, 2, 3))
        self._values += int(by_image.sum())
        self._images += int((by_image > 0).sum())
        self._empty += int((by_image == pixels[0].size).sum())
        self._all += pixels.size

    def notes(self) -> list[str]:
        """Return what is to be reported."""
        if not self._values:
            return []
        share = f"{100 * self._values / self._all:.2g} %"
        empty = f", {self._empty:,} of which have no other" if self._empty else ""
        return [
            f"{share} of the values are missing, in {counted(self._images, 'image')}{empty}: they become the band's "
            "mean over the training images"
        ]


def prepare(listing: Listing, plan: Plan, place: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Decode all images and write the prepared file; give its tensors and metadata.

    Raises:
        DataError: Some images cannot be read; nothing is written then.
        DlkitError: There is no room on the disk.
    """
    make_folder(place.parent)
    frame, needed = plan.frame, len(listing) * plan.frame.bytes
    # It is decoded into a nameless file first, since the prepared file begins with a checksum.
    free = shutil.disk_usage(place.parent).free
    if free < 2 * needed:
        raise DlkitError(
            f"{place.parent} has {size_text(free)} free; to prepare the images takes {size_text(2 * needed)}",
            "a smaller --size, or another place in DLKIT_HOME",
        )
    faults: list[tuple[str, str]] = []
    missing = Missing()
    try:
        with tempfile.TemporaryFile(dir=place.parent) as file, decoder_for(listing) as decoder:
            done = 0
            for decoded, count in decode_all(listing, decoder, frame, report(listing.root.name)):
                assert decoded.pixels is not None, "a frame was given"
                file.write(decoded.pixels.data)
                missing.count(decoded.pixels)
                faults += [(listing.names[done + index], text) for index, text in decoded.faults]
                done += count
            refuse(listing, faults, complete=True)
            file.flush()
            shape = (len(listing), frame.bands, frame.height, frame.width)
            inputs = torch.from_numpy(np.memmap(file, frame.dtype, "c", shape=shape))
            found = fingerprint(by_part(listing, inputs))
            counted = replace(plan, notes=(*plan.notes, *missing.notes()))
            write_tensors(place, {"inputs": inputs}, metadata_of(listing, counted, found))
    except OSError as err:
        raise file_error(err, place.parent, "prepare images in", needed=needed) from err
    return read_prepared_folder(place, listing)


def place_of(root: Path, size: int | None, wanted: Frame | None = None, bands: str | None = None) -> Path:
    """Return the place of a folder's prepared file: one for what is asked for, and for what a network wants."""
    frame = "native" if size is None else str(size)
    if bands is not None:
        frame += f" of {bands}"
    if wanted is not None:
        frame = "x".join(map(str, wanted))
    digest = hashlib.sha256(f"{root.resolve()}\0{frame}".encode(errors="surrogateescape")).hexdigest()[:16]
    name = "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in root.name)[:40]
    return data_home() / "prepared" / "folders" / f"{name}-{digest}.safetensors"


def metadata_of(listing: Listing, plan: Plan, found: str) -> dict[str, Any]:
    """Return the metadata of a prepared file; `found` is the fingerprint of the data."""
    return {
        "folder": _FORMAT,
        "root": str(listing.root),
        "state": listing.state,
        "frame": plan.frame.to_json(),
        "notes": list(plan.notes),
        "bands": list(plan.bands),
        "fingerprint": found,
    }


def read_prepared_folder(place: Path, listing: Listing) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Map the prepared file of a folder, if there is one of this very state; nothing where there is none."""
    if not place.is_file():
        return {}, {}
    try:
        tensors, said = read_tensors(place)
    except CheckpointError:
        return {}, {}  # it is made anew from the images, which are at hand
    if said.get("folder") != _FORMAT or said.get("state") != listing.state:
        return {}, {}
    return tensors, said


def plan_in(said: dict[str, Any]) -> Plan | None:
    """Return the plan that a prepared file was made by; None where there is none."""
    frame = Frame.from_json(said["frame"]) if said else None
    return None if frame is None else Plan(frame, tuple(said["notes"]), tuple(said["bands"]))


def starts_of(listing: Listing) -> dict[str, int]:
    """Return the place of the first image of each part."""
    starts, start = {}, 0
    for part, count in listing.sizes.items():
        starts[part], start = start, start + count
    return starts


def by_part(listing: Listing, inputs: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
    """Cut stored images, shape (N, C, H, W), and their classes into the parts of the folder."""
    targets = torch.tensor(listing.targets)
    return {
        part: (inputs[start : start + listing.sizes[part]], targets[start : start + listing.sizes[part]])
        for part, start in starts_of(listing).items()
    }
