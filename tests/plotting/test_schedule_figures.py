"""Figures of rates: every schedule side by side, as the docs show them, and the curve of a range test."""

import importlib.util
import math
import re
from pathlib import Path
from types import ModuleType

import pytest

from dlkit.plotting.figure_file import figure_bytes
from dlkit.plotting.lr_range import plot_lr_range
from dlkit.settings.config import SCHEDULES
from dlkit.training.schedules import build_schedule

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_schedules", DOCS / "write_schedules.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def drawn_curves(svg: str) -> dict[str, list[tuple[float, float]]]:
    """Give the corners of each schedule's line as shares of its panel's width and of the figure's height."""
    found = {}
    for name, path in re.findall(r'<g id="schedule-([a-z]+)">\s*<path d="([^"]+)"', svg):
        numbers = [float(word) for word in re.findall(r"-?[\d.]+", path)]
        xs, ys = numbers[::2], numbers[1::2]
        found[name] = [((x - xs[0]) / (xs[-1] - xs[0]), y) for x, y in zip(xs, ys, strict=True)]
    return found


def heights(corners: list[tuple[float, float]], places: list[float]) -> list[float]:
    """Give the height of a line of corners at some places between 0 and 1."""
    result = []
    for place in places:
        right = next(index for index, (x, _) in enumerate(corners) if x >= place)
        (x0, y0), (x1, y1) = corners[max(0, right - 1)], corners[right]
        result.append(y1 if x1 == x0 else y0 + (y1 - y0) * (place - x0) / (x1 - x0))
    return result


def test_figure_in_the_docs_shows_the_schedules_as_they_are(script: ModuleType) -> None:
    """Lines and words are compared, not bytes: another matplotlib may set a panel a hair's breadth aside."""
    places = [(place + 0.5) / 200 for place in range(200)]

    drawn = drawn_curves(script.FIGURE.read_text())

    assert tuple(drawn) == SCHEDULES
    for name, rates in script.curves().items():
        base, top = (
            drawn["polynomial" if name in list(SCHEDULES)[4:] else "cosine"][end][1] for end in (-1, 0)
        )
        # The last of 1,000 steps is number 999, where the two that end at 0 are a hair above it.
        share = [(y - base) / (top - base) for y in heights(drawn[name], places)]
        expected = [rates[round(place * 999)] for place in places]
        close = [abs(a - b) < 0.03 for a, b in zip(share, expected, strict=True)]
        assert sum(close) >= 198, f"{name}: run python docs/write_schedules.py"


def test_figure_in_the_docs_is_small_and_has_its_words(script: ModuleType) -> None:
    text = script.FIGURE.read_text()

    words = set(re.findall(r"<text[^>]*>([^<]+)</text>", text))
    assert {*SCHEDULES, "step", "learning rate"} <= words
    assert len(text) < 50_000


@pytest.mark.slow
def test_the_script_draws_the_same_bytes_twice(script: ModuleType) -> None:
    first, second = (figure_bytes(script.plot_schedules(script.curves()), "svg") for _ in range(2))

    assert first == second


def test_plateau_in_the_docs_is_halved_twice(script: ModuleType) -> None:
    assert sorted(set(script.plateau())) == [0.25, 0.5, 1.0]
    assert len(script.plateau()) == script.STEPS


def test_every_schedule_has_a_panel_with_its_own_curve(script: ModuleType) -> None:
    curves = {
        name: [build_schedule(name, 0.1, total_steps=50, steps_per_epoch=5)(step) for step in range(50)]
        for name in SCHEDULES
    }

    panels = script.plot_schedules(curves, peak=0.1).get_axes()

    assert [axes.get_title() for axes in panels] == list(SCHEDULES)
    for axes, rates in zip(panels, curves.values(), strict=True):
        assert axes.lines[0].get_ydata().tolist() == rates
        assert axes.get_ylim()[1] > 0.1 >= max(rates)


@pytest.mark.parametrize(("count", "panels"), [(1, 1), (3, 3), (5, 5)])
def test_places_without_a_schedule_stay_empty(script: ModuleType, count: int, panels: int) -> None:
    figure = script.plot_schedules({str(number): [1.0, 0.5] for number in range(count)})

    assert len(figure.get_axes()) == panels
    assert figure_bytes(figure)


RATES = [1e-6 * 10 ** (step / 4) for step in range(28)]
SMOOTHED = [
    2.3 - 2 * math.exp(-((step - 20) ** 2) / 20) + (0.1 * step if step > 24 else 0) for step in range(28)
]


def test_range_test_shows_the_curve_and_the_suggested_rate() -> None:
    losses = [value + 0.1 for value in SMOOTHED]

    figure = plot_lr_range(RATES, losses, SMOOTHED, half_way=17, suggested=0.0123, title="mlp on digits")
    (axes,) = figure.get_axes()
    dots, curve, suggested, half_way, lowest = axes.lines

    assert axes.get_xscale() == "log"
    assert dots.get_ydata().tolist() == losses
    assert curve.get_ydata().tolist() == SMOOTHED
    assert list(suggested.get_xdata()) == [0.0123, 0.0123]
    assert (half_way.get_xdata()[0], half_way.get_ydata()[0]) == (RATES[17], SMOOTHED[17])
    assert (lowest.get_xdata()[0], lowest.get_ydata()[0]) == (RATES[20], SMOOTHED[20])
    texts = [
        text.get_text() for part in figure.subfigs for legend in part.legends for text in legend.get_texts()
    ]
    assert texts == ["batch", "smoothed", "half way", "lowest", "suggested 0.0123"]
    assert half_way.get_marker() != lowest.get_marker()


def test_range_test_cuts_off_what_flies_away_but_not_the_curve() -> None:
    losses = [*SMOOTHED[:-1], 1e9]

    (axes,) = plot_lr_range(RATES, losses, SMOOTHED, half_way=17, suggested=1e-8).get_axes()

    assert max(SMOOTHED) < axes.get_ylim()[1] < 2 * max(SMOOTHED)
    assert axes.get_xlim()[0] < 1e-8


def test_range_test_draws_a_curve_that_is_flat() -> None:
    figure = plot_lr_range([0.1, 0.2], [1.0, 1.0], [1.0, 1.0], half_way=0, suggested=0.1)

    assert figure_bytes(figure, "svg")
