"""Curves drawn with characters, for a terminal: no matplotlib needed."""

import math
from collections.abc import Sequence

from dlkit.files.history import History
from dlkit.plotting.history.panels import Panel, finite_values, numbers, points, smoothed, split_and_name

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a braille character: 4 rows, 2 columns
_BLANK = 0x2800
_LABEL = 10
_HEIGHT = 9

Line = list[tuple[str, str]]
"""Pieces of text, each with what it belongs to."""


class _Canvas:
    """Dots in a grid of braille characters, each of one series.

    Args:
        width: Characters.
        height: Characters.
    """

    def __init__(self, width: int, height: int) -> None:
        self.columns, self.rows = 2 * width, 4 * height
        self._dots = [[0] * width for _ in range(height)]
        self._series = [[""] * width for _ in range(height)]

    def dot(self, x: int, y: int, series: str) -> None:
        """Set a dot; y counts from the bottom."""
        row, column = self.rows - 1 - y, x
        self._dots[row // 4][column // 2] |= _DOTS[row % 4][column % 2]
        self._series[row // 4][column // 2] = series

    def line(self, start: tuple[int, int], end: tuple[int, int], series: str) -> None:
        """Set the dots between two."""
        steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
        for step in range(steps + 1):
            share = step / steps
            x, y = (round(one + share * (other - one)) for one, other in zip(start, end, strict=True))
            self.dot(x, y, series)

    def cells(self) -> list[Line]:
        """Return character and series of each cell, a list a row."""
        return [
            [(chr(_BLANK + dots) if dots else " ", series) for dots, series in zip(*both, strict=True)]
            for both in zip(self._dots, self._series, strict=True)
        ]


def draw_terminal(
    histories: Sequence[History],
    panels: Sequence[Panel],
    *,
    x: str,
    width: int,
    smooth: int = 1,
    log_y: bool = False,
) -> list[Line]:
    """Return the lines of a drawing: pieces of text, each with what it belongs to.

    A piece belongs to `train`, `val`, a number (the place of its run, where there are several) or "" (axes and text).

    Args:
        histories: The runs.
        panels: What to draw.
        x: `epoch`, `step` or `seconds`.
        width: Characters in a line.
        smooth: Epochs in a running mean.
        log_y: Logarithmic axes where all values are above 0.
    """
    lines: list[Line] = []
    places = [value for history in histories for value in finite_values(history, x)]
    reach = (min(places), max(places))
    for panel in panels:
        lines.append([(" " * _LABEL + panel.name.replace("_", " "), "")])
        lines += _panel(histories, panel, x, reach, max(10, width - _LABEL - 1), smooth=smooth, log_y=log_y)
    low, high = (f"{value:g}" for value in reach)
    gap = max(1, width - _LABEL - 1 - len(low) - len(high) - len(x))
    lines.append([(" " * _LABEL + " " + low + " " * (gap // 2) + x + " " * (gap - gap // 2) + high, "")])
    return lines


def _panel(
    histories: Sequence[History],
    panel: Panel,
    x: str,
    reach: tuple[float, float],
    width: int,
    *,
    smooth: int,
    log_y: bool,
) -> list[Line]:
    curves = [
        (_series(place, column, len(histories)), at, smoothed(raw, smooth))
        for place, history in enumerate(histories)
        for column in panel.columns
        for at, raw in [points(history, numbers(history, x), column)]
    ]
    finite = [value for _, _, values in curves for value in values if math.isfinite(value)]
    log_y = log_y and min(finite) > 0
    low, high = min(finite), max(finite)
    canvas = _Canvas(width, _HEIGHT)

    def spot(at: float, value: float) -> tuple[int, int]:
        one, other, mid = (math.log(low), math.log(high), math.log(value)) if log_y else (low, high, value)
        return _share(at, reach, canvas.columns), _share(mid, (one, other), canvas.rows)

    for series, places, values in curves:
        before = None
        for at, value in zip(places, values, strict=True):
            now = spot(at, value) if math.isfinite(at) and math.isfinite(value) else None
            if now is not None:
                canvas.line(before or now, now, series)
            before = now
    labels = {0: f"{high:.4g}", _HEIGHT - 1: f"{low:.4g}"}
    return [
        [(labels.get(row, "").rjust(_LABEL - 1) + " \N{BOX DRAWINGS LIGHT VERTICAL}", ""), *_merged(cells)]
        for row, cells in enumerate(canvas.cells())
    ]


def _series(place: int, column: str, runs: int) -> str:
    return str(place) if runs > 1 else split_and_name(column)[0]


def _share(value: float, reach: tuple[float, float], dots: int) -> int:
    low, high = reach
    return dots // 2 if high == low else round((value - low) / (high - low) * (dots - 1))


def _merged(cells: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Join neighbours of the same series."""
    pieces: list[tuple[str, str]] = []
    for text, series in cells:
        if pieces and (pieces[-1][1] == series or text == " "):
            pieces[-1] = (pieces[-1][0] + text, pieces[-1][1])
        else:
            pieces.append((text, series))
    return pieces
