"""The list of the kinds of data, and the one way to load a data set."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from dlkit.data.arrays.kind import ARRAYS, FUNCTION
from dlkit.data.builtin.kind import BUILTIN
from dlkit.data.images.kind import FOLDER
from dlkit.data.pbpk.kind import PBPK
from dlkit.data.spatial.kind import SPATIAL
from dlkit.data.tables.kind import TABLE
from dlkit.errors import CheckpointError, printable
from dlkit.settings.kinds import DataKind
from dlkit.settings.models import reads
from dlkit.settings.spec import parse_spec

if TYPE_CHECKING:
    from torch import Tensor

    from dlkit.data.dataset import DataSet
    from dlkit.data.tables.table import Table
    from dlkit.files.description import DataDescription
    from dlkit.settings.config import TrainConfig

KINDS: dict[str, DataKind] = {
    kind.name: kind for kind in (BUILTIN, SPATIAL, TABLE, PBPK, ARRAYS, FUNCTION, FOLDER)
}


def kind_of(dataset: "DataSet") -> DataKind:
    """Return the kind of the samples in a data set: those of a folder are images as the built-in ones are."""
    return KINDS[dataset.description.kind]


def task_of(description: "DataDescription") -> str:
    """Return the evaluation task of data: that of their kind, or of their description."""
    return KINDS[description.kind].task or description.task


def load_dataset(
    config: "TrainConfig",
    trained_on: "DataDescription | None" = None,
    context: "Mapping[str, Tensor] | None" = None,
    *,
    other: str | None = None,
    named: bool = False,
    table: "Table | None" = None,
) -> "DataSet":
    """Load the data that a configuration names, split and normalised.

    Args:
        config: Says which data, the seed and shares of the splits, the limit and the normalisation.
        trained_on: The description in a checkpoint; what it learned is used and its fingerprint must fit.
        context: The context in that checkpoint.
        other: A spec of other data, to be treated as those in the checkpoint were.
        named: The command line names the data that the configuration has; without that, a function of the user's
            own is not run for a checkpoint.
        table: The table that the configuration names, where it has been read already.

    Raises:
        DataError: The data are not here, are damaged, or are not the ones trained on.
        ConfigError: A setting does not fit the data.
        CheckpointError: They come from a function of the user's own, which the command line does not name, or are of a
            kind that only another version has.
    """
    from dlkit.data.dataset import Request

    if trained_on is not None and trained_on.kind not in KINDS:
        raise CheckpointError(
            f"the checkpoint is of data of the kind {printable(trained_on.kind)}, which this dlkit does not have",
            "another version wrote it: train again with this one",
        )
    spec = parse_spec(config.data if other is None else other)
    if spec.code is not None and trained_on is not None and other is None and not named:
        raise CheckpointError(
            f"the data are made by {printable(spec.code.short)}, a function of your own; a checkpoint never runs code "
            "by itself",
            f"name it: --data {printable(spec.text, 300)}",
        )
    request = Request(
        spec=spec,
        config=config if other is None else replace(config, data=spec.text),
        trained_on=trained_on,
        context=context or {},
        same_data=other is None,
        table=table,
    )
    return _with_class_counts(KINDS[reads(config.model) or spec.kind].load(request), trained_on)


def _with_class_counts(dataset: "DataSet", trained_on: "DataDescription | None") -> "DataSet":
    """Return a data set whose description has the training samples of each class: those trained on, or its own."""
    about = dataset.description
    if about.task != "classification":
        return dataset
    counts = () if trained_on is None else trained_on.class_counts
    if not counts and "train" in dataset.splits:
        found = dataset.splits["train"].strata().bincount(minlength=len(about.class_names))
        counts = tuple(found.tolist())
    return replace(dataset, description=replace(about, class_counts=counts))
