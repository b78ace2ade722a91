"""Matplotlib is loaded without what only its documentation needs."""

from importlib import import_module
from typing import Any


def load_matplotlib() -> None:
    """Import what every figure needs, in four fifths of the time.

    Matplotlib (3.11) writes a docstring for the `set` of each of its hundred kinds of artist when their classes are
    made, in a private method; where a version has no such method, this is a plain import.
    """
    from matplotlib.artist import Artist

    artist: Any = Artist
    name = "_update_set_signature_and_docstring"
    written = vars(artist).get(name)
    setattr(artist, name, classmethod(lambda _: None))
    import_module("matplotlib.figure")
    if written is not None:
        setattr(artist, name, written)
