"""A folder of pictures as a data set: decoded once into a prepared file, or streamed where memory is too small."""

from dataclasses import replace
from pathlib import Path

import torch

from dlkit.atomic import make_folder
from dlkit.config import TrainConfig
from dlkit.data.augment import augmentation_of
from dlkit.data.decoders import Decoders, pick_workers
from dlkit.data.memory import available_memory
from dlkit.data.picture_file import Frame
from dlkit.data.picture_listing import Listing, list_pictures
from dlkit.data.picture_plan import WORD, Plan, answers, decoders_for, make_plan, refuse
from dlkit.data.prepared import Source
from dlkit.data.prepared_folder import (
    by_part,
    metadata_of,
    place_of,
    plan_in,
    prepare,
    read_prepared_folder,
    starts_of,
)
from dlkit.data.preparing import report
from dlkit.data.samples import DataSet, Request
from dlkit.data.stored import as_they_are, check_sizes, choose_normalisation, place_rows, split_source
from dlkit.data.streaming import StreamedSplit, Streams
from dlkit.description import DataDescription, Normalisation
from dlkit.tensor_file import write_tensors

_SAMPLED = 2048
_SAMPLED_BYTES = 256 * 2**20


def load_folder(request: Request, room: int | None = None) -> DataSet:
    """Load the pictures of a folder.

    Args:
        request: Which folder, the size, and what a network was trained on.
        room: Bytes that pictures may take in memory; None asks the machine.

    Raises:
        DataError: The folder is missing or laid out otherwise, pictures cannot be read, or they are not the ones
            trained on.
        DlkitError: The prepared file cannot be written, or a process that decodes failed.
    """
    root, trained_on = request.spec.path, request.trained_on
    assert root is not None, "a folder has a path"
    listing = list_pictures(root, None if trained_on is None else trained_on.class_names)
    refuse(listing, listing.faults)
    wanted = None if trained_on is None else _frame_of(trained_on)
    place = place_of(root, request.config.size, wanted)
    tensors, said = read_prepared_folder(place, listing)
    plan = plan_in(said) or make_plan(listing, request.config.size, wanted)
    needed, free = len(listing) * plan.picture_bytes, available_memory() if room is None else room
    if "inputs" not in tensors and needed > free:
        return _streamed(listing, plan, request, place, (needed, free))
    if "inputs" not in tensors:
        tensors, said = prepare(listing, plan, place)
    notes = [*plan.notes, *_said_of(listing), *_of_workers(request.config)]
    source = Source(by_part(listing, tensors["inputs"]), plan.scale, str(said["fingerprint"]))
    request.check_fingerprint(source.fingerprint)
    dataset = split_source(
        source, _describe(listing, plan, request, source.fingerprint), request, sorted_rows=True
    )
    return replace(dataset, notes=[*notes, *dataset.notes])


def find_faults(root: Path) -> list[tuple[str, str]]:
    """Decode every picture of a folder and give the name and the fault of each that cannot be read."""
    listing = list_pictures(root)
    faults = list(listing.faults)
    frame = Frame(3, 8, 8, deep=False)
    with decoders_for(len(listing)) as decoders:
        done = 0
        for answer, count in answers(listing, decoders, frame, report(root.name)):
            faults += [(listing.names[done + index], text) for index, text in answer.faults]
            done += count
    return faults


def _streamed(
    listing: Listing, plan: Plan, request: Request, place: Path, memory: tuple[int, int]
) -> DataSet:
    """Make a data set that decodes its pictures whenever they are needed."""
    make_folder(place.parent)
    write_tensors(place, {}, metadata_of(listing, plan, listing.content))  # spares the next run the measuring
    request.check_fingerprint(listing.content)
    description = _describe(listing, plan, request, listing.content)
    request.check_shapes(description.input_shape, description.num_outputs)
    config, trained_on = request.config, request.trained_on
    targets = torch.tensor(listing.targets)
    starts = starts_of(listing)
    strata = {part: targets[start : start + listing.sizes[part]].numpy() for part, start in starts.items()}
    if trained_on is not None and trained_on.fingerprint != listing.content:
        places = as_they_are(listing.sizes)
    else:
        places = place_rows(strata, config, listing.content, sorted_rows=True)
    rows = {name: torch.from_numpy(members + starts[part]) for name, (part, members) in places.items()}
    workers = pick_workers(config.num_workers)
    streams = Streams(listing.root, listing.names, plan.frame, Decoders(workers))
    splits = {name: StreamedSplit(streams, targets, members, None, None) for name, members in rows.items()}
    if trained_on is None:
        check_sizes(request.spec.text, {name: len(split) for name, split in splits.items()})
        most = max(16, min(_SAMPLED, _SAMPLED_BYTES // plan.picture_bytes))
        sample = rows["train"][:: -(-len(rows["train"]) // most)]
        pixels = streams.pixels(sample)
        normalisation: Normalisation | None = choose_normalisation(
            pixels, torch.arange(len(sample)), plan.scale, config
        )
    else:
        normalisation = trained_on.normalisation
    augmentation = augmentation_of(config, description)
    splits = {
        name: replace(
            split, normalisation=normalisation, augmentation=augmentation if name == "train" else None
        )
        for name, split in splits.items()
    }
    needed, free = (f"{number / 2**30:.1f} GiB" for number in memory)
    notes = [
        *plan.notes,
        *_said_of(listing),
        f"the pictures take {needed} in memory, of which {free} may be used: they are decoded anew in every epoch, by "
        f"{workers} process{'es' * (workers != 1)} (--num-workers); a smaller --size would keep them in memory",
    ]
    if trained_on is None and config.normalize == "auto":
        notes.append(f"mean and std are those of {len(sample):,} training pictures")
    if augmentation is not None and trained_on is None:
        notes.append(augmentation.shown())
    sizes = {name: len(split) for name, split in splits.items()}
    return DataSet(replace(description, normalisation=normalisation, split_sizes=sizes), splits, notes=notes)


def _frame_of(trained_on: DataDescription) -> Frame | None:
    """Give what a network takes; None where it takes no pictures, which is told elsewhere."""
    if len(trained_on.input_shape) != 3 or trained_on.input_shape[0] not in (1, 3):
        return None
    bands, height, width = trained_on.input_shape
    deep = trained_on.normalisation is not None and trained_on.normalisation.scale == WORD
    return Frame(bands, height, width, deep)


def _describe(listing: Listing, plan: Plan, request: Request, found: str) -> DataDescription:
    return DataDescription(
        name=request.spec.text,
        task="classification",
        input_shape=(plan.frame.bands, plan.frame.height, plan.frame.width),
        class_names=listing.class_names,
        split_sizes={},
        source=request.spec.text,
        fingerprint=found,
    )


def _said_of(listing: Listing) -> list[str]:
    if not listing.ignored:
        return []
    return [
        f"{listing.ignored:,} file{'s' * (listing.ignored != 1)} in {listing.root} are no pictures and were ignored"
    ]


def _of_workers(config: TrainConfig) -> list[str]:
    if config.num_workers == "auto":
        return []
    return [f"--num-workers {config.num_workers} does nothing: the pictures are in memory"]
