"""The splits of a table as the settings or a file want them."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlkit.data.tables.reading.table_file import read_table
from dlkit.data.tables.splits import split_table, splits_csv
from dlkit.data.tables.table import Table
from dlkit.data.tables.targets import read_targets
from dlkit.errors import DataError
from dlkit.settings.config import TrainConfig

ROWS = 200


def make_table() -> Table:
    lines = [
        f"{row * 0.5},{'ab'[row % 4 == 0]},{row // 10},p{row % 20},2020-01-{row % 28 + 1:02},{'' if row == 7 else row}"
        for row in range(ROWS)
    ]
    text = "number,class,decade,patient,day,gap\n" + "\n".join(lines) + "\n"
    return read_table("-", stdin=io.BytesIO(text.encode()))


TABLE = make_table()


def split(target: str = "number", **settings: Any) -> dict[str, np.ndarray]:
    targets = read_targets(TABLE, (target,), "auto")
    return split_table(TABLE, targets, TrainConfig(**settings))


def told(**settings: Any) -> tuple[str, str]:
    with pytest.raises(DataError) as caught:
        split(**settings)
    return caught.value.message, caught.value.hint


def is_whole(rows: dict[str, np.ndarray]) -> bool:
    return sorted(np.concatenate(list(rows.values())).tolist()) == list(range(ROWS))


def test_classes_are_stratified_unless_told_otherwise() -> None:
    classes = np.array([row % 4 == 0 for row in range(ROWS)])
    shares = [classes[split("class")["test"]].mean(), classes[split("class", seed=1)["test"]].mean()]

    assert shares == [0.25, 0.25]
    assert split("class", stratify=False)["test"].tolist() == split("number")["test"].tolist()


def test_numbers_are_stratified_by_tenths_when_asked() -> None:
    rows = split(stratify=True)

    assert np.bincount(rows["test"] // 20).tolist() == [2] * 10
    assert np.bincount(split()["test"] // 20, minlength=10).tolist() != [2] * 10
    assert is_whole(rows)


@pytest.mark.parametrize("column", ["patient", "decade"])
def test_groups_of_texts_and_numbers_are_never_apart(column: str) -> None:
    rows = split(group=column)
    values = TABLE.texts(column)

    assert is_whole(rows)
    assert not set(values[rows["train"]]) & set(values[rows["test"]])
    assert not set(values[rows["val"]]) & set(values[rows["test"]])


def test_the_newest_rows_test() -> None:
    rows = split(by_time="day")
    days = TABLE.numbers("day")

    assert is_whole(rows)
    assert days[rows["train"]].max() < days[rows["val"]].min()
    assert days[rows["val"]].max() < days[rows["test"]].min()


def test_folds_test_every_row_once() -> None:
    folds = [split(folds=4, fold=fold)["test"] for fold in range(1, 5)]

    assert sorted(np.concatenate(folds).tolist()) == list(range(ROWS))


def test_rows_without_a_target_are_in_no_split() -> None:
    rows = split("gap")

    assert sorted(np.concatenate(list(rows.values())).tolist()) == [row for row in range(ROWS) if row != 7]


def test_a_written_split_is_read_back(tmp_path: Path) -> None:
    rows = split(seed=3)
    path = tmp_path / "split.csv"
    path.write_text(splits_csv(rows))

    found = split(split_file=str(path))

    assert path.read_text().startswith("row,split\n0,")
    assert {name: members.tolist() for name, members in found.items()} == {
        name: members.tolist() for name, members in rows.items()
    }


def test_rows_that_a_file_does_not_name_are_in_no_split(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text("\ufeffrow, split\r\n5, train\r\n\r\n6,val\r\n9,test\r\n")

    assert {name: rows.tolist() for name, rows in split(split_file=str(path)).items()} == {
        "train": [5],
        "val": [6],
        "test": [9],
    }


FILES: dict[str, tuple[bytes, str, str]] = {
    "header": (b"a,b\n", "{0} line 1 is not row,split", "dlkit data split writes such a file"),
    "empty": (b"", "{0} line 1 is not row,split", "dlkit data split writes such a file"),
    "ragged": (b"row,split\n1\n", "{0} line 2 has 1 fields, not row,split", "for example 17,train"),
    "no-row": (
        b"row,split\n1,train\nx,test\n",
        "{0} line 3: x is not a row; the data have rows 0 to 199",
        "rows are counted from 0, the line of column names left out",
    ),
    "beyond": (
        b"row,split\n200,train\n",
        "{0} line 2: 200 is not a row; the data have rows 0 to 199",
        "rows are counted from 0, the line of column names left out",
    ),
    "no-split": (
        b"row,split\n1,trian\n",
        "{0} line 2: trian is not train, val, test",
        "did you mean train?",
    ),
    "twice": (b"row,split\n1,train\n1,test\n", "{0} line 3 names row 1 again", "remove one of the two lines"),
    "no-test": (
        b"row,split\n1,train\n2,val\n",
        "2 rows leave none for test: train 1, val 1, test 0",
        "more rows, or other shares with --val and --test",
    ),
    "latin-1": (b"row,split\n1,tr\xe9in\n", "{0} is not UTF-8 text: byte 14 is 0xe9", "write it as UTF-8"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_split_file_at_fault_is_told_with_its_line(name: str, tmp_path: Path) -> None:
    content, message, hint = FILES[name]
    path = tmp_path / "split.csv"
    path.write_bytes(content)

    assert told(split_file=str(path)) == (message.format(f"--split-file {path}"), hint)


def test_a_split_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"

    assert told(split_file=str(path)) == (
        f"cannot read --split-file {path}: no such file or directory",
        "dlkit data split writes one",
    )


COLUMNS: dict[str, tuple[dict[str, str], str, str]] = {
    "no-group": (
        {"group": "pateint"},
        "--group pateint: standard input has no such column",
        "did you mean patient?",
    ),
    "gaps": (
        {"group": "gap"},
        "--group gap is missing in 1 row, first in standard input line 9",
        "fill it in, or remove those rows",
    ),
    "no-time": ({"by_time": "dai"}, "--by-time dai: standard input has no such column", "did you mean day?"),
    "text-as-time": (
        {"by_time": "patient"},
        "--by-time patient has neither dates nor numbers, e.g. 'p0'",
        "write dates as 2024-12-31 or 2024-12-31T23:59:59",
    ),
    "gaps-in-time": (
        {"by_time": "gap"},
        "--by-time gap is missing in 1 row, first in standard input line 9",
        "fill it in, or remove those rows",
    ),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_that_cannot_split_is_told(name: str) -> None:
    settings, message, hint = COLUMNS[name]

    assert told(**settings) == (message, hint)
