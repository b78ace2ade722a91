"""A page of sections with tables, figures and images, as HTML that opens from the disk."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from dlkit.errors import printable
from dlkit.plotting.report.svg import inline_svg, panel_boxes
from dlkit.plotting.style import four_digits

Cell = str | int | float | None


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; numbers are aligned at the right and have four significant digits."""

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    kind: str = field(default="table", init=False)


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A figure.

    Args:
        figure: The figure.
        description: What it shows, in a sentence.
        readings: Values by name for each x; a pointer over the figure shows those nearest to it. None for none.
    """

    figure: Figure
    description: str
    readings: Mapping[str, Any] | None = None
    kind: str = field(default="plot", init=False)


@dataclass(frozen=True, kw_only=True)
class Images:
    """Small images with a line below each, as PNG."""

    contents: Sequence[bytes]
    captions: Sequence[str]
    kind: str = field(default="images", init=False)


@dataclass(frozen=True, kw_only=True)
class Text:
    """A sentence, or lines of code."""

    text: str
    code: bool = False
    warning: bool = False
    kind: str = field(default="text", init=False)


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading and what stands below it; one that is folded is not printed."""

    heading: str
    blocks: Sequence[Table | Plot | Images | Text]
    wide: bool = False
    folded: bool = False


def render(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """Return a page as HTML; every text in it is shown as text, whatever it holds.

    Args:
        title: Its heading.
        subtitle: A line below that.
        sections: What it shows; those without blocks are left out.
    """
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"shown": _shown, "data_uri": _data_uri}
    environment.tests |= {"number": lambda cell: isinstance(cell, int | float)}
    figures = _Figures()
    template = environment.from_string(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    return template.render(
        title=printable(title, 200),
        subtitle=printable(subtitle, 400),
        sections=[section for section in sections if section.blocks],
        svg=figures.svg,
    )


class _Figures:
    """Numbers the figures of a page as they are drawn."""

    def __init__(self) -> None:
        self._count = 0

    def svg(self, plot: Plot) -> dict[str, Any]:
        """Return a figure's SVG, and the readings with the places of its panels."""
        self._count += 1
        svg = inline_svg(plot.figure, self._count, str(escape(plot.description)))
        readings = None
        if plot.readings is not None:
            panels = plot.figure.get_axes()[: plot.readings["panels"]]
            readings = {**plot.readings, "panels": panel_boxes(plot.figure, panels)}
        return {"svg": Markup(svg), "readings": readings}


def _shown(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return (
            f"{cell:.4f}" if cell == 0 or 1e-3 <= abs(cell) < 10 else four_digits(cell)
        )  # as wide as its column
    return f"{cell:,}" if isinstance(cell, int) else printable(cell, 2000)


def _data_uri(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
