"""Dates as they are written in tables: the forms that a column may have, and texts as seconds since 1970."""

import contextlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dlkit.data.tables.arrow import as_array, strings

ISO = "ISO8601"
_ISO_TEXT = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?( ?(Z|UTC|[+-]\d{2}(:?\d{2})?))?)?"
)
_DATE_TEXT = re.compile(
    r"(?P<first>\d{1,2}|\d{4}|[A-Za-z]{3,9})(?P<sep>\. |[-/. ])(?P<second>\d{1,2}|[A-Za-z]{3,9})"
    r"(?P<last>, |[-/. ])(?P<third>\d{4}|\d{1,2})"
    r"(?P<gap> |, |T)?(?P<time>\d{1,2}:\d{2}(?P<seconds>:\d{2})?(?P<half> ?[AaPp][Mm])?)?"
)


def forms_of(texts: Sequence[str]) -> list[str]:
    """Return the forms in which all texts are dates; several where day, month or a year of two digits may be swapped.

    Args:
        texts: Different texts of a column, none missing.
    """
    if all(map(_ISO_TEXT.fullmatch, texts)) and not np.isnan(as_seconds(texts, ISO)).any():
        return [ISO]
    found = [form for form in _forms_like(texts[0]) if not np.isnan(as_seconds(texts, form)).any()]
    if len(found) > 1 and all(
        np.array_equal(as_seconds(texts, found[0]), as_seconds(texts, form)) for form in found
    ):
        return found[:1]
    return found


def in_order(forms: Sequence[str], first: str) -> list[str]:
    """Return those of some forms that begin with a field, `%d` or `%m`, and those in which no reader would swap it."""
    return [form for form in forms if form == ISO or "%b" in form or form[:2] in ("%Y", first)]


def as_seconds(texts: Sequence[str] | pa.Array, form: str) -> np.ndarray:
    """Return dates as seconds since 1970 (UTC where no zone is named), float64; NaN where one is no date."""
    array = texts if isinstance(texts, pa.Array) else strings(texts)
    if form == ISO:
        return _iso_seconds(array)
    stamps = pc.strptime(array, format=form, unit="s", error_is_null=True)
    seconds = as_array(stamps.cast(pa.int64()).cast(pa.float64()))
    # strptime takes 31 February as 3 March
    for place in np.flatnonzero(as_array(pc.day(stamps).cast(pa.float64())) <= 3):
        if not _is_real(array[int(place)].as_py(), form):
            seconds = np.array(seconds)
            seconds[place] = np.nan
    return seconds


def _iso_seconds(array: pa.Array) -> np.ndarray:
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        with contextlib.suppress(pa.ArrowInvalid):  # some have a zone and some have none, or one is no date
            return as_array(array.cast(kind).cast(pa.int64())) / 1e6
    return np.array([_iso_second(text) for text in array.to_pylist()], dtype=float)


def _iso_second(text: str | None) -> float:
    try:
        stamp = datetime.fromisoformat(re.sub(r"([.,]\d{6})\d+", r"\1", text or "").replace(" UTC", "Z"))
    except ValueError:
        return np.nan
    return (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()


def _is_real(text: str, form: str) -> bool:
    for spelt in (form, form.replace("%b", "%B")):  # Python tells Sep from September, Arrow does not
        with contextlib.suppress(ValueError):
            datetime.strptime(" ".join(text.split()), spelt)
            return True
    return False


def _forms_like(text: str) -> list[str]:
    """Return the forms that a text may have by its shape."""
    match = _DATE_TEXT.fullmatch(text)
    if match is None or bool(match["gap"]) != bool(match["time"]):
        return []
    sep, last, dotted = match["sep"], match["last"], match["sep"] == "."
    year = "%Y" if len(match["third"]) == 4 else "%y"
    if match["first"].isalpha():
        orders = [f"%b{sep}%d{last}{year}"]
    elif match["second"].isalpha():
        orders = [f"%d{sep}%b{last}{year}"]
    elif len(match["first"]) == 4:
        orders = [f"%Y{sep}%m{last}%d"]
    elif sep != last or (year == "%y" and sep not in "/-"):
        return []
    else:
        orders = [f"%d{sep}%m{sep}{year}", *([] if dotted else [f"%m{sep}%d{sep}{year}"])]
        orders += [f"%y{sep}%m{sep}%d"] if year == "%y" and sep == "-" else []
    return [order + _time_form(match) for order in orders]


def _time_form(match: re.Match[str]) -> str:
    if not match["time"]:
        return ""
    hours, half = ("%I", match["half"].replace(match["half"].strip(), "%p")) if match["half"] else ("%H", "")
    return f"{match['gap']}{hours}:%M{':%S' if match['seconds'] else ''}{half}"
