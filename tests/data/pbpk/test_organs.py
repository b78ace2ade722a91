"""The simulator of drug concentrations: held to the files, to scipy, and to what must be kept."""

from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import simpson, solve_ivp
from scipy.linalg import expm

from dlkit.data.pbpk.organs import FLOWS, ORGANS, VOLUMES, Compounds, draw_compounds, simulate

TIMES = np.linspace(0.0, 6.0, 7)
KM = 1.0


def derivative(one: Compounds, state: np.ndarray, km: float) -> np.ndarray:
    """The equations as the docs write them, of one compound."""
    blood, organs = state[0], state[1:]
    exchange = FLOWS * (blood - organs / one.partition[0, 1:])
    hepatic = one.hepatic[0] * (1.0 if np.isinf(km) else km / (km + blood))
    out = (hepatic + one.renal[0]) * blood
    return np.concatenate([[-(exchange.sum() + out) / VOLUMES[0]], exchange / VOLUMES[1:]])


def with_clearance(compounds: Compounds, factor: float) -> Compounds:
    return Compounds(
        doses=compounds.doses,
        hepatic=factor * compounds.hepatic,
        renal=factor * compounds.renal,
        partition=compounds.partition,
    )


def amounts(concentrations: np.ndarray) -> np.ndarray:
    """The drug in the whole body, mg, shape (N, T)."""
    return np.einsum("i,nit->nt", VOLUMES, concentrations)


@pytest.mark.parametrize("name", ["pbpk-100", "pbpk-1000"])
def test_simulated_curves_are_those_of_the_files(name: str, shared_data: Path) -> None:
    with np.load(shared_data / "pbpk" / f"{name}.npz", allow_pickle=False) as file:
        truth, times = file["concentrations"], file["time_points"]
        compounds = draw_compounds(len(truth), 42)
        np.testing.assert_allclose(compounds.doses, file["doses"], rtol=1e-14)
        np.testing.assert_allclose(compounds.partition, file["partition_coeffs"], rtol=1e-14)

    found = simulate(compounds, times)

    above = truth >= 0.01
    np.testing.assert_allclose(found[above], truth[above], rtol=1e-5)


def test_linear_curves_are_the_matrix_exponential() -> None:
    one = draw_compounds(1, 7)
    columns = [derivative(one, unit, np.inf) for unit in np.eye(len(ORGANS))]
    start = np.eye(len(ORGANS))[0] * one.doses[0] / VOLUMES[0]
    times = np.array([0.0, 0.01, 1.0, 30.0])

    (found,) = simulate(one, times)

    truth = [expm(np.stack(columns, 1) * time) @ start for time in times]
    np.testing.assert_allclose(found.T, truth, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("seed", [3, 4])
def test_saturable_curves_are_those_of_a_general_solver(seed: int) -> None:
    one = draw_compounds(1, seed)
    start = np.eye(len(ORGANS))[0] * one.doses[0] / VOLUMES[0]
    times = np.linspace(0, 6, 4)

    (found,) = simulate(one, times, KM)

    solved = solve_ivp(
        lambda _, state: derivative(one, state, KM), (0, 6), start, "LSODA", times, rtol=1e-8, atol=1e-8
    )
    above = solved.y >= 0.01
    np.testing.assert_allclose(found[above], solved.y[above], rtol=2e-4)


@pytest.mark.parametrize("km", [np.inf, KM], ids=["linear", "saturable"])
def test_without_clearance_nothing_is_lost(km: float) -> None:
    compounds = with_clearance(draw_compounds(5, 0), 0.0)

    left = amounts(simulate(compounds, TIMES, km))

    np.testing.assert_allclose(left, np.broadcast_to(compounds.doses[:, None], left.shape), rtol=1e-9)


@pytest.mark.parametrize("km", [np.inf, KM], ids=["linear", "saturable"])
def test_mass_leaves_by_clearance_alone(km: float) -> None:
    compounds = draw_compounds(2, 0)
    times = np.concatenate([[0], np.geomspace(1e-5, 4, 801)])

    curves = simulate(compounds, times, km)

    blood = curves[:, 0]
    hepatic = compounds.hepatic[:, None] * (1.0 if np.isinf(km) else km / (km + blood))
    cleared = simpson((hepatic + compounds.renal[:, None]) * blood, x=times)
    np.testing.assert_allclose(amounts(curves)[:, -1] + cleared, compounds.doses, rtol=1e-4)
    assert (np.diff(amounts(curves)) <= 1e-9 * compounds.doses[:, None]).all()


def test_scaling_the_dose_scales_the_curve_where_nothing_saturates() -> None:
    compounds = draw_compounds(5, 0)
    tripled = Compounds(**{**vars(compounds), "doses": 3 * compounds.doses})

    np.testing.assert_allclose(simulate(tripled, TIMES), 3 * simulate(compounds, TIMES), rtol=1e-9, atol=1e-9)
    assert (simulate(tripled, TIMES, KM)[:, :, -1] > 3 * simulate(compounds, TIMES, KM)[:, :, -1]).all()


def test_saturation_slows_the_clearance_and_fades_for_a_large_km() -> None:
    compounds = draw_compounds(5, 0)

    linear = simulate(compounds, TIMES)

    assert (amounts(simulate(compounds, TIMES, KM))[:, 1:] > amounts(linear)[:, 1:]).all()
    np.testing.assert_allclose(simulate(compounds, TIMES, 1e9), linear, rtol=1e-5, atol=1e-9)


def test_concentrations_are_never_negative_and_start_as_the_dose_in_the_blood() -> None:
    compounds = draw_compounds(1100, 0)  # more than are simulated at once

    curves = simulate(compounds, np.linspace(0, 10_000, 4))

    assert curves.shape == (1100, len(ORGANS), 4)
    assert (curves >= 0).all()
    np.testing.assert_allclose(curves[:, 0, 0], compounds.doses / VOLUMES[0], rtol=1e-9)
    assert curves[:, 1:, 0].max() < 1e-9


def test_a_compound_is_a_function_of_its_own_seed() -> None:
    one, other = draw_compounds(3, 42), draw_compounds(2, 43)

    for name, values in vars(one.rows(1, 3)).items():
        assert (values == getattr(other, name)).all(), name


def test_doses_lie_within_their_bounds_and_blood_has_no_partition() -> None:
    compounds = draw_compounds(200, 1, doses=(5.0, 6.0))

    assert 5 <= compounds.doses.min() < 5.1
    assert 5.9 < compounds.doses.max() <= 6
    assert (compounds.partition[:, 0] == 1).all()
