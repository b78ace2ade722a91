"""Dates as they are written in tables: the forms that a column may have, and texts as seconds since 1970."""

import contextlib
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dlkit.data.tables.reading.values.arrow import as_array, strings

ISO = "ISO8601"
_FEW_FORMS = 3
_YEARS_AHEAD = 10  # dates lie further in the past than in the future
_ISO_TEXT = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?( ?(Z|UTC|[+-]\d{2}(:?\d{2})?))?)?"
)
_DATE_TEXT = re.compile(
    r"(?P<first>\d{1,2}|\d{4}|[A-Za-z]{3,9})(?P<sep>\. |[-/. ])(?P<second>\d{1,2}|[A-Za-z]{3,9})"
    r"(?P<last>, |[-/. ])(?P<third>\d{4}|\d{1,2})"
    r"(?P<gap> |, |T)?(?P<time>\d{1,2}:\d{2}(?P<seconds>:\d{2})?(?P<half> ?[AaPp][Mm])?)?"
)

_TIME = r"\d{1,2}:\d{2}(?::\d{2})?(?: ?[AaPp][Mm])?"
_STAMP = (
    r"(?:\d{4}|\d{1,2}|[A-Za-z]{3,9})(?:\. |[-/. ])(?:\d{1,2}|[A-Za-z]{3,9})(?:, |[-/. ])(?:\d{4}|\d{1,2})"
    rf"(?:(?:, |[ T]){_TIME})?"
)
_BEGINNING = rf"^(?P<start>{_STAMP})(?:[^0-9A-Za-z:].*)?$"
_INTERVAL = re.compile(
    rf"(?P<start>{_STAMP})\s*(?:[-\u2013\u2014/]|\.\.+|to|bis|until)\s*(?:{_STAMP}|{_TIME})"
)
STARTS = "\u2026"  # behind a form: what follows the date in a text is left out


def forms_of(texts: Sequence[str]) -> list[str]:
    """Return the forms in which all texts are dates; several where day, month or a year of two digits may be swapped.

    Args:
        texts: Different texts of a column, none missing.
    """
    if all(map(_ISO_TEXT.fullmatch, texts)) and not np.isnan(as_seconds(texts, ISO)).any():
        return [ISO]
    found = [form for form in _forms_like(texts[0]) if not np.isnan(as_seconds(texts, form)).any()]
    found = [with_century(texts, form) for form in found]
    if len(found) > 1 and all(
        np.array_equal(as_seconds(texts, found[0]), as_seconds(texts, form)) for form in found
    ):
        return found[:1]
    return found


def forms_at_start(texts: Sequence[str]) -> list[str]:
    """Return the forms in which most texts begin with a date, whatever follows it; none where hardly any does.

    Args:
        texts: Different texts of a column, none missing.
    """
    starts = [found["start"] for text in texts[:_FEW_FORMS] if (found := re.match(_BEGINNING, text))]
    forms = [form + STARTS for form in dict.fromkeys(form for start in starts for form in _forms_like(start))]
    fits = [int((~np.isnan(as_seconds(texts, form))).sum()) for form in forms]
    return [
        form for form, count in zip(forms, fits, strict=True) if count == max(fits) and 2 * count > len(texts)
    ]


def begins_with_date(text: str) -> bool:
    """Return whether a date stands at the beginning of a text, which may go on."""
    return bool(forms_at_start([text.strip()]))


def mostly_dates(texts: Sequence[str], share: float) -> np.ndarray | None:
    """Return which texts are dates of one form, bool of shape (K,), where at least a share of them are; else None."""
    for form in [ISO, *dict.fromkeys(form for text in texts[:_FEW_FORMS] for form in _forms_like(text))]:
        fits = ~np.isnan(as_seconds(texts, form))
        if form == ISO:
            fits &= np.array([_ISO_TEXT.fullmatch(text) is not None for text in texts], dtype=bool)
        if share <= fits.mean() < 1:
            return np.asarray(fits)
    return None


def of_several_forms(texts: Sequence[str]) -> bool:
    """Return whether all texts look like dates, though not of one form."""
    return all(_ISO_TEXT.fullmatch(text) or _forms_like(text) for text in texts)


def in_order(forms: Sequence[str], first: str) -> list[str]:
    """Return those of some forms that begin with a field, `%d` or `%m`, and those in which no reader would swap it."""
    return [form for form in forms if form == ISO or "%b" in form or form[:2] in ("%Y", first)]


def with_century(texts: Sequence[str], form: str) -> str:
    """Return a form with the first of the hundred years that years of two digits are in, as `%d/%m/%y@1913`.

    Usually 69 is 1969 and 68 is 2068, as everywhere. Where that leads more than ten years ahead, as for dates of birth,
    the years of the column are taken to lie together and not ahead: the hundred years begin in the middle of the
    longest run of years that it does not have.

    Args:
        texts: Dates of that form.
        form: It is returned as it is where it has no such years, or they are read as usual.
    """
    if "%y" not in form:
        return form
    seconds = as_seconds(texts, form)
    usual = np.unique(seconds.astype("datetime64[s]").astype("datetime64[Y]").astype(int) + 1970)
    latest = time.gmtime().tm_year + _YEARS_AHEAD
    if usual[-1] <= latest:
        return form
    years = np.unique(usual % 100)
    gaps = np.diff(np.append(years, years[0] + 100))
    longest = int(gaps.argmax())
    last, gap = int(years[longest]), int(gaps[longest])
    last += 100 * ((latest - last) // 100)
    return f"{form}@{last - (100 - gap) - gap // 2}"


def as_seconds(texts: Sequence[str] | pa.Array, form: str) -> np.ndarray:
    """Return dates as seconds since 1970 (UTC where no zone is named), float64; NaN where one is no date."""
    form, _, first = form.partition("@")
    if first:
        return _in_century(as_seconds(texts, form), int(first))
    array = texts if isinstance(texts, pa.Array) else strings(texts)
    if form.endswith(STARTS):
        form, array = form.removesuffix(STARTS), pc.struct_field(pc.extract_regex(array, _BEGINNING), "start")
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


def _in_century(seconds: np.ndarray, first: int) -> np.ndarray:
    """Return dates with their years moved by hundreds to the hundred years that begin with a given one."""
    known = np.flatnonzero(~np.isnan(seconds))
    whole = seconds[known].astype("int64")
    days, rest = whole // 86_400, seconds[known] - whole // 86_400 * 86_400
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    years = months.astype("datetime64[Y]").astype(int) + 1970
    moved = (months + 12 * (first + (years - first) % 100 - years)).astype("datetime64[D]")
    read = np.array(seconds)
    read[known] = (moved + (dates - months)).astype("int64") * 86_400.0 + rest
    return read


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
    """Return the forms that a text may have by its shape; of an interval those of its start."""
    if interval := _INTERVAL.fullmatch(text):
        return [form + STARTS for form in _forms_like(interval["start"])]
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
