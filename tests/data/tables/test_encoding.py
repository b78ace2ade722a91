"""What is learned of columns from the training rows, and how rows become inputs by it."""

import io
import json
from typing import Any

import numpy as np
import pytest

from dlkit.data.tables import learning
from dlkit.data.tables.encoding import Encoding
from dlkit.data.tables.learning import learn_columns
from dlkit.data.tables.reading.table_file import read_table
from dlkit.data.tables.table import Table, table_of
from dlkit.errors import DataError

DATES = ["2020-01-01", "2020-04-02", "2020-07-03", "2021-10-04"]


def table(**named: Any) -> Table:
    return table_of("x.csv", named)


def learn(made: Table, train: list[int] | None = None, **options: Any) -> Encoding:
    rows = np.arange(len(made)) if train is None else np.array(train)
    return learn_columns(made, rows, options.pop("names", made.names), **options)


def told(made: Table, **options: Any) -> tuple[str, str]:
    with pytest.raises(DataError) as caught:
        learn(made, **options).encode(made)
    return caught.value.message, caught.value.hint


def test_numbers_are_standardised_by_the_training_rows_alone() -> None:
    made = table(a=[1.0, 2.0, 3.0, 100.0])

    inputs = learn(made, [0, 1, 2]).encode(made)

    std = np.sqrt(2 / 3)
    np.testing.assert_allclose(inputs[:, 0], [-1 / std, 0, 1 / std, 98 / std], rtol=1e-6)
    assert inputs.dtype == np.float32


def test_missing_numbers_become_the_training_median_and_a_mark() -> None:
    made = table(a=[1.0, 2.0, 30.0, np.nan, np.nan])

    encoding = learn(made, [0, 1, 2, 3])

    assert encoding.feature_names == ("a", "a is missing")
    inputs = encoding.encode(made)
    assert inputs[3:, 0].tolist() == [inputs[1, 0]] * 2
    assert inputs[:, 1].tolist() == [0, 0, 0, 1, 1]


def test_a_gap_that_training_did_not_have_is_filled_and_counted() -> None:
    made = table(a=[1.0, 2.0, 3.0, np.nan])
    encoding = learn(made, [0, 1, 2])

    assert encoding.encode(made)[3].tolist() == encoding.encode(made)[1].tolist()
    assert encoding.unseen(made) == {"a": 1}


def test_a_skewed_column_is_taken_as_a_logarithm_in_units_of_its_median() -> None:
    skewed = np.exp(2 * np.random.RandomState(0).randn(200))
    made = table(a=skewed, b=-skewed, c=np.arange(200.0))

    encoding = learn(made)

    assert [code.log for code in encoding.columns] == [pytest.approx(np.median(skewed)), 0, 0]
    logs = np.log1p(skewed / np.median(skewed))
    np.testing.assert_allclose(
        encoding.encode(made)[:, 0], (logs - logs.mean()) / logs.std(), rtol=1e-4, atol=1e-6
    )


def test_negative_values_of_a_column_without_any_in_training_are_taken_as_zero() -> None:
    skewed = np.exp(2 * np.random.RandomState(0).randn(200))
    made = table(a=np.append(skewed, [-5.0, 0.0]))

    inputs = learn(made, list(range(200))).encode(made)

    assert inputs[200, 0] == inputs[201, 0]


def test_few_texts_are_a_feature_each_and_others_none() -> None:
    made = table(a=np.array(["u", "v", "u", None, "w"], dtype=object))

    encoding = learn(made, [0, 1, 2, 3])

    assert encoding.feature_names == ("a=u", "a=v", "a=(missing)")
    assert encoding.encode(made).tolist() == [[1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]]
    assert encoding.unseen(made) == {"a": 1}


def test_many_texts_are_codes_for_the_network_to_embed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "ONE_HOT_UP_TO", 2)
    made = table(n=[1.0, 2.0, 3, 4, 5, 6, 7], a=np.array([*"uuvvwwx"], dtype=object))

    encoding = learn(made, embed=True)

    assert encoding.embedded == {1: 4}
    assert encoding.continuous == (0,)
    assert encoding.encode(made)[:, 1].tolist() == [1, 1, 2, 2, 3, 3, 0]  # seen once: with all others


def test_many_texts_are_a_feature_for_each_of_the_most_frequent_without_embedding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(learning, "ONE_HOT_UP_TO", 2)
    made = table(a=np.array([*"uuuvvvwwx"], dtype=object))

    encoding = learn(made)

    assert encoding.feature_names == ("a=u", "a=v")
    assert encoding.embedded == {}


def test_codes_of_another_table_are_those_of_training() -> None:
    made = table(a=np.array(["u", "v", "w"], dtype=object))
    other = table(z=np.array([1.0, 2.0]), a=np.array(["w", "new"], dtype=object))

    assert learn(made).encode(other).tolist() == [[0, 0, 1], [0, 0, 0]]


def test_dates_become_a_trend_and_the_cycles_they_spread_over() -> None:
    made = read_table("-", stdin=io.BytesIO(("d\n" + "\n".join(DATES) + "\n").encode()))

    encoding = learn(made)

    assert encoding.columns[0].cycles == ("year", "week")
    assert encoding.feature_names == ("d", "d year sin", "d year cos", "d week sin", "d week cos")
    inputs = encoding.encode(made)
    assert (np.diff(inputs[:, 0]) > 0).all()
    np.testing.assert_allclose(inputs[:, 1] ** 2 + inputs[:, 2] ** 2, 1, rtol=1e-5)
    monday = np.datetime64("2020-01-06").astype("datetime64[s]").astype(float)
    weeks = table_dates([monday, monday + 7 * 86400, monday + 86400 * 2], encoding)
    np.testing.assert_allclose(weeks[0, 3:5], [0, 1], atol=1e-5)
    np.testing.assert_allclose(weeks[0, 3:5], weeks[1, 3:5], atol=1e-5)


def table_dates(seconds: list[float], encoding: Encoding) -> np.ndarray:
    return encoding.encode(table(d=np.array(seconds)))


def test_a_missing_date_is_marked() -> None:
    made = read_table("-", stdin=io.BytesIO(("d,n\n" + ",1\n".join([*DATES, ""]) + ",2\n").encode()))

    inputs = learn(made, names=["d"]).encode(made)

    assert inputs[:, -1].tolist() == [0, 0, 0, 0, 1]
    assert inputs[4, 1:5].tolist() == [0, 0, 0, 0]


def test_truths_are_features() -> None:
    made = read_table("-", stdin=io.BytesIO(b"b,n\ntrue,1\nfalse,2\n,3\n"))

    encoding = learn(made, names=["b"])

    assert encoding.feature_names == ("b", "b is missing")
    assert encoding.encode(made)[:2].tolist() == [[1, 0], [-1, 0]]
    assert encoding.encode(made)[2, 1] == 1


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([5.0] * 200, "is 5 in all training rows"),
        (["x"] * 200, "is x in all training rows"),
        ([np.nan] * 200, "is empty in the training rows"),
        ([None] * 200, "is empty in the training rows"),
        ([f"id-{i}" for i in range(200)], "has a different text in nearly every row, e.g. 'id-0'"),
    ],
    ids=["constant", "constant-text", "empty", "empty-text", "id"],
)
def test_columns_of_no_use_are_left_out_and_said(values: list[Any], why: str) -> None:
    kind = float if isinstance(values[0], float) else object
    made = table(a=np.array(values, dtype=kind), n=np.arange(200.0))

    encoding = learn(made)

    assert dict(encoding.left_out) == {"a": why}
    assert encoding.feature_names == ("n",)


def test_a_column_that_is_chosen_is_used_though_it_looks_like_an_id() -> None:
    made = table(a=np.array([f"id-{i}" for i in range(200)], dtype=object))

    assert len(learn(made, chosen=True).feature_names) == learning.ONE_HOT_UP_TO


def test_no_column_to_learn_from_is_an_error() -> None:
    assert told(table(a=[1.0, 1.0])) == (
        "x.csv has no column to learn from: a is 1 in all training rows",
        "add columns that tell something of the target",
    )


def test_an_infinite_value_is_told_with_its_place() -> None:
    assert told(table(a=[1.0, 2.0, np.inf, -np.inf])) == (
        "x.csv line 4, column a is infinite, and 1 more",
        "--missing inf takes it as missing; --features with the others leaves the column out",
    )


def test_a_chosen_column_that_is_not_there_is_told() -> None:
    assert told(table(rooms=[1.0, 2.0]), names=["room"], chosen=True) == (
        "--features room: x.csv has no such column",
        "did you mean rooms?",
    )


def test_a_stray_text_is_an_error_unless_the_column_is_chosen() -> None:
    made = read_table("-", stdin=io.BytesIO(("a,b\n" + "1,1\n" * 20 + "x,2\n").encode()))

    assert told(made)[0] == "standard input line 22: column a has 'x' among numbers"
    assert "a=x" in learn(made, chosen=True).feature_names


def test_another_kind_than_in_training_is_an_error() -> None:
    encoding = learn(table(a=[1.0, 2.0]))

    with pytest.raises(DataError) as caught:
        encoding.encode(table(a=np.array(["u", "v"], dtype=object)))

    assert caught.value.message == "x.csv: column a is text; it was number in training"
    assert caught.value.hint == "give the columns that the network was trained on"


def test_numbers_are_left_in_their_unit_without_scaling() -> None:
    made = table(a=np.exp(2 * np.random.RandomState(0).randn(200)))

    np.testing.assert_allclose(learn(made).without_scaling().encode(made)[:, 0], made.numbers("a"), rtol=1e-6)


def full() -> Encoding:
    made = table(
        n=np.array([1.0, 2, np.nan, 4]), t=np.array(["u", None, "v", "u"], dtype=object), id=np.ones(4)
    )
    return learn(made)


def test_what_was_learned_survives_json() -> None:
    encoding = full()

    assert Encoding.from_dict(json.loads(json.dumps(encoding.to_dict()))) == encoding


@pytest.mark.parametrize(
    "change",
    [
        {"std": 0.0},
        {"std": float("nan")},
        {"kind": "number of"},
        {"name": 3},
        {"indicator": 1},
        {"cycles": ["decade"]},
        {"categories": [3]},
        {"mean": "0"},
        {"extra": 1},
        {"fill": float("inf")},
    ],
    ids=str,
)
def test_a_file_that_says_something_else_is_refused(change: dict[str, Any]) -> None:
    plain = full().to_dict()
    plain["columns"][0] |= change

    with pytest.raises(ValueError, match="not the columns of a table"):
        Encoding.from_dict(plain)
