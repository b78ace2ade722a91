"""Dates as people write them, against pandas; and days and months that may be swapped."""

import io
import json
import shlex
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from refusals import assert_reports

from dlkit.data.tables.reading.files import delimited
from dlkit.data.tables.reading.options import TableOptions
from dlkit.data.tables.reading.table_file import read_table
from dlkit.data.tables.reading.values.dates import as_seconds, forms_of
from dlkit.data.tables.table import Table
from dlkit.errors import DataError


def table(fields: list[str], orders: dict[str, str] | None = None, **options: Any) -> Table:
    text = "a;b\n" + "".join(f"{field};{row}\n" for row, field in enumerate(fields))
    return read_table("-", stdin=io.BytesIO(text.encode()), orders=orders, options=TableOptions(**options))


STAMPS = [datetime(2023, 9, 13, 14, 5, 9), datetime(1969, 2, 1, 0, 0, 59), datetime(2024, 2, 29, 23, 59, 1)]
FORMS = [
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%d.%m.%Y",
    "%d/%m/%y",
    "%Y/%m/%d",
    "%Y-%m-%d %H:%M:%S",
    "%d %b %Y",
    "%d %B %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%b %d, %Y",
    "%b %d %Y",
    "%d/%m/%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M %p",
    "%m/%d/%Y %I:%M:%S %p",
    "%d.%m.%Y %H:%M:%S",
]


@pytest.mark.parametrize("form", FORMS)
def test_dates_are_what_pandas_reads(form: str) -> None:
    fields = [stamp.strftime(form) for stamp in STAMPS]
    truth = pd.to_datetime(pd.Series(fields), format=form)

    found = table(fields)

    assert found.columns["a"].kind == "date"
    assert found.numbers("a").tolist() == [stamp.timestamp() for stamp in truth.dt.tz_localize("UTC")]


SWAPPED = ["01/02/2020", "03/04/2021", "", "12/11/2022"]


@pytest.mark.parametrize(("day", "second"), [("%d", "2021-04-03"), ("%m", "2021-03-04")])
def test_an_option_decides_where_day_and_month_may_be_swapped(day: str, second: str) -> None:
    with pytest.raises(DataError) as caught:
        table(SWAPPED).numbers("a")
    found = table(SWAPPED, day=day)

    assert_reports(caught.value, "line 2", "column a", "'01/02/2020'", "--dayfirst or --monthfirst")
    assert found.texts("a").tolist()[1] == second
    assert found.columns["a"].unit == day
    assert table(SWAPPED, orders={"a": day}).texts("a").tolist()[1] == second


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%m/%d/%Y"])
def test_a_late_day_decides_for_all_rows(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_SAMPLE_ROWS", 5)
    monkeypatch.setattr(delimited, "BLOCK_BYTES", 100)
    days = [datetime(2024, 1, 1) + timedelta(days=number) for number in range(31)]

    found = table([day.strftime(form) for day in days])

    assert found.texts("a").tolist() == [str(day.date()) for day in days]
    assert any(f"with the {'day' if form[1] == 'd' else 'month'} first: a" in note for note in found.notes)


def test_dates_that_are_the_same_either_way_need_no_option() -> None:
    assert table(["05/05/2020", "07/07/2021"]).texts("a").tolist() == ["2020-05-05", "2021-07-07"]


def test_an_order_that_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError) as caught:
        table(["09/13/2020", "01/02/2021"], day="%d").numbers("a")

    assert_reports(caught.value, "'09/13/2020'", "leave out --dayfirst")


def test_days_that_are_none_are_no_dates() -> None:
    assert table(["31/02/2021", "13/01/2021"]).columns["a"].kind == "text"
    assert str(as_seconds(["30/02/2021", "01/03/2021"], "%d/%m/%Y")[0]) == "nan"


def test_a_date_that_is_none_comes_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_SAMPLE_ROWS", 5)

    found = table([*["13/01/2021"] * 9, "soon"])

    assert (found.columns["a"].kind, found.columns["a"].stray is not None) == ("text", True)


@pytest.mark.parametrize(
    ("years", "first"),
    [
        ([22, 35, 47, 59, 71, 83, 99, 3], [1922, 1935, 1947, 1959, 1971, 1983, 1999, 2003]),
        ([30, 45, 60, 65], [1930, 1945, 1960, 1965]),
        ([19, 20, 21, 22], [2019, 2020, 2021, 2022]),
        ([95, 99, 0, 10], [1995, 1999, 2000, 2010]),
        ([71, 75], [1971, 1975]),
    ],
)
def test_years_of_two_digits_lie_together_and_not_far_ahead(years: list[int], first: list[int]) -> None:
    texts = [f"13/{month:02}/{year:02}" for year in years for month in (1, 2, 12)]

    (form,) = forms_of(texts)
    found = as_seconds(texts, form).astype("datetime64[s]")

    expected = [f"{year}-{month:02}-13" for year in first for month in (1, 2, 12)]
    np.testing.assert_array_equal(found, np.array(expected, dtype="datetime64[s]"))


def test_years_of_two_digits_are_read_in_new_rows_as_in_training() -> None:
    births = "born,y\n" + "".join(f"13/02/{year:02},1\n" for year in (22, 35, 47, 59, 71, 83, 99, 3))
    first = read_table("-", stdin=io.BytesIO(births.encode()))
    unit = first.column("born").unit

    new = read_table("-", stdin=io.BytesIO(b"born,y\n13/02/61,1\n01/02/16,1\n"), orders={"born": unit})

    assert unit.startswith("%d@19")
    years = new.numbers("born").astype("datetime64[s]").astype("datetime64[Y]").astype(int) + 1970
    assert years.tolist() == [1961, 1916]
    assert any("born (19" in note for note in first.notes)


@pytest.mark.parametrize(("day", "option"), [("%d", "--dayfirst"), ("%m", "--monthfirst")])
def test_an_order_of_dates_is_refused_where_no_dates_have_one(day: str, option: str) -> None:
    with pytest.raises(DataError) as caught:
        table(["2024-01-02", "2024-01-03"], day=day)

    assert_reports(caught.value, option, "leave it out")


def test_a_row_without_a_date_is_taken_out_only_where_it_is_alone() -> None:
    days = [f"2023-{month:02}-{day:02}" for month in (1, 2, 3) for day in range(1, 29)]
    alone, many = (table([*days, *["0000-00-00"] * count]).columns["a"].stray for count in (1, 7))

    assert alone is not None
    assert many is not None
    assert "sed 86d" in alone.error("t.csv", "a").hint
    assert many.rows == 7
    assert "6 more rows" in many.error("t.csv", "a").message
    assert "sed" not in many.error("t.csv", "a").hint
    assert "--missing 0000-00-00" in many.error("t.csv", "a").hint


INTERVALS = [
    "{:%d.%m.%Y %H:%M} - {:%d.%m.%Y %H:%M}",
    "{:%d/%m/%Y %H:%M:%S} - {:%d/%m/%Y %H:%M:%S}",
    "{:%d/%m/%Y %H:%M}-{:%H:%M}",
    "{:%Y-%m-%d %H:%M} to {:%Y-%m-%d %H:%M}",
    "{:%Y-%m-%dT%H:%M}/{:%Y-%m-%dT%H:%M}",
    "{:%m/%d/%Y %H:%M}..{:%m/%d/%Y %H:%M}",
]


@pytest.mark.parametrize("form", INTERVALS)
def test_intervals_are_read_as_their_starts_and_reported(form: str) -> None:
    starts = [datetime(2023, 3, 1) + timedelta(hours=row) for row in range(24 * 20)]
    found = table([form.format(start, start + timedelta(hours=1)) for start in starts])
    truth = pd.Series(starts).dt.tz_localize("UTC")

    assert found.columns["a"].kind == "date"
    np.testing.assert_array_equal(found.numbers("a"), [stamp.timestamp() for stamp in truth])
    assert "date at the beginning of each text is read" in "\n".join(found.notes)


@pytest.mark.parametrize(
    "fields",
    [
        ["10:00 - 11:00", "11:00 - 12:00"],
        ["12.5 - 13.5", "13.5 - 14.5"],
        ["2023 - 2024", "2024 - 2025"],
        ["01.03.2023 Lisbon", "02.03.2023 Porto"],
        ["31.02.2023 00:00 - 01.03.2023 00:00", "01.03.2023 00:00 - 02.03.2023 00:00"],
    ],
    ids=["times", "numbers", "years", "places", "no day"],
)
def test_what_is_no_interval_of_dates_is_text(fields: list[str]) -> None:
    assert table(fields * 30).columns["a"].kind == "text"


def test_kinds_read_the_date_that_texts_begin_with() -> None:
    fields = [f"{day:02}/03/2023_S{day}" for day in range(1, 29)]

    found = table(fields, kinds={"a": "date"})
    swapped = table(fields[:12], kinds={"a": "date"})

    seconds = [datetime(2023, 3, day, tzinfo=UTC).timestamp() for day in range(1, 29)]
    assert found.numbers("a").tolist() == seconds
    assert swapped.columns["a"].stray is not None
    assert swapped.columns["a"].stray.fault == "order"
    assert table(fields[:12], kinds={"a": "date"}, day="%d").numbers("a").tolist() == seconds[:12]


def test_swapped_dates_that_kinds_ask_for_are_decided_or_refused() -> None:
    stray = table(["01/02/2020", "03/04/2021"] * 9, kinds={"a": "date"}).columns["a"].stray
    decided = table(["01/02/2020", "03/04/2021", "13/04/2021"] * 9, kinds={"a": "date"})

    assert stray is not None
    assert stray.fault == "order"
    assert decided.columns["a"].kind == "date"


def test_no_date_among_those_that_kinds_ask_for_is_no_missing_value_by_its_hint() -> None:
    with pytest.raises(DataError) as caught:
        table(["2023-03-01", "01.03.2023 of May"] * 9, kinds={"a": "date"})

    assert "--missing" not in caught.value.hint


def test_a_column_of_texts_that_begin_with_dates_is_left_out_with_the_option_that_reads_it(
    dlkit: Callable[..., Any], home: Path
) -> None:
    rng = np.random.default_rng(0)
    days = pd.date_range("2023-03-01", periods=300).strftime("%Y-%m-%d")
    frame = pd.DataFrame(
        {"the run": [f"{day} #{row}" for row, day in enumerate(days)], "x": rng.normal(size=300)}
    )
    frame["y"] = frame["x"] + np.arange(300) / 50
    frame.to_csv("t.csv", index=False)
    ask = (
        "train",
        "mlp",
        "--data",
        "t.csv",
        "--target",
        "y",
        "--epochs",
        "1",
        "--no-plot",
        "--force",
        "--out",
        "run",
    )

    left_out = dlkit(*ask).stderr
    check = json.loads(dlkit("data", "check", "t.csv", "--target", "y", "--json").stdout)
    option = shlex.split(left_out.partition("but --kinds ")[2].partition(" reads")[0])
    read = dlkit(*ask, "--kinds", *option).stderr

    assert option == ["the run=date"]
    assert "--kinds 'the run=date'" in next(each["cure"] for each in check if each["rule"] == "id-like")
    assert "columns left out" not in read
    assert "--by-time" in read
