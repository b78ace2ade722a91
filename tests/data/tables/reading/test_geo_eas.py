"""Files of GEO-EAS and GSLIB: a title, the number of variables, a name a line, rows with blanks between."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dlkit.data.tables.reading.files.commands import read_by_pandas
from dlkit.data.tables.reading.options import TableOptions
from dlkit.data.tables.reading.table_file import peek_names, read_table
from dlkit.errors import DataError

RNG = np.random.default_rng(0)
VALUES = np.c_[RNG.uniform(0, 300, (120, 2)), RNG.normal(300, 50, (120, 2))].round(3)
NAMES = ["X", "Y, local", "U ppm", "V ppm"]


def write(path: Path, count: str = "4", values: np.ndarray = VALUES) -> None:
    rows = "".join("".join(f"{value:10.3f}" for value in row) + "\n" for row in values.tolist())
    path.write_text("\n".join(["Ridge data, all; of 1988", count, *NAMES]) + f"\n{rows}")


@pytest.mark.parametrize("count", ["4", " 4  Walker Lake", "4 60 2 1  0.0 0.0 0.0  1 1 1"])
@pytest.mark.parametrize("name", ["ridge.dat", "ridge.txt", "ridge.csv"])
def test_the_names_are_those_of_the_lines_and_no_row_is_lost(count: str, name: str, home: Path) -> None:
    write(Path(name), count)

    table = read_table(name)

    assert list(table.names) == NAMES
    np.testing.assert_allclose(table.stack(NAMES).T, VALUES)
    assert table.line(0) == 7
    assert [note for note in table.notes if "GEO-EAS" in note] == list(table.notes)
    assert peek_names(name, TableOptions()) == ()


def test_pandas_reads_it_as_the_hints_say(home: Path) -> None:
    write(Path("ridge.dat"))
    table = read_table("ridge.dat")

    frame = eval(read_by_pandas("ridge.dat", table.dialect).replace("sys.argv[1]", "'ridge.dat'"), {"pd": pd})

    assert list(frame) == NAMES
    np.testing.assert_allclose(frame, VALUES)


def test_its_code_for_a_missing_value_is_named_and_works(home: Path, dlkit: Callable[..., Any]) -> None:
    values = VALUES.copy()
    values[::8, 3] = -999
    write(Path("ridge.dat"), values=values)
    train = ("train", "spatial", "--data", "ridge.dat", "--target", "V ppm", "--coords", 'X,"Y, local"')

    plain = dlkit(*train, "--epochs", 1, "--no-plot", "--out", "plain")
    told = dlkit(*train, "--epochs", 1, "--no-plot", "--out", "told", "--missing", "-999")

    assert plain.code == told.code == 0, plain.stderr + told.stderr
    assert "V ppm has -999 in 15 rows; --missing -999" in plain.stderr
    assert "15 rows without V ppm" in told.stderr


@pytest.mark.parametrize(
    "text",
    ["x,y\n1,2\n3,4\n5,6\n7,8\n9,1\n", "title\n2\na\n1\n" + "1 2\n" * 9, "n\n4\n5\n6\n7\n8\n9\n10\n"],
    ids=["csv", "name-is-a-number", "one-column"],
)
def test_other_files_are_none(text: str) -> None:
    try:
        notes = read_table("-", stdin=io.BytesIO(text.encode())).notes
    except DataError as err:
        notes = (err.message,)

    assert not any("GEO-EAS" in note for note in notes)


def test_a_command_never_cuts_off_most_of_a_table(home: Path) -> None:
    Path("t.csv").write_text("Ridge, all\n4\n" + "1 2\n" * 60)

    with pytest.raises(DataError) as caught:
        read_table("t.csv")

    assert "head -n" not in caught.value.hint
