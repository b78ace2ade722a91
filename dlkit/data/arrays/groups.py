"""Samples of one source, such as a person: the array that --group names, and those that may be meant."""

from collections.abc import Callable, Mapping

import numpy as np

from dlkit.data.arrays.headers import ArrayEntry
from dlkit.data.arrays.names import GROUP, has_word
from dlkit.data.dataset import Request
from dlkit.errors import ConfigError, did_you_mean, printable


def groups_of(
    entries: Mapping[str, ArrayEntry],
    roles: Mapping[str, tuple[str, str]],
    request: Request,
    read: Callable[[str], np.ndarray],
) -> np.ndarray | None:
    """Return the group of each sample, shape (N,), int64, from the array that --group names; None without it.

    Args:
        entries: The arrays by name.
        roles: Which of them are inputs and targets.
        request: What --group asks for.
        read: Gives the array of a name.

    Raises:
        ConfigError: There is no such array, or it has not one value for each sample.
    """
    name = request.config.group
    if name is None or not request.same_data or "all" not in roles:
        return None
    samples = entries[roles["all"][0]].shape[:1]
    fitting = [each for each, entry in entries.items() if entry.shape in (samples, (*samples, 1))]
    if name not in fitting or entries[name].kind not in "iufbUS":
        raise ConfigError(
            f"--group {printable(name)}: {request.spec.name} has no array of that name with one value for each sample",
            did_you_mean(name, fitting) or f"it has {', '.join(map(printable, fitting))}",
        )
    values = read(name).reshape(-1)
    return np.asarray(np.unique(values, return_inverse=True)[1], dtype=np.int64)


def suggested_groups(
    entries: Mapping[str, ArrayEntry], roles: Mapping[str, tuple[str, str]], request: Request
) -> str:
    """Return a message about samples that may belong together, where a random split would separate them."""
    config = request.config
    asked = config.group is not None or config.split_file is not None or request.trained_on is not None
    found = [] if asked or "all" not in roles else _find_groups(entries, entries[roles["all"][0]].shape[:1])
    if not found:
        return ""
    name = printable(found[0])
    return f"{name} may tell samples of one source, which a random split separates: --group {name} keeps them together"


def _find_groups(entries: Mapping[str, ArrayEntry], samples: tuple[int, ...]) -> list[str]:
    """Return the arrays that by their names say whom or what each of the samples, shape (N,), is from."""
    return [
        name
        for name, entry in entries.items()
        if entry.shape in (samples, (*samples, 1)) and has_word(name, GROUP)
    ]
