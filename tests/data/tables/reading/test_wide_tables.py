"""Tables of many columns: read and judged as narrow ones are, in a time that grows with their cells."""

import gc
import io
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from refusals import assert_reports

from dlkit.data.check import check_data
from dlkit.data.kinds import load_dataset
from dlkit.data.tables import column_code, learning
from dlkit.data.tables import table as tables
from dlkit.data.tables.reading import table_file
from dlkit.data.tables.reading.files import wide
from dlkit.data.tables.reading.options import TableOptions
from dlkit.data.tables.reading.table_file import read_table
from dlkit.data.tables.reports import check
from dlkit.data.tables.table import Table
from dlkit.errors import DataError
from dlkit.settings.config import TrainConfig

RANDOM = np.random.default_rng(0)


def read(text: str | bytes, **options: object) -> Table:
    content = text.encode() if isinstance(text, str) else text
    return read_table("-", stdin=io.BytesIO(content), options=TableOptions(**options))  # type: ignore[arg-type]


@pytest.fixture
def narrow_is_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_file, "WIDE_COLUMNS", 1)
    monkeypatch.setattr(wide, "_CELLS_AT_ONCE", 12)


TEXTS = {
    "numbers": "a,b\n1,2.5\n3,-4e3\n5,6\n",
    "gaps": "a,b,c\n1,,x\n,2,\n3,NA,y\n4,5,x\n",
    "quotes": 'a,b\n"1","x, y"\n"2","5"" pipe"\n3,z\n',
    "lines in fields": 'a,b\n"x\ny",2\n3,4\n',
    "windows": "a,b\r\n1,2\r\n3,4\r\n",
    "blank lines": "a,b\n1,2\n\n3,4\n\n",
    "no last end": "a,b\n1,2\n3,4",
    "letters": "é,b\nä,2\nß,4\n",
    "dates and truths": "d,t\n2024-01-31,true\n2024-02-01,false\n",
    "semicolons": "a;b\n1,5;2\n2,5;3\n",
    "codes": "a,zip\n1,01001\n2,36061\n",
    "turned": "a\n" + "1\n" * 20 + "x\n",
    "late codes": "a\n" + "1\n" * 20 + "01\n",
    "percent": "a,b\n1%,2\n3%,4\n",
    "no names": "1,2\n3,4\n5,6\n",
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_wide_table_is_read_as_a_narrow_one(name: str, request: pytest.FixtureRequest) -> None:
    header = False if name == "no names" else None
    wanted = read(TEXTS[name], header=header)
    request.getfixturevalue("narrow_is_wide")

    found = read(TEXTS[name], header=header)

    assert found.fingerprint == wanted.fingerprint
    assert found.columns == wanted.columns
    assert [found.line(row) for row in range(len(found))] == [wanted.line(row) for row in range(len(wanted))]
    for column in wanted.names:
        assert found.texts(column).tolist() == wanted.texts(column).tolist()


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,2\n3\n4,5\n",
        b"a,b\n1,\0\n",
        "a,b\né,2\n".encode() + "1,é\n".encode("latin-1"),
        b'a,b\n1,2\n1,"2\n3,4\n',
        b"a,b\n",
    ],
    ids=["ragged", "nul", "mixed", "open quote", "no rows"],
)
def test_a_fault_of_a_wide_table_is_that_of_a_narrow_one(
    content: bytes, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(DataError) as wanted:
        read(content)
    request.getfixturevalue("narrow_is_wide")

    with pytest.raises(DataError) as found:
        read(content)

    assert (found.value.message, found.value.hint) == (wanted.value.message, wanted.value.hint)


def test_codes_for_missing_values_are_counted_together() -> None:
    frame = pd.DataFrame(RANDOM.integers(0, 9, (30, 40)).astype(float), columns=[f"c{i}" for i in range(40)])
    frame.iloc[::3, 5] = -999
    frame.iloc[4, 7] = -999

    found = read(frame.to_csv(index=False), missing=("-999",))

    np.testing.assert_array_equal(
        np.stack([found.numbers(name) for name in frame], 1), frame.replace(-999, np.nan)
    )
    assert "--missing -999: c5 (10), c7 (1)" in found.notes


def frame_of_all_kinds() -> pd.DataFrame:
    rows = 60
    frame = pd.DataFrame(RANDOM.normal(size=(rows, 8)), columns=list("abcdefgh"))
    frame["skewed"] = RANDOM.lognormal(0, 2, rows) * (RANDOM.random(rows) < 0.8)
    frame["gaps"] = np.where(RANDOM.random(rows) < 0.3, np.nan, frame.a)
    frame["constant"] = 3.0
    frame["whole"] = np.arange(rows) * 7
    frame["piled"] = np.maximum(frame.b, np.quantile(frame.b, 0.25))
    frame["truth"] = RANDOM.random(rows) < 0.5
    frame["day"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(RANDOM.integers(0, 900, rows), unit="D")
    frame["text"] = RANDOM.choice(["x", "y"], rows)
    frame["code"] = np.where(RANDOM.random(rows) < 0.1, -999, frame.c)
    frame["y"] = frame.a * 2 + RANDOM.normal(size=rows)
    return frame


def test_columns_are_learned_and_checked_alike_one_by_one_and_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = read(frame_of_all_kinds().to_csv(index=False))
    train, names = np.arange(40), [name for name in made.names if name != "y"]

    together = learning.learn_columns(made, train, names)
    inputs, findings = together.encode(made), check.check_table(made, "y")
    monkeypatch.setattr(tables, "_CELLS_AT_ONCE", 1)
    alone = learning.learn_columns(made, train, names)

    assert alone == together
    assert alone.from_dict(together.to_dict()) == together
    np.testing.assert_array_equal(alone.encode(made), inputs)
    assert check.check_table(made, "y") == findings
    assert {each.rule for each in findings} >= {"missing", "constant", "missing-code", "piled-up"}


def test_standardised_columns_are_those_of_numpy() -> None:
    values = RANDOM.normal(3, 2, (30, 50))
    made = read(pd.DataFrame(values, columns=[f"c{i}" for i in range(50)]).to_csv(index=False))
    train = np.arange(5, 25)

    inputs = learning.learn_columns(made, train, made.names).encode(made)

    wanted = (values - values[train].mean(0)) / values[train].std(0)
    np.testing.assert_allclose(inputs, wanted, atol=1e-6)


def test_a_line_of_too_many_columns_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    text = ",".join(f"c{i}" for i in range(2_000)) + "\n" + ",".join(["1.25"] * 2_000) + "\n"
    monkeypatch.setattr("dlkit.data.tables.reading.files.header.MAX_RECORD_BYTES", 4_000)

    with pytest.raises(DataError) as caught:
        read(text)

    assert_reports(caught.value, "line 1", "columns", ".npy")


def test_a_run_of_columns_is_packed_and_found_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = read(frame_of_all_kinds().to_csv(index=False))
    encoding = learning.learn_columns(made, np.arange(40), made.names)
    monkeypatch.setattr(column_code, "_FEWEST", 3)

    plain = encoding.to_dict()
    text = json.dumps(plain)

    assert [part["names"].count("\n") + 1 for part in plain["columns"] if "names" in part] == [12]
    assert encoding.from_dict(json.loads(text)) == encoding
    for broken in (
        {"numbers": "no base64"},
        {"numbers": plain["columns"][0]["numbers"][:-8]},
        {"names": "a"},
    ):
        plain["columns"][0] |= broken
        with pytest.raises(ValueError, match="not the"):
            encoding.from_dict(plain)
        plain = json.loads(text)


def test_more_columns_than_a_checkpoint_can_name_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.csv"
    frame_of_all_kinds().to_csv(path, index=False)
    monkeypatch.setattr("dlkit.data.tables.load.MAX_PARTS", 50)

    with pytest.raises(DataError) as caught:
        load_dataset(TrainConfig(model="mlp", data=str(path), target="y"))

    assert_reports(caught.value, "features", "--features", ".npy")


def write_wide(path: Path, columns: int) -> Path:
    rows = RANDOM.normal(size=(30, columns)).round(3).tolist()
    lines = [f"{','.join(map(str, row))},{'ab'[place % 2]}" for place, row in enumerate(rows)]
    path.write_text(",".join(f"gene{i}" for i in range(columns)) + ",y\n" + "\n".join(lines) + "\n")
    return path


@pytest.mark.slow
def test_the_time_of_a_wide_table_grows_with_its_cells(tmp_path: Path) -> None:
    seconds = []
    for columns in (10_000, 40_000):
        path = write_wide(tmp_path / f"{columns}.csv", columns)
        start = time.process_time()
        dataset = load_dataset(TrainConfig(model="mlp", data=str(path), target="y"))
        seconds.append(time.process_time() - start)
        assert dataset.description.input_shape == (columns,)

    assert seconds[1] < 9 * seconds[0]  # 4 times the cells; 16 where it grows with their square


def test_garbage_is_collected_again_once_a_table_is_loaded(tmp_path: Path) -> None:
    config = TrainConfig(model="mlp", data=str(write_wide(tmp_path / "t.csv", 5)), target="y")

    load_dataset(config)
    check_data(config)

    assert gc.isenabled()


@pytest.mark.parametrize("rows", [None, np.array([2, 0])], ids=["all", "some"])
def test_columns_stacked_are_those_one_by_one(rows: np.ndarray | None) -> None:
    table = read("a,d,t,b\n1,2024-01-31,true,2.5\n,2024-02-01,false,1e9\n3,2024-02-02,true,-4\n")

    found = table.stack(table.names, rows)

    assert found.flags.c_contiguous
    assert np.array_equal(found, [table.numbers(name, rows) for name in table.names], equal_nan=True)
