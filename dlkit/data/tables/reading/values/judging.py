"""What kind each column of a table is, judged by the texts of its first rows."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from dlkit.data.tables.reading.options import TableOptions
from dlkit.data.tables.reading.values.around import is_grouped, look_around, recognise_marks, shape_of
from dlkit.data.tables.reading.values.arrow import coded
from dlkit.data.tables.reading.values.columns import (
    EXPONENT,
    MAX_WORDS,
    PADDED,
    TRUTHS,
    ColumnReader,
    Odd,
    fault_of,
    first_of,
    others_of,
)
from dlkit.data.tables.reading.values.dates import (
    forms_at_start,
    forms_of,
    in_order,
    mostly_dates,
    of_several_forms,
)
from dlkit.data.tables.reading.values.numbers import Marks, Written
from dlkit.data.tables.reading.values.together import judge_together

_STRAY_SHARE = 0.1
_MANY_NUMBERS = 20
_MOSTLY = 0.5
_FEWEST_UNITS = 2  # columns with a word in the first row
_MOST_UNITS = 4  # rows
_WIDTH = re.compile(r"\d+[sdn]")


def plan_columns(
    sample: Mapping[str, pa.Array],
    kinds: Mapping[str, str],
    orders: Mapping[str, str],
    *,
    exact: bool,
    options: TableOptions,
) -> dict[str, ColumnReader]:
    """Return how each column is to be read, judged by the first rows.

    Args:
        sample: The texts of the first rows, by column.
        kinds: Kinds that a trained network needs.
        orders: What was a choice in the dates of its columns; see `ColumnReader.order`.
        exact: Keep all numbers in float64.
        options: What the user says.
    """
    plain = replace(options.written, marks=options.marks or Marks())
    alike = [name for name in sample if name not in options.missing_of]
    found = {} if plain.censored or plain.typed else judge_together(sample, alike, plain, options.codes)
    readers = {name: found.get(name) or judge(name, sample[name], options) for name in sample}
    doubtful = {name for name, each in readers.items() if each.odd and each.odd.fault in ("comma", "marks")}
    if doubtful and None in (options.decimal, options.thousands):
        written = {
            name: sample[name] for name, each in readers.items() if each.kind == "number" or name in doubtful
        }
        numbers = [_numbers_in(values, options.of_column(name)) for name, values in written.items()]
        if marks := recognise_marks(numbers, options.decimal, options.thousands):
            readers |= {name: judge(name, values, options, marks) for name, values in written.items()}
        else:
            readers |= _each_by_itself(written, doubtful, options)
    for name, reader in readers.items():
        reader.exact = exact
        if name in orders and reader.kind == "date":
            first, at, century = orders[name].partition("@")
            forms = (in_order(reader.forms, first) if first else list(reader.forms)) or list(reader.forms)
            reader.forms = tuple(
                form.partition("@")[0] + (at + century) * ("%y" in form) for form in forms[:1]
            )
        if kind := kinds.get(name) or options.kinds.get(name):
            if kind == "number" and reader.kind == "text":
                reader.written = _written_mostly(sample[name], reader.written, options)
            if kind == "date":
                _as_dates(reader, sample[name], orders.get(name, "")[:2] or options.day)
            else:
                reader.odd = None
            reader.kind, reader.digits, reader.padded = kind, False, False
            reader.forced = "network" if name in kinds else "--kinds"
    return readers


def _each_by_itself(
    columns: Mapping[str, pa.Array], doubtful: Collection[str], options: TableOptions
) -> dict[str, ColumnReader]:
    """Return how columns of numbers are to be read whose marks differ, where the numbers of each show its own.

    A column of points that stand between thousands in another one may be either, and is refused.

    Args:
        columns: The texts of the first rows of columns of numbers.
        doubtful: Those that are not written as 1234.5.
        options: What the user says.
    """
    readers: dict[str, ColumnReader] = {}
    for name in doubtful:
        numbers = _numbers_in(columns[name], options.of_column(name))
        if marks := recognise_marks([numbers], options.decimal, options.thousands):
            readers[name] = judge(name, columns[name], options, marks)
    for marks in {each.written.marks for each in readers.values()}:
        for name in columns.keys() - doubtful:
            numbers = _numbers_in(columns[name], options.of_column(name))
            if any("." in number for number in numbers) and all(map(marks.fits, numbers)):
                reader = judge(name, columns[name], options)
                texts, codes = coded(columns[name])
                row, text = first_of(np.array(["." in text for text in texts]), texts, codes)
                reader.kind, reader.odd = "text", Odd(row, text, "marks")
                readers[name] = reader
    return readers


def judge(name: str, values: pa.Array, options: TableOptions, marks: Marks | None = None) -> ColumnReader:
    """Return how a column is to be read, by the texts of its first rows.

    Args:
        name: Of the column.
        values: The texts, null where the field is empty.
        options: What the user says.
        marks: How the numbers of the table are written; None takes 1234.5.
    """
    options = options.of_column(name)
    written = replace(options.written, marks=marks or options.marks or Marks())
    texts, codes = coded(values)
    missing = written.is_missing(texts)
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    reader = ColumnReader(name, "number", written, codes=options.codes)
    given, shares = [texts[place] for place in np.flatnonzero(~missing)], counts[~missing]
    if not given:
        reader.empty = True
        return reader
    plain = replace(written, censored="")
    numeric = missing | ~np.isnan(plain.read_each(texts))
    if numeric.all():
        exponents = [EXPONENT.fullmatch(text.strip()) is not None for text in texts]
        reader.digits = all(text.strip().isdecimal() or EXPONENT.fullmatch(text.strip()) for text in given)
        if reader.digits and any(PADDED.fullmatch(text.strip()) for text in given):
            reader.kind, reader.padded = "text", True
        elif reader.digits and any(exponents):
            row, text = first_of(np.array(exponents), texts, codes)
            reader.kind, reader.odd = "text", Odd(row, text.strip(), "exponent")
        return reader
    if all(text in TRUTHS for text in given):
        reader.kind = "boolean"
    elif forms := forms_of([text.strip() for text in given]):
        chosen = in_order(forms, options.day) if options.day else forms
        reader.kind, reader.forms = "date", tuple(chosen or forms)
        row, text = first_of(~missing, texts, codes)
        if not chosen:
            reader.kind, reader.odd = "text", Odd(row, text, "other order")
        elif len(chosen) > 1:
            reader.odd = Odd(row, text, "order")
    else:
        _judge_numbers(reader, texts, codes, numeric, missing, shares)
    return reader


def _judge_numbers(
    reader: ColumnReader,
    texts: Sequence[str],
    codes: np.ndarray,
    numeric: np.ndarray,
    missing: np.ndarray,
    shares: np.ndarray,
) -> None:
    """Judge a column of texts that are not all plain numbers: numbers with something around them, or texts."""
    given = np.flatnonzero(~missing).tolist()
    if _are_padded(
        [texts[place].strip() for place in given if numeric[place]],
        shares[numeric[given]].sum() / shares.sum(),
    ):
        reader.kind, reader.padded = "text", True
        return
    around = look_around([texts[place] for place in given], shares, reader.written, share=1 - _STRAY_SHARE)
    strange = ~numeric
    if around is None:
        reader.kind = "text"
        tidy = [texts[place].strip() for place in given]
        if len(given) > _MANY_NUMBERS and (dates := mostly_dates(tidy, 1 - _STRAY_SHARE)) is not None:
            others = np.zeros(len(texts), dtype=bool)
            others[np.array(given)[~dates]] = True
            row, text = first_of(others, texts, codes)
            reader.odd = Odd(row, text, "date", others_of(texts, others, text))
            return
        if len(given) > _MANY_NUMBERS and of_several_forms(tidy):
            forms = np.array([re.sub(r"\d", "0", text) for text in texts])
            others = (forms != forms[given[0]]) & np.isin(np.arange(len(texts)), given)
            if others.any():
                row, text = first_of(others, texts, codes)
                reader.odd = Odd(row, text, "forms")
            return
        words = strange.sum()
        if words <= MAX_WORDS and (numeric & ~missing).sum() > _MANY_NUMBERS:
            row, text = first_of(strange, texts, codes)
            reader.odd = Odd(row, text, "word", others_of(texts, strange, text))
        return
    assert reader.kind == "number", "it is one until something is odd"
    if around.fault == "few units":
        reader.kind, reader.mixed = "text", True
        return
    if around.written is not None:
        reader.written = around.written
    if around.fault:
        row, text = first_of(_chosen(texts, given, around.fault), texts, codes)
        words = np.zeros(len(texts), dtype=bool)
        words[given] = ~around.fits
        more = others_of(texts, words, text) if around.fault == "censored" else ()
        reader.kind, reader.odd = "text", Odd(row, text, around.fault, more)
        return
    read = ~np.isnan(reader.written.read_each(texts)) | missing
    if reader.written.censored == "drop":
        read |= np.array([bool((shape := shape_of(text)) and shape.limit) for text in texts])
    if read.all():
        return
    grouped = np.array([bool((shape := shape_of(text)) and is_grouped(shape.number)) for text in texts])
    wrong = grouped & ~read if (grouped & ~read).any() else ~read
    row, text = first_of(wrong, texts, codes)
    fault = fault_of(text, reader.written)
    reader.kind, reader.odd = "text", Odd(row, text, fault, others_of(texts, wrong, text))


def _as_dates(reader: ColumnReader, values: pa.Array, first: str | None) -> None:
    """Prepare a column to be read as dates because the user says so, whatever stands behind each of them.

    Args:
        reader: Is changed.
        values: The texts of its first rows.
        first: `%d` or `%m`, if that is known.
    """
    if reader.kind == "text":
        texts, _ = coded(values)
        given = [text.strip() for text in texts if text.strip() not in reader.written.missing]
        forms = forms_at_start(given)
        reader.forms = tuple((in_order(forms, first) if first else forms) or reader.forms)
        reader.odd = Odd(0, given[0], "order") if len(reader.forms) > 1 else None


def _written_mostly(values: pa.Array, written: Written, options: TableOptions) -> Written:
    """Return how the numbers of a column are written that most of its texts are; as given where they are not."""
    texts, codes = coded(values)
    given = np.flatnonzero(~written.is_missing(texts))
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))[given]
    around = look_around([texts[place] for place in given.tolist()], counts, written, share=_MOSTLY)
    if around is None or around.written is None:
        return written
    marks = (
        recognise_marks([around.numbers], options.decimal, options.thousands)
        if any(map(is_grouped, around.numbers))
        else None
    )
    return replace(around.written, marks=marks or written.marks)


def _are_padded(numbers: Sequence[str], share: float) -> bool:
    """Return whether most texts of a column are digits, of which some begin with 0, as 01001."""
    return share > 1 / 2 and all(map(str.isdecimal, numbers)) and any(map(PADDED.fullmatch, numbers))


def _chosen(texts: Sequence[str], given: Sequence[int], fault: str) -> np.ndarray:
    """Return which text shows a fault best: the first limit, or the first unit that differs from the one before."""
    shapes = [shape_of(text) for text in texts]
    chosen = np.zeros(len(texts), dtype=bool)
    first = next((shapes[place] for place in given if shapes[place]), None)
    for place in given:
        shape = shapes[place]
        odd = shape and (
            shape.limit
            if fault == "censored"
            else first and (shape.before, shape.after) != (first.before, first.after)
        )
        chosen[place] = bool(odd)
    return chosen


def _numbers_in(values: pa.Array, options: TableOptions) -> list[str]:
    texts, _ = coded(values)
    missing = options.written.is_missing(texts)
    shapes = [shape_of(text) for text, absent in zip(texts, missing, strict=True) if not absent]
    return [shape.number for shape in shapes if shape is not None]


def _first(values: pa.Array) -> str:
    return (values[0].as_py() or "") if len(values) else ""


def units_below(sample: Mapping[str, pa.Array], readers: Mapping[str, ColumnReader]) -> int:
    """Return in how many rows below the names no number stands, but words where columns have numbers, as units do.

    Args:
        sample: The texts of the first rows, by column.
        readers: How they are to be read.
    """
    if len(sample) > 1 and all(_WIDTH.fullmatch(_first(values)) for values in sample.values()):
        return 1  # 5s 15s 20d 14n, as tables of the USGS have it
    strange = {name: each.odd for name, each in readers.items() if each.odd is not None}
    words = {name for name, odd in strange.items() if odd.fault == "word"}
    numbers = {name for name, each in readers.items() if each.kind == "number"} | words
    if sum(odd.row == 0 for name, odd in strange.items() if name in numbers) < _FEWEST_UNITS:
        return 0
    for row in range(_MOST_UNITS):
        fields = [sample[name][row].as_py() or "" for name in numbers if row < len(sample[name])]
        if any(field[:1].isdigit() for field in fields):
            return row
    return 0
