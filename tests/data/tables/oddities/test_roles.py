"""Columns and rows that are no features or samples: weights, row numbers, totals; and numbers that may be names."""

import io
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from refusals import assert_refused

from dlkit.data.tables.oddities.roles import groups_in, keys_in, times_in, weights_in
from dlkit.data.tables.oddities.totals import totals_in
from dlkit.data.tables.reading.table_file import read_table
from dlkit.data.tables.table import table_of
from dlkit.settings.resolve import resolve

RNG = np.random.default_rng(0)
TRAIN = ("train", "mlp", "--target", "y", "--epochs", "1", "--no-plot", "--force", "--out", "run", "--data")
Run = Callable[..., Any]


@pytest.mark.parametrize(
    ("name", "values", "weighs"),
    [
        ("weight", RNG.choice([0.2, 1.0], 300), True),
        ("weight", RNG.normal(70, 12, 300), False),
        ("weight", RNG.choice([1613, 2372, 3504], 300), False),
        ("weight", RNG.choice([-0.5, 0.5], 300), False),
        ("w", (lambda w: w / w.mean())(RNG.gamma(2, 1, 300)), True),
        ("w", RNG.gamma(2, 1, 300), False),
        ("sample_weight", RNG.gamma(2, 700, 300), True),
        ("Survey Weight", RNG.integers(1, 9, 300), True),
        ("fnlwgt", RNG.integers(10_000, 900_000, 300), True),
        ("WTMEC2YR", RNG.gamma(2, 700, 300), True),
        ("pweight", np.ones(300), False),
        ("birth_weight", RNG.normal(3.4, 0.5, 300), False),
        ("weight_kg", RNG.choice([0.5, 1.0], 300), False),
    ],
)
def test_weights_are_known_by_name_and_values(name: str, values: np.ndarray, *, weighs: bool) -> None:
    assert weights_in(table_of("t", {name: values}), [name]) == [name] * weighs


def test_column_of_weights_is_refused_and_both_hints_work(dlkit: Run, home: Path) -> None:
    frame = pd.DataFrame({"x": RNG.normal(size=200), "weight": RNG.choice([0.2, 1.0], 200)})
    frame.assign(y=2 * frame.x).round(3).to_csv("t.csv", index=False)

    findings = json.loads(dlkit("data", "check", "t.csv", "--target", "y", "--json").stdout)
    refused = dlkit(*TRAIN, "t.csv")

    assert [(each["rule"], each["where"]) for each in findings if each["level"] == "error"] == [
        ("weights", "column weight")
    ]
    assert_refused(
        refused, 3, "column weight (0.2 to 1)", "--features x leaves it out; --kinds weight=number"
    )
    for options in (("--features", "x"), ("--kinds", "weight=number"), ("--features", "x,weight")):
        assert dlkit(*TRAIN, "t.csv", *options).code == 0
        assert "weights" not in dlkit("data", "check", "t.csv", "--target", "y", *options).stdout


@pytest.mark.parametrize(("count", "letters", "start"), [(14, 4, "--features"), (60, 30, "python -c")])
@pytest.mark.quick(1)
def test_the_hint_that_leaves_out_weights_is_pasted(
    dlkit: Run, home: Path, count: int, letters: int, start: str
) -> None:
    frame = pd.DataFrame({f"{'n' * letters} {i}": RNG.normal(size=60).round(3) for i in range(count)})
    frame.assign(fnlwgt=RNG.integers(1000, 9000, 60), y=frame.sum(axis=1)).to_csv("t.csv", index=False)

    hint = dlkit(*TRAIN, "t.csv").stderr.partition("hint: ")[2].partition(" leaves it out")[0]
    if start == "python -c":
        subprocess.run(hint.replace("python", sys.executable, 1), shell=True, check=True)
    done = dlkit(*TRAIN, "t.csv", *shlex.split(hint)) if start != "python -c" else dlkit(*TRAIN, "new.csv")

    assert hint.startswith(start)
    assert done.code == 0, done.stderr
    assert "fnlwgt" not in done.stderr


@pytest.mark.parametrize(
    ("last", "shown"),
    [
        ({"who": "D1", "a": 1.0, "b": 2.0}, ""),
        ({"who": "D1", "a": "sum", "b": "sum"}, "sums"),
        ({"who": "D1", "a": "mean", "b": "mean"}, "means"),
        ({"who": "Grand total:", "a": 1.0, "b": 2.0}, "Grand total:"),
        ({"who": "Mittelwert", "a": 1.0, "b": 2.0}, "Mittelwert"),
    ],
)
def test_last_row_of_sums_or_means_is_found(last: dict[str, Any], shown: str) -> None:
    frame = pd.DataFrame({"who": [f"D{i % 9}" for i in range(60)], "a": RNG.random(60), "b": RNG.random(60)})
    row = {
        name: getattr(frame[name], text)() if text in ("sum", "mean") else text for name, text in last.items()
    }
    whole = pd.concat([frame, pd.DataFrame([row])])

    found = totals_in(table_of("t", {name: whole[name].to_numpy() for name in whole}), ["a", "b"])

    assert found.rows == ([60] if shown else [])
    assert (shown in found.shown) if shown else found.shown == ""


def test_sub_totals_are_found_wherever_they_stand() -> None:
    who = [f"D{i % 9}" for i in range(60)]
    who[20], who[41] = "Sous-total janvier", "Zwischensumme"
    table = table_of("t", {"who": who, "a": RNG.random(60)})

    assert totals_in(table, ["a"])[0] == [20, 41]
    of_both = table_of("t", {"who": ["total", "female", "male"] * 20, "a": RNG.random(60)})
    assert totals_in(of_both, ["a"]).left_out == []


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (("Total Recall", "Mean Girls", "Sum of All Fears"), False),
        (("Total D3", "D4 Total"), True),
        (("Média", "mean", "max"), True),
        (("Total 2021", "total (all)"), True),
    ],
)
def test_titles_that_begin_as_totals_do_are_rows_like_others(texts: tuple[str, ...], *, found: bool) -> None:
    who = [f"D{i % 9}" for i in range(60)] + list(texts)
    table = table_of("t", {"who": who, "a": RNG.random(len(who))})

    assert totals_in(table, ["a"]).rows == (list(range(60, len(who))) if found else [])


def test_rows_of_totals_are_left_out_of_all_splits_unless_they_are_texts(dlkit: Run, home: Path) -> None:
    frame = pd.DataFrame({"who": [f"D{i % 9}" for i in range(60)], "a": RNG.random(60)}).round(3)
    frame["y"] = (frame.a * 100).round().astype(int) % 2
    mean = pd.DataFrame({"who": ["Total", "Média"], "a": [frame.a.sum(), frame.a.mean()], "y": [30, 0.5]})
    pd.concat([frame[:20], mean[:1], frame[20:], mean[1:]]).to_csv("t.csv", index=False)

    check = json.loads(dlkit("data", "check", "t.csv", "--target", "y", "--json").stdout)
    left_out = dlkit(*TRAIN, "t.csv")
    split = pd.read_csv(io.StringIO(dlkit("data", "split", "t.csv", "--target", "y").stdout))
    evaluated = json.loads(dlkit("eval", "run/best.safetensors", "--split", "train", "--json").stdout)
    kept = dlkit(*TRAIN, "t.csv", "--kinds", "who=text")

    assert [each["where"] for each in check if each["rule"] == "total"] == ["line 22, 63"]
    assert "48 train, 6 val, 6 test" in left_out.stderr
    assert "--kinds who=text" in left_out.stderr
    assert "accuracy" in left_out.stderr
    assert sorted(split.row) == [*range(20), *range(21, 61)]
    assert evaluated["n"] == 48
    assert "left out" not in kept.stderr
    assert kept.code == 0


def test_totals_among_dates_are_refused_with_the_command_that_takes_them_out(dlkit: Run, home: Path) -> None:
    days = [f"2024-01-{day:02}" for day in range(1, 31)]
    lines = [f"{day},{number},{2 * number}" for number, day in enumerate(days)]
    lines.insert(10, "Total,45,90")
    lines.append("Grand total,90,180")
    Path("my t.csv").write_text("\n".join(["day,a,y", *lines]) + "\n")

    refused = dlkit(*TRAIN, "my t.csv")
    command = refused.stderr.partition("hint: ")[2].partition(" takes them out")[0]
    subprocess.run(command, shell=True, check=True)

    assert refused.code == 3
    assert len(Path("new.csv").read_text().splitlines()) == 31
    done = dlkit(*TRAIN, "new.csv")
    assert done.code == 0, done.stderr


def test_words_among_dates_are_refused_with_their_line(dlkit: Run, home: Path) -> None:
    days = [f"2024-01-{day:02}" for day in range(1, 31)] * 2
    lines = [f"{day},{number}" for number, day in enumerate(days)]
    lines[7] = "unknown,7"
    Path("t.csv").write_text("\n".join(["day,y", *lines]) + "\n")

    assert_refused(dlkit(*TRAIN, "t.csv"), 3, "line 9", "--missing unknown")
    assert dlkit(*TRAIN, "t.csv", "--missing", "unknown").code == 0
    assert dlkit(*TRAIN, "t.csv", "--kinds", "day=text").code == 0


@pytest.mark.parametrize(
    ("name", "values", "count"),
    [
        ("patient", [f"P{i % 20}" for i in range(100)], 20),
        ("subject_id", [i % 20 for i in range(100)], 20),
        ("ear_tag", [f"P{i % 20}" for i in range(100)], 20),
        ("city", [f"P{i % 20}" for i in range(100)], 0),
        ("id", list(range(100)), 0),
        ("patient", ["in", "out"] * 50, 0),
        ("paid", [i % 20 for i in range(100)], 0),
    ],
)
def test_groups_are_known_by_names_that_come_again(name: str, values: list[Any], count: int) -> None:
    assert groups_in(table_of("t", {name: values}), [name]) == ([(name, count)] if count else [])


def test_groups_are_reported_until_it_is_said_how_to_split(dlkit: Run, home: Path) -> None:
    frame = pd.DataFrame(
        {"patient": [f"P{i % 20}" for i in range(200)], "a": RNG.random(200), "y": RNG.random(200)}
    )
    frame.to_csv("t.csv", index=False)

    assert "--group patient" in dlkit(*TRAIN, "t.csv").stderr
    assert "\tgroups\t" in dlkit("data", "check", "t.csv", "--target", "y").stdout
    assert "--group patient" not in dlkit(*TRAIN, "t.csv", "--group", "patient").stderr
    assert "\tgroups\t" not in dlkit("data", "check", "t.csv", "--target", "y", "--group", "patient").stdout


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("PassengerId", range(1, 101), True),
        ("#", range(100), True),
        ("EmployeeNumber", np.arange(100) * 3 + 1, True),
        ("HouseNumber", [i % 50 for i in range(100)], False),
        ("record_id", RNG.permutation(100) * 7 + 5, True),
        ("t", range(100), False),
        ("paid", range(100), False),
        ("user_id", [i % 50 for i in range(100)], False),
    ],
)
def test_keys_are_known_by_their_name_and_values(name: str, values: Any, found: bool) -> None:
    assert keys_in(table_of("t", {name: np.array(values, float)}), [name]) == [name] * found


def test_a_key_is_left_out_unless_it_is_named(dlkit: Run, home: Path) -> None:
    frame = pd.DataFrame({"rowId": range(60), "a": RNG.random(60), "y": RNG.random(60)})
    frame.to_csv("t.csv", index=False)
    frame.drop(columns="a").to_csv("alone.csv", index=False)

    assert "rowId numbers the rows" in dlkit(*TRAIN, "t.csv").stderr
    assert "rowId numbers the rows" not in dlkit(*TRAIN, "t.csv", "--features", "a,rowId").stderr
    assert dlkit(*TRAIN, "alone.csv").code == 0


def test_rows_in_time_are_reported_until_it_is_said_how_to_split(dlkit: Run, home: Path) -> None:
    days = pd.date_range("2021-01-01", periods=80).astype(str)
    frame = pd.DataFrame({"day": days, "a": RNG.random(80), "y": RNG.random(80)})
    frame.to_csv("t.csv", index=False)
    frame.iloc[::-1].to_csv("newest.csv", index=False)
    pd.concat([frame, frame]).to_csv("two.csv", index=False)
    frame.sample(frac=1, random_state=0).to_csv("mixed.csv", index=False)

    for name in ("t.csv", "newest.csv", "two.csv"):
        assert "--by-time day" in dlkit(*TRAIN, name).stderr
    assert "\ttimes\t" in dlkit("data", "check", "t.csv", "--target", "y").stdout
    assert "--by-time day" not in dlkit(*TRAIN, "mixed.csv").stderr
    assert "--by-time day" not in dlkit(*TRAIN, "t.csv", "--by-time", "day").stderr
    assert "\ttimes\t" not in dlkit("data", "check", "t.csv", "--target", "y", "--by-time", "day").stdout


def test_training_reports_a_column_that_tells_the_target(dlkit: Run, home: Path) -> None:
    frame = pd.DataFrame({"a": RNG.random(300), "y": RNG.random(300)})
    frame.assign(net=frame.y * 0.81 + 3).to_csv("t.csv", index=False)

    assert "net predicts y by itself" in dlkit(*TRAIN, "t.csv").stderr
    assert "by itself" not in dlkit(*TRAIN, "t.csv", "--features", "a").stderr


def test_training_reports_totals_and_numbered_rows(dlkit: Run, home: Path) -> None:
    frame = pd.DataFrame({"id": range(1, 61), "a": RNG.random(60), "b": RNG.random(60), "y": RNG.random(60)})
    frame.to_csv("plain.csv", index=False)
    frame.assign(b=range(60)).to_csv("counted.csv", index=False)
    pd.concat([frame, frame.sum().to_frame().T.assign(id=61)]).to_csv("total.csv", index=False)

    said = dlkit(*TRAIN, "total.csv").stderr

    assert "are left out, the sums" in said
    assert "line 62" in said
    assert "id numbers the rows" in said
    assert "b seems to number the rows" in dlkit(*TRAIN, "counted.csv").stderr
    without = dlkit(*TRAIN, "plain.csv", "--features", "a,b").stderr
    assert "totals or means" not in without
    assert "number the rows" not in without


def test_rows_of_series_are_reported_with_an_option_that_works(dlkit: Run, home: Path) -> None:
    frame = pd.DataFrame(
        {"series": np.repeat([f"s{i}" for i in range(20)], 6), "v": RNG.random(120).round(3)}
    )
    frame["y"] = np.repeat(RNG.choice(["a", "b"], 20), 6)
    frame.to_csv("t.csv", index=False)

    said = dlkit(*TRAIN, "t.csv").stderr

    assert "series has 20 different values in 120 rows" in said
    assert "(N, T, F)" in said
    assert dlkit(*TRAIN, "t.csv", "--group", "series").code == 0


def test_wells_among_digits_are_refused_until_their_kind_is_given(dlkit: Run, home: Path) -> None:
    wells = [f"{plate}E{row}" for plate in range(1, 5) for row in range(1, 13)] * 5
    frame = pd.DataFrame({"well": wells, "a": RNG.random(240), "y": RNG.random(240)})
    frame.to_csv("t.csv", index=False)

    assert_refused(dlkit(*TRAIN, "t.csv"), 3, "'1E1'", "--kinds well=text or well=number")
    assert dlkit(*TRAIN, "t.csv", "--kinds", "well=text").code == 0
    as_number = resolve({"model": "mlp", "data": "t.csv", "target": "y", "kinds": "well=number"}, {})
    from dlkit.data.tables.reading.options import TableOptions

    table = read_table("t.csv", options=TableOptions.of(as_number))
    np.testing.assert_array_equal(table.numbers("well"), [float(well) for well in wells])


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1E5", "2e3"] * 20, "text"),
        (["15", "12E4"] * 20, "text"),
        (["1e+05", "2e-3"] * 20, "number"),
        (["1.5e5", "2E3"] * 20, "number"),
        (["15", "1e300"] * 20, "number"),
        (["1E5", "0.5"] * 20, "number"),
        ([str(number) for number in range(40)], "number"),
    ],
)
@pytest.mark.quick(2)
def test_digits_around_an_e_are_numbers_only_beside_other_signs_of_numbers(
    tmp_path: Path, values: list[str], kind: str, *, wide: bool
) -> None:
    names = [f"c{number}" for number in range(6_000 if wide else 1)]
    path = tmp_path / "t.csv"
    path.write_text(
        "\n".join(["a," + ",".join(names), *(f"{value}" + ",1.5" * len(names) for value in values)]) + "\n"
    )

    table = read_table(str(path))

    assert table.column("a").kind == kind


def test_e_behind_the_first_rows_of_digits_is_found(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "15,1\n" * 200_000 + "12E4,1\n")

    stray = read_table(str(path)).column("a").stray

    assert stray is not None
    assert (stray.value, stray.line, stray.fault) == ("12E4", 200_002, "exponent")


def test_time_stamps_are_known_by_their_name() -> None:
    stamps = 1_609_459_200 + 600.0 * np.arange(100)
    table = table_of("t", {"timestamp": stamps, "value": stamps})

    assert times_in(table, ["value", "timestamp"]) == ["timestamp"]


def test_copies_and_classes_absent_from_a_part_are_reported(dlkit: Run, home: Path) -> None:
    frame = pd.DataFrame({"a": RNG.random(100), "y": ["rare", *RNG.choice(["A", "B"], 99)]})
    pd.concat([frame, frame.iloc[10:30]]).to_csv("t.csv", index=False)

    said = dlkit(*TRAIN, "t.csv").stderr

    assert "20 rows equal to an earlier one" in said
    assert said.count("no row of rare in the ") == 2


@pytest.mark.parametrize(
    ("different", "few"),
    [(32, False), (150, False), (240, True), (400, True)],
    ids=["few", "often", "each", "alone"],
)
@pytest.mark.quick(1)
def test_texts_with_few_rows_each_are_reported_with_the_option_that_leaves_them_out(
    different: int, few: bool, dlkit: Run, home: Path
) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a b": rng.normal(size=900).round(3), "kind": rng.choice(["x", "z"], 900)})
    frame["Well Position"] = [
        f"{chr(65 + row % different // 24)}{row % different % 24}" for row in range(900)
    ]
    frame["y"] = 3 * frame["a b"]
    frame.to_csv("t.csv", index=False)

    said = dlkit(*TRAIN, "t.csv").stderr
    findings = json.loads(dlkit("data", "check", "t.csv", "--target", "y", "--json").stdout)
    notes = [line for line in said.splitlines() if "learned by heart" in line]

    assert len(notes) == few
    assert [each["count"] for each in findings if each["rule"] == "few-rows"] == [different] * few
    for note in notes:
        assert f"Well Position ({different} different); --features 'a b,kind' leaves" in note
        assert "learned by heart" not in dlkit(*TRAIN, "t.csv", "--features", "a b,kind").stderr
    assert "learned by heart" not in dlkit(*TRAIN, "t.csv", "--kinds", "Well Position=text").stderr
