"""Rows of totals are found wherever they stand: by what they lack, and by their sums."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dlkit.data.tables.oddities.totals import totals_in
from dlkit.data.tables.table import table_of

Run = Callable[..., Any]
RNG = np.random.default_rng(0)
ASK = ("train", "mlp", "--epochs", "1", "--force", "--no-plot", "--out", "run", "--target", "y", "--data")


def pages(count: int = 90) -> pd.DataFrame:
    """A table of pages with visits, a rate and money."""
    frame = pd.DataFrame(
        {"page": [f"/{i % 40}" for i in range(count)], "visits": RNG.integers(5, 900, count)}
    )
    return frame.assign(rate=RNG.random(count).round(3), y=(frame.visits * 1.7 + RNG.random(count)).round(2))


@pytest.mark.parametrize("place", [0, 37, 90])
def test_a_row_of_sums_without_a_text_is_found_wherever_it_stands(place: int) -> None:
    frame = pages()
    total = pd.DataFrame(
        {"page": [None], "visits": [frame.visits.sum()], "rate": [0.5], "y": [frame.y.sum()]}
    )
    whole = pd.concat([frame[:place], total, frame[place:]])

    found = totals_in(
        table_of("t", {name: whole[name].to_numpy() for name in whole}), ["visits", "rate", "y"]
    )

    assert found.rows == [place]
    assert "2 columns" in found.shown


@pytest.mark.parametrize("place", [0, 37, 90])
def test_a_row_of_sums_is_found_where_there_are_no_texts(place: int) -> None:
    frame = pages().drop(columns="page")
    whole = pd.concat([frame[:place], frame.sum().to_frame().T, frame[place:]])

    assert totals_in(table_of("t", {name: whole[name].to_numpy() for name in whole}), list(frame)).rows == [
        place
    ]


@pytest.mark.parametrize(("word", "count"), [("SD", 5), ("Average", 45)], ids=["a state", "a grade"])
def test_words_that_also_are_names_and_grades_are_no_totals(word: str, count: int) -> None:
    frame = pages()
    frame.loc[: count - 1, "page"] = word

    assert (
        totals_in(table_of("t", {name: frame[name].to_numpy() for name in frame}), ["visits", "y"]).rows == []
    )


def test_rows_without_a_text_are_rows_where_their_numbers_are_like_others() -> None:
    frame = pages()
    frame.loc[[3, 50], "page"] = None

    assert (
        totals_in(table_of("t", {name: frame[name].to_numpy() for name in frame}), ["visits", "y"]).rows == []
    )


def test_a_row_far_beyond_without_a_text_is_left_out_and_reported_with_its_line(
    dlkit: Run, home: Path
) -> None:
    frame = pages()
    total = pd.DataFrame({"page": [None], "visits": [180_000], "rate": [99.0], "y": [700_000.0]})
    pd.concat([frame[:20], total, frame[20:]]).to_csv("t.csv", index=False)

    said = dlkit(*ASK, "t.csv").stderr
    check = dlkit("data", "check", "t.csv", "--target", "y").stdout

    assert "without a text, and far beyond all others: line 22" in said
    assert "72 train, 9 val, 9 test" in said
    assert "\ttotal\tline 22\t" in check
    assert "\tfar-target\t" not in check


def test_targets_far_away_are_reported_with_their_lines(dlkit: Run, home: Path) -> None:
    frame = pages(200).drop(columns="page")
    frame.loc[[11, 60], "y"] *= 400
    frame.to_csv("t.csv", index=False)

    check = dlkit("data", "check", "t.csv", "--target", "y").stdout
    fine = dlkit("data", "check", "t.csv", "--target", "rate").stdout

    assert "warning\tfar-target\tline 13, 62\t2\t" in check
    assert "sed '13d;62d' " in check
    assert "\tfar-target\t" not in fine


@pytest.mark.parametrize("row", [0, 171, 301])
def test_one_target_a_thousand_times_the_rest_in_a_heavy_tail_is_named_in_whichever_part_it_is(
    dlkit: Run, home: Path, row: int
) -> None:
    frame = pages(400)
    frame["y"] = np.exp(1.5 * np.random.default_rng(0).normal(size=400)).round(4)
    frame.loc[row, "y"] = 1000 * frame.y.median()
    frame.to_csv("t.csv", index=False)

    said = dlkit(*ASK, "t.csv").stderr
    check = dlkit("data", "check", "t.csv", "--target", "y").stdout

    assert f"line {row + 2}: y is {frame.y[row]:g} there, and {frame.y.drop(row).min():g} to " in said
    assert f"sed '{row + 2}d' " in said
    assert f"warning\tfar-target\tline {row + 2}\t1\t" in check
