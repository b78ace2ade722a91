"""The look of every figure: small type, thin lines, colours safe for the colour-blind and for grey print."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib.style
from cycler import cycler
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from dlkit.errors import printable
from dlkit.plotting.figure_file import current_look

CM = 1 / 2.54
COLUMN_WIDTH = 8 * CM
"""Width of a paper's single column, in inches; figures are drawn at the size they are printed."""
PAGE_WIDTH = 16 * CM
"""Width of a paper's text block, in inches."""

# Okabe and Ito, Color Universal Design (2008), ordered so that neighbours differ in lightness too; then ink, paper,
# and a grey for guides. Figures name their places, so that a look can exchange them.
PALETTES = {
    "light": (
        ("#0072B2", "#E69F00", "#000000", "#CC79A7", "#D55E00", "#56B4E9", "#009E73"),
        ("#000000", "#FFFFFF", "#737373"),
    ),
    "dark": (
        ("#3D9BE0", "#F0C040", "#FFFFFF", "#CC79A7", "#D9531E", "#8FD3FF", "#1FB58A"),
        ("#E6E6E6", "#16181C", "#9A9A9A"),
    ),
}
COLOURS = tuple(f"C{place}" for place in range(7))
INK, PAPER, GUIDE = "C7", "C8", "C9"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "<", ">")
WARNING_COLOUR = "C4"
FAINT = "#d9d9d9"

_SCREEN_DPI, _SCREEN_SCALE = 160, 1.5

_STYLE: dict[str, Any] = {
    "text.usetex": False,
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.labelsize": 7,
    "axes.titlesize": 7,
    "figure.titlesize": 7,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "legend.handlelength": 2.6,
    "legend.columnspacing": 1.4,
    "legend.borderpad": 0.1,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.4,
    "lines.markeredgewidth": 0.8,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.w_pad": 0.03,
    "figure.dpi": 300,
    "savefig.dpi": "figure",
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "dlkit",
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the current look, whatever matplotlibrc the user has; also a decorator."""
    dark = current_look() == "dark"
    colours, (ink, paper, guide) = PALETTES["dark" if dark else "light"]
    own: dict[str, Any] = {"axes.prop_cycle": cycler(color=[*colours, ink, paper, guide])}
    if dark:
        own |= dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), paper)
        own |= dict.fromkeys(
            ("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), ink
        )
        own["grid.color"] = "0.3"
    if current_look() != "paper":
        own["figure.dpi"] = _SCREEN_DPI
    with matplotlib.style.context(["default", _STYLE, own]):
        yield


def scale() -> float:
    """Return how much larger than on a page figures are in the current look; type keeps its size."""
    return 1.0 if current_look() == "paper" else _SCREEN_SCALE


def log_ticks(axis: Axis, num_ticks: int = 6) -> None:
    """Put plain numbers (1e-4, 0.01, 1) on a logarithmic axis whose limits are set, also on a short one."""
    low, high = axis.get_view_interval()
    decades = math.log10(high / low)
    if decades < 0.7:
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        axis.set_minor_locator(NullLocator())
    else:
        dense = (subs for subs in ((1.0, 2.0, 5.0), (1.0, 3.0)) if len(subs) * decades <= num_ticks)
        axis.set_major_locator(LogLocator(subs=next(dense, (1.0,)), numticks=num_ticks))
        axis.set_minor_locator(LogLocator(subs=range(1, 10) if decades < 8 else (1.0,), numticks=99))
    axis.set_major_formatter(FuncFormatter(plain_number))
    axis.set_minor_formatter(NullFormatter())


def plain_number(value: float, _: object = None) -> str:
    """Write a number at a tick in few letters: 0.01, 20, 1e-6."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:g}"
    mantissa, exponent = f"{value:.3e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def four_digits(value: float) -> str:
    """Write a number with four significant digits: 58,420 or 0.7597, in powers of ten only beyond 1e-4 and 1e9."""
    rounded = float(f"{value:.4g}")
    return f"{rounded:,.10g}" if 1e-4 <= abs(rounded) < 1e9 else f"{rounded:g}"


def shorten(text: str, limit: int) -> str:
    """Make a name from a file fit: safe characters only, its middle cut out where it is too long."""
    shown = printable(text, 10_000)
    if len(shown) <= limit:
        return shown
    tail = (limit - 1) * 3 // 5
    return f"{shown[: limit - 1 - tail]}\N{HORIZONTAL ELLIPSIS}{shown[len(shown) - tail :]}"
