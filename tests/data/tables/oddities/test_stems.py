"""Texts that name each row by what it is of and a last number: repeated subjects, and nothing else."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dlkit.data.tables.oddities.stems import stems_in
from dlkit.data.tables.reading.table_file import read_table

RNG = np.random.default_rng(0)
Run = Callable[..., Any]


def found(texts: list[str]) -> list[tuple[int, str, int]]:
    text = "name,x\n" + "".join(f'"{each}",{row}\n' for row, each in enumerate(texts))
    table = read_table("-", stdin=io.BytesIO(text.encode()))
    return [(each.count, each.stem, each.rows) for each in stems_in(table, list(table.names))]


@pytest.mark.parametrize(
    ("form", "stem"),
    [
        ("phon_R01_S{:02}_{}", "phon_R01_S01"),
        ("patient{}-img{}.png", "patient1"),
        ("S{}/v{}", "S1"),
        ("cow {}.{}", "cow 1"),
        ("P{:03}_T{}", "P001"),
    ],
)
def test_texts_that_repeat_but_for_a_last_number_are_found(form: str, stem: str) -> None:
    names = [form.format(subject, row) for subject in range(1, 21) for row in range(1, 7)]

    assert found(names) == [(20, stem, 6)]


@pytest.mark.parametrize(
    "texts",
    [
        [f"sample_{row}" for row in range(200)],
        [f"CA-{2001 + row % 12}-{100000 + row}" for row in range(200)],
        [f"{row:03}-{row * 7 % 999:03}" for row in range(200)],
        [f"S{row % 20}_{row // 20}" for row in range(200)] * 5,
        [f"S{row % 3}_{row}" for row in range(200)],
        [f"Miss {chr(65 + row % 26)}. number {chr(97 + row // 26)}" for row in range(200)],
        [
            f"{month}-{year:02}"
            for month in ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep"]
            for year in range(50, 80)
        ],
        [f"District 1{row % 20} {row // 20}" for row in range(200)],
        [f"v{row % 20}x{row // 20}" for row in range(200)],
    ],
    ids=["counted", "orders", "numbers", "categories", "few", "words", "months", "blanks", "joined"],
)
def test_other_texts_name_no_subjects(texts: list[str]) -> None:
    assert found(texts) == []


@pytest.mark.parametrize("sep", [",", ";", "\t"])
@pytest.mark.quick(1)
def test_repeated_subjects_are_reported_with_a_command_that_keeps_them_together(
    sep: str, dlkit: Run, home: Path
) -> None:
    subjects = np.repeat(np.arange(1, 31), 6)
    frame = pd.DataFrame({"my name": [f"R01_S{s:02}_{row % 6 + 1}" for row, s in enumerate(subjects)]})
    frame["x"] = RNG.normal(size=180).round(3) + 10 * subjects
    frame["y"] = subjects % 2
    frame.to_csv("my t.csv", index=False, sep=sep)
    ask = ("--target", "y", "--epochs", "1", "--no-plot", "--force", "--out", "run", "--data")

    said = dlkit("train", "mlp", *ask, "my t.csv").stderr
    line = next(line for line in said.splitlines() if "before their last number" in line)
    command = line.partition("divided between the splits: ")[2].partition(" makes a column")[0]
    subprocess.run(["bash", "-c", command.replace("python", sys.executable, 1)], check=True)
    grouped = dlkit("train", "mlp", *ask, "new.csv", "--group", "my name group")
    checked = json.loads(dlkit("data", "check", "my t.csv", "--target", "y", "--json").stdout)
    again = dlkit("data", "check", "new.csv", "--target", "y", "--group", "my name group").stdout

    assert (
        "my name has 30 different texts before their last number in 180 rows, e.g. 'R01_S01' in 6 rows"
        in line
    )
    assert "--group 'my name group'" in line
    assert pd.read_csv("new.csv")["my name group"].tolist() == [f"R01_S{s:02}" for s in subjects]
    assert grouped.code == 0
    assert "before their last number" not in grouped.stderr
    assert command in next(each["cure"] for each in checked if each["rule"] == "groups")
    assert "before their last number" not in again
