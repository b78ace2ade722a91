"""Concentration curves as a data set: simulated or read, split by compound."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlkit.data.dataset import DataSet
from dlkit.data.kinds import load_dataset
from dlkit.data.pbpk.load import CurveSplit, organ_graph
from dlkit.data.pbpk.organs import ORGANS
from dlkit.errors import ConfigError, DataError, DlkitError
from dlkit.settings.resolve import resolve

CPU = torch.device("cpu")
SMALL = "pbpk:n=40,times=5"


def load(data: str = SMALL, other: str | None = None, **settings: Any) -> DataSet:
    return load_dataset(resolve({"model": "pbpk", "data": data, **settings}, {}), other=other)


def stored(dataset: DataSet) -> torch.Tensor:
    """Give the curves of all compounds, in the order of their seeds."""
    part = dataset.split("all")
    assert isinstance(part, CurveSplit)
    return part.curves


def write(path: Path, dataset: DataSet, **changes: Any) -> Path:
    """Write a data set to a file of the layout."""
    part = dataset.split("all")
    assert isinstance(part, CurveSplit)
    arrays = {
        "doses": part.doses,
        "clearances_hepatic": part.clearances[:, 0],
        "clearances_renal": part.clearances[:, 1],
        "partition_coeffs": part.partition,
        "concentrations": part.curves,
        "time_points": part.times,
        **changes,
    }
    np.savez(path, **{name: np.asarray(array) for name, array in arrays.items()})
    return path


def test_compounds_are_split_and_each_stays_in_one_part() -> None:
    dataset = load()

    assert dataset.description.split_sizes == {"train": 28, "val": 8, "test": 4}
    rows = torch.cat([dataset.splits[name].rows for name in ("train", "val", "test")])
    assert rows.sort().values.tolist() == list(range(40))
    again = load().splits["val"].rows
    assert torch.equal(dataset.splits["val"].rows, again)
    assert not torch.equal(load(seed=1).splits["val"].rows, again)


def test_folds_hold_every_compound_out_once() -> None:
    held_out = [load(folds=4, fold=fold).splits["test"].rows for fold in range(1, 5)]

    assert torch.cat(held_out).sort().values.tolist() == list(range(40))


def test_a_limit_is_of_the_training_compounds() -> None:
    assert load(limit=10).description.split_sizes == {"train": 10, "val": 8, "test": 4}


def test_a_batch_holds_what_the_network_is_called_with() -> None:
    part = load().split("val")

    inputs, targets = part.batch(part.rows[:3], CPU, epoch=1)

    shapes = {name: tuple(tensor.shape) for name, tensor in inputs.items()}
    assert shapes == {"doses": (3,), "clearances": (3, 2), "partition": (3, 14), "times": (3, 5)}
    assert targets.shape == (3, 14, 5)
    assert targets[:, 0, 0].tolist() == pytest.approx((inputs["doses"] / 5).tolist(), rel=1e-6)


def test_the_data_describe_organs_times_and_graph() -> None:
    dataset = load()
    about = dataset.description

    assert (about.kind, about.task, about.units) == ("pbpk", "regression", "mg/L")
    assert about.target_names == ORGANS
    assert about.target_shape == (14, 5)
    assert set(dataset.context) == {"volumes", "edges", "flows", "cleared", "dosed"}
    graph = organ_graph()
    assert graph["edges"].tolist() == [[0, organ] for organ in range(1, 14)]
    assert graph["flows"].shape == (13,)


def test_noise_spares_the_known_dose_and_is_as_large_as_asked() -> None:
    clean, noisy = (stored(load(f"pbpk:n=100,times=30{noise}")) for noise in ("", ",noise=0.1"))

    assert (noisy[:, 0, 0] == clean[:, 0, 0]).all()
    assert noisy[:, 1:, 0].max() < 1e-9
    late = (noisy[..., 1:] / clean[..., 1:]).log()[clean[..., 1:] > 1e-3]
    assert float(late.std()) == pytest.approx(0.1, rel=0.02)
    assert abs(float(late.mean())) < 0.002


def test_saturable_data_say_so_and_stay_longer() -> None:
    linear, saturable = load("pbpk:n=10,times=5"), load("pbpk:n=10,times=5,saturable=true")

    assert not linear.description.learned["saturable"]
    assert saturable.description.learned["saturable"]
    assert (stored(saturable)[:, 0, -1] > stored(linear)[:, 0, -1]).all()
    assert not torch.equal(stored(load("pbpk:n=10,times=5,saturable=true,km=10")), stored(saturable))


def test_other_data_are_for_testing_all_of_them() -> None:
    dataset = load(other="pbpk:n=12,seed=9000,hours=48,times=7,dose_max=20")

    assert dataset.description.split_sizes == {"test": 12}
    assert stored(dataset).shape == (12, 14, 7)
    assert dataset.notes == ()


@pytest.mark.parametrize(
    ("other", "shared", "seed"),
    [("pbpk:n=40,hours=48", 40, 82), ("pbpk:n=40,seed=72", 10, 82), ("pbpk:n=40,seed=12", 10, 82)],
)
def test_compounds_that_were_trained_on_are_counted(other: str, shared: int, seed: int) -> None:
    config = resolve({"model": "pbpk", "data": SMALL}, {})
    trained_on = load_dataset(config).description

    (note,) = load_dataset(config, trained_on, other=other).notes

    assert note.startswith(f"{shared} of the 40 compounds are among those of {SMALL}")
    assert f"seeds from {seed} on" in note


def test_a_file_gives_what_was_written(home: Path) -> None:
    simulated = load()
    dataset = load(str(write(home / "own.npz", simulated, batch=np.arange(3))))

    assert torch.equal(stored(dataset), stored(simulated))
    assert dataset.description.kind == "pbpk"
    assert dataset.notes == ("own.npz: not used: 'batch'",)
    assert dataset.context.keys() == simulated.context.keys()


def test_a_changed_file_is_not_the_one_trained_on(home: Path) -> None:
    simulated = load()
    path = write(home / "own.npz", simulated)
    config = resolve({"model": "pbpk", "data": str(path)}, {})
    trained_on = load_dataset(config).description
    write(path, simulated, doses=simulated.split("all").doses * 2)

    with pytest.raises(DataError, match="has changed since the checkpoint was trained on it"):
        load_dataset(config, trained_on)
    assert len(load_dataset(config, trained_on, other=str(path)).split("all")) == 40


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"data": "digits"}, "MODEL pbpk takes concentration curves; digits has none"),
        ({"data": "own.csv"}, "own.csv does not hold concentration curves"),
        ({"data": "own.npy"}, "own.npy does not hold concentration curves"),
        ({"features": "doses"}, "--features cannot be used with concentration curves"),
        (
            {"normalize": "none", "stratify": True},
            "--normalize, --stratify cannot be used with concentration curves",
        ),
        ({"data": "pbpk:dose_min=20,dose_max=10"}, "dose_min=20 is above dose_max=10"),
    ],
    ids=["images", "table", "array", "features", "two settings", "doses"],
)
def test_what_does_not_go_with_curves_is_refused(home: Path, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(DlkitError) as caught:
        load(**{"data": SMALL, **settings})

    assert isinstance(caught.value, ConfigError)
    assert says in str(caught.value)
    assert caught.value.hint


def test_strata_are_doses_above_and_below_the_median() -> None:
    part = load().split("train")

    assert isinstance(part, CurveSplit)
    assert part.strata().tolist() == (part.doses[part.rows] > part.doses[part.rows].median()).long().tolist()
    assert part.strata().sum() == 14
