"""A strip of signs and names above the panels, so that a legend never lies over data."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure, SubFigure

from dlkit.plotting.style import CM

_ROW = 0.36 * CM
_PAD = 0.1 * CM
# In points at the house's type size: a letter, and a sign with the gaps around it.
_LETTER, _SIGN = 3.7, 30.0


@dataclass(frozen=True)
class LegendBlock:
    """Some signs and their names, in as many columns as the width takes; without signs a line of text."""

    signs: Sequence[Artist]
    names: Sequence[str]


def add_legend_strip(
    blocks: Sequence[LegendBlock], width: float, panels_height: float
) -> tuple[Figure, Figure | SubFigure]:
    """Make a figure whose top is a strip of legends, one below the other.

    Args:
        blocks: What the strip shows; those without names are left out.
        width: Of the figure, in inches.
        panels_height: Of the part below the strip, in inches.

    Returns:
        The figure, and the part of it below the strip.
    """
    blocks = [block for block in blocks if block.names]
    rows = [-(-len(block.names) // _num_columns(block.names, width)) for block in blocks]
    strip_height = sum(rows) * _ROW + _PAD * bool(blocks)
    figure = Figure(figsize=(width, strip_height + panels_height), layout="constrained")
    if not blocks:
        return figure, figure
    parts = figure.subfigures(2, 1, height_ratios=[strip_height, panels_height], squeeze=False)
    strip, panels = parts[:, 0]
    top = strip_height - _PAD / 2
    for block, num_rows in zip(blocks, rows, strict=True):
        _draw(strip, block, _num_columns(block.names, width), (top - num_rows * _ROW / 2) / strip_height)
        top -= num_rows * _ROW
    return figure, panels


def _draw(strip: SubFigure, block: LegendBlock, num_columns: int, middle: float) -> None:
    if not block.signs:
        strip.text(0.5, middle, block.names[0], ha="center", va="center")
        return
    # Before matplotlib 3.10, legend() itself drops a name with a leading underscore.
    legend = strip.legend(
        block.signs,
        ["-"] * len(block.names),
        loc="center",
        bbox_to_anchor=(0.5, middle),
        ncols=num_columns,
        borderaxespad=0,
        labelspacing=0.45,
    )
    legend.set_in_layout(False)
    for text, name in zip(legend.get_texts(), block.names, strict=True):
        text.set_text(name)


def _num_columns(names: Sequence[str], width: float) -> int:
    """Return the most columns that fit side by side; they are filled one after the other."""
    lengths = [len(name) for name in names]
    for count in range(len(names), 1, -1):
        columns = np.array_split(lengths, count)
        if sum(_LETTER * max(column) + _SIGN for column in columns) <= width * 72:
            return count
    return 1
