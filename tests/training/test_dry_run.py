"""What a run will cost, and whether the network can learn at all."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from refusals import assert_reports
from runs import configure, drive

from dlkit.errors import CheckpointError, ConfigError, DlkitError
from dlkit.files.history import read_history
from dlkit.training.dry_run import dry_run, memorise
from dlkit.training.run import start_run


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder below with its size and time of change."""
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in [folder, *folder.rglob("*")]
    }


def test_dry_run_reports_what_the_run_will_be() -> None:
    report = dry_run(configure({"hidden": "16"}))

    names = "plan parameters steps_per_epoch steps first_loss seconds_per_epoch seconds peak_memory_mib"
    assert " ".join(report) == names
    for part in ("mlp", "1,210", "digits", "150 train", "sgd", "0.01", "batch 8", "cpu"):
        assert part in report["plan"]
    assert (report["parameters"], report["steps_per_epoch"], report["steps"]) == (
        64 * 16 + 16 + 16 * 10 + 10,
        19,
        57,
    )
    assert report["first_loss"] == pytest.approx(math.log(10), rel=0.2)
    assert 0 < report["seconds_per_epoch"] < 60
    assert report["seconds"] == pytest.approx(3 * report["seconds_per_epoch"], rel=1e-9)
    assert 10 < report["peak_memory_mib"] < 100_000


def test_tries_report_what_was_left_out() -> None:
    config = configure(target_weights="3=2", ema=0.9)
    noted: list[str] = []

    dry_run(config, noted.append)
    memorise(configure(), 10, noted.append)

    assert [note for note in noted if "--ema" in note]
    assert not [note for note in noted if "adamw" in note or "sgd" in note]


COUNTS = {
    "groups": ({"accumulate": 3}, 7, 21),
    "max-steps": ({"max_steps": 25}, 19, 25),
    "max-steps-beyond": ({"max_steps": 99}, 19, 57),
    "one-step-in-all": ({"batch_size": 150, "epochs": 1}, 1, 1),
    "one-step-an-epoch": ({"batch_size": 150}, 1, 3),
    "two-steps-an-epoch": ({"batch_size": 75}, 2, 6),
}


@pytest.mark.parametrize(("settings", "per_epoch", "steps"), COUNTS.values(), ids=COUNTS)
def test_dry_run_counts_the_steps_of_the_run(settings: dict[str, Any], per_epoch: int, steps: int) -> None:
    report = dry_run(configure(**settings))

    assert (report["steps_per_epoch"], report["steps"]) == (per_epoch, steps)
    assert report["seconds_per_epoch"] > 0
    if settings.get("max_steps") == 25:
        assert report["seconds"] < 2 * report["seconds_per_epoch"], "six steps of the second epoch"
    else:
        assert report["seconds"] == pytest.approx(steps / per_epoch * report["seconds_per_epoch"], rel=1e-9)


def test_dry_run_estimates_no_more_than_the_limit_of_time() -> None:
    assert dry_run(configure(epochs=10**6, max_time="90s"))["seconds"] == 90


def test_dry_run_comes_near_the_time_that_the_run_takes(tmp_path: Path) -> None:
    config = configure(limit=1000, epochs=4)
    said = dry_run(config)["seconds"]
    drive(start_run(config, tmp_path / "run"))
    taken = read_history(tmp_path / "run" / "history.csv").columns["seconds"][-1]

    assert taken / 10 < said < taken * 10, "loose, for machines that do other things at the same time"


def test_the_first_loss_is_that_of_the_runs_first_step(tmp_path: Path) -> None:
    config = configure(log_every=1)
    first = next(reading for _, reading in start_run(config, tmp_path / "run"))

    assert dry_run(config)["first_loss"] == first.loss


@pytest.mark.parametrize(
    "settings", [{}, {"save_every": "1", "plot": True, "ema": 0.9}], ids=["plain", "all"]
)
def test_nothing_is_written(settings: dict[str, Any], home: Path, tmp_path: Path) -> None:
    before = listing(tmp_path)

    dry_run(configure(**settings))
    memorise(configure(**settings), 8)

    assert listing(tmp_path) == before
    assert list(home.iterdir()) == []


def test_a_trial_is_refused_what_the_run_would_be_refused(trained_run: Path) -> None:
    for trial in (dry_run, lambda config: memorise(config, 4)):
        with pytest.raises(CheckpointError):
            trial(configure(init=str(trained_run), model="cnn"))
        with pytest.raises(ConfigError):
            trial(configure(freeze="*"))


SOUND: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "mlp": ({"batch_size": 64}, {}),
    "mlp-dropout": ({"batch_size": 64}, {"dropout": "0.5"}),
    "mlp-deep": ({"batch_size": 64}, {"hidden": "64,64,64", "norm": "layer", "init": "he"}),
    "mlp-adam": ({"optimizer": "adam", "lr": 1e-3}, {}),
    "cnn": ({"model": "cnn", "batch_size": 64}, {"width": "8"}),
    "against-memory": (
        {"weight_decay": 1.0, "l1": 1.0, "label_smoothing": 0.9, "schedule": "cosine", "warmup_steps": 50},
        {},
    ),
    "mse": ({"loss": "mse", "lr": 0.1}, {}),
    "huber": ({"loss": "huber", "lr": 0.1}, {}),
    "bce": ({"loss": "bce", "lr": 0.1}, {}),
}


@pytest.mark.parametrize("samples", [1, 8, 32])
@pytest.mark.parametrize("case", SOUND)
@pytest.mark.quick(1)
def test_a_sound_network_knows_a_few_samples_by_heart(case: str, samples: int) -> None:
    settings, arguments = SOUND[case]

    report = memorise(configure(arguments, **settings), samples)

    assert list(report) == ["samples", "steps", "first_loss", "loss", "goal", "accuracy"]
    assert report["samples"] == samples
    assert 1 <= report["steps"] <= 300
    assert report["loss"] <= report["goal"] < report["first_loss"]
    assert report["accuracy"] > 0.9


def failure(samples: int, arguments: dict[str, str] | None = None, **settings: Any) -> DlkitError:
    with pytest.raises(DlkitError) as caught:
        memorise(configure(arguments, **settings), samples)
    assert type(caught.value) is DlkitError
    assert caught.value.exit_code == 1
    assert caught.value.message.startswith(f"--overfit {samples}")
    return caught.value


CAUSES: dict[str, tuple[int, dict[str, str], dict[str, Any], tuple[str, ...]]] = {
    "zero-weights": (8, {"init": "zeros"}, {}, ("hidden.0.linear.weight", "output.weight", "zero")),
    "zero-weights-of-many": (32, {"init": "zeros"}, {}, ("hidden.0.linear.weight", "output.weight", "zero")),
    "frozen": (
        32,
        {},
        {"freeze": "hidden.*,output.weight"},
        ("hidden.0.linear.bias", "output.weight", "frozen"),
    ),
    "rate-too-low": (8, {}, {"lr": 1e-9}, ("raise --lr from 1e-09 to 0.03",)),
    "rate-rather-low": (32, {}, {"lr": 3e-4}, ("raise --lr from 0.0003 to 0.03",)),
    "rate-nearly-high-enough": (32, {}, {"lr": 1e-3}, ("slowly", "--lr 0.01", "--optimizer adam")),
    "rate-too-high": (8, {}, {"lr": 1e30}, ("lower --lr from 1e+30 to 0.01",)),
}


@pytest.mark.parametrize(("samples", "arguments", "settings", "parts"), CAUSES.values(), ids=CAUSES)
@pytest.mark.quick(1)
def test_the_cause_is_found_when_nothing_is_learned(
    samples: int, arguments: dict[str, str], settings: dict[str, Any], parts: tuple[str, ...]
) -> None:
    hint = failure(samples, arguments, **settings).hint

    assert [part for part in parts if part not in hint] == [], hint


@pytest.mark.slow
def test_adam_is_not_proposed_to_those_who_have_it() -> None:
    hint = failure(32, optimizer="adam", lr=6e-5).hint

    assert "--lr 0.0006" in hint
    assert "--optimizer" not in hint


def test_more_samples_than_there_are_are_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        memorise(configure(), 151)

    assert "--overfit 151" in caught.value.message
    assert "150" in caught.value.message
    assert "--overfit 32" in caught.value.hint
    assert caught.value.exit_code == 2
    with pytest.raises(ConfigError) as caught:
        memorise(configure(limit=10), 11)
    assert "--overfit 10" in caught.value.hint


def test_one_sample_has_no_spread_for_batch_norm() -> None:
    with pytest.raises(ConfigError) as caught:
        memorise(configure({"norm": "batch"}), 1)

    assert_reports(caught.value, "--overfit 1", "-s norm=batch", "--overfit 2", "-s norm=layer")
    assert memorise(configure({"norm": "batch"}, lr=0.1), 2)["accuracy"] == 1.0


def test_a_trial_is_the_same_each_time() -> None:
    torch.manual_seed(1)
    first = memorise(configure(), 8)
    torch.manual_seed(2)

    assert memorise(configure(), 8) == first
