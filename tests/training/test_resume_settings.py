"""Every setting of the loop keeps its bits over a stop."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import configure, drive, essence, resume

from dlkit.files.checkpoint import load_checkpoint
from dlkit.files.run_places import open_run
from dlkit.files.tensor_file import read_tensors
from dlkit.settings.resolve import resolve
from dlkit.training.resume import resume_run
from dlkit.training.run import start_run

SMALL = {"phi": "8,8", "omega": "8", "theta": "8", "heads": "2", "dropout": "0.2"}
POINTS = {"model": "spatial", "data": "spatial:n=250", "limit": None, "neighbors": 12, "window": 3.0}
# Each optimizer, schedule and other setting stands in some case; 2 to 7 steps an epoch, three epochs.
CASES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "accumulate-ema-rmsprop": (
        {"accumulate": 3, "ema": 0.9, "optimizer": "rmsprop", "schedule": "cosine"},
        {"dropout": "0.3"},
    ),
    "accumulate-clip-adagrad": (
        {"accumulate": 3, "grad_clip": 0.5, "optimizer": "adagrad", "schedule": "step"},
        {"dropout": "0.3", "norm": "batch"},
    ),
    "ema-nesterov-warm-up": (
        {"ema": 0.99, "nesterov": True, "warmup_steps": 10, "schedule": "polynomial", "batch_size": 24},
        {"dropout": "0.3", "norm": "batch"},
    ),
    "freeze-weights-smoothing": (
        {
            "freeze": "hidden.*",
            "target_weights": "3=2,8=0.5",
            "label_smoothing": 0.1,
            "schedule": "exponential",
            "batch_size": 24,
        },
        {},
    ),
    "plateau-patience": (
        {"schedule": "plateau", "patience": 8, "lr": 1e-30, "epochs": 9, "batch_size": 60, "loss": "bce"},
        {},
    ),
    "cyclic-cnn-ema": (
        {"model": "cnn", "schedule": "cyclic", "ema": 0.9, "batch_size": 24, "loss": "mse"},
        {"width": "4", "dropout": "0.3"},
    ),
    "points": ({**POINTS, "batch_size": 25}, SMALL),
    "points-sampler": ({**POINTS, "batch_size": 25, "balance": "sampler"}, SMALL),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.quick(1)
def test_a_run_stopped_again_and_again_has_the_bits_of_the_unbroken_one(
    case: str, home: Path, tmp_path: Path
) -> None:
    settings, arguments = CASES[case]
    config = configure(arguments, **settings)
    folder, whole = tmp_path / "run", tmp_path / "whole"
    drive(start_run(config, whole))
    every = 3 if case == "plateau-patience" else 8 if case.startswith("points") else 7
    stops = [1, every, every + 2, config.epochs * every - 1]

    run = start_run(config, folder)
    for stop in stops:
        assert drive(run, stop) is not None
        run = resume(folder)
        assert (run.start_step, run.steps_per_epoch) == (stop, every)
    assert drive(run) is None

    assert essence(folder) == essence(whole)


def test_the_rate_that_plateau_has_halved_is_the_same_over_a_stop(tmp_path: Path) -> None:
    settings, arguments = CASES["plateau-patience"]
    run = start_run(configure(arguments, **settings), tmp_path / "run")
    drive(run, 3 * 6 + 2)

    seven_epochs, nine = 3 * 7, 3 * 9
    rates = {step.step: step.lr for step, _ in resume(tmp_path / "run")}

    halved = dict.fromkeys(range(seven_epochs + 1, nine + 1), 0.5e-30)
    assert rates == {seven_epochs: 1e-30, **halved}, "six of seven epochs were no better"


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


NETWORK = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        {layers}

    def forward(self, x):
        return self.second(self.first(x.flatten(1)).relu())
"""
LAYERS = ("self.first = nn.Linear(64, 64)", "self.second = nn.Linear(64, 10)")


def test_a_network_whose_layers_change_places_resumes_by_their_names(home: Path) -> None:
    code = home / "net.py"
    settings = {"model": f"{code}:Net", "data": "digits", "optimizer": "adam", "lr": 0.01, "limit": 60}
    code.write_text(NETWORK.format(layers="; ".join(LAYERS)))
    drive(start_run(configure(**settings), home / "whole"))
    drive(start_run(configure(**settings), home / "run"), 9)
    code = home / "newer.py"  # where it is now
    code.write_text(NETWORK.format(layers="; ".join(reversed(LAYERS))))

    run_dir = open_run(home / "run")
    stored = asdict(load_checkpoint(run_dir.last).config)
    run = resume_run(resolve({"model": f"{code}:Net"}, {}, stored), run_dir, {"model"})
    drive(run)

    assert any("newer.py" in note for note in run.notes)
    for name in ("best.safetensors", "last.safetensors"):
        found, expected = (read_tensors(home / which / name)[0] for which in ("run", "whole"))
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[key], expected[key]) for key in found)
