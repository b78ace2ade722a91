import numpy as np
import pytest
import torch

from dlkit.data.dataset import DataSet
from dlkit.data.kinds import load_dataset
from dlkit.data.spatial.split import SpatialSplit
from dlkit.evaluation.baselines.spatial import inverse_distance, local_linear, spatial_baselines
from dlkit.metrics import METRICS
from dlkit.models.spatial.geometry import Geometry
from dlkit.settings.resolve import resolve

FLAT = Geometry(distance="euclidean", centre=(0.0, 0.0), extent=(1.0, 1.0), spacing=0.5)
TIMED = Geometry(distance="euclidean", centre=(0.0, 0.0), extent=(1.0, 1.0), spacing=0.5, timed=True)


def make_split(
    coords: torch.Tensor, candidates: torch.Tensor, times: torch.Tensor | None = None
) -> SpatialSplit:
    size = len(coords)
    return SpatialSplit(
        coords=coords,
        times=times,
        features=torch.zeros(size, 0),
        targets=torch.zeros(size, 1),
        candidates=candidates.int(),
        rows=torch.arange(size),
        neighbors=30,
        seed=0,
    )


def test_inverse_distance_is_the_mean_weighed_by_one_over_distance() -> None:
    context = {
        "coords": torch.tensor([[1.0, 0.0], [0.0, 2.0], [4.0, 0.0]]),
        "values": torch.tensor([6.0, 3.0, 99.0]),
    }
    split = make_split(torch.zeros(2, 2), torch.tensor([[0, 1, 2], [-1, -1, -1]]))

    values = inverse_distance(split, context, FLAT, 2)

    assert values.tolist() == pytest.approx([(6 / 1 + 3 / 2) / (1 / 1 + 1 / 2), 0.0])


@pytest.mark.parametrize("timed", [False, True])
def test_local_linear_finds_a_plane_exactly(timed: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    coords, times = torch.rand(200, 2, generator=generator), torch.rand(200, generator=generator)
    value = 3 + 2 * coords[:, 0] - 5 * coords[:, 1] + (4 * times if timed else 0)
    context = {"coords": coords, "values": value, **({"times": times} if timed else {})}
    candidates = torch.randint(0, 200, (50, 30), generator=generator)
    candidates[:, 25:] = -1
    split = make_split(coords[:50], candidates, times[:50] if timed else None)

    found = local_linear(split, context, TIMED if timed else FLAT, 1e-6)

    np.testing.assert_allclose(found, value[:50].numpy(), atol=1e-4)


def test_local_linear_gives_the_mean_without_neighbours_and_the_value_of_a_single_one() -> None:
    context = {"coords": torch.tensor([[0.1, 0.0]]), "values": torch.tensor([7.0])}
    split = make_split(torch.zeros(2, 2), torch.tensor([[-1], [0]]))

    assert local_linear(split, context, FLAT, 0.1).tolist() == pytest.approx([0, 7], rel=1e-3)


@pytest.fixture
def dataset(home: object) -> DataSet:
    return load_dataset(resolve({"model": "spatial", "data": "spatial:n=400"}, {}))


def test_baselines_are_scored_in_the_unit_of_the_target(dataset: DataSet) -> None:
    found = spatial_baselines(dataset, "test")

    assert [name.partition(" (")[0] for name in found] == [
        "inverse distance",
        "local linear",
        "gradient boosting",
    ]
    split = dataset.splits["test"]
    targets = split.targets[split.rows].double().numpy()
    for preds in found.values():
        assert preds.shape == targets.shape
        assert np.isfinite(preds).all()
    assert METRICS["r2"].of(found["local linear"], targets) > 0.5


@pytest.mark.slow
def test_baselines_do_without_validation_points(dataset: DataSet) -> None:
    only_test = DataSet(dataset.description, {"test": dataset.splits["test"]}, dataset.context)

    assert "inverse distance (k=10)" in spatial_baselines(only_test, "test")
