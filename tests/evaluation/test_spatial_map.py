import csv
import io
from pathlib import Path

import numpy as np
import pytest
import torch

from dlkit.errors import CheckpointError, ConfigError
from dlkit.evaluation.spatial_map import MOST_OBSERVATIONS, Map, predict_map
from dlkit.files.checkpoint import Checkpoint, load_checkpoint
from dlkit.settings.resolve import resolve
from dlkit.training.run import start_run

CPU = torch.device("cpu")
SMALL = {"phi": "8", "omega": "", "theta": "8", "heads": "1"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """A network of simulated points after three epochs."""
    folder = tmp_path_factory.mktemp("points")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DLKIT_HOME", str(folder / "home"))
        config = resolve({"model": "spatial", "data": "spatial:n=400", "epochs": 3, "plot": False}, SMALL)
        for _ in (run := start_run(config, folder / "run")):
            pass
    return load_checkpoint(run.dir.best)


def test_a_map_covers_the_training_points_with_square_cells(checkpoint: Checkpoint) -> None:
    found = predict_map(checkpoint, 12, CPU, draws=3)

    east, north = (np.unique(found.cells[:, axis]) for axis in (0, 1))
    assert max(len(east), len(north)) == 12
    assert len(found.cells) == len(east) * len(north)
    assert np.diff(east) == pytest.approx(np.diff(north)[0], rel=1e-3)
    assert found.cells.min() > -0.1
    assert found.cells.max() < 1.1
    assert found.names == ("lon", "lat", "value")
    assert np.isfinite(found.mean).mean() > 0.5
    assert (found.spread[np.isfinite(found.mean)] >= 0).all()
    assert np.nanmax(found.spread) > 1e-4


def test_a_map_is_the_same_each_time_and_of_the_newest_time(checkpoint: Checkpoint) -> None:
    found, again = (predict_map(checkpoint, 6, CPU, draws=3) for _ in range(2))

    assert np.array_equal(found.mean, again.mean, equal_nan=True)
    assert any(note.startswith("the map is of t = 49.") for note in found.notes)


def test_a_map_of_another_time_sees_what_was_before_it(checkpoint: Checkpoint) -> None:
    found = predict_map(checkpoint, 6, CPU, draws=2, at=20.0)

    assert "the map is of t = 20" in found.notes
    assert 1 <= len(found.values) < 20  # about eight points a unit of time


def test_a_map_before_all_observations_is_empty_of_them(checkpoint: Checkpoint) -> None:
    found = predict_map(checkpoint, 4, CPU, draws=2, at=-5.0)

    assert len(found.values) == 0


def test_a_map_is_of_points(trained_run: Path) -> None:
    with pytest.raises(CheckpointError, match="the checkpoint was not trained on points, but on digits"):
        predict_map(load_checkpoint(trained_run), 5, CPU)


def test_a_time_needs_points_with_time(checkpoint: Checkpoint) -> None:
    weights = {name: tensor for name, tensor in checkpoint.weights.items() if name != "context.times"}
    untimed = Checkpoint(
        checkpoint.path, checkpoint.metadata, weights, {}, checkpoint.config, checkpoint.description
    )

    with pytest.raises(ConfigError, match=r"--at 3 has no effect: the points of .* have no time"):
        predict_map(untimed, 5, CPU, at=3.0)


def test_the_csv_has_cells_and_then_observations() -> None:
    found = Map(
        names=("x", "y", "depth, m"),
        cells=np.array([[1.0, 2.0], [1.5, 2.0]]),
        mean=np.array([3.25, np.nan]),
        spread=np.array([0.5, np.nan]),
        half=np.array([1.25, np.nan]),
        places=np.array([[1.1, 2.1]]),
        values=np.array([4.0]),
        notes=(),
    )

    rows = list(csv.reader(io.StringIO(found.to_csv())))

    assert rows == [
        ["x", "y", "mean", "sd_draws", "half_width", "depth, m"],
        ["1", "2", "3.25", "0.5", "1.25", ""],
        ["1.5", "2", "", "", "", ""],
        ["1.1", "2.1", "", "", "", "4"],
    ]


def test_many_observations_are_thinned_and_told(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_OBSERVATIONS >= 1000
    monkeypatch.setattr("dlkit.evaluation.spatial_map.MOST_OBSERVATIONS", 2)

    found = predict_map(checkpoint, 3, CPU, draws=2)

    assert 1 <= len(found.values) <= 2
    assert any("observations is in the file" in note for note in found.notes)
