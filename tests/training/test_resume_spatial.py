"""Points too come to the same bits when a run is stopped and resumed, with neighbours drawn anew each epoch."""

from pathlib import Path

import pytest
from runs import configure, drive, essence, resume

from dlkit.files.checkpoint import load_checkpoint
from dlkit.training.run import start_run

SMALL = {"phi": "8,8", "omega": "8", "theta": "8", "heads": "2", "dropout": "0.2"}
POINTS = {"model": "spatial", "data": "spatial:n=250", "limit": None, "neighbors": 12, "window": 3.0}


@pytest.mark.parametrize("balance", ["none", "sampler"])
def test_a_run_of_points_stopped_anywhere_has_the_bits_of_the_unbroken_one(
    home: Path, tmp_path: Path, balance: str
) -> None:
    config = configure(SMALL, **POINTS, balance=balance, batch_size=25)
    assert drive(start_run(config, tmp_path / "unbroken")) is None

    run = start_run(config, tmp_path / "run")
    for stop in (1, 5, 8, 9, 20):
        assert drive(run, stop) is not None
        run = resume(tmp_path / "run")
    assert drive(run) is None

    assert essence(tmp_path / "run") == essence(tmp_path / "unbroken")


def test_the_training_points_travel_in_the_checkpoint(home: Path, tmp_path: Path) -> None:
    run = start_run(configure(SMALL, **POINTS, epochs=1), tmp_path / "run")
    drive(run)

    weights = load_checkpoint(run.dir.best).weights

    assert weights["context.coords"].shape == (200, 2)
    assert {"context.values", "context.times", "context.features"} <= weights.keys()


def test_another_seed_draws_other_neighbours(home: Path, tmp_path: Path) -> None:
    folders = [tmp_path / str(seed) for seed in (0, 0, 1)]
    for index, folder in enumerate(folders):
        drive(
            start_run(configure(SMALL, **POINTS, epochs=1, seed=int(folder.name)), tmp_path / f"run{index}")
        )

    first, again, other = (essence(tmp_path / f"run{index}") for index in range(3))
    assert first == again
    assert first["last.safetensors"]["tensors"] != other["last.safetensors"]["tensors"]
