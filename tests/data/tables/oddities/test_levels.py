"""Rows of regions among those of their districts are found by their codes and numbers, and left out."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dlkit.data.tables.oddities.levels import rows_above
from dlkit.data.tables.oddities.totals import totals_in
from dlkit.data.tables.table import Table, table_of

Run = Callable[..., Any]
ASK = ("train", "mlp", "--epochs", "1", "--force", "--no-plot", "--out", "run", "--target", "y", "--data")


def regions(district: str = "{0:02d}{1:03d}", region: str = "{0:02d}", country: str = "DG") -> pd.DataFrame:
    """Eight regions of 12 districts each, with their sums before them, and those of the country above all."""
    rng = np.random.default_rng(0)
    rows = []
    for place in range(1, 9):
        people = rng.lognormal(10, 1, 12).round()
        rows.append((region.format(place), people.sum()))
        rows += [(district.format(place, 2 * number + 1), count) for number, count in enumerate(people)]
    whole = [(country, sum(count for code, count in rows) / 2)] * bool(country)
    frame = pd.DataFrame(whole + rows, columns=["key", "people"])
    return frame.assign(y=(rng.random(len(frame)) * 10).round(3))


def table(frame: pd.DataFrame) -> Table:
    return table_of("t", {name: frame[name].to_numpy() for name in frame})


@pytest.mark.parametrize(
    ("frame", "first"),
    [
        (regions(), 0),
        (regions(region="{0:02d}000", country="00000"), 0),
        (regions("DE{0}{1:02d}", "DE{0}", "DE"), 0),
        (regions(country="").astype({"key": int}), 0),
    ],
    ids=["digits", "zeros behind", "letters", "without the zeros in front"],
)
def test_codes_that_begin_others_are_found_with_the_whole_country(frame: pd.DataFrame, first: int) -> None:
    above = len(frame) - 8 * 12

    name, rows = rows_above(table(frame))

    assert (name, len(rows), rows[0]) == ("key", above, first)
    assert frame.people[rows].min() > 12 * frame.people.drop(rows).min()


@pytest.mark.parametrize(
    "frame",
    [
        regions().assign(people=np.random.default_rng(1).random(105)),
        pd.DataFrame({"key": [f"A{i}" for i in range(1, 900)], "people": np.arange(899.0, 0, -1)}),
        pd.DataFrame({"key": [f"A{i}" for i in range(1, 6300, 7)], "people": np.arange(900.0, 0, -1)}),
        pd.DataFrame({"key": np.arange(1.0, 900), "people": np.arange(899.0, 0, -1)}),
    ],
    ids=["numbers like others", "a counter with a letter", "some of a counter", "a counter"],
)
def test_codes_are_those_of_rows_like_others(frame: pd.DataFrame) -> None:
    assert rows_above(table(frame)) == ("", [])


def test_regions_are_left_out_and_reported_and_kept_where_that_is_asked_for(dlkit: Run, home: Path) -> None:
    regions().to_csv("t.csv", index=False)
    check = ("data", "check", "t.csv", "--target", "y")

    said, found = dlkit(*ASK, "t.csv").stderr, dlkit(*check).stdout
    asked = dlkit(*ASK, "t.csv", "--kinds", "key=text").stderr
    kept = dlkit(*check, "--kinds", "key=text").stdout

    assert "76 train, 10 val, 10 test" in said
    assert "begin those of others, e.g. '08': line 2, 3, 16 and 6 more; --kinds key=text keeps them" in said
    assert "\ttotal\tline 2, 3, 16 and 6 more\t9\t" in found
    assert "84 train, 11 val, 10 test" in asked
    assert "are kept, whose codes in column key begin" in asked
    assert "sed '2d;3d;16d;29d;42d;55d;68d;81d;94d' " in kept


def of_both(sums: bool) -> pd.DataFrame:
    """Counts of women and men, and a third row of both, whose counts are their sums or not."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"year": np.repeat(np.arange(1970, 2020), 2), "sex": ["w", "m"] * 50})
    frame["count"] = rng.integers(100, 10_000, 100)
    both = frame.groupby("year", as_index=False)["count"].sum().assign(sex="Insgesamt")
    both["count"] = both["count"] if sums else rng.integers(100, 10_000, 50)
    frame = pd.concat([frame, both])[["year", "sex", "count"]]
    return frame.assign(y=(frame["count"] * 0.3 + rng.random(150)).round(2))


def test_a_third_of_the_rows_are_totals_where_their_sums_show_it() -> None:
    found = totals_in(table(of_both(sums=True)), ["count", "y"])
    others = totals_in(table(of_both(sums=False)), ["count", "y"])

    assert (len(found.rows), found.left_out) == (50, found.rows)
    assert (len(others.rows), others.left_out) == (50, [])


@pytest.mark.slow
def test_many_rows_that_only_their_name_calls_totals_are_kept_and_the_command_takes_them_out(
    dlkit: Run, home: Path
) -> None:
    of_both(sums=False).to_csv("t.csv", index=False)

    check = dlkit("data", "check", "t.csv", "--target", "y").stdout
    said = dlkit(*ASK, "t.csv").stderr
    (command,) = [line.split("\t")[5] for line in check.splitlines() if "\ttotal\t" in line]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(command.removesuffix(" takes them out"), shell=True, check=True, env={"PATH": path})

    assert "120 train, 15 val, 15 test" in said
    assert "are kept, called 'Insgesamt' in column sex: line 102, 103, 104 and 47 more; python -c" in said
    assert "80 train, 10 val, 10 test" in dlkit(*ASK, "new.csv").stderr
