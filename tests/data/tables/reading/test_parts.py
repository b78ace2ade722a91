"""Numbers in parts and with what stands behind them: degrees, minutes and seconds, errors in brackets."""

import io

import numpy as np
import pytest

from dlkit.data.tables.reading.table_file import read_table
from dlkit.data.tables.reading.values.parts import are_degrees
from dlkit.data.tables.table import Table

RNG = np.random.default_rng(0)
PLACES = RNG.uniform(-80, 80, 60)


def read(texts: list[str]) -> Table:
    rows = "".join(f"{quoted},{place}\n" for place, text in enumerate(texts) if (quoted := _quoted(text)))
    return read_table("-", stdin=io.BytesIO(f"a,y\n{rows}".encode()))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def whole(value: float, form: str, letters: str) -> str:
    degrees, rest = divmod(abs(value), 1)
    minutes, seconds = divmod(rest * 60, 1)
    side = letters[int(value < 0)]
    return form.format(d=int(degrees), m=int(minutes), s=seconds * 60, mm=rest * 60, dd=abs(value), side=side)


@pytest.mark.parametrize("letters", ["NS", "EW"])
@pytest.mark.parametrize(
    "form",
    [
        "{d}°{m}'{s:.4f}\"{side}",
        "{d}° {m}\u2032 {s:.4f}\u2033 {side}",
        "{d}° {m}\u2019 {s:.4f}'' {side}",
        "{side} {d}°{mm:.6f}'",
        "{dd:.7f}° {side}",
        "{dd:.7f}{side}",
    ],
)
def test_degrees_are_numbers_that_are_negative_on_one_side(form: str, letters: str) -> None:
    table = read([whole(value, form, letters) for value in PLACES])

    np.testing.assert_allclose(table.numbers("a"), PLACES, atol=1e-5)
    assert any("S and W negative" in note for note in table.notes)


def test_o_is_west_beside_e() -> None:
    table = read([whole(value, "{dd:.7f}° {side}", "EO") for value in PLACES])

    np.testing.assert_allclose(table.numbers("a"), PLACES, atol=1e-5)


@pytest.mark.parametrize(
    "texts", [["60W", "100W"], ["5S", "12S"], ["12.5°", "13°"], ["12E", "3A"], ["5°N", "6°E"], ["7°O"]]
)
def test_what_may_be_units_is_no_degrees(texts: list[str]) -> None:
    assert not any(are_degrees(texts))


@pytest.mark.parametrize("behind", ["({})", " ({})", " (0.{})", " ({} %)", "[{}]", "[a][{}]"])
def test_errors_and_notes_in_brackets_are_left_out_and_reported(behind: str) -> None:
    values = PLACES.round(2)

    table = read([f"{value}{behind.format(place % 9)}" for place, value in enumerate(values)])

    np.testing.assert_allclose(table.numbers("a"), values)
    assert any("left out" in note for note in table.notes)


def test_brackets_alone_are_still_negative() -> None:
    table = read([f"({abs(value):.2f})" if value < 0 else f"{value:.2f}" for value in PLACES])

    np.testing.assert_allclose(table.numbers("a"), PLACES.round(2))
