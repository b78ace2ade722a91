"""Points with values as a data set: each is described by its neighbours among the training points."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from dlkit.data.dataset import DataSet, Request
from dlkit.data.preparing import report
from dlkit.data.spatial.candidates import lists_of_others, lists_of_splits
from dlkit.data.spatial.columns import Located, PointColumns, choose_features, locate
from dlkit.data.spatial.simulated import simulate_points
from dlkit.data.spatial.split import SpatialSplit, split_points
from dlkit.data.spatial.stored_points import (
    Stored,
    context_of,
    points_of,
    positions_in,
    same_context,
    scales_of,
    store_points,
)
from dlkit.data.tables.encoding import Encoding
from dlkit.data.tables.learning import learn_columns
from dlkit.data.tables.oddities.suspects import note_of_suspects, suspects_of
from dlkit.data.tables.own_split import note_of_split, split_column
from dlkit.data.tables.reading.options import TableOptions
from dlkit.data.tables.reading.table_file import read_table
from dlkit.data.tables.splits import digest_of
from dlkit.data.tables.table import Table
from dlkit.data.tables.targets import Targets, read_targets, targets_like
from dlkit.errors import CheckpointError, ConfigError, DataError, counted, printable
from dlkit.files.description import DataDescription, Normalisation
from dlkit.settings.catalogue import DATA
from dlkit.settings.config import TrainConfig


def load_spatial(request: Request) -> DataSet:
    """Load points.

    Raises:
        DataError: The table is missing or faulty, is not the one trained on, or points have too few neighbours.
        ConfigError: A column is not named, or a setting cannot be used with points.
        CheckpointError: The checkpoint was not trained on points.
    """
    if request.trained_on is None:
        return _new(request, _read(request, {}))
    learned = Learned.of_run(request.trained_on)
    table = _read(request, learned.encoding.kinds, learned.encoding.orders)
    request.check_fingerprint(table.fingerprint)
    same = table.fingerprint == request.trained_on.fingerprint
    return (_same if same else _others)(request, request.trained_on, table, learned)


@dataclass(frozen=True, kw_only=True)
class Learned:
    """What is learned of the training points, beside the scaling of the values.

    Args:
        columns: What names their places, times and values.
        encoding: How the other columns become features.
        geometry: Centre and scales of places and times; see `dlkit.models.spatial.geometry`.
        time_origin: What is subtracted from times.
        split_file: SHA-256 of the file that says the splits; empty without one.
        split_column: The column that names the part of each row, where it splits them.
    """

    columns: PointColumns
    encoding: Encoding
    geometry: Mapping[str, Any]
    time_origin: float
    split_file: str = ""
    split_column: str | None = None

    @property
    def distance(self) -> str:
        """`euclidean` or `haversine`."""
        return str(self.geometry["distance"])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            **self.columns.to_dict(),
            "encoding": self.encoding.to_dict(),
            "geometry": dict(self.geometry),
            "time_origin": self.time_origin,
            "split_file": self.split_file,
            **({"split_column": self.split_column} if self.split_column else {}),
        }

    @classmethod
    def of_run(cls, description: DataDescription) -> Self:
        """Read back what a run learned.

        Raises:
            CheckpointError: It was trained on no points.
        """
        plain = description.learned
        try:
            columns = PointColumns.from_dict(plain)
            geometry = dict(plain["geometry"])
            centre = [float(number) for number in geometry["centre"]]
            if len(centre) != 2 or geometry["distance"] not in ("euclidean", "haversine"):
                raise ValueError("its geometry is of no points")
            return cls(
                columns=columns,
                encoding=Encoding.from_dict(plain["encoding"]),
                geometry=geometry,
                time_origin=float(plain["time_origin"]),
                split_file=str(plain["split_file"]),
                split_column=plain.get("split_column"),
            )
        except (KeyError, TypeError, ValueError) as err:
            raise CheckpointError(
                f"the checkpoint was not trained on points, but on {printable(description.name, 200)}",
                "give it data of the kind that it was trained on",
            ) from err


def _read(request: Request, kinds: Mapping[str, str], orders: Mapping[str, str] | None = None) -> Table:
    spec = request.spec
    if spec.kind == "spatial":
        arguments: Mapping[str, Any] = spec.arguments
        return simulate_points(**arguments)
    if spec.kind != "table":
        raise ConfigError(
            f"--data {spec.text}: MODEL spatial takes a table of points, .csv, .tsv, .parquet or -",
            "each row with its coordinates and its value",
        )
    if request.table is not None:
        return request.table
    source = "-" if spec.path is None else str(spec.path)
    return read_table(
        source,
        kinds=kinds,
        options=TableOptions.of(request.config),
        orders=orders,
        progress=report(spec.name),
    )


def _new(request: Request, table: Table) -> DataSet:
    """Learn columns, scales and splits for a new run."""
    config = request.config
    columns = PointColumns.of_settings(config, table)
    located = locate(table, columns, config.distance)
    targets = read_targets(table, (columns.target,), "regression")
    column = split_column(table, targets.names, config)
    rows = split_points(table, located, targets, config, column)
    train = rows["train"]
    scaling = _scaling(targets, train, config)
    names, chosen = choose_features(table, columns, config)
    encoding = (
        learn_columns(table, train, names, chosen=chosen, may_be_none=not chosen) if names else Encoding(())
    )
    if config.normalize == "none":
        encoding = encoding.without_scaling()
    learned = Learned(
        columns=columns,
        encoding=encoding,
        geometry={"distance": config.distance, "centre": tuple(located.coords[train].mean(0).tolist())},
        time_origin=0.0 if located.times is None else float(located.times[train].mean()),
        split_file="" if config.split_file is None else digest_of(Path(config.split_file)),
        split_column=column,
    )
    stored = _stored(table, located, targets, learned)
    unkept: list[str] = []
    lists = lists_of_splits(request.spec.name, stored, rows, config, unkept)
    scales = scales_of(stored, train, lists, config.neighbors)
    learned = replace(learned, geometry={**learned.geometry, **scales})
    description = _describe(request, table, stored, lists, learned)
    description = replace(
        description,
        target_scaling=scaling,
        split_sizes={name: len(members) for name, members in rows.items()},
    )
    own = [] if column is None else [note_of_split(table, column, targets.known)]
    used = [*columns.names, *(code.name for code in encoding.columns)]
    suspects = note_of_suspects(suspects_of(table, used)) if request.table is None else ""
    own += [suspects] if suspects else []
    notes = [*table.notes, *own, *_notes(table, located, targets, learned, train), *unkept]
    context = context_of(stored, train, scaling)
    return DataSet(description, _splits(stored, lists, rows, config), context, notes, table=table)


def _describe(
    request: Request, table: Table, stored: Stored, lists: Tensor, learned: Learned
) -> DataDescription:
    width, timed, columns = stored.features.shape[1], stored.times is not None, learned.columns
    entry = DATA[request.spec.name] if request.spec.built_in else None
    inputs: dict[str, tuple[str, tuple[int, ...]]] = {
        "coords": ("float32", (2,)),
        "features": ("float32", (width,)),
        "neighbors": ("int64", (min(request.config.neighbors, lists.shape[1]),)),
        **({"times": ("float32", ())} if timed else {}),
    }
    return DataDescription(
        name=request.spec.text,
        kind="spatial",
        task="regression",
        input_shape=(2 + timed + width,),
        named_inputs=inputs,
        target_shape=(1,),
        target_names=(columns.target,),
        feature_names=(*columns.names[:-1], *learned.encoding.feature_names),
        units=columns.target,
        learned=learned.to_dict(),
        split_sizes={},
        source=entry.source if entry else request.spec.text,
        licence=entry.licence if entry else "",
        fingerprint=table.fingerprint,
    )


def _same(request: Request, about: DataDescription, table: Table, learned: Learned) -> DataSet:
    """Find the points of a run again."""
    config = request.config
    if config.split_file is not None:
        digest_of(Path(config.split_file), learned.split_file)
    located = locate(table, learned.columns, learned.distance)
    targets = targets_like(table, (learned.columns.target,), "regression", ())
    stored = _stored(table, located, targets, learned)
    rows = split_points(table, located, targets, config, learned.split_column)
    context = context_of(stored, rows["train"], about.target_scaling)
    if request.context and not same_context(context, request.context):
        raise DataError(
            f"--data {request.spec.text}: the training points in the checkpoint differ from those of the split",
            "it was made by another version of dlkit; a copy of the table under another content is evaluated whole",
        )
    notes: list[str] = []
    lists = lists_of_splits(request.spec.name, stored, rows, config, notes)
    return DataSet(about, _splits(stored, lists, rows, config), context, notes, table=table)


def _others(request: Request, about: DataDescription, table: Table, learned: Learned) -> DataSet:
    """Take other points than those trained on; their neighbours are the training points in the checkpoint.

    One that is a training point itself does not see its own value.
    """
    config, context = request.config, request.context
    located = locate(table, learned.columns, learned.distance)
    targets = targets_like(table, (learned.columns.target,), "regression", ())
    stored = _stored(table, located, targets, learned)
    own = positions_in(context, stored, about.target_scaling)
    rows = {"test": np.flatnonzero(located.known)}
    lists = lists_of_others(stored, rows, own, points_of(context, learned.geometry), config, learned.distance)
    count = len(rows["test"])
    notes = [f"all {count:,} points of {table.source} are evaluated; it is not the table trained on"]
    if unknown := int((~targets.known[rows["test"]]).sum()):
        notes.append(f"{unknown:,} of them have no {learned.columns.target}: no scores there")
    if seen := int((own[rows["test"]] >= 0).sum()):
        notes.append(f"{seen:,} of them are training points; none sees its own value")
    description = replace(
        about,
        name=request.spec.text,
        source=request.spec.text,
        split_sizes={"test": count},
        fingerprint=table.fingerprint,
    )
    return DataSet(description, _splits(stored, lists, rows, config), context, notes, table=table)


def _stored(table: Table, located: Located, targets: Targets, learned: Learned) -> Stored:
    features = learned.encoding.encode(table) if learned.encoding.columns else None
    return store_points(located, features, targets, learned.geometry, learned.time_origin)


def _splits(
    stored: Stored, lists: Tensor, rows: Mapping[str, np.ndarray], config: TrainConfig
) -> dict[str, SpatialSplit]:
    return {
        name: SpatialSplit(
            coords=stored.coords,
            times=stored.times,
            features=stored.features,
            targets=stored.targets,
            candidates=lists,
            rows=torch.from_numpy(members),
            neighbors=config.neighbors,
            seed=config.seed,
        )
        for name, members in rows.items()
    }


def _scaling(targets: Targets, train: np.ndarray, config: TrainConfig) -> Normalisation:
    values = targets.values[train].astype(np.float64)
    if values.min() == values.max():
        raise DataError(
            f"--target {printable(targets.names[0])} is {values[0, 0]:g} in all {len(values):,} training points: "
            "there is nothing to learn",
            "name another column",
        )
    if not config.scale_target:
        return Normalisation(scale=1.0, mean=(0.0,), std=(1.0,))
    return Normalisation(scale=1.0, mean=(float(values.mean()),), std=(float(values.std()),))


def _notes(
    table: Table, located: Located, targets: Targets, learned: Learned, train: np.ndarray
) -> Iterator[str]:
    """Return what is left out and what is filled in."""
    for lacking, what in ((~targets.known, learned.columns.target), (~located.known, "a place or a time")):
        if count := int(lacking.sum()):
            yield f"{counted(count, 'row')} without {what} left out"
    gaps = {code.name: int(table.missing(code.name, train).sum()) for code in learned.encoding.columns}
    filled = [f"{printable(name)} ({count:,})" for name, count in gaps.items() if count]
    if filled:
        yield f"missing values in the training points are filled in and marked: {', '.join(filled)}"
    if not learned.encoding.columns:
        yield "no column beside place and time is learned from: predicted by these and the values of neighbours"
    if left_out := learned.encoding.left_out:
        shown = "; ".join(f"{printable(name)} {why}" for name, why in left_out.items())
        yield f"columns left out: {shown}"
