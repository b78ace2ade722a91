"""A function named by its module, which is imported when the function is first called."""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def deferred(place: str) -> Callable[..., Any]:
    """Return a function that imports the one at `module:name` and calls it.

    Records in a registry name their functions so: the list of networks or of kinds of data is read on every command
    line, and loads neither torch nor pandas.
    """
    module, _, name = place.partition(":")

    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(import_module(module), name)(*args, **kwargs)

    call.__name__, call.__doc__ = name, place
    return call
