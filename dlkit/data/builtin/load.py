"""The built-in images as a data set: split, normalised and described."""

from collections.abc import Callable, Mapping

from dlkit.data.builtin.digits import load_digits
from dlkit.data.dataset import DataSet, Request
from dlkit.data.prepared import Source, read_prepared
from dlkit.data.stored import split_source
from dlkit.files.description import DataDescription
from dlkit.settings.catalogue import DATA

SOURCES: Mapping[str, Callable[[], Source]] = {
    "digits": load_digits,
    "mnist": lambda: read_prepared("mnist"),
    "fashion-mnist": lambda: read_prepared("fashion-mnist"),
    "kmnist": lambda: read_prepared("kmnist"),
    "cifar10": lambda: read_prepared("cifar10"),
}


def load_builtin(request: Request) -> DataSet:
    """Load built-in images.

    Raises:
        DataError: They are not here, are damaged, or are not the ones trained on.
        ConfigError: The normalisation does not fit the channels.
    """
    source = SOURCES[request.spec.name]()
    request.check_fingerprint(source.fingerprint)
    return split_source(source, describe(request.spec.name, source), request)


def describe(name: str, source: Source) -> DataDescription:
    """Return the description of built-in images: their entry in the catalogue, and their samples."""
    entry = DATA[name]
    inputs, _ = next(iter(source.parts.values()))
    return DataDescription(
        name=name,
        task=entry.task,
        input_shape=tuple(inputs.shape[1:]),
        class_names=entry.class_names,
        split_sizes={},
        source=entry.source,
        licence=entry.licence,
        fingerprint=source.fingerprint,
    )
