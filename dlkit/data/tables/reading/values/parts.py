"""Numbers written in parts: clocks, ages as DICOM writes them, and degrees, minutes and seconds."""

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from dlkit.data.tables.reading.values.arrow import strings

CLOCKS = {  # by how many colons there are
    (1,): "1:30 as 1.5",
    (2,): "h:mm:ss as hours",
    (1, 2): "h:mm:ss as hours, mm:ss as parts of one",
}
AGES = "071Y, 018M, 003W, 010D as years"  # as DICOM writes them
_AGE = r"^(?P<number>\d{3})(?P<unit>[YMWD])$"
_IN_A_YEAR = {"Y": "1", "M": "12", "W": "52.1775", "D": "365.2425"}
DEGREES = "degrees, minutes and seconds as degrees, S and W negative"
_CLOCK_PARTS = r"^(?P<sign>[+-]?)(?P<first>\d+):(?P<second>\d+)(?::(?P<third>[\d.]+))?$"
_DEGREE_PARTS = (
    r"^(?P<before>[NSEWO]?)\s*(?P<sign>[+-]?)(?P<first>\d+(?:\.\d+)?)\s*(?:[°º]\s*(?:(?P<second>\d+(?:\.\d+)?)\s*'\s*"
    r"(?:(?P<third>\d+(?:\.\d+)?)\s*(?:\"|'')\s*)?)?)?(?P<after>[NSEWO]?)$"
)
_AXES = ({"N", "S"}, {"E", "W"}, {"E", "O"})  # O as in oeste and ouest, for Ost means the opposite


def no_number() -> pa.Scalar:
    """Return what stands in place of a text that is no number."""
    return strings(["no number"])[0]


def are_degrees(texts: Sequence[str]) -> list[bool]:
    """Return which texts are degrees with minutes or a side, as 12°34'56"N; none where the letters may be units.

    Without a sign of degrees, both letters of an axis have to come, or N alone, and decimals.
    """
    matches = [re.fullmatch(_DEGREE_PARTS, text.strip()) for text in texts]
    found = [match for match in matches if match]
    letters = {match[side] for match in found for side in ("before", "after")} - {""}
    parts = any(match["second"] for match in found)
    signs = sum("°" in text or "º" in text for text in texts) >= len(found)
    one_axis = not letters or (any(letters <= axis for axis in _AXES) and letters != {"O"})
    decimals = all("." in match["first"] for match in found)
    sure = (signs and (parts or letters)) or (decimals and letters in (*_AXES, {"N"}))
    return [match is not None and one_axis and bool(sure) for match in matches]


def numbers_of_parts(texts: pa.Array, written: str) -> pa.Array:
    """Return numbers in parts as texts with a decimal point, a word where there is no number.

    Args:
        texts: As 1:30, 071Y or 12°34'N.
        written: How they are read: one of `CLOCKS`, `AGES` or `DEGREES`.
    """
    if written == AGES:
        return _years(texts)
    if written == DEGREES:
        return _sixtieths(texts, _DEGREE_PARTS)
    return _clock_numbers(texts, short=written == CLOCKS[1, 2])


def _clock_numbers(texts: pa.Array, *, short: bool) -> pa.Array:
    """Return parts with colons between, each a sixtieth of the one before, in the unit of the first, as texts.

    Args:
        texts: As 1:30 or 1:30:00.
        short: The first of two parts is missing where there are no three.
    """
    if short:
        texts = pc.replace_substring_regex(texts, r"^([+-]?)(\d+:[\d.]+)$", r"\1" "0:" r"\2")
    return _sixtieths(texts, _CLOCK_PARTS)


def _sixtieths(texts: pa.Array, pattern: str) -> pa.Array:
    """Return the parts of texts by a pattern, each a sixtieth of the one before, in the unit of the first, as texts."""
    parts = pc.extract_regex(texts, pattern)
    first, second, third = (
        pc.replace_substring_regex(pc.struct_field(parts, name), "^$", "0").cast(pa.float64())
        for name in ("first", "second", "third")
    )
    number = pc.add(first, pc.divide(pc.add(second, pc.divide(third, 60.0)), 60.0))
    sides = [name for name in ("before", "sign", "after") if f"<{name}>" in pattern]
    below = [
        pc.is_in(pc.struct_field(parts, name), value_set=strings(["-", "S", "W", "O"])) for name in sides
    ]
    for negative in below:
        number = pc.if_else(negative, pc.negate(number), number)
    number = number.cast(pa.string())
    strange = pc.and_(pc.is_valid(texts), pc.is_null(number))
    return pc.if_else(strange, no_number(), number)


def _years(texts: pa.Array) -> pa.Array:
    """Return ages as 071Y or 018M in years, as texts."""
    parts = pc.extract_regex(texts, _AGE)
    number, unit = (pc.struct_field(parts, name) for name in ("number", "unit"))
    for letter, parts_of_year in _IN_A_YEAR.items():
        unit = pc.replace_substring(unit, letter, parts_of_year)
    years = pc.divide(number.cast(pa.float64()), unit.cast(pa.float64())).cast(pa.string())
    strange = pc.and_(pc.is_valid(texts), pc.is_null(years))
    return pc.if_else(strange, no_number(), years)
