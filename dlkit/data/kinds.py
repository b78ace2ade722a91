"""The table kind of data -> loader."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import Tensor

from dlkit.data.arrays.functions import load_function
from dlkit.data.arrays.load import load_arrays
from dlkit.data.builtin.load import load_builtin
from dlkit.data.dataset import DataSet, Request
from dlkit.data.images.load import load_folder
from dlkit.data.pbpk.curves_file import holds_curves
from dlkit.data.pbpk.load import load_pbpk
from dlkit.data.tables.table import Table
from dlkit.errors import CheckpointError, ConfigError, printable
from dlkit.files.description import DataDescription
from dlkit.settings.config import TrainConfig
from dlkit.settings.spec import parse_spec


def _load_spatial(request: Request) -> DataSet:
    """Load points; what searches their neighbours takes a while to import, and only they need it."""
    from dlkit.data.spatial.load import load_spatial

    return load_spatial(request)


def _load_table(request: Request) -> DataSet:
    """Load a table; only tables need pandas."""
    from dlkit.data.tables.load import load_tabular

    return load_tabular(request)


LOADERS: Mapping[str, Callable[[Request], DataSet]] = {
    "pictures": load_builtin,
    "spatial": _load_spatial,
    "table": _load_table,
    "pbpk": load_pbpk,
    "arrays": load_arrays,
    "function": load_function,
    "folder": load_folder,
}


def load_dataset(
    config: TrainConfig,
    trained_on: DataDescription | None = None,
    context: Mapping[str, Tensor] | None = None,
    *,
    other: str | None = None,
    named: bool = False,
    table: Table | None = None,
) -> DataSet:
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
        CheckpointError: They come from a function of the user's own, which the command line does not name.
    """
    spec = parse_spec(config.data if other is None else other)
    kind = config.model if config.model in ("spatial", "pbpk") else spec.kind
    if spec.code is not None and trained_on is not None and other is None and not named:
        raise CheckpointError(
            f"the data are made by {printable(spec.code.short)}, a function of your own; a checkpoint never runs code "
            "by itself",
            f"name it: --data {printable(spec.text, 300)}",
        )
    if kind == "arrays" and spec.path is not None and holds_curves(spec.path):
        kind = "pbpk"
    if kind not in LOADERS:
        raise ConfigError(f"--data {spec.text}: no way to read {kind} is built in")
    request = Request(
        spec=spec,
        config=config if other is None else replace(config, data=spec.text),
        trained_on=trained_on,
        context=context or {},
        same_data=other is None,
        table=table,
    )
    return LOADERS[kind](request)
