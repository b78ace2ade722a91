"""Points as a data set: columns, splits, neighbours, and what no point may see."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlkit.data.batches import Batches
from dlkit.data.dataset import DataSet
from dlkit.data.kinds import load_dataset
from dlkit.data.spatial.check import check_neighbors
from dlkit.data.spatial.split import SpatialSplit
from dlkit.errors import ConfigError, DataError, DlkitError
from dlkit.settings.resolve import resolve

CPU = torch.device("cpu")


def write_points(path: Path, rows: int = 200, seed: int = 0, **columns: list[Any]) -> Path:
    """Write places, days, a kind of ground, a depth with gaps, and a value."""
    random = np.random.RandomState(seed)
    table: dict[str, Any] = {
        "lon": random.uniform(5, 10, rows).round(6).tolist(),
        "lat": random.uniform(45, 50, rows).round(6).tolist(),
        "day": random.uniform(0, 100, rows).round(6).tolist(),
        "ground": [("clay", "sand", "rock")[index % 3] for index in range(rows)],
        "depth": ["" if index % 10 == 0 else index % 7 for index in range(rows)],
        "value": random.normal(20, 4, rows).round(6).tolist(),
        **columns,
    }
    lines = [",".join(table), *(",".join(map(str, row)) for row in zip(*table.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path


def points(path: Path, **settings: Any) -> DataSet:
    typed = {"model": "spatial", "data": str(path), "coords": "lon,lat", "target": "value", **settings}
    return load_dataset(resolve({name: value for name, value in typed.items() if value is not None}, {}))


def parts(dataset: DataSet) -> Mapping[str, SpatialSplit]:
    return {name: split for name, split in dataset.splits.items() if isinstance(split, SpatialSplit)}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"time": "day", "min_neighbors": 0},
        {"time": "day", "window": 20.0, "min_neighbors": 0},
        {"distance": "haversine", "radius": 150.0, "min_neighbors": 0},
        {"split_by_block": 1.0},
        {"by_time": "day"},
        {"limit": 60},
    ],
    ids=["places", "time", "window", "globe", "blocks", "future", "limit"],
)
def test_no_point_sees_itself_the_future_or_a_point_outside_train(
    home: Path, settings: dict[str, Any]
) -> None:
    dataset = points(write_points(home / "p.csv"), **settings)

    assert check_neighbors(dataset) == []
    train = dataset.splits["train"].rows
    for split in parts(dataset).values():
        for epoch in (None, 1, 2):
            inputs, _ = split.batch(split.rows, CPU, epoch)
            seen = inputs["neighbors"]
            rows = train[seen.clamp_min(0)]
            assert seen.max() < len(train)
            assert not ((rows == split.rows.unsqueeze(1)) & (seen >= 0)).any()
            if "time" in settings:
                assert split.times is not None
                ago = split.times[split.rows].unsqueeze(1) - split.times[rows]
                assert ((ago > 0) | (seen < 0)).all()
                assert ((ago <= settings.get("window", np.inf)) | (seen < 0)).all()


def test_targets_of_val_and_test_reach_no_input(home: Path) -> None:
    """Change every value outside train, and hold all that a network gets to what it was."""
    before = points(write_points(home / "p.csv"))
    held_out = np.concatenate([before.splits[name].rows.numpy() for name in ("val", "test")])
    values = [float(line.rsplit(",", 1)[1]) for line in (home / "p.csv").read_text().splitlines()[1:]]
    for row in held_out:
        values[row] += 1000
    rows = np.stack([np.arange(200), np.full(200, 0)])
    names = ["train"] * 200
    for name in ("val", "test"):
        for row in before.splits[name].rows.tolist():
            names[row] = name
    split_file = home / "split.csv"
    split_file.write_text(
        "row,split\n" + "".join(f"{row},{name}\n" for row, name in zip(rows[0], names, strict=True))
    )
    same = points(home / "p.csv", split_file=str(split_file))

    changed = points(write_points(home / "q.csv", value=values), split_file=str(split_file))

    for name, tensor in same.context.items():
        assert torch.equal(tensor, changed.context[name])
    for name, split in parts(same).items():
        inputs, targets = split.batch(split.rows, CPU, 1)
        others, changed_targets = changed.splits[name].batch(split.rows, CPU, 1)
        assert all(torch.equal(inputs[key], others[key]) for key in inputs)
        assert torch.equal(targets, changed_targets) == (name == "train")


def test_the_context_is_the_training_points_in_standardised_values(home: Path) -> None:
    dataset = points(write_points(home / "p.csv"), time="day", min_neighbors=0)
    train, scaling = parts(dataset)["train"], dataset.description.target_scaling

    assert scaling is not None
    values = dataset.context["values"] * scaling.std[0] + scaling.mean[0]
    torch.testing.assert_close(values, train.targets[train.rows][:, 0])
    assert dataset.context["values"].mean().abs() < 1e-5
    assert torch.equal(dataset.context["coords"], train.coords[train.rows])
    assert set(dataset.context) == {"coords", "features", "values", "times"}
    assert dataset.description.feature_names[:3] == ("lon", "lat", "day")
    assert "ground=clay" in dataset.description.feature_names
    assert "depth is missing" in dataset.description.feature_names


def test_an_epoch_is_drawn_anew_and_the_same_epoch_alike(home: Path) -> None:
    split = points(write_points(home / "p.csv"), neighbors=20).splits["train"]
    drawn = [split.batch(split.rows, CPU, epoch)[0]["neighbors"] for epoch in (1, 1, 2)]

    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    alone = torch.cat([split.batch(row, CPU, 1)[0]["neighbors"] for row in split.rows.split(1)])
    assert torch.equal(alone, drawn[0])
    assert drawn[0].shape[1] == 20


def test_evaluation_takes_the_nearest_or_a_numbered_draw(home: Path) -> None:
    split = parts(points(write_points(home / "p.csv"), neighbors=20))["val"]

    seen, again = (split.batch(split.rows, CPU)[0]["neighbors"] for _ in range(2))

    assert torch.equal(seen, split.candidates[split.rows][:, :20].long())
    assert torch.equal(seen, again)
    first, second = (split.with_drawing(number).batch(split.rows, CPU)[0]["neighbors"] for number in (0, 1))
    assert not torch.equal(first, second)
    assert torch.equal(first, split.with_drawing(0).batch(split.rows, CPU)[0]["neighbors"])


def test_candidates_are_kept_up_to_200_and_within_the_radius(home: Path) -> None:
    path = write_points(home / "p.csv", rows=400)
    split = parts(points(path))["train"]
    assert split.candidates.shape[1] == 200

    near = parts(points(path, radius=0.5, min_neighbors=0))["train"]

    which = near.rows[near.candidates[near.rows].long().clamp_min(0)]
    apart = (near.coords[near.rows].unsqueeze(1) - near.coords[which]).norm(dim=-1)
    assert apart[near.candidates[near.rows] >= 0].max() <= 0.5


def test_balanced_batches_hold_low_and_high_values_equally(home: Path) -> None:
    values = [1.0 if index % 8 else 9.0 + index / 1000 for index in range(200)]
    dataset = points(write_points(home / "p.csv", value=values))
    batches = Batches(dataset.splits["train"], 160, CPU, balanced=True)

    _, targets = next(batches.shuffled(1))

    assert (targets > 5).float().mean() == pytest.approx(0.5, abs=0.01)


def test_blocks_are_never_apart(home: Path) -> None:
    dataset = points(write_points(home / "p.csv", rows=400), split_by_block=0.5)

    where = {}
    for name, split in parts(dataset).items():
        assert len(split) > 10
        centre = np.asarray(dataset.description.learned["geometry"]["centre"])
        corners = np.floor((split.coords[split.rows].double().numpy() + centre + 1e-7) / 0.5)
        where[name] = {tuple(corner) for corner in corners.tolist()}
    assert not where["train"] & where["val"]
    assert not where["train"] & where["test"]
    assert not where["val"] & where["test"]


def test_rows_without_place_or_value_are_left_out_and_told(home: Path) -> None:
    lon = ["" if index in (3, 4) else 5 + index / 100 for index in range(200)]
    value = ["" if index == 9 else index % 17 for index in range(200)]

    dataset = points(write_points(home / "p.csv", lon=lon, value=value))

    assert sum(map(len, dataset.splits.values())) == 197
    assert "1 row without value left out" in dataset.notes
    assert "2 rows without a place or a time left out" in dataset.notes


def test_dates_count_in_days(home: Path) -> None:
    dates = [f"2024-{1 + index // 28:02d}-{1 + index % 28:02d}" for index in range(200)]
    dataset = points(write_points(home / "p.csv", day=dates), time="day", window=30.0, min_neighbors=0)
    split = parts(dataset)["train"]

    assert split.times is not None
    which = split.rows[split.candidates[split.rows].long().clamp_min(0)]
    ago = (split.times[split.rows].unsqueeze(1) - split.times[which])[split.candidates[split.rows] >= 0]
    assert ago.min() >= 0.999
    assert 29 < ago.max() <= 30


@pytest.mark.parametrize(
    ("features", "expected"),
    [("depth", {"depth", "depth is missing"}), ("none", set()), (None, {"day", "depth", "ground=sand"})],
)
def test_features_are_those_named_or_all_other_columns(
    home: Path, features: str | None, expected: set[str]
) -> None:
    dataset = points(write_points(home / "p.csv"), features=features)

    names = set(dataset.description.feature_names[2:])
    assert expected <= names
    assert features is None or names == expected


@pytest.mark.parametrize("features", [None, "none"])
def test_places_and_values_alone_are_enough(home: Path, features: str | None) -> None:
    path = home / "p.csv"
    rows = [f"LN{i:04},{i % 20},{i // 20 % 20},{i % 20 + 0.5}" for i in range(300)]
    path.write_text("\n".join(["station,lon,lat,value", *rows]) + "\n")

    dataset = points(path, features=features)

    assert len(dataset.description.feature_names) == 2
    assert any("values of neighbours" in note for note in dataset.notes)
    assert any("station has a different text" in note for note in dataset.notes) == (features is None)


@pytest.mark.parametrize(
    ("settings", "columns", "message", "hint"),
    [
        ({"coords": None}, {}, "--coords is missing: it names the columns X,Y of", "for example --coords lon,lat"),
        ({"coords": "lon"}, {}, "--coords lon names 1 of the columns; it takes two: X,Y", "--coords lon,lat"),
        ({"target": None}, {}, "--target is missing: it names the column of", ""),
        ({"coords": "lon,lta"}, {}, "--coords lta: ", "did you mean lat?"),
        ({"time": "lon"}, {}, "name a column twice: lon, lat, lon, value", "each column has one role"),
        ({"time": "ground"}, {}, "--time ground is a column of text, not of numbers or dates", "name another column"),
        ({"target": "ground"}, {}, "--target ground is text, e.g. 'clay', not a number", ""),
        ({"features": "depth,value"}, {}, "--features value is the target too", "give the answer away"),
        ({"features": "depth,depth"}, {}, "--features depth,depth names no column, or one twice", "none"),
        ({}, {"value": [3] * 200}, "--target value is 3 in all 160 training points", "name another column"),
        ({}, {"lon": [*range(199), "inf"]}, "line 201, column lon is infinite, so --coords cannot place", "empty"),
        (
            {"distance": "haversine"},
            {"lat": [91, *([50] * 199)]},
            "line 2, column lat is 91; --distance haversine takes degrees from -90 to 90",
            "names the longitude first",
        ),
        (
            {"min_neighbors": 20, "radius": 0.2},
            {},
            "200 of 200 points (160 train, 20 val, 20 test) have fewer than 20 neighbours within --radius 0.2",
            "a larger --radius, or --min-neighbors 0",
        ),
        (
            {"min_neighbors": 3, "time": "day"},
            {},
            "have fewer than 3 neighbours before them",
            "--min-neighbors 0, which accepts any number",
        ),
        ({"split_by_block": 90.0}, {}, "--split-by-block 90 cuts the points into 1 squares; 3 are", "smaller side"),
        ({"data": "a.npz"}, {}, "a.npz: MODEL spatial takes a table of points", "each row"),
        ({"data": "digits"}, {}, "--data digits: MODEL spatial takes a table of points", "each row"),
    ],
    ids=[
        "no coords", "one coord", "no target", "typo", "two roles", "time is text", "target is text",
        "feature is target", "feature twice", "constant", "infinite", "no latitude", "too few", "too few before",
        "one block", "arrays", "images",
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_with_its_value_and_a_way_out(
    home: Path, settings: dict[str, Any], columns: dict[str, Any], message: str, hint: str
) -> None:
    path = write_points(home / "p.csv", **columns)

    with pytest.raises(DlkitError) as caught:
        points(path, **settings)

    assert isinstance(caught.value, ConfigError | DataError)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def as_trained(dataset: DataSet, path: Path, other: Path | None = None, **settings: Any) -> DataSet:
    typed = {"model": "spatial", "data": str(path), "coords": "lon,lat", "target": "value", **settings}
    config = resolve(typed, {})
    return load_dataset(
        config, dataset.description, dataset.context, other=None if other is None else str(other)
    )


@pytest.mark.parametrize(
    "settings", [{}, {"time": "day", "min_neighbors": 0}, {"split_by_block": 1.0}], ids=str
)
def test_the_points_of_a_run_are_found_again(home: Path, settings: dict[str, Any]) -> None:
    path = write_points(home / "p.csv")
    dataset = points(path, **settings)

    again = as_trained(dataset, path, **settings)

    assert again.description == dataset.description
    for name, split in parts(dataset).items():
        inputs, targets = split.batch(split.rows, CPU, 3)
        others, same = again.splits[name].batch(split.rows, CPU, 3)
        assert torch.equal(again.splits[name].rows, split.rows)
        assert torch.equal(targets, same)
        assert all(torch.equal(inputs[key], others[key]) for key in inputs)


def test_other_points_see_the_training_points_and_never_their_own_value(home: Path) -> None:
    path = write_points(home / "p.csv")
    dataset = points(path)
    more = path.read_text() + "7.5,47.5,3,clay,2,\n"
    (home / "more.csv").write_text(more)

    found = as_trained(dataset, path, home / "more.csv")

    split, train = parts(found)["test"], parts(dataset)["train"]
    assert split.rows.tolist() == list(range(201))
    assert found.context.keys() == dataset.context.keys()
    seen = split.batch(train.rows, CPU)[0]["neighbors"]
    assert torch.equal(seen, train.batch(train.rows, CPU)[0]["neighbors"])
    notes = "; ".join(found.notes)
    assert "all 201 points of" in notes
    assert "1 of them have no value: no scores there" in notes
    assert "160 of them are training points; none sees its own value" in notes


def test_a_checkpoint_of_other_training_points_is_refused(home: Path) -> None:
    path = write_points(home / "p.csv")
    dataset = points(path)
    context = {**dataset.context, "values": dataset.context["values"] + 1}

    with pytest.raises(DataError, match="differ from those of the split"):
        as_trained(dataclasses.replace(dataset, context=context), path)


def test_a_changed_table_is_refused(home: Path) -> None:
    path = write_points(home / "p.csv")
    dataset = points(path)
    write_points(path, seed=1)

    with pytest.raises(DataError, match="has changed since the checkpoint was trained on it"):
        as_trained(dataset, path)


def test_a_changed_split_file_is_refused(home: Path) -> None:
    path, split_file = write_points(home / "p.csv"), home / "s.csv"
    names = ["train"] * 180 + ["val"] * 10 + ["test"] * 10
    split_file.write_text("row,split\n" + "".join(f"{row},{name}\n" for row, name in enumerate(names)))
    dataset = points(path, split_file=str(split_file))
    split_file.write_text(split_file.read_text() + "\n")

    with pytest.raises(DataError, match="has changed since the checkpoint was trained with it"):
        as_trained(dataset, path, split_file=str(split_file))


def test_simulated_points_follow_their_equation(home: Path) -> None:
    dataset = load_dataset(resolve({"model": "spatial", "data": "spatial:n=500,noise=0,t_max=10,seed=3"}, {}))
    split, learned = parts(dataset)["train"], dataset.description.learned

    assert split.times is not None
    place = split.coords.double() + torch.tensor(learned["geometry"]["centre"], dtype=torch.float64)
    t = split.times.double() + learned["time_origin"]
    torch.testing.assert_close(
        split.targets[:, 0].double(), t.sin() * place[:, 1] + t.cos() * place[:, 0], atol=1e-5, rtol=0
    )
    assert t.min() >= 0
    assert 9 < t.max() <= 10
    assert dataset.description.source.startswith("simulated")
    other = load_dataset(resolve({"model": "spatial", "data": "spatial:n=500,noise=0,t_max=10,seed=4"}, {}))
    assert other.description.fingerprint != dataset.description.fingerprint
