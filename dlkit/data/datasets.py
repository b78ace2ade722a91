"""The table kind of data -> loader."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import Tensor

from dlkit.config import TrainConfig
from dlkit.data.pictures import load_pictures
from dlkit.data.samples import DataSet, Request
from dlkit.data.tabular import load_tabular
from dlkit.description import DataDescription
from dlkit.errors import ConfigError
from dlkit.spec import parse_spec


def _load_spatial(request: Request) -> DataSet:
    """Load points; what searches their neighbours takes a while to import, and only they need it."""
    from dlkit.data.spatial import load_spatial

    return load_spatial(request)


LOADERS: Mapping[str, Callable[[Request], DataSet]] = {
    "pictures": load_pictures,
    "spatial": _load_spatial,
    "table": load_tabular,
}


def load_dataset(
    config: TrainConfig,
    trained_on: DataDescription | None = None,
    context: Mapping[str, Tensor] | None = None,
    *,
    other: str | None = None,
) -> DataSet:
    """Load the data that a configuration names, split and normalised.

    Args:
        config: Says which data, the seed and shares of the splits, the limit and the normalisation.
        trained_on: The description in a checkpoint; what it learned is used and its fingerprint must fit.
        context: The context in that checkpoint.
        other: A spec of other data, to be treated as those in the checkpoint were.

    Raises:
        DataError: The data are not here, are damaged, or are not the ones trained on.
        ConfigError: A setting does not fit the data.
    """
    spec = parse_spec(config.data if other is None else other)
    kind = config.model if config.model in ("spatial", "pbpk") else spec.kind
    if kind not in LOADERS:
        raise ConfigError(f"--data {spec.text}: no way to read {kind} is built in")
    request = Request(
        spec=spec,
        config=config if other is None else replace(config, data=spec.text),
        trained_on=trained_on,
        context=context or {},
        same_data=other is None,
    )
    return LOADERS[kind](request)
