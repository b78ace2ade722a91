"""A folder of images as a data set: decoded once into a prepared file, or streamed where memory is too small."""

import re
from dataclasses import replace

import torch
from torch import Tensor

from dlkit.data.dataset import DataSet, Request
from dlkit.data.images.band_files import refuse_band_files
from dlkit.data.images.decoding import Decoder, pick_threads
from dlkit.data.images.frame import BYTES, WORDS, Frame
from dlkit.data.images.label_table import command_for_classes
from dlkit.data.images.listing import Listing, list_images
from dlkit.data.images.plan import Plan, make_plan, refuse
from dlkit.data.images.prepared_folder import (
    by_part,
    metadata_of,
    place_of,
    plan_in,
    prepare,
    read_prepared_folder,
    starts_of,
)
from dlkit.data.images.series import refuse_series, series_of
from dlkit.data.images.streaming import StreamedSplit, Streams
from dlkit.data.memory import available_memory, size_text
from dlkit.data.prepared import Source
from dlkit.data.preparing import one_at_a_time
from dlkit.data.stored import AnySplit, Stock, split_source, split_stock
from dlkit.data.stored_splits import strata_of
from dlkit.errors import ConfigError, printable
from dlkit.files.atomic import make_folder
from dlkit.files.description import DataDescription
from dlkit.files.tensor_file import write_tensors
from dlkit.settings.config import TrainConfig
from dlkit.settings.texts import parse_bands

_LISTING, _FRAME = "listing", "frame"
_WORD = 65535.0
_SAMPLED = 2048
_SAMPLED_BYTES = 256 * 2**20


def load_folder(request: Request, room: int | None = None) -> DataSet:
    """Load the images of a folder.

    Args:
        request: Which folder, the size, and what a network was trained on.
        room: Bytes that images may take in memory; None asks the machine.

    Raises:
        DataError: The folder is missing or laid out otherwise, images cannot be read, or they are not the ones
            trained on.
        DlkitError: The prepared file cannot be written.
    """
    root, trained_on = request.spec.path, request.trained_on
    assert root is not None, "a folder has a path"
    config = request.config
    listing = list_images(
        root, None if trained_on is None else trained_on.class_names, config.layout, config.size
    )
    refuse(listing, listing.faults)
    if trained_on is None or trained_on.input_shape[0] > 1:
        refuse_band_files(listing, config, trained=trained_on is not None)
    if trained_on is None:
        _refuse_numbers(listing, config)
        refuse_series(listing, config)
    wanted = None if trained_on is None else _frame_of(trained_on)
    place = place_of(root, config.size, bands=config.bands)
    tensors, said = read_prepared_folder(place, listing)
    if wanted is not None and said.get("frame") != wanted.to_json():
        place = place_of(root, config.size, wanted)
        tensors, said = read_prepared_folder(place, listing)
    asked = None if config.bands is None else parse_bands(config.bands)
    plan = plan_in(said) or make_plan(listing, config.size, wanted, asked)
    needed, free = len(listing) * plan.frame.bytes, available_memory() if room is None else room
    if "inputs" not in tensors and needed > free:
        if not said:  # what was measured spares the next run doing it
            make_folder(place.parent)
            write_tensors(place, {}, metadata_of(listing, plan, listing.content))
        return _streamed(listing, plan, request, (needed, free))
    if "inputs" not in tensors:
        with one_at_a_time(place):
            tensors, said = read_prepared_folder(place, listing)
            if "inputs" not in tensors:
                tensors, said = prepare(listing, plan, place)
        plan = plan_in(said) or plan
    found = str(said["fingerprint"])
    if trained_on is not None and trained_on.fingerprint == trained_on.learned.get(_LISTING):
        found = listing.content  # the network was trained on a stream, whose pixels no one has counted
    request.check_fingerprint(found)
    starts = starts_of(listing)
    files = {part: listing.names[start : start + listing.sizes[part]] for part, start in starts.items()}
    source = Source(by_part(listing, tensors["inputs"]), plan.scale, found, files, missing=plan.frame.missing)
    description = _describe(listing, plan, request, found)
    dataset = split_source(
        source,
        description,
        request,
        sorted_rows=True,
        salt=listing.content,
        groups=series_of(config, listing.names, listing.class_names),
    )
    return replace(
        dataset, notes=[*plan.notes, *_said_of(listing, request.config, in_memory=True), *dataset.notes]
    )


def _refuse_numbers(listing: Listing, config: TrainConfig) -> None:
    """Refuse to take class folders as numbers.

    Raises:
        ConfigError: --task asks for numbers.
    """
    if config.task != "regression":
        return
    numbers = all(re.fullmatch(r"-?\d+(\.\d+)?", name) for name in listing.class_names)
    command = command_for_classes(listing.root, (), config.size, numbers=True) if numbers else ""
    raise ConfigError(
        f"--task regression: the folders of {printable(str(listing.root), 300)} are classes",
        command or "leave it out",
    )


def _streamed(listing: Listing, plan: Plan, request: Request, memory: tuple[int, int]) -> DataSet:
    """Make a data set that decodes its images whenever they are needed."""
    trained_on, found = request.trained_on, listing.content
    if trained_on is not None and trained_on.learned.get(_LISTING) == found:
        found = trained_on.fingerprint  # by names and sizes of the files, which is all that a stream knows
    request.check_fingerprint(found)
    targets, starts = torch.tensor(listing.targets), starts_of(listing)
    threads = pick_threads(request.config.num_workers)
    streams = Streams(listing.root, listing.names, plan.frame, Decoder(threads))
    most = max(16, min(_SAMPLED, _SAMPLED_BYTES // plan.frame.bytes))

    def sample(split: AnySplit) -> tuple[Tensor, Tensor]:
        rows = split.rows[:: -(-len(split) // most)]
        return streams.pixels(rows), torch.arange(len(rows))

    stock = Stock(
        strata={
            part: strata_of(targets[start : start + listing.sizes[part]].numpy(), request.config.stratify)
            for part, start in starts.items()
        },
        make=lambda part, rows: StreamedSplit(streams, targets, rows + starts[part], None, None),
        sample=sample,
        scale=plan.scale,
        fingerprint=found,
        salt=listing.content,
        sorted_rows=True,
        files=dict.fromkeys(starts, listing.names),
        groups=series_of(request.config, listing.names, listing.class_names),
    )
    dataset = split_stock(stock, _describe(listing, plan, request, found), request)
    needed, free = map(size_text, memory)
    notes = [
        *plan.notes,
        *_said_of(listing, request.config, in_memory=False),
        f"the images take {needed} in memory, of which {free} may be used: they are decoded again in every epoch, by "
        f"{threads} thread{'s' * (threads != 1)} (--num-workers); a smaller --size would keep them in memory",
        *dataset.notes,
    ]
    if plan.frame.missing:
        notes.append("missing values become the band's mean over the training images")
    if trained_on is None and request.config.normalize == "auto":
        notes.append(f"mean and std are those of at most {most:,} training images")
    return replace(dataset, notes=notes)


def _frame_of(trained_on: DataDescription) -> Frame | None:
    """Return what a network takes; None where it takes no images, which is reported elsewhere."""
    if (frame := Frame.from_json(trained_on.learned.get(_FRAME))) is not None:
        return frame if frame[:3] == trained_on.input_shape else None
    if len(trained_on.input_shape) != 3 or trained_on.input_shape[0] not in (1, 3):
        return None
    bands, height, width = trained_on.input_shape
    scale = None if trained_on.normalisation is None else trained_on.normalisation.scale
    return Frame(bands, height, width, WORDS if scale == _WORD else BYTES)


def _describe(listing: Listing, plan: Plan, request: Request, found: str) -> DataDescription:
    return DataDescription(
        name=request.spec.text,
        task="classification",
        input_shape=(plan.frame.bands, plan.frame.height, plan.frame.width),
        class_names=listing.class_names,
        split_sizes={},
        source=request.spec.text,
        learned={
            _LISTING: listing.content,
            _FRAME: plan.frame.to_json(),
            **({"bands": list(plan.bands)} if plan.bands else {}),
        },
        fingerprint=found,
    )


def _said_of(listing: Listing, config: TrainConfig, *, in_memory: bool) -> list[str]:
    """Return notes about files and settings that are not used."""
    notes = [*listing.notes]
    if listing.ignored:
        notes.append(f"files other than images were ignored ({listing.ignored:,}) in {listing.root}")
    if in_memory and config.num_workers != "auto":
        notes.append(f"--num-workers {config.num_workers} has no effect: the images are in memory")
    return notes
