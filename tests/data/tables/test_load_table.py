"""A table as a data set: columns, splits, targets and what a checkpoint needs to find them again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlkit.data.dataset import DataSet, TensorSplit
from dlkit.data.kinds import load_dataset
from dlkit.errors import CheckpointError, DlkitError
from dlkit.files.description import DataDescription, Normalisation
from dlkit.settings.config import TrainConfig

ROWS = 200


@pytest.fixture
def path(home: Path) -> Path:
    """A table of numbers, texts, gaps, a group, a time and two targets."""
    random = np.random.RandomState(0)
    lines = ["a,colour,patient,day,price,kind"]
    for row in range(ROWS):
        value = random.randn()
        gap = "" if row % 50 == 3 else f"{value:.4f}"
        colour = random.choice(["red", "green"])
        price = f"{3 * value + (colour == 'red') + 1000:.3f}" if row != 11 else ""
        lines.append(
            f"{gap},{colour},p{row % 20},2020-{row % 12 + 1:02}-01,{price},{'cat' if value > 0 else 'dog'}"
        )
    file = home / "t.csv"
    file.write_text("\n".join(lines) + "\n")
    return file


def load(
    path: Path, trained_on: DataDescription | None = None, other: Path | None = None, **settings: Any
) -> DataSet:
    config = TrainConfig(**{"model": "mlp", "data": str(path), "target": "price", **settings})
    return load_dataset(config, trained_on, other=None if other is None else str(other))


def stored(dataset: DataSet, name: str) -> TensorSplit:
    split = dataset.splits[name]
    assert isinstance(split, TensorSplit)
    return split


def told(act: Callable[[], object]) -> tuple[str, str, int]:
    with pytest.raises(DlkitError) as caught:
        act()
    return caught.value.message, caught.value.hint, caught.value.exit_code


def test_a_table_describes_itself(path: Path) -> None:
    about = load(path).description

    assert (about.kind, about.task) == ("table", "regression")
    assert (about.target_names, about.target_shape, about.units) == (("price",), (1,), "price")
    assert about.feature_names[:3] == ("a", "a is missing", "colour=green")
    assert about.input_shape == (len(about.feature_names),)
    assert sum(about.split_sizes.values()) == ROWS - 1
    assert DataDescription.from_dict(about.to_dict()) == about


def test_classes_are_named(path: Path) -> None:
    dataset = load(path, target="kind")

    assert (dataset.description.task, dataset.description.class_names) == ("classification", ("cat", "dog"))
    assert dataset.description.target_scaling is None
    assert stored(dataset, "train").targets.dtype == torch.int64


def test_targets_stay_in_their_unit_and_the_scaling_is_that_of_the_training_rows(path: Path) -> None:
    dataset = load(path)
    train = stored(dataset, "train")
    values = train.targets[train.rows].double()

    scaling = dataset.description.target_scaling

    assert 900 < values.mean() < 1100
    assert isinstance(scaling, Normalisation)
    assert scaling.mean == (pytest.approx(values.mean().item()),)
    assert scaling.std == (pytest.approx(values.std(correction=0).item()),)


def test_what_was_decided_is_said(path: Path) -> None:
    notes = load(path, group="patient").notes

    assert notes[0].startswith("target price is a number (")
    assert "1 row without price left out" in notes
    assert any(
        note.startswith("missing values in the training rows are filled in and marked: a (") for note in notes
    )
    assert "columns left out: patient is what --group splits by" in notes


def test_chosen_features_are_the_only_ones(path: Path) -> None:
    assert load(path, features="colour, a").description.feature_names[:2] == ("colour=green", "colour=red")
    chosen = load(path, features="a,patient", group="patient").description.feature_names
    assert any(name.startswith("patient=") for name in chosen)


def test_a_checkpoint_finds_the_same_rows_and_inputs_again(path: Path) -> None:
    first = load(path, limit=50)

    again = load(path, DataDescription.from_dict(first.description.to_dict()), limit=50)

    assert again.description == first.description
    for name in ("train", "val", "test"):
        assert stored(again, name).rows.tolist() == stored(first, name).rows.tolist()
        torch.testing.assert_close(stored(again, name).inputs, stored(first, name).inputs, rtol=0, atol=0)


def test_a_table_that_changed_is_refused(path: Path) -> None:
    about = load(path).description
    path.write_text(path.read_text().replace("red", "rot"))

    message, hint, code = told(lambda: load(path, about))

    assert message == f"--data {path} has changed since the checkpoint was trained on it"
    assert (hint, code) == ("name it with --data to evaluate on its present content", 3)


def test_the_same_table_under_another_name_is_split_as_it_was(path: Path) -> None:
    first = load(path)
    copy = path.with_name("copy.csv")
    copy.write_bytes(path.read_bytes())

    again = load(path, first.description, other=copy)

    assert stored(again, "test").rows.tolist() == stored(first, "test").rows.tolist()


def test_other_rows_are_all_evaluated_with_what_was_learned(path: Path) -> None:
    first = load(path, features="a,colour,day,patient")
    other = path.with_name("new.csv")
    other.write_text("colour,a,day,patient\nblue,1.5,2020-02-01,p3\nred,,2020-02-01,p77\n")

    found = load(path, first.description, other=other)

    assert list(found.splits) == ["test"]
    assert found.description.split_sizes == {"test": 2}
    assert stored(found, "test").targets.isnan().all()
    assert stored(found, "test").inputs[0, 2:4].tolist() == [0, 0]
    assert stored(found, "test").inputs[1, 1] == 1
    assert found.notes == [
        f"every row of {other} is evaluated: it is not the table trained on",
        "no row has a price, so there are no scores",
        "column colour: 1 value that the training rows did not have",
        "column patient: 1 value that the training rows did not have",
    ]


def test_other_rows_may_have_some_targets(path: Path) -> None:
    first = load(path, target="kind", features="a")
    other = path.with_name("new.csv")
    other.write_text("a,kind\n1.5,dog\n2.5,\n")

    found = load(path, first.description, other=other, target="kind")

    assert stored(found, "test").targets.tolist() == [1, -1]
    assert "1 row without kind: predicted and not scored" in found.notes


def test_other_rows_without_a_column_are_refused(path: Path) -> None:
    first = load(path)
    other = path.with_name("new.csv")
    other.write_text("color,a,day,kind,patient\nblue,1.5,2020-02-01,cat,p3\n")

    assert told(lambda: load(path, first.description, other=other))[:2] == (
        f"{other} has no column colour",
        "did you mean color?",
    )


def test_all_columns_that_other_rows_lack_are_told(path: Path) -> None:
    first = load(path)
    other = path.with_name("new.csv")
    other.write_text("a,patient\n1,p3\n")

    assert told(lambda: load(path, first.description, other=other))[:2] == (
        f"{other} has no columns colour, day, kind",
        "give the columns that the network was trained on",
    )


def test_a_changed_split_file_is_refused(path: Path) -> None:
    file = path.with_name("split.csv")
    file.write_text("row,split\n1,train\n2,train\n3,val\n4,test\n")
    settings = {"split_file": str(file), "features": "colour,day"}
    about = load(path, **settings).description

    assert load(path, about, **settings).description == about
    file.write_text("row,split\n1,train\n2,train\n4,val\n3,test\n")
    assert told(lambda: load(path, about, **settings))[0::2] == (
        f"--split-file {file} has changed since the checkpoint was trained with it",
        3,
    )


def test_limit_takes_training_rows_at_random(path: Path) -> None:
    whole, some = load(path), load(path, limit=40)

    rows = stored(some, "train").rows.tolist()

    assert len(rows) == 40
    assert set(rows) < set(stored(whole, "train").rows.tolist())
    assert rows != stored(whole, "train").rows.tolist()[:40]
    assert stored(some, "test").rows.tolist() == stored(whole, "test").rows.tolist()


def test_normalize_none_leaves_numbers_in_their_unit(path: Path) -> None:
    dataset = load(path, normalize="none", features="a")

    values = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=0)
    found = stored(dataset, "train").inputs[:, 0].numpy()
    np.testing.assert_allclose(found[~np.isnan(values)], values[~np.isnan(values)], rtol=1e-5)


def test_bins_are_quantiles_of_the_training_rows(path: Path) -> None:
    dataset = load(path, arguments={"numbers": "piecewise", "bins": 4}, features="a,day")

    learned, train = dataset.description.learned, stored(dataset, "train")
    values = train.inputs[train.rows][:, 0].numpy()
    np.testing.assert_allclose(learned["edges"][0], np.quantile(values, [0, 0.25, 0.5, 0.75, 1]), rtol=1e-5)
    assert learned["continuous"] == [0, 2]


FAULTS: dict[str, tuple[dict[str, Any], str, str, int]] = {
    "no-target": (
        {"target": None},
        "--target is missing: it names the column of {0} to predict; it has a, colour, patient, day, price, kind",
        "--target COLUMN, or several: --target A,B",
        2,
    ),
    "unknown-target": (
        {"target": "prise"},
        "--target prise: {0} has no such column",
        "did you mean price?",
        3,
    ),
    "unknown-feature": ({"features": "b,a"}, "--features b: {0} has no such column", "it has a, colour, ", 3),
    "target-as-feature": (
        {"features": "a,price"},
        "--features price is the target too",
        "leave it out: it would give the answer away",
        2,
    ),
    "same-feature-twice": (
        {"features": "a,a"},
        "--features a,a names no column, or one twice",
        "for example --features a,colour",
        2,
    ),
    "numbers-for-images": (
        {"normalize": "0.5,0.5"},
        "--normalize 0.5,0.5 is for images; each column of a table has its own mean and spread",
        "auto or none",
        2,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told(name: str, path: Path) -> None:
    settings, message, hint, code = FAULTS[name]

    found = told(lambda: load(path, **settings))

    assert found[0] == message.format(path)
    assert found[1].startswith(hint)
    assert found[2] == code


def test_a_target_that_does_not_vary_in_training_is_told(path: Path) -> None:
    path.write_text("a,y\n" + "".join(f"{row},{0.5}\n" for row in range(50)))

    assert told(lambda: load(path, target="y", task="regression"))[:2] == (
        "--target y is 0.5 in all 40 training rows: there is nothing to learn",
        "name another column",
    )


def test_rows_that_are_numbered_are_no_feature(path: Path) -> None:
    path.write_text(",a,y\n" + "".join(f"{row},{row % 7},{row * 0.5}\n" for row in range(50)))

    dataset = load(path, target="y")

    assert dataset.description.feature_names == ("a",)
    assert any("left out: column 1, without a name" in note for note in dataset.notes)


def test_a_checkpoint_of_images_takes_no_table(path: Path) -> None:
    about = DataDescription(name="digits", task="classification", input_shape=(1, 8, 8), split_sizes={})

    with pytest.raises(CheckpointError) as caught:
        load(path, about, other=path)

    assert caught.value.message == "the checkpoint was not trained on a table, but on digits"


@pytest.mark.parametrize("with_target", [True, False])
def test_rows_of_a_second_file_that_were_trained_on_are_counted(path: Path, with_target: bool) -> None:
    first = load(path)
    lines = path.read_text().splitlines()
    rows = {name: [lines[1 + row] for row in split.rows.tolist()] for name, split in first.splits.items()}
    other = path.parent / "new.csv"
    text = "\n".join([lines[0], *rows["train"][:17], *rows["test"][:9]])
    other.write_text(text if with_target else text.replace("price", "cost"))

    (note,) = (note for note in load(path, first.description, other=other).notes if "training part" in note)

    assert "17 of the 26 rows" in note
    path.unlink()
    assert not [note for note in load(path, first.description, other=other).notes if "training part" in note]


@pytest.mark.parametrize("name", ["Unnamed: 0", "Unnamed: 3", "Unnamed: 0.1", "__index_level_0__", ""])
def test_an_index_that_pandas_wrote_is_no_feature_unless_named(path: Path, name: str) -> None:
    rows = "".join(f"{row},{row % 7},{row * 0.5}\n" for row in range(50))
    path.write_text(f"{name},a,y\n{rows}")

    dataset = load(path, target="y")
    named = load(path, target="y", features=f"{name},a") if name else None

    assert dataset.description.feature_names == ("a",)
    assert any("left out" in note and (name or "column 1") in note for note in dataset.notes)
    assert named is None or named.description.feature_names == (name, "a")


@pytest.mark.parametrize("rows", [30, 120])
def test_names_of_files_are_no_feature(path: Path, rows: int) -> None:
    path.write_text(
        "file,sex,y\n" + "".join(f"{row:03}.png,{'MF'[row % 2]},{row * 0.5}\n" for row in range(rows))
    )

    dataset = load(path, target="y")

    assert dataset.description.feature_names == ("sex=F", "sex=M")
    assert any(
        "file has a different text in nearly every row" in note and ".png'" in note for note in dataset.notes
    )


def test_a_missing_file_is_reported_before_a_missing_target(path: Path) -> None:
    message, _, code = told(lambda: load(path.with_name("gone.csv"), target=None))

    assert "gone.csv" in message
    assert "--target" not in message
    assert code == 3


@pytest.mark.parametrize("target", ["price", "a"])
def test_a_number_beyond_all_sums_is_refused_with_its_place(path: Path, target: str) -> None:
    path.write_text(path.read_text() + "1e308,red,p1,2020-01-01,1,cat\n")

    message, hint, code = told(lambda: load(path, target=target))
    assert f"line {ROWS + 2}, column a is 1e+308" in message
    assert "--missing 1e+308" in hint
    assert code == 3
    assert load(path, target="price", missing="1e308").description.split_sizes["train"] > 0


def test_other_rows_with_a_number_too_large_for_the_network_are_refused(path: Path) -> None:
    about = load(path).description
    other = path.with_name("other.csv")
    other.write_text("a,colour,day,kind,patient\n1,red,2020-01-01,cat,p1\n1e200,red,2020-01-01,cat,p1\n")

    message, _, _ = told(lambda: load(path, about, other=other))
    assert "line 3, column a is 1e+200" in message


def test_codes_for_missing_values_are_reported(path: Path) -> None:
    path.write_text(
        "a,y\n" + "".join(f"{-9999 if row % 9 == 0 else row % 7},{row * 0.5}\n" for row in range(90))
    )

    (note,) = [note for note in load(path, target="y").notes if "-9999" in note]
    emptied = load(path, target="y", missing="-9999")

    assert "a has -9999 in 10 rows" in note
    assert "--missing -9999" in note
    assert emptied.description.feature_names == ("a", "a is missing")


def test_dates_of_other_rows_are_read_in_the_order_of_training(path: Path) -> None:
    rows = "".join(f"{row % 28 + 1:02}/0{row % 3 + 1}/2024,{row * 0.5}\n" for row in range(60))
    path.write_text(f"day,y\n{rows}")
    other = path.with_name("other.csv")
    other.write_text("day,y\n03/02/2024,1\n")
    iso = path.with_name("iso.csv")
    iso.write_text("day,y\n2024-02-03,1\n")
    about = load(path, target="y").description

    swapped, plain = (load(path, about, other=file, target="y") for file in (other, iso))

    assert stored(swapped, "test").inputs.tolist() == stored(plain, "test").inputs.tolist()
