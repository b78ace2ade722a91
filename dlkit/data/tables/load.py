"""A table as a data set: rows split, columns encoded by what the training rows say, targets in their own unit."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dlkit.data.dataset import DataSet, Request, TensorSplit
from dlkit.data.images.label_table import refuse_label_table
from dlkit.data.preparing import report
from dlkit.data.splits import split_rows
from dlkit.data.tables.encoding import Encoding
from dlkit.data.tables.learning import learn_columns
from dlkit.data.tables.number_lists import refuse_lists
from dlkit.data.tables.oddities.roles import keys_in
from dlkit.data.tables.oddities.strays import refuse_strays
from dlkit.data.tables.oddities.suspects import note_of_suspects, note_of_words, suspects_of, words_of_missing
from dlkit.data.tables.own_split import note_of_split, part_column, split_column
from dlkit.data.tables.raw_rows import found_again, shared_columns
from dlkit.data.tables.reading.files.wide import no_garbage_collection
from dlkit.data.tables.reading.options import TableOptions
from dlkit.data.tables.reading.table_file import peek_names, read_table
from dlkit.data.tables.reports.training_notes import (
    refuse_totals,
    refuse_weights,
    split_notes,
    training_notes,
)
from dlkit.data.tables.splits import digest_of, split_table
from dlkit.data.tables.table import Table, in_shell, is_index
from dlkit.data.tables.targets import Targets, read_targets, target_names, targets_like
from dlkit.errors import CheckpointError, ConfigError, DataError, counted, printable
from dlkit.files.description import DataDescription, Normalisation
from dlkit.files.header import MAX_PARTS
from dlkit.settings.config import TrainConfig
from dlkit.settings.models import MODELS, takes_images
from dlkit.settings.spec import parse_spec
from dlkit.settings.texts import fields_of

_USUAL_TARGETS = ("target", "label", "class", "y")


@no_garbage_collection()
def load_tabular(request: Request) -> DataSet:
    """Load a table.

    Raises:
        DataError: It is missing or faulty, is not the one trained on, or does not fit the network.
        ConfigError: The target is not named, or a setting cannot be used with tables.
    """
    config, spec = request.config, request.spec
    source = "-" if spec.path is None else str(spec.path)
    if request.trained_on is None:
        if takes_images(config.model):
            refuse_label_table(spec.path, config.target, config.size)
        options = TableOptions.of(config)
        table = request.table
        names = () if table else _target_of(config, peek_names(source, options), spec.text)
        table = table or read_table(source, options=options, progress=report(spec.name))
        return _new(request, table, names or _target_of(config, table.names, table.source))
    learned = _Learned(request.trained_on)
    table = read_table(
        source,
        options=TableOptions.of(config),
        kinds=learned.encoding.kinds,
        orders=learned.encoding.orders,
        progress=report(spec.name),
    )
    request.check_fingerprint(table.fingerprint)
    if table.fingerprint != request.trained_on.fingerprint:
        return _others(request, table, learned)
    return _same(request, table, learned)


def rows_of_splits(config: TrainConfig) -> tuple[dict[str, np.ndarray], int]:
    """Return the rows of each split of a table as training would, and how many rows it has.

    Without a target all rows count, and none are split by class.

    Raises:
        DataError: The table is missing or faulty, or a split would be empty.
    """
    spec = parse_spec(config.data)
    table = read_table(
        "-" if spec.path is None else str(spec.path),
        options=TableOptions.of(config),
        progress=report(spec.name),
    )
    if config.target is None:
        if config.stratify:
            raise ConfigError("--stratify needs --target: the column to stratify by", "add --target")
        targets = Targets("regression", (), np.zeros((len(table), 1), dtype=np.float32))
    else:
        targets = read_targets(table, target_names(table.names, config.target, table.source), config.task)
    return split_table(table, targets, config, split_column(table, targets.names, config)), len(table)


def _new(request: Request, table: Table, names: tuple[str, ...]) -> DataSet:
    """Learn columns and splits for a new run."""
    config = request.config
    if config.normalize not in ("auto", "none"):
        raise ConfigError(
            f"--normalize {config.normalize} is for images; each column of a table has its own mean and spread",
            "auto or none",
        )
    refuse_totals(table, names)
    if config.features is None:
        aside = _not_for_learning(table, names, config)
        usable = [name for name in table.names if name not in (*names, *aside)]
        refuse_lists(table, usable, names)
        refuse_strays(table, usable, names)
    targets = read_targets(table, names, config.task)
    column = split_column(table, names, config)
    rows = split_table(table, targets, config, column)
    rows["train"] = _limited(rows["train"], config, table.fingerprint)
    left_out = _not_for_learning(table, names, config)
    chosen = _chosen(config, table.names, names)
    left_out = {name: why for name, why in left_out.items() if name not in chosen}
    features = chosen or [name for name in table.names if name not in (*names, *left_out)]
    embed = config.model in MODELS and MODELS[config.model].embeds
    if not chosen:
        refuse_weights(table, features, targets)
    encoding = learn_columns(table, rows["train"], features, chosen=bool(chosen), embed=embed)
    if config.normalize == "none":
        encoding = encoding.without_scaling()
    left_out |= encoding.left_out
    inputs = encoding.encode(table)
    learned = {
        "target": list(names),
        "encoding": replace(encoding, left_out=left_out).to_dict(),
        **_for_network(encoding, inputs[rows["train"]], config),
    }
    _check_size(table, encoding, learned)
    if config.split_file is not None:
        learned["split_file"] = digest_of(Path(config.split_file))
    if column is not None:
        learned["split_column"] = column
    regression = targets.task == "regression"
    description = DataDescription(
        name=request.spec.text,
        kind="table",
        task=targets.task,
        input_shape=(inputs.shape[1],),
        target_shape=(len(names),) if regression else (),
        class_names=targets.class_names,
        target_names=names if regression else (),
        feature_names=encoding.feature_names,
        units=", ".join(names) if regression else "",
        target_scaling=_scaling(targets, rows["train"], config) if regression else None,
        learned=learned,
        split_sizes={name: len(members) for name, members in rows.items()},
        source=request.spec.text,
        fingerprint=table.fingerprint,
    )
    notes: list[str] = []
    if request.table is None:  # else it is checked, which finds the same and more
        used = [*names, *(code.name for code in encoding.columns)]
        suspects = note_of_suspects(suspects_of(table, used))
        own = "" if column is None else note_of_split(table, column, targets.known)
        notes += [*table.notes, own, suspects, note_of_words(words_of_missing(table, used)), targets.note]
        notes += training_notes(table, targets, rows, encoding, left_out)
        notes += split_notes(table, names, encoding, config)
    return DataSet(
        description, _splits(inputs, targets, rows), notes=[note for note in notes if note], table=table
    )


def _check_size(table: Table, encoding: Encoding, learned: Mapping[str, Any]) -> None:
    """Refuse more columns than the header of a checkpoint has room for."""
    text = json.dumps(learned)
    parts = text.count(",") + text.count(":") + len(encoding.feature_names)
    if parts > 0.9 * MAX_PARTS:
        raise DataError(
            f"{table.source} becomes {len(encoding.feature_names):,} features, more than a checkpoint can store",
            "choose fewer with --features; or save numbers as an array (.npy or .npz), which has no names",
        )


def _same(request: Request, table: Table, learned: "_Learned") -> DataSet:
    """Find the rows of a run again and encode them as it did."""
    assert request.trained_on is not None, "there is a run"
    about, config = request.trained_on, request.config
    if config.split_file is not None:
        digest_of(Path(config.split_file), learned.split_file)
    targets = targets_like(table, learned.target, about.task, about.class_names)
    rows = split_table(table, targets, config, learned.split_column)
    rows["train"] = _limited(rows["train"], config, table.fingerprint)
    inputs = learned.encoding.encode(table)
    return DataSet(about, _splits(inputs, targets, rows), table=table)


def _others(request: Request, table: Table, learned: "_Learned") -> DataSet:
    """Encode other rows than those trained on as those were; all of them are the test part."""
    assert request.trained_on is not None, "there is a run"
    about = request.trained_on
    absent = [name for name in learned.encoding.kinds if name not in table.columns]
    if len(absent) > 1:  # a single one may be misspelt, which the look-up reports
        raise DataError(
            f"{table.source} has no columns {', '.join(map(printable, absent))}",
            "give the columns that the network was trained on",
        )
    targets = targets_like(table, learned.target, about.task, about.class_names)
    inputs = learned.encoding.encode(table)
    unknown = len(table) - int(targets.known.sum())
    notes = [f"every row of {table.source} is evaluated: it is not the table trained on"]
    target = ", ".join(map(printable, learned.target))
    if unknown == len(table):
        notes.append(f"no row has a {target}, so there are no scores")
    elif unknown:
        notes.append(f"{counted(unknown, 'row')} without {target}: predicted and not scored")
    notes += [
        f"column {printable(name)}: {counted(count, 'value')} that the training rows did not have"
        for name, count in learned.encoding.unseen(table).items()
    ]
    if seen := _seen_in_training(request, table, learned):
        scored = "" if unknown == len(table) else ": scores on them are too good"
        notes.append(f"found in the training part too: {seen:,} of the {counted(len(table), 'row')}{scored}")
    rows = {"test": np.arange(len(table))}
    description = replace(
        about,
        name=request.spec.text,
        source=request.spec.text,
        split_sizes={"test": len(table)},
        fingerprint=table.fingerprint,
    )
    return DataSet(description, _splits(inputs, targets, rows), notes=notes, table=table)


def _seen_in_training(request: Request, table: Table, learned: "_Learned") -> int:
    """Count the rows that were trained on too; none where the table trained on is gone or has changed."""
    assert request.trained_on is not None, "there is a run"
    about, config = request.trained_on, request.config
    path = parse_spec(about.source).path
    if path is None or not path.is_file():
        return 0
    with contextlib.suppress(DataError):  # what is not as it was cannot be compared
        original = read_table(
            str(path),
            options=TableOptions.of(config),
            kinds=learned.encoding.kinds,
            orders=learned.encoding.orders,
        )
        if original.fingerprint == about.fingerprint:
            targets = targets_like(original, learned.target, about.task, about.class_names)
            train = split_table(original, targets, config, learned.split_column)["train"]
            train = _limited(train, config, original.fingerprint)
            return int(
                found_again(table, original, shared_columns(table, original, learned.target), train).sum()
            )
    return 0


class _Learned:
    """What a run learned from its table, read back from its description."""

    def __init__(self, description: DataDescription) -> None:
        plain = description.learned
        try:
            self.target = tuple(str(name) for name in plain["target"])
            self.encoding = Encoding.from_dict(plain["encoding"])
            self.split_file = str(plain.get("split_file", ""))
            self.split_column = plain.get("split_column")
        except (KeyError, TypeError, ValueError) as err:
            raise CheckpointError(
                f"the checkpoint was not trained on a table, but on {printable(description.name, 200)}",
                "give it data of the kind that it was trained on",
            ) from err


def _target_of(config: TrainConfig, names: Sequence[str], source: str) -> tuple[str, ...]:
    """Return the columns to predict; none while the names of the columns are not known."""
    if config.target is None:
        shown = (
            f"; it has {', '.join(map(printable, names[:12]))}{', ...' if len(names) > 12 else ''}"
            if names
            else ""
        )
        usual = [name for name in names if name.lower() in _USUAL_TARGETS]
        raise ConfigError(
            f"--target is missing: it names the column of {printable(source, 200)} to predict{shown}",
            f"for example --target {printable(usual[0])}"
            if usual
            else "--target COLUMN, or several: --target A,B",
        )
    return target_names(names, config.target, printable(source, 200)) if names else ()


def _chosen(config: TrainConfig, columns: Sequence[str], targets: Sequence[str]) -> list[str]:
    """Take `--features A,B` apart."""
    if config.features is None:
        return []
    names = list(filter(None, fields_of(config.features)))
    for name in targets:
        if name in names:
            raise ConfigError(
                f"--features {printable(name)} is the target too",
                "leave it out: it would give the answer away",
            )
    if len(set(names)) < len(names) or not names:
        raise ConfigError(
            f"--features {printable(config.features)} names no column, or one twice",
            "for example --features "
            + in_shell(*[printable(name) for name in columns if name not in targets][:2]),
        )
    return names


def _not_for_learning(table: Table, targets: Sequence[str], config: TrainConfig) -> dict[str, str]:
    """Return columns that are no features unless named, and why."""
    left_out = {
        name: "is empty"
        if table.missing(name).all()
        else "seems to number the rows, as pandas writes its index"
        for name in table.names
        if is_index(name) and name not in targets
    }
    others = [name for name in table.names if name not in targets and name not in left_out]
    if len(keys := keys_in(table, others)) < len(others):
        left_out |= dict.fromkeys(keys, "numbers the rows")
    for option, name in (("--group", config.group), ("--by-time", config.by_time)):
        if name is not None and name in table.columns and name not in targets:
            left_out[name] = f"is what {option} splits by"
    if (own := part_column(table, targets)) is not None:
        left_out[own] = "names the part of each row"
    return left_out


def _limited(train: np.ndarray, config: TrainConfig, fingerprint: str) -> np.ndarray:
    """Take --limit of the training rows at random: a file is often sorted."""
    if config.limit is None or config.limit >= len(train):
        return train
    salt = f"limit/{fingerprint}"
    _, cut = split_rows(np.zeros(len(train)), config.limit / len(train), config.seed, salt)
    return np.asarray(train[cut])


def _for_network(encoding: Encoding, inputs: np.ndarray, config: TrainConfig) -> dict[str, Any]:
    """Return which inputs are codes and which are numbers, and where the bins of the numbers lie."""
    said: dict[str, Any] = {
        "embedded": [[index, codes] for index, codes in encoding.embedded.items()],
        "continuous": list(encoding.continuous),
    }
    if config.arguments.get("numbers") == "piecewise":
        bins = config.arguments["bins"]
        assert isinstance(bins, int), "the number of bins is a whole number"
        shares = np.linspace(0, 1, bins + 1)
        said["edges"] = [np.unique(np.quantile(inputs[:, i], shares)).tolist() for i in encoding.continuous]
    return said


def _scaling(targets: Targets, train: np.ndarray, config: TrainConfig) -> Normalisation | None:
    values = targets.values[train].astype(np.float64)
    if (alike := np.flatnonzero(values.min(0) == values.max(0))).size:
        name = targets.names[int(alike[0])]
        raise DataError(
            f"--target {printable(name)} is {values[0, alike[0]]:g} in all {len(values):,} training rows: there is "
            "nothing to learn",
            "name another column",
        )
    if not config.scale_target:
        return None
    return Normalisation(scale=1.0, mean=tuple(values.mean(0).tolist()), std=tuple(values.std(0).tolist()))


def _splits(inputs: np.ndarray, targets: Targets, rows: Mapping[str, np.ndarray]) -> dict[str, TensorSplit]:
    stored, values = torch.from_numpy(inputs), torch.from_numpy(targets.values)
    return {
        name: TensorSplit(stored, values, torch.from_numpy(members), None) for name, members in rows.items()
    }
