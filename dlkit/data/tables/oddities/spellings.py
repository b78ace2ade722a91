"""Texts of a column that mean the same, or several things at once: spellings, labels in one field, numbers in words."""

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from dlkit.data.infer_task import SOME_CLASSES
from dlkit.data.tables.reading.files.commands import by_pandas, other_file
from dlkit.data.tables.table import Column, Table
from dlkit.errors import DataError, printable

_DASHES = re.compile("\\s*[\u2010-\u2015\u2212-]\\s*")
_SHOWN = 3
_MOST_TEXTS = 1000
_SHORT = 2  # letters
_WORDS = frozenset(
    ("no", "ja", "si", "s\u00ed", "da", "ne", "ei", "ok", "y", "n", "t", "f", "m", "w", "h", "d", "j")
)
_JOINTS = ("|", ";", ", ", "/", " + ")
_JOINED, _FEWEST_LABELS, _FEWEST_SETS = 0.2, 3, 5
_DIGITS = re.compile(r"\d+(?:[.,:]\d+)*")
_NAMED = re.compile(r"[^\W\d_]+[-_. ]?#")  # a name with a number, as Team 7
_NUMBERS, _FEW_FORMS = 0.9, 5


def folded(text: str) -> str:
    """Return a text without what spellings of one differ in: case, spaces and kinds of dashes."""
    return _DASHES.sub("-", " ".join(text.split())).casefold()


def alike(column: Column) -> list[list[str]]:
    """Return the texts of a column that differ only in case, spaces or dashes, those that belong together in a list."""
    spelt = defaultdict(list)
    for text in column.categories:
        spelt[folded(text)].append(text)
    return [texts for texts in spelt.values() if len(texts) > 1]


def shown_alike(groups: Sequence[Sequence[str]]) -> str:
    """Return some of the texts that belong together, in words."""
    shown = "; ".join(" and ".join(repr(printable(text)) for text in texts) for texts in groups[:_SHOWN])
    return shown + (f" and {len(groups) - _SHOWN:,} more" if len(groups) > _SHOWN else "")


def one_spelling(column: Column, codes: np.ndarray) -> dict[str, str]:
    """Return the most frequent of the spellings of a text, by each of them; empty where each text has one.

    Texts of one or two letters, as the genotypes aa and AA, are none of each other, but for words as no and NO.

    Args:
        column: A column of texts.
        codes: Their places in its categories, -1 where missing.
    """
    counts = np.bincount(codes[codes >= 0], minlength=len(column.categories))
    often = dict(zip(column.categories, counts.tolist(), strict=True))
    groups = alike(column)
    short = {folded(texts[0]) for texts in groups if len(texts[0].strip()) <= _SHORT}
    if not short <= _WORDS:
        groups = [texts for texts in groups if folded(texts[0]) not in short]
    return {text: max(texts, key=lambda each: often[each]) for texts in groups for text in texts}


def spelt_differently(table: Table, names: Sequence[str]) -> list[str]:
    """Return which columns of texts have several spellings of one, with an example, in words."""
    columns = [table.column(name) for name in names]
    return [
        f"{printable(column.name)} ({shown_alike(found[:1])})"
        for column in columns
        if column.kind == "text" and len(column.categories) <= _MOST_TEXTS and (found := alike(column))
    ]


def refuse_no_classes(table: Table, column: Column) -> None:
    """Refuse texts that are no classes as they stand: several labels in one field, or numbers in words.

    Raises:
        DataError: They are; the message has what makes a target of them.
    """
    name, new = printable(column.name), other_file(table.source)
    whole = "--task classification takes each text as a class"
    if joint := _joint_of(column.categories):
        labels = sorted({part.strip() for text in column.categories for part in text.split(joint)})
        code = f"d = d.join(d.pop(sys.argv[3]).str.get_dummies('{joint}'))"
        raise DataError(
            f"--target {name} has several labels in a field, as '{_longest(column, joint)}': {len(labels):,} labels in "
            f"{len(column.categories):,} combinations",
            f"{whole}; {by_pandas(table.source, table.dialect, code, column.name)} writes a column of 0 and 1 for "
            f"each: --data {new} --target {shlex.quote(labels[0])}",
        )
    if form := _form_of(column.categories):
        number = r"r'([0-9]+(?:[.,][0-9]+)?)'"
        code = f"c = sys.argv[3]; d[c] = d[c].str.extract({number}, expand=False).str.replace(',', '.')"
        raise DataError(
            f"--target {name} holds numbers with words around, as '{printable(column.categories[0], 40)}' "
            f"({len(column.categories):,} different)",
            f"{whole}; {by_pandas(table.source, table.dialect, code, column.name)} keeps the first number of each "
            f"'{printable(form, 40)}'",
        )


def hint_of_one_hot(table: Table, names: Sequence[str]) -> str:
    """Return the command that makes one column of classes of columns of which one is 1 in each row; else empty."""
    values = np.stack([table.numbers(name) for name in names])
    if not ((values == 0) | (values == 1)).all() or not (values.sum(0) == 1).all():
        return ""
    new, target = other_file(table.source), "class" if "class" not in table.columns else "class_of_row"
    code = (
        "n = sys.argv[4:]; d[sys.argv[3]] = d[n].isin([1, '1', '1.0', 'true', 'True', 'TRUE']).idxmax(axis=1); "
        "d = d.drop(columns=n)"
    )
    return (
        "one of them is 1 in each row, so they are one target of classes: "
        f"{by_pandas(table.source, table.dialect, code, target, *names)}; then --data {new} --target {target}; "
        "--task regression keeps all, as numbers 0 and 1"
    )


def _joint_of(texts: Sequence[str]) -> str:
    """Return what stands between the labels of texts that hold several, which come again in other combinations."""
    for joint in _JOINTS:
        several = sum(joint in text for text in texts)
        if len(texts) < _FEWEST_SETS or several < _JOINED * len(texts):
            continue
        found = Counter(part.strip() for text in texts for part in set(text.split(joint)))
        again = sum(count > 1 for count in found.values())
        if _FEWEST_LABELS <= len(found) < len(texts) and again > len(found) / 2:
            return joint
    return ""


def _form_of(texts: Sequence[str]) -> str:
    """Return the most frequent of the few forms that texts have but for their numbers; empty where they have more."""
    if len(texts) <= SOME_CLASSES:
        return ""
    forms = Counter(_DIGITS.sub("#", text.strip()) for text in texts if _DIGITS.search(text))
    forms = Counter({form: count for form, count in forms.items() if not _NAMED.fullmatch(form)})
    if not forms or sum(forms.values()) < _NUMBERS * len(texts) or len(forms) > _FEW_FORMS:
        return ""
    return forms.most_common(1)[0][0]


def _longest(column: Column, joint: str) -> str:
    return printable(max(column.categories, key=lambda text: text.count(joint)), 60)
