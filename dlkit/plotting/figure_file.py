"""A figure becomes a file: the suffix says which kind, and the same figure gives the same bytes."""

import io
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from dlkit.errors import ConfigError, did_you_mean
from dlkit.files.atomic import write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURE_SUFFIXES = (".png", ".svg", ".pdf")
LOOKS = ("paper", "screen", "dark")
_LETTERS_PER_INCH = 16

_look: ContextVar[str] = ContextVar("look", default="paper")


@contextmanager
def look(name: str) -> Iterator[None]:
    """Draw and save figures in one of `LOOKS`: for a page, for a screen, or for a dark screen."""
    before = _look.set(name)
    try:
        yield
    finally:
        _look.reset(before)


def current_look() -> str:
    """Return the name of the look that figures have now."""
    return _look.get()


# What would carry the moment of drawing or matplotlib's version into the file.
_METADATA: Mapping[str, Mapping[str, str | None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def figure_format(path: Path) -> str:
    """Return the format that a file's suffix asks for: `png`, `svg` or `pdf`; matplotlib is not needed yet.

    Args:
        path: The file, as typed for -o.

    Raises:
        ConfigError: The suffix is of another kind, or there is none.
    """
    suffix = path.suffix.lower()
    if suffix in FIGURE_SUFFIXES:
        return suffix.removeprefix(".")
    example = path.with_suffix(".png") if path.name else "curves.png"
    problem = f"has the unknown suffix {suffix}" if suffix else "has no suffix"
    raise ConfigError(
        f"-o {path} {problem}; choose from {', '.join(FIGURE_SUFFIXES)}",
        did_you_mean(suffix, FIGURE_SUFFIXES) or f"for example -o {example}",
    )


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure to a .png, .svg or .pdf file, whole or not at all.

    Raises:
        ConfigError: The suffix is of another kind.
        DlkitError: The file cannot be written; what was there before is still there.
    """
    write_file(path, figure_bytes(figure, figure_format(path)))


def titled(figure: "Figure", title: str) -> "Figure":
    """Return a figure with a line above it; unchanged if that is empty."""
    if title:
        from dlkit.plotting.style import house_style, shorten

        with house_style():
            figure.suptitle(shorten(title, int(figure.get_figwidth() * _LETTERS_PER_INCH)), fontweight="bold")
    return figure


def figure_bytes(figure: "Figure", kind: str = "png") -> bytes:
    """Draw a figure as `png`, `svg` or `pdf` and give the bytes; they hold no date and no random names."""
    from matplotlib.backend_bases import get_registered_canvas_class

    from dlkit.plotting.style import house_style, scale

    buffer = io.BytesIO()
    with house_style(), warnings.catch_warnings():
        # A name in a script that no font here knows is drawn as boxes, which the figure shows well enough.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        width, height = figure.get_size_inches()
        figure.set_size_inches(width * scale(), height * scale())
        # `savefig` does the same, but draws each figure twice.
        canvas = get_registered_canvas_class(kind)(figure)
        getattr(canvas, f"print_{kind}")(buffer, metadata=dict(_METADATA[kind]))
        figure.set_size_inches(width, height)
    return buffer.getvalue()
