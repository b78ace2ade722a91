"""Linear compartment systems, integrated exactly, and their gradients."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dlkit.data.pbpk.load import organ_graph
from dlkit.data.pbpk.organs import ORGANS, VOLUMES, draw_compounds, simulate
from dlkit.models.pbpk.compartments import decay, edge_matrices, saturable_decay, system_matrix

N, SAMPLES = 4, 3
EDGES = torch.tensor([[0, 1], [0, 2], [0, 3]])
CLEARED = torch.tensor([0])


def make_system(seed: int = 0, clearance: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """Return a matrix, a state with all in the first compartment, and the units that turn states into amounts."""
    generator = torch.Generator().manual_seed(seed)
    conductances = torch.rand(SAMPLES, 4, generator=generator, dtype=torch.float64) + 0.1
    conductances[:, 3] *= clearance
    capacities = torch.rand(SAMPLES, N, generator=generator, dtype=torch.float64) + 0.5
    start = torch.zeros(SAMPLES, N, dtype=torch.float64)
    start[:, 0] = 5 * capacities[:, 0].rsqrt()
    matrix = system_matrix(conductances, capacities, edge_matrices(EDGES, CLEARED, N))
    return matrix, start, capacities.sqrt()


def make_times(last: float = 6.0, count: int = 7) -> Tensor:
    return torch.linspace(0, last, count, dtype=torch.float64).expand(SAMPLES, -1)


def test_decay_is_the_matrix_exponential() -> None:
    matrix, start, units = make_system()
    times = make_times()

    found = decay(matrix, start, units, times)

    truth = [
        units * (torch.linalg.matrix_exp(matrix * time) @ start.unsqueeze(2)).squeeze(2) for time in times[0]
    ]
    torch.testing.assert_close(found, torch.stack(truth, 2))


def test_each_sample_has_its_own_times() -> None:
    matrix, start, units = make_system()
    times = torch.rand(SAMPLES, 5, dtype=torch.float64)

    found = decay(matrix, start, units, times)

    for row in range(SAMPLES):
        one = slice(row, row + 1)
        torch.testing.assert_close(found[one], decay(matrix[one], start[one], units[one], times[one]))


def test_without_clearance_nothing_is_lost() -> None:
    amounts = decay(*make_system(clearance=0.0), make_times(100.0))

    torch.testing.assert_close(amounts.sum(1), torch.full((SAMPLES, 7), 5.0, dtype=torch.float64))


def test_gradients_are_those_of_differences() -> None:
    matrix, start, units = make_system()
    matrix, start, units = (tensor.requires_grad_() for tensor in (matrix, start + 1, units))

    def states(matrix: Tensor, start: Tensor, units: Tensor) -> Tensor:
        return decay((matrix + matrix.transpose(1, 2)) / 2, start, units, make_times(3.0, 3) + 0.5)

    assert torch.autograd.gradcheck(states, (matrix, start, units))


def test_gradients_hold_where_eigenvalues_meet() -> None:
    """Compartments that are all alike have equal eigenvalues, whose eigenvectors have no derivative."""
    conductances = torch.ones(1, 4, dtype=torch.float64, requires_grad=True)
    capacities = torch.ones(1, N, dtype=torch.float64)
    start, times = torch.eye(N, dtype=torch.float64)[:1], torch.tensor([[0.5, 2.0]], dtype=torch.float64)
    weights = torch.arange(8, dtype=torch.float64).view(1, N, 2)
    matrices = edge_matrices(EDGES, CLEARED, N)

    def total(conductances: Tensor, integrate: Callable[[Tensor], Tensor]) -> Tensor:
        return (weights * integrate(system_matrix(conductances, capacities, matrices))).sum()

    def by_series(matrix: Tensor) -> Tensor:
        return torch.stack(
            [(torch.linalg.matrix_exp(matrix * time) @ start.T).squeeze(2) for time in times[0]], 2
        )

    total(conductances, lambda matrix: decay(matrix, start, torch.ones_like(start), times)).backward()
    (truth,) = torch.autograd.grad(total(conductances, by_series), conductances)

    torch.testing.assert_close(conductances.grad, truth)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_matrix_that_is_not_finite_gives_no_numbers_instead_of_an_error(value: float) -> None:
    matrix, start, units = make_system()
    matrix[0, 0, 0] = value

    assert decay(matrix, start, units, make_times()).isnan().all()


def test_what_is_gone_is_zero() -> None:
    matrix, start, units = make_system()
    times = torch.tensor([[1.0, 1e3, 1e6]]).expand(SAMPLES, -1)

    found = decay(matrix, start, units, times)

    assert (found[:, :, 0] > 0).all()
    assert (found[:, :, 2] == 0).all()
    assert ((found == 0) | (found > 1e-30)).all()


def test_giving_nothing_back_is_the_linear_system() -> None:
    matrix, start, units = make_system()
    times = make_times(20.0, 30)

    found = saturable_decay(matrix, start, units, times, 0, torch.zeros_like)

    torch.testing.assert_close(found, decay(matrix, start, units, times), rtol=1e-9, atol=1e-12)


def test_saturation_by_michaelis_and_menten_is_the_simulators() -> None:
    km, count = 1.0, 20
    compounds, hours = draw_compounds(count, 0), torch.linspace(0, 12, 13, dtype=torch.float64)
    graph = {
        name: tensor.double() if tensor.is_floating_point() else tensor
        for name, tensor in organ_graph().items()
    }
    partition, hepatic = torch.from_numpy(compounds.partition), torch.from_numpy(compounds.hepatic)
    cleared = torch.stack([hepatic, torch.from_numpy(compounds.renal)], 1)
    capacities = torch.from_numpy(VOLUMES) * partition
    matrix = system_matrix(
        torch.cat([graph["flows"].expand(count, -1), cleared], 1),
        capacities,
        edge_matrices(graph["edges"], graph["cleared"], len(ORGANS)),
    )
    start = torch.zeros(count, len(ORGANS), dtype=torch.float64)
    start[:, 0] = torch.from_numpy(compounds.doses) * capacities[:, 0].rsqrt()
    units = capacities.sqrt() / torch.from_numpy(VOLUMES)

    def given_back(concentration: Tensor) -> Tensor:
        return hepatic.unsqueeze(1) / VOLUMES[0] * concentration / (km + concentration)

    found = saturable_decay(matrix, start, units, hours.expand(count, -1), 0, given_back)

    truth = torch.from_numpy(simulate(compounds, hours.numpy(), km))
    above = truth >= 0.01
    errors = (found[above] / truth[above] - 1).abs()
    assert float(errors.mean()) < 0.01
    assert float(errors.max()) < 0.05
