"""Figures as SVG within a page, in colours that the page decides."""

import re
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dlkit.plotting.figure_file import figure_bytes
from dlkit.plotting.style import FAINT, PALETTES

_COLOURS, _OTHERS = PALETTES["light"]
_VARIABLES = {
    **{colour.lower(): f"var(--c{place})" for place, colour in enumerate(_COLOURS)},
    **dict(
        zip(
            (colour.lower() for colour in _OTHERS),
            ("var(--ink)", "var(--paper)", "var(--guide)"),
            strict=True,
        )
    ),
    FAINT: "var(--faint)",
}


def inline_svg(figure: Figure, number: int, description: str) -> str:
    """Return a figure as an SVG element whose colours are the page's variables and whose names are unique there.

    Args:
        figure: The figure; its text stays text.
        number: Its number on the page.
        description: What a screen reader says in its place, escaped for HTML.
    """
    text = figure_bytes(figure, "svg").decode()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="f{number}-', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>f{number}-", text)
    text = re.sub(r"((?:fill|stroke): )(#[0-9a-f]{6})\b", lambda m: m[1] + _VARIABLES.get(m[2], m[2]), text)
    opening = re.match(r"<svg[^>]*?viewBox=\"([^\"]*)\"[^>]*>", text)
    assert opening is not None, "matplotlib writes a view box"
    width = float(opening[1].split()[2])
    start = f'<svg viewBox="{opening[1]}" role="img" aria-label="{description}" style="max-width: {width * 1.6:.0f}px" '
    start += 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    return start + text[opening.end() :]


def panel_boxes(figure: Figure, panels: Sequence[Axes]) -> list[dict[str, Any]]:
    """Return where panels lie in a figure that was saved: shares of its width and height, and the limits of x."""
    width, height = figure.bbox.size
    boxes = []
    for axes in panels:
        box = axes.bbox
        boxes.append(
            {
                "left": box.x0 / width,
                "right": box.x1 / width,
                "top": 1 - box.y1 / height,
                "bottom": 1 - box.y0 / height,
                "limits": list(axes.get_xlim()),
            }
        )
    return boxes
