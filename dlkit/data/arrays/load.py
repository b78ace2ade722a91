"""Arrays in .npz and .npy files, or made by a function, as a data set."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from dlkit.data.arrays.axes import Reading, features_last_or_first, reading_like, readings, settings_of
from dlkit.data.arrays.groups import groups_of, suggested_groups
from dlkit.data.arrays.headers import ArrayEntry, read_entries
from dlkit.data.arrays.inputs import as_stored, complex_note, missing_note, pick_bands
from dlkit.data.arrays.labels import Labels, labels_like, read_labels, unknown_targets
from dlkit.data.arrays.names import files_of_targets
from dlkit.data.arrays.reading import check_room, joined_files, load_zipped, map_array, refuse_objects
from dlkit.data.arrays.roles import find_inputs, find_roles, note_of
from dlkit.data.dataset import DataSet, Request
from dlkit.data.infer_task import SOME_CLASSES
from dlkit.data.prepared import Source, fingerprint
from dlkit.data.stored import split_source
from dlkit.errors import ConfigError, DataError, did_you_mean
from dlkit.files.description import DataDescription

Pairs = Mapping[str, tuple[np.ndarray, np.ndarray]]
_SAMPLED_MASKS = 256
_MAPPED = "a .npy file of float32 or bytes is mapped and needs no memory: numpy.save, then --data x.npy --target y.npy"


def load_arrays(request: Request) -> DataSet:
    """Load the arrays of a file.

    Raises:
        DataError: It is missing or damaged, does not hold inputs and targets, or does not fit the network.
        ConfigError: A setting does not fit the data.
    """
    path = request.spec.path
    assert path is not None, "arrays lie in a file"
    entries = read_entries(path)
    groups, said = None, [""]
    if "" in entries:
        pairs, name = {"all": _single_arrays(path, entries[""], request)}, path.stem
    else:
        refuse_objects(
            path, *[entry for entry in entries.values() if entry.kind == "V" and len(entries) == 1]
        )
        roles = _roles(entries, request)
        wanted = {name for pair in roles.values() for name in pair if name}
        for inputs, targets in roles.values():
            refuse_objects(path, entries[inputs], with_targets=targets)
            refuse_objects(path, *[entries[name] for name in [targets] if name], are_targets=True)
        check_room(path, [entries[name] for name in wanted], _MAPPED)
        arrays = load_zipped(path, wanted)
        pairs = {
            part: (arrays[inputs], arrays[targets] if targets else unknown_targets(len(arrays[inputs])))
            for part, (inputs, targets) in roles.items()
        }
        name = next(iter(roles.values()))[0]
        config = request.config
        groups = groups_of(entries, roles, request, lambda name: load_zipped(path, [name])[name])
        said = [
            note_of(roles, entries, typed=None not in (config.features, config.target)),
            suggested_groups(entries, roles, request),
        ]
    return dataset_of(pairs, request, name=name, groups=groups, said=said)


def dataset_of(
    pairs: Pairs,
    request: Request,
    *,
    name: str = "",
    turn: int = 0,
    groups: np.ndarray | None = None,
    said: Sequence[str] = (),
) -> DataSet:
    """Make a data set of inputs and targets.

    Args:
        pairs: Inputs, shape (N, ...), and targets, by part: `all`, or `train` and maybe `val` and `test`.
        request: Settings, and what a network was trained on.
        name: The name of the inputs.
        turn: Which of the possible ways to read the inputs is taken.
        groups: Group of each sample of `all`, shape (N,), which no two splits share; None for none.
        said: Messages about how the arrays were found.

    Raises:
        DataError: They cannot be learned, have changed, or do not fit the network.
        ConfigError: A setting does not fit the data.
    """
    source = request.spec.text
    pairs, moved = _samples_first(pairs)
    _check_lengths(pairs, source)
    possible = _readings(pairs, request, name)
    reading = possible[turn]
    stored = {part: as_stored(inputs, reading, source) for part, (inputs, _) in pairs.items()}
    first = next(iter(pairs))
    parted = complex_note(pairs[first][0], stored[first][0], reading)
    if request.config.bands is not None:
        stored = {part: (pick_bands(inputs, request), scale) for part, (inputs, scale) in stored.items()}
    shapes = {part: tuple(inputs.shape[1:]) for part, (inputs, _) in stored.items()}
    if len(set(shapes.values())) > 1:
        shown = ", ".join(f"{part} {shape}" for part, shape in shapes.items())
        raise DataError(
            f"{source}: samples of the parts differ in shape: {shown}", "they must be of one shape"
        )
    _refuse_masks(next(iter(pairs.values()))[1], next(iter(shapes.values())), source)
    labels = _labels({part: targets for part, (_, targets) in pairs.items()}, request)
    parts = {part: (inputs, labels.values[part]) for part, (inputs, _) in stored.items()}
    missing = missing_note({part: inputs for part, (inputs, _) in stored.items()})
    scale = next(iter(stored.values()))[1]
    found = Source(parts, scale, fingerprint(parts), missing=bool(missing), axis=reading.axis)
    request.check_fingerprint(found.fingerprint)
    dataset = split_source(
        found, _describe(found, labels, request, reading), request, sorted_rows=True, groups=groups
    )
    otherwise = None
    if turn + 1 < len(possible):
        otherwise = partial(dataset_of, pairs, request, name=name, turn=turn + 1, groups=groups, said=said)
    notes = [*said, moved, reading.note, parted, missing, labels.note, *dataset.notes]
    return replace(dataset, notes=[note for note in notes if note], otherwise=otherwise)


def _readings(pairs: Pairs, request: Request, name: str) -> list[Reading]:
    """Return the ways in which the inputs may be read, the likeliest first."""
    inputs, _ = pairs["train"] if "train" in pairs else next(iter(pairs.values()))
    given = settings_of(request.config)
    if request.trained_on is not None:
        return [reading_like(inputs.shape, given, request.trained_on)]
    possible = readings(inputs.shape, inputs.dtype, given, name)
    return [features_last_or_first(each, inputs) if given["layout"] == "auto" else each for each in possible]


def _check_lengths(pairs: Pairs, source: str) -> None:
    for part, (inputs, targets) in pairs.items():
        of = "" if part == "all" else f" of {part}"
        if inputs.ndim == 0 or targets.ndim == 0:
            raise DataError(
                f"{source}: inputs or targets{of} are a single value", "one row per sample is needed"
            )
        if len(inputs) != len(targets):
            raise DataError(
                f"{source} has {len(inputs):,} inputs{of} and {len(targets):,} targets",
                "each sample needs one target",
            )
        if not inputs.size:
            raise DataError(f"{source} has no samples{of}: the inputs have the shape {inputs.shape}")


def _samples_first(pairs: Pairs) -> tuple[Pairs, str]:
    """Return inputs and targets with their samples in the first axis, where MATLAB has them in the last or elsewhere.

    Returns:
        The pairs, and a message about what was moved; empty where nothing was.
    """
    found, note = {}, ""
    for part, (inputs, targets) in pairs.items():
        if targets.ndim == 2 and len(targets) == 1 and targets.shape[1] in inputs.shape:
            targets = targets[0]  # a row, as MATLAB saves it
        count = len(targets) if targets.ndim else 0
        likely = inputs.ndim > 2 or (inputs.ndim == 2 and count > len(inputs))
        if likely and len(inputs) != count and inputs.shape.count(count) == 1:
            axis = inputs.shape.index(count)
            note = f"the {count:,} samples are in axis {axis}, by the number of targets: moved to the first"
            inputs = np.moveaxis(inputs, axis, 0)
        found[part] = (inputs, targets)
    return found, note


def _labels(targets: Mapping[str, np.ndarray], request: Request) -> Labels:
    if request.trained_on is not None:
        return labels_like(targets, request.trained_on, request.spec.text)
    return read_labels(targets, request.config.task, request.spec.text)


def _refuse_masks(targets: np.ndarray, shape: tuple[int, ...], source: str) -> None:
    """Refuse a class for each place of an image, stored in the shape (C, H, W), or (H, W)."""
    places = tuple(size for size in targets.shape[1:] if size != 1)
    if len(places) < 2 or places != shape[-2:] or targets.dtype.kind not in "iub":
        return
    different = len(np.unique(targets[:: max(1, len(targets) // _SAMPLED_MASKS)]))
    if different <= SOME_CLASSES:
        raise DataError(
            f"{source}: the targets are masks of {places[0]}x{places[1]} with {different} different values; "
            "segmentation is not supported",
            "one target per sample works, e.g. the share of its mask: (y > 0).reshape(len(y), -1).mean(1)",
        )


def _describe(source: Source, labels: Labels, request: Request, reading: Reading) -> DataDescription:
    inputs, _ = next(iter(source.parts.values()))
    shape = tuple(inputs.shape[1:])
    targets = next(iter(labels.values.values()))
    regression = labels.task == "regression"
    target_shape = tuple(targets.shape[1:]) or (1,)
    return DataDescription(
        name=request.spec.text,
        kind="images" if len(shape) == 3 else "arrays",
        task=labels.task,
        input_shape=shape,
        input_dtype="int64" if inputs.dtype == torch.int64 else "float32",
        target_shape=target_shape if regression else (),
        class_names=labels.class_names,
        target_names=tuple(map(str, range(target_shape[0]))) if regression and target_shape[0] > 1 else (),
        split_sizes={},
        source=request.spec.text,
        fingerprint=source.fingerprint,
        learned={
            **({"codes": _count_codes(source)} if inputs.dtype == torch.int64 else {}),
            **({"turned": True} if reading.turned else {}),
        },
    )


def _count_codes(source: Source) -> int:
    """Return how many codes an embedding of the inputs needs."""
    return 1 + max(int(inputs.max()) for inputs, _ in source.parts.values())


def _roles(entries: Mapping[str, ArrayEntry], request: Request) -> dict[str, tuple[str, str]]:
    """Find inputs and targets; other data to evaluate a network on need no part to train on, and no targets."""
    config, source, need_train = request.config, request.spec.text, request.trained_on is None
    if not request.same_data and (found := find_inputs(entries, config.features, config.target)):
        return {part: (name, "") for part, name in found.items()}
    try:
        return find_roles(entries, source, config.features, config.target, need_train=need_train)
    except DataError:
        if request.same_data or (config.features is None and config.target is None):
            raise
        # What was typed for the data trained on need not hold for others.
        return find_roles(entries, source, None, None, need_train=need_train)


def _single_arrays(path: Path, inputs: ArrayEntry, request: Request) -> tuple[np.ndarray, np.ndarray]:
    """Load inputs from one .npy file and targets from the one that --target names."""
    target, trained_on = request.config.target, request.trained_on
    if trained_on is not None and trained_on.name != request.spec.text:
        refuse_objects(path, inputs)
        return map_array(path), unknown_targets(inputs.shape[0] if inputs.shape else 0)
    if request.config.features is not None:
        raise ConfigError(f"--features cannot be used with {path.name}, which is one array", "leave it out")
    refuse_objects(path, *([inputs] if inputs.kind == "V" or not inputs.shape else []))
    others = [file.name for file in sorted(path.parent.glob("*.npy")) if file != path]
    if target is None:
        raise ConfigError(
            f"--target is missing: {path.name} holds only the inputs",
            joined_files(files_of_targets(path, [path.parent / name for name in others])),
        )
    other = Path(target)
    if other.suffix.lower() != ".npy":
        raise ConfigError(
            f"--target {target} is not a .npy file",
            did_you_mean(target, others) or "the inputs are a .npy file, so the targets have to be one too",
        )
    targets = read_entries(other)[""]
    refuse_objects(path, inputs)
    refuse_objects(other, targets, are_targets=True)
    check_room(path, [inputs] if inputs.dtype != "<f4" and inputs.kind != "u" else [], _MAPPED)
    return map_array(path), map_array(other)
