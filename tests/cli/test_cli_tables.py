"""Tables on the command line: train, eval, predict, split and show."""

import csv
import gzip
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import assert_refused, faults

Dlkit = Callable[..., Any]

ROWS = 120


def write_table(path: Path, target: bool = True) -> Path:
    random = np.random.RandomState(0)
    lines = ["size,colour,price,kind" if target else "size,colour"]
    for _ in range(ROWS):
        size = random.rand()
        colour = random.choice(["red", "green"])
        rest = (
            f",{100 * size + 20 * (colour == 'red'):.3f},{'big' if size > 0.5 else 'small'}" if target else ""
        )
        lines.append(f"{size:.4f},{colour}{rest}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def table(home: Path) -> Path:
    """A table with a number and a class to predict."""
    return write_table(home / "t.csv")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the number, of which the tests only read."""
    from dlkit.settings.resolve import resolve
    from dlkit.training.run import start_run

    folder = tmp_path_factory.mktemp("tables")
    settings = {"data": str(write_table(folder / "t.csv")), "target": "price", "features": "size,colour"}
    small = {"model": "mlp", "epochs": 2, "batch_size": 32, "device": "cpu", "plot": False}
    trained = start_run(resolve({**settings, **small}, {"hidden": "16"}), folder / "run", force=False)
    for _ in trained:
        pass
    return folder / "run"


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_table_is_learned_and_the_target_is_reported(dlkit: Dlkit, table: Path) -> None:
    result = dlkit(
        "train", "mlp", "--data", table, "--target", "kind", "--epochs", 2, "-s", "hidden=8", "--out", "r"
    )

    assert result.code == 0, result.stderr
    assert result.stdout == "r/best.safetensors\n"
    assert "target kind is text" in result.stderr
    settings = (table.parent / "r" / "config.toml").read_text()
    assert 'optimizer = "adamw"' in settings
    assert "patience = 20" in settings


def test_scores_are_in_the_unit_of_the_target(dlkit: Dlkit, run: Path) -> None:
    result = dlkit("eval", run, "--json")

    found = json.loads(result.stdout)
    assert found["n"] == 12
    assert 5 < found["metrics"]["rmse"]["value"] < 80
    assert set(found["metrics"]) == {"mae", "rmse", "r2", "median_error", "mape"}


def test_raw_rows_are_predicted_without_a_target(dlkit: Dlkit, run: Path, home: Path) -> None:
    new = home / "new.csv"
    new.write_text("note,colour,size\nx,red,0.5\ny,blue,\n")

    result = dlkit("eval", run, "--data", new, "--predict", "-")

    rows = rows_of(result.stdout)
    assert result.code == 0, result.stderr
    assert [(row["index"], row["target"]) for row in rows] == [("0", ""), ("1", "")]
    assert all(-100 < float(row["pred"]) < 200 for row in rows)
    for part in (f"every row of {new} ", " price", "column size: 1 ", "column colour: 1 ", "(2 samples)"):
        assert part in result.stderr


def test_raw_rows_come_from_standard_input(
    dlkit: Dlkit, run: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BytesIO(b"size,colour,price\n0.5,red,70\n0.1,red,\n"))
    )

    result = dlkit("eval", run, "--data", "-", "--predict", home / "p.csv", "--json")

    found = json.loads(result.stdout)
    assert result.code == 0, result.stderr
    assert (found["data"], found["n"]) == ("-", 2)
    assert found["metrics"]["mae"]["value"] == found["metrics"]["rmse"]["value"]
    assert [row["target"] for row in rows_of((home / "p.csv").read_text())] == ["70.0", ""]


def test_predictions_never_replace_the_rows_they_are_of(dlkit: Dlkit, run: Path, home: Path) -> None:
    new = write_table(home / "new.csv", target=False)
    before = new.read_text()

    result = dlkit("eval", run, "--predict", new)

    assert_refused(result, 2, f"--predict {new} ", f"--data {new} --predict FILE")
    assert new.read_text() == before
    for _ in range(2):  # what --predict wrote is replaced
        assert dlkit("eval", run, "--data", new, "--predict", home / "p.csv").code == 0


def test_standard_input_is_checked_as_a_file_is(
    dlkit: Dlkit, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(table.read_bytes())))

    from_file = dlkit("data", "check", table, "--target", "price")
    piped = dlkit("data", "check", "-", "--target", "price")

    assert piped.code == from_file.code == 0
    assert piped.stdout == from_file.stdout


@pytest.mark.parametrize(
    "option", [("--augment", "light"), ("--num-workers", "2"), ("--size", "8")], ids=" ".join
)
def test_options_of_images_are_refused_for_a_table(
    dlkit: Dlkit, table: Path, option: tuple[str, str]
) -> None:
    result = dlkit("train", "mlp", "--data", table, "--target", "price", *option)

    assert_refused(result, 2, f"{' '.join(option)} ")
    assert f"--data {table}" in result.stderr


def test_classes_are_predicted_for_rows_without_any(dlkit: Dlkit, table: Path) -> None:
    ckpt = dlkit("train", "mlp", "-d", table, "--target", "kind", "--epochs", 1, "--out", "r").stdout.strip()
    new = write_table(table.parent / "new.csv", target=False)
    new.write_text("size,colour,price\n0.5,red,3\n")

    result = dlkit("eval", ckpt, "--data", new, "--predict", "-")

    (row,) = rows_of(result.stdout)
    assert row["target"] == ""
    assert row["pred"] in ("big", "small")
    assert float(row["prob_big"]) + float(row["prob_small"]) == pytest.approx(1, abs=1e-4)
    printed = dlkit("eval", ckpt, "--data", new)
    assert printed.stdout.splitlines() == ["checkpoint\tdata\tsplit\tn\tloss", f"{ckpt}\t{new}\ttest\t1\t"]


def test_simpler_methods_stand_beside_the_network(dlkit: Dlkit, run: Path) -> None:
    result = dlkit("eval", run, "--baselines", "--json")

    found = json.loads(result.stdout)["baselines"]
    assert list(found) == ["mean", "gradient boosting", "linear", "nearest neighbours"]
    assert found["linear"]["rmse"] < 1


def test_a_resumed_run_finds_its_rows_again(dlkit: Dlkit, table: Path) -> None:
    words = ("-d", table, "--target", "price", "-s", "hidden=8", "-b", "32", "--no-plot", "--patience", "9")
    whole = dlkit("train", "mlp", *words, "--epochs", 2, "--schedule", "none", "--out", "whole")
    assert whole.code == 0, whole.stderr
    dlkit("train", "mlp", *words, "--epochs", 1, "--schedule", "none", "--out", "part")

    result = dlkit("train", "--resume", "part", "--epochs", 2)

    assert result.code == 0, result.stderr
    histories = [
        [row["val_loss"] for row in rows_of((table.parent / name / "history.csv").read_text())]
        for name in ("whole", "part")
    ]
    assert histories[0] == histories[1]


def test_numbers_as_vectors_and_codes_survive_the_checkpoint(dlkit: Dlkit, table: Path) -> None:
    lines = table.read_text().splitlines()
    texts = [f"c{row % 40}" for row in range(ROWS)]
    table.write_text(
        "\n".join([f"{lines[0]},city", *(f"{a},{b}" for a, b in zip(lines[1:], texts, strict=True))])
    )

    words = ("-d", table, "--target", "price", "-s", "numbers=piecewise", "--epochs", 1, "--out", "r")
    result = dlkit("train", "mlp", *words)

    assert result.code == 0, result.stderr
    assert dlkit("eval", "r").code == 0
    shown = dlkit("inspect", "weights", "r").stdout
    assert "table.embeddings" in shown
    assert "table.numbers" in shown


SPLITS = {
    "random": ((), [96, 12, 12]),
    "stratified": (("--target", "kind"), [96, 12, 12]),
    "shares": (("--val", "0.2", "--test", "0.3"), [60, 24, 36]),
    "folds": (("--folds", "4", "--fold", "2"), [81, 9, 30]),
    "by-time": (("--by-time", "size"), [96, 12, 12]),
}


@pytest.mark.parametrize("name", SPLITS)
def test_a_split_is_written_and_trained_by(name: str, dlkit: Dlkit, table: Path) -> None:
    words, counts = SPLITS[name]

    result = dlkit("data", "split", table, *words, "-o", "s.csv")

    assert result.code == 0, result.stderr
    assert result.stdout == "s.csv\n"
    rows = rows_of((table.parent / "s.csv").read_text())
    assert [int(row["row"]) for row in rows] == list(range(ROWS))
    assert [sum(row["split"] == part for row in rows) for part in ("train", "val", "test")] == counts
    shown = ", ".join(f"{count} {part}" for count, part in zip(counts, ("train", "val", "test"), strict=True))
    assert shown in result.stderr
    assert dlkit("data", "split", table, *words).stdout == (table.parent / "s.csv").read_text()


def test_a_split_file_decides_what_trains(dlkit: Dlkit, table: Path) -> None:
    (table.parent / "s.csv").write_text(
        "row,split\n"
        + "".join(f"{row},{'train' if row < 60 else 'val' if row < 70 else 'test'}\n" for row in range(80))
    )

    result = dlkit(
        "train", "mlp", "-d", table, "--target", "price", "--split-file", "s.csv", "--epochs", 1, "--out", "r"
    )

    assert result.code == 0, result.stderr
    assert "(60 train, 10 val, 10 test)" in result.stderr
    assert json.loads(dlkit("eval", "r", "--json").stdout)["n"] == 10


def test_built_in_images_are_split_and_no_file_is_replaced(dlkit: Dlkit, home: Path) -> None:
    assert dlkit("data", "split", "digits", "-o", "s.csv").code == 0
    assert len(rows_of((home / "s.csv").read_text())) == 1797
    again = dlkit("data", "split", "digits", "-o", "s.csv")
    assert_refused(again, 2, "--out s.csv ", "--force")


@pytest.mark.parametrize(
    ("words", "code", "message", "hint"),
    [
        (["train", "mlp", "-d", "t.csv"], 2, "--target is missing", "--target COLUMN"),
        (["train", "mlp", "-d", "t.csv", "--target", "prise"], 3, "--target prise", "price?"),
        (["train", "mlp", "-d", "tt.csv", "--target", "price"], 3, "/tt.csv", "did you mean t.csv"),
        (
            ["train", "mlp", "-d", "t.csv", "--target", "price", "--group", "kind", "--by-time", "size"],
            *(2, "--by-time cannot be used with --group", "one"),
        ),
        (["data", "split", "t.csv", "--stratify"], 2, "--stratify needs --target", "--target"),
        (["data", "split", "t.csv", "--fold", "2"], 2, "--fold ", "--folds K"),
        (["data", "split", "t.csv", "--folds", "5"], 2, "--folds 5 needs --fold", "--fold N"),
        (
            ["data", "split", "t.csv", "--folds", "5", "--fold", "6"],
            2,
            "--fold 6 is outside [1, 5]",
            "--folds 5",
        ),
        (
            ["data", "split", "t.csv", "--val", "0.5", "--test", "0.5"],
            2,
            "--val 0.5 and --test 0.5",
            "smaller",
        ),
        (
            ["data", "split", "t.csv", "--folds", "5", "--fold", "1", "--test", "0.5"],
            2,
            "--test ",
            "leave it out",
        ),
        (
            ["data", "split", "digits", "--group", "x"],
            2,
            "--group cannot be used with --data digits",
            "leave it out",
        ),
        (["data", "split", "t.csv", "-o", "s.txt"], 2, "--out s.txt ", "-o split.csv"),
        (["data", "show", "t.csv", "-o", "x.png"], 2, "t.csv", "leave -o out"),
        (["eval", "RUN", "--baselines", "--data", "new.csv"], 2, "/new.csv", "leave --data out"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_refused_and_nothing_is_left(
    words: list[str], code: int, message: str, hint: str, dlkit: Dlkit, table: Path, run: Path
) -> None:
    write_table(table.parent / "new.csv", target=False)

    result = dlkit(*(run if word == "RUN" else word for word in words))

    ((found, cure),) = faults(result.stderr)
    assert (result.code, result.stdout) == (code, "")
    assert message in found
    assert hint in cure
    assert {path.name for path in table.parent.iterdir()} == {"t.csv", "new.csv"}


def test_a_table_is_shown_column_by_column(dlkit: Dlkit, table: Path) -> None:
    table.write_text("a;b;c;d;e\n1;x;2020-01-02;;true\n3;;2021-01-02;;\n2;x;2020-05-01;;false\n")

    result = dlkit("data", "show", table)

    assert result.code == 0
    assert "semicolons" in result.stderr
    head, body = result.stdout.split("\n\n")
    assert head.splitlines()[1:3] == ["rows\t3", "columns\t5"]
    assert [line.split("\t") for line in body.splitlines()] == [
        ["column", "kind", "missing", "different", "lowest", "median", "highest", "most_frequent"],
        ["a", "number", "0", "3", "1", "2", "3", ""],
        ["b", "text", "1", "1", "", "", "", "x"],
        ["c", "date", "0", "3", "2020-01-02", "2020-05-01", "2021-01-02", ""],
        ["d", "number", "3", "0", "", "", "", ""],
        ["e", "boolean", "1", "2", "false", "false", "true", ""],
    ]
    columns = json.loads(dlkit("data", "show", table, "--json").stdout)["columns"]
    assert columns[1]["most_frequent"] == "x"
    table.write_text("a,b\n1," + "1 " * 500 + "\n2," + "1 " * 500 + "\n")
    assert max(map(len, dlkit("data", "show", table).stdout.splitlines())) < 200


def test_preparing_a_large_table_is_reported(
    dlkit: Dlkit, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dlkit.data.tables.reading.table_file.PREPARED_FROM_BYTES", 1)
    monkeypatch.setattr("dlkit.cli.bars._SECONDS_UNSEEN", 0.0)

    assert dlkit("data", "show", table).stderr.endswith(" t: 100 %\n")
    assert dlkit("data", "show", table).stderr == ""
    table.write_text(table.read_text() + "0.1,red,3,big\n")
    assert dlkit("data", "show", table, "-q").stderr == ""


def test_a_network_for_a_table_is_looked_at_before_training(dlkit: Dlkit, table: Path) -> None:
    shown = dlkit("inspect", "model", "mlp", "--data", table, "--target", "price", "-s", "hidden=8")
    rate = dlkit("inspect", "lr", "mlp", "--data", table, "--target", "price", "-s", "hidden=8", "-b", "16")

    assert shown.code == 0, shown.stderr
    assert "output" in shown.stdout
    assert rate.code == 0, rate.stderr
    assert 0 < float(rate.stdout) < 10


def test_the_gaps_of_real_data_are_counted(dlkit: Dlkit, shared_data: Path) -> None:
    housing = shared_data / "housing" / "housing.csv"

    result = dlkit("data", "check", housing, "--target", "median_house_value", "--json")

    (finding,) = [each for each in json.loads(result.stdout) if each["rule"] == "missing"]
    assert result.code == 0
    assert (finding["rule"], finding["where"], finding["count"]) == ("missing", "column total_bedrooms", 207)


def test_what_reading_decided_is_no_fault(dlkit: Dlkit, tmp_path: Path) -> None:
    path = tmp_path / "soil.csv"
    path.write_text(
        "clay;ph\n" + "".join(f"{10 + row * 7 % 19},{row % 10};{row % 7},5\n" for row in range(40))
    )

    text, plain = (dlkit("data", "check", path, "--strict", *mode) for mode in ((), ("--json",)))

    assert (text.code, text.stdout) == (0, "")
    assert "semicolons" in text.stderr
    assert "--decimal" in text.stderr
    assert [(each["level"], each["rule"]) for each in json.loads(plain.stdout)] == [("note", "reading")] * 2


@pytest.mark.slow
def test_housing_is_learned_about_as_well_as_by_boosted_trees(dlkit: Dlkit, shared_data: Path) -> None:
    housing = shared_data / "housing" / "housing.csv"
    assert dlkit("train", "mlp", "--data", housing, "--target", "median_house_value", "--out", "r").code == 0

    found = json.loads(dlkit("eval", "r", "--baselines", "--json").stdout)

    network, trees = found["metrics"]["rmse"]["value"], found["baselines"]["gradient boosting"]["rmse"]
    assert network <= 1.1 * trees < found["baselines"]["linear"]["rmse"]


def test_a_compressed_table_with_decimal_commas_is_learned(dlkit: Dlkit, home: Path) -> None:
    random = np.random.default_rng(0)
    sizes = random.random(60).round(3)
    rows = "".join(f"{size};{1000 + 500 * size:,.1f}\n".replace(",", "'").replace(".", ",") for size in sizes)
    (home / "t.csv.gz").write_bytes(gzip.compress(("size;price\n" + rows).encode()))

    result = dlkit(
        "train", "mlp", "--data", "t.csv.gz", "--target", "price", "--epochs", 1, "--out", "r", "--json"
    )
    shown = dlkit("data", "show", "t.csv.gz", "--decimal", ".", "--json")
    split = dlkit("data", "split", "t.csv.gz", "--target", "price")

    assert result.code == split.code == shown.code == 0, result.stderr
    assert "1'234,5" in result.stderr
    assert [column["kind"] for column in json.loads(shown.stdout)["columns"]] == ["text", "text"]
    assert len(split.stdout.splitlines()) == 61


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--decimal", "x"), ["--decimal 'x'", "','"]),
        (("--thousands", "_"), ["--thousands '_'"]),
        (("--decimal", ",", "--thousands", ","), ["--decimal and --thousands", "both ','"]),
        (("--data", "digits", "--decimal", ","), ["--decimal is for tables", "digits"]),
    ],
)
def test_marks_that_cannot_be_are_refused(
    dlkit: Dlkit, table: Path, options: tuple[str, ...], words: list[str]
) -> None:
    result = dlkit("train", "mlp", "--data", table, "--target", "price", *options)

    assert result.code == 2
    assert [word for word in words if word not in result.stderr] == []
