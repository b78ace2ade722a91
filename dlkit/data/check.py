"""What is wrong with data, before an hour is lost on them: faults of values, labels, rows and splits."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import torch

from dlkit.data.dataset import DataSet, Split
from dlkit.data.findings import LEVELS, Finding, some_of
from dlkit.data.infer_task import is_ambiguous
from dlkit.data.kinds import KINDS, kind_of, load_dataset
from dlkit.data.row_hashes import copies, hash_rows
from dlkit.data.tables.oddities.equal_rows import FEW_POSSIBLE, alike_by_chance
from dlkit.data.tables.raw_rows import hash_compared
from dlkit.data.tables.table import Table
from dlkit.errors import ConfigError, DataError, printable
from dlkit.inputs import tensors_of
from dlkit.settings.config import TrainConfig
from dlkit.settings.spec import parse_spec

_ROWS_AT_ONCE = 4096
_RATIO = 10
_CPU = torch.device("cpu")


def check_data(config: TrainConfig) -> list[Finding]:
    """Look for everything that is wrong with the data of a configuration, the gravest first.

    Args:
        config: Which data, which columns, how they are split.

    Raises:
        ConfigError: A setting does not fit the data.
    """
    try:
        findings = KINDS[parse_spec(config.data).kind].check(config)
    except ConfigError:
        raise
    except DataError as err:
        findings = [_unreadable(config.data, err)]
    return sorted(findings, key=lambda finding: LEVELS.index(finding.level))


def check_loaded(
    config: TrainConfig, findings: Sequence[Finding] = (), table: Table | None = None
) -> list[Finding]:
    """Load the data and look for faults in their samples; that they cannot be loaded is a finding too.

    Args:
        config: Which data.
        findings: What was found before; an error among them explains why the data cannot be loaded.
        table: The table that the data are, where it has been read already.

    Raises:
        ConfigError: A setting does not fit the data.
    """
    try:
        dataset = load_dataset(config, table=table)
        ambiguous = _ambiguous(dataset) if config.task == "auto" else ()
        return [*findings, *ambiguous, *check_dataset(dataset, table)]
    except ConfigError:
        raise
    except DataError as err:
        explained = any(finding.level == "error" for finding in findings)
        return [*findings, *([] if explained else [_unreadable(config.data, err)])]


def check_dataset(dataset: DataSet, table: Table | None = None) -> list[Finding]:
    """Look for faults in the samples of a data set and in how they are split.

    Args:
        dataset: The data set.
        table: The table it was made of, whose own faults are reported already; gives the lines of its rows.
    """
    description = dataset.description
    classes: dict[str, np.ndarray] = {}
    if description.task == "classification":
        classes = {name: split.strata().numpy() for name, split in dataset.splits.items()}
    findings = list(_of_classes(dataset, classes)) if classes else []
    if table is None:
        findings += [each for name, split in dataset.splits.items() for each in _not_finite(name, split)]
        findings += _constant(dataset)
    if not description.named_inputs:
        findings += _copied(dataset, classes, table)
    check_samples = kind_of(dataset).check_samples
    if check_samples is not None:
        findings += check_samples(dataset, table)
    return findings


def _unreadable(data: str, err: DataError) -> Finding:
    return Finding(
        level="error", rule="readable", where=printable(data), count=1, message=err.message, cure=err.hint
    )


def _ambiguous(dataset: DataSet) -> Iterator[Finding]:
    """Find a target of whole numbers that may be classes or numbers."""
    about = dataset.description
    if dataset.files or about.named_inputs or not all(map(_is_whole, about.class_names)):
        return
    stored = [
        split.in_memory[1].index_select(0, split.rows)
        for split in dataset.splits.values()
        if split.in_memory is not None
    ]
    values = torch.cat(stored).double().numpy() if stored else np.zeros((0, 2))
    if about.class_names:
        values = np.array(about.class_names, dtype=np.float64)[values.astype(np.int64)]
    if values.size == len(values) and is_ambiguous(values.reshape(-1)):
        count, taken = len(np.unique(values)), "classes" if about.class_names else "numbers"
        yield Finding(
            level="warning",
            rule="ambiguous",
            where=" ".join(("target", *map(printable, about.target_names))),
            count=count,
            message=f"{count} different whole numbers may be classes or numbers; they are taken as {taken}",
            cure="--task regression or --task classification decides",
        )


def _is_whole(name: str) -> bool:
    return name.removeprefix("-").isdecimal() and name == str(int(name))


def _of_classes(dataset: DataSet, targets: dict[str, np.ndarray]) -> Iterator[Finding]:
    """Find classes that are missing from a split or much rarer than others."""
    names = [printable(name) for name in dataset.description.class_names]
    counts = {split: np.bincount(found, minlength=len(names)) for split, found in targets.items()}
    for split, found in counts.items():
        absent = [names[index] for index in np.flatnonzero(found == 0)]
        if absent:
            yield Finding(
                level="error" if split == "train" else "warning",
                rule="missing-class",
                where=split,
                count=len(absent),
                message=f"{split} has no samples of class {some_of(absent)}",
                cure=f"add samples of it: {split} comes with the data, and is taken as it is"
                if split in dataset.given
                else "collect more of them, or split otherwise (--stratify, --val, --test, --seed)",
            )
    whole = np.sum(list(counts.values()), axis=0)
    most, least = int(whole.max()), int(whole.min())
    if least and most > _RATIO * least:
        yield Finding(
            level="warning",
            rule="imbalance",
            where=f"class {names[int(whole.argmin())]}",
            count=least,
            message=(
                f"class {names[int(whole.argmax())]} has {most:,} samples, class {names[int(whole.argmin())]} "
                f"{least:,}: {most / least:.0f} times fewer"
            ),
            cure="--balance loss or --balance sampler, and look at macro_f1 and recall, not at accuracy",
        )


def _not_finite(name: str, split: Split) -> Iterator[Finding]:
    """Find samples with NaN or infinite values in inputs or targets."""
    if not split.stored_bytes:  # images that are decoded for each batch: whole numbers
        return
    faulty: dict[str, set[int]] = {"inputs": set(), "targets": set()}
    for rows in split.rows.split(_ROWS_AT_ONCE):
        inputs, targets = split.batch(rows, _CPU)
        for kind, found in (("inputs", tensors_of(inputs)), ("targets", [targets])):
            for tensor in found:
                bad = ~tensor.isfinite().reshape(len(rows), -1).all(1)
                faulty[kind].update(rows[bad].tolist())
    for kind, wrong in faulty.items():
        if wrong:
            yield Finding(
                level="error",
                rule="not-finite",
                where=f"{name} row {some_of(sorted(wrong))}",
                count=len(wrong),
                message=f"NaN or infinities in the {kind} of {len(wrong):,} of the {len(split):,} samples",
                cure="correct or drop these samples: a single one makes the loss NaN",
            )


def _constant(dataset: DataSet) -> Iterator[Finding]:
    """Find features that are the same in all training samples."""
    train = dataset.splits["train"]
    if train.in_memory is None or train.in_memory[0].ndim != 2:
        return
    stored, _ = train.in_memory
    low = torch.full(stored.shape[1:], torch.inf, dtype=torch.float64)
    high = -low
    for rows in train.rows.split(_ROWS_AT_ONCE):
        values = stored.index_select(0, rows).double()
        low, high = torch.minimum(low, values.amin(0)), torch.maximum(high, values.amax(0))
    dead = (low == high).nonzero()[:, 0].tolist()
    names = dataset.description.feature_names
    if dead:
        yield Finding(
            level="warning",
            rule="constant",
            where=f"feature {some_of([names[index] if names else index for index in dead])}",
            count=len(dead),
            message=f"{len(dead):,} features are the same in all training samples",
            cure="they carry no information: leave them out",
        )


def _copied(dataset: DataSet, classes: dict[str, np.ndarray], table: Table | None) -> Iterator[Finding]:
    """Find equal inputs: twice in a split, in two splits, or with different labels."""
    hashes = _hashes(dataset, table)
    places, word = _places(dataset, table)
    for first, second in combinations(hashes, 2):
        shared = np.flatnonzero(np.isin(hashes[second], hashes[first]))
        if len(shared):
            share = len(shared) / len(hashes[second])
            chance = table is not None and _by_chance(dataset, table, len(shared))
            yield Finding(
                level="warning",
                rule="shared",
                where=f"{second} {word}{some_of([places[second][index] for index in shared])}",
                count=len(shared),
                message=f"{share:.1%} of {second} are also in {first}",
                cure=FEW_POSSIBLE
                if chance
                else f"this makes scores on {second} too good: drop the copies, or keep them together with --group",
            )
    if table is not None:
        return
    together = np.concatenate(list(hashes.values()))
    everywhere = [place for each in places.values() for place in each]
    repeated = copies(together)
    if len(repeated):
        yield Finding(
            level="warning",
            rule="duplicates",
            where=f"{word}{some_of(sorted(everywhere[index] for index in repeated))}",
            count=len(repeated),
            message=f"copies of other samples: {len(repeated):,} of {len(together):,}",
            cure="drop them",
        )
    if classes:
        yield from _conflicts(together, np.concatenate(list(classes.values())), everywhere, word)


def _conflicts(
    hashes: np.ndarray, truth: np.ndarray, places: Sequence[int | str], word: str
) -> Iterator[Finding]:
    order = np.argsort(hashes, kind="stable")
    same = hashes[order][1:] == hashes[order][:-1]
    wrong = np.flatnonzero(same & (truth[order][1:] != truth[order][:-1]))
    if len(wrong):
        pairs = [f"{places[order[index]]} and {places[order[index + 1]]}" for index in wrong]
        yield Finding(
            level="warning",
            rule="conflicts",
            where=f"{word.replace('row', 'rows')}{some_of(pairs)}",
            count=len(wrong),
            message=f"pairs of equal samples with different labels: {len(wrong):,}",
            cure="no network can tell them apart: correct the labels",
        )


def _hashes(dataset: DataSet, table: Table | None) -> dict[str, np.ndarray]:
    """Return by split a number for each sample as it is stored, or as its row of a table is; equal where they are."""
    if table is None:
        return {
            name: np.concatenate([hash_rows(part.numpy()) for part in split.samples()])
            for name, split in dataset.splits.items()
        }
    hashes = hash_compared(table, _compared(dataset, table))
    return {name: hashes[split.rows.numpy()] for name, split in dataset.splits.items()}


def _by_chance(dataset: DataSet, table: Table, count: int) -> bool:
    """Return whether so many rows of a table are equal to others by chance."""
    names = _compared(dataset, table)
    _, distinct = np.unique(hash_compared(table, names), return_index=True)
    return alike_by_chance(table, names, count, distinct)


def _compared(dataset: DataSet, table: Table) -> list[str]:
    """Return the columns in which rows of a table are compared."""
    return [name for name in table.names if name not in dataset.description.learned["target"]]


def _places(dataset: DataSet, table: Table | None) -> tuple[dict[str, list[int] | list[str]], str]:
    """Return the line, row or file of each sample by split, and the word that stands before one."""
    places = {name: dataset.places(name) for name, split in dataset.splits.items() if len(split)}
    if table is None:
        return places, "" if dataset.files else "row "
    return {name: [table.line(int(row)) for row in rows] for name, rows in places.items()}, "line "
