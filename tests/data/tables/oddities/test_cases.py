"""Tables of frequencies, whose rows count cases, and commands of hints that read a file as it is written."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from refusals import assert_refused

from dlkit.data.tables.oddities.roles import cases_in
from dlkit.data.tables.reading.table_file import read_table
from dlkit.data.tables.table import table_of
from dlkit.errors import DataError

Run = Callable[..., Any]
RNG = np.random.default_rng(0)
CELLS = pd.MultiIndex.from_product(
    [["f", "m"], ["1st", "2nd", "3rd"], ["child", "teen", "adult", "old"], ["no", "yes"]],
    names=["sex", "class", "age", "survived"],
).to_frame(index=False)
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "utf-8": ("", {}),
    "cp1251 and semicolons": ("", {"sep": ";", "encoding": "cp1251"}),
    "utf-16 and tabs": ("", {"sep": "\t", "encoding": "utf-16"}),
    "titles above": ("город в мае\n\n", {}),
    "comments above": ("# мая\n", {"encoding": "cp1251"}),
}


@pytest.mark.parametrize("name", ["Freq", "n", "count", "Number of cases", "Anzahl"])
def test_numbers_of_cases_are_known_by_name_and_rows(name: str) -> None:
    cells = {column: CELLS[column].to_numpy() for column in CELLS}
    features = ["sex", "class", "age", name]

    def found(counts: np.ndarray, more: dict[str, np.ndarray]) -> str:
        table = table_of("t", {**cells, name: counts, **more})
        return cases_in(table, [*features, *more], ["survived"])

    counts = RNG.integers(0, 90, 48)
    assert found(counts, {}) == name
    assert found(counts + 0.5, {}) == ""
    assert found(counts, {"dose": RNG.random(48)}) == ""
    twice = table_of("t", {key: np.tile(value, 2) for key, value in {**cells, name: counts}.items()})
    assert cases_in(twice, features, ["survived"]) == ""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.quick(1)
def test_a_column_of_cases_is_refused_and_both_hints_work(way: str, dlkit: Run, home: Path) -> None:
    above, how = WAYS[way]
    frame = CELLS.assign(город=np.tile(["Тула", "Омск"], 24), n=RNG.integers(1, 20, 48))
    text = above + frame.to_csv(index=False, sep=how.get("sep", ","), lineterminator="\n")
    Path("my t.csv").write_bytes(text.encode(how.get("encoding", "utf-8")))
    options = ("--target", "survived", "--epochs", "1", "--no-plot", "--force", "--out", "run")

    refused = dlkit("train", "mlp", "--data", "my t.csv", *options)
    command = refused.stderr.partition("hint: ")[2].partition(" writes a row")[0]
    subprocess.run(command.replace("python", sys.executable, 1), shell=True, check=True)

    assert_refused(refused, 3, "column n", "--kinds n=number")
    written = pd.read_csv("new.csv")
    expected = frame.loc[frame.index.repeat(frame.n)].drop(columns="n").reset_index(drop=True)
    pd.testing.assert_frame_equal(written, expected)
    assert dlkit("train", "mlp", "--data", "new.csv", *options).code == 0
    assert dlkit("train", "mlp", "--data", "my t.csv", *options, "--kinds", "n=number").code == 0


def test_a_command_of_a_hint_reads_a_packed_file(home: Path) -> None:
    Path("t.csv").write_text("day,a\n" + "".join(f"2024-01-{day:02},{day}\n" for day in range(1, 31)))
    with Path("t.csv").open("a") as file:
        file.write("unknown,3\n")
    subprocess.run(["gzip", "-k", "t.csv"], check=True)

    with pytest.raises(DataError) as caught:
        read_table("t.csv.gz").numbers("day")
    command = caught.value.hint.partition("sed ")[2].partition(";")[0]
    subprocess.run(["bash", "-c", f"sed {command}"], check=True)

    assert len(read_table("new.csv")) == 30
    assert read_table("new.csv").column("day").kind == "date"
