"""The body as a graph of 14 compartments, and drug concentrations simulated on it."""

import math
from dataclasses import dataclass

import numpy as np

ORGANS = (
    *("blood", "liver", "kidney", "brain", "heart", "lung", "muscle"),
    *("adipose", "gut", "skin", "bone", "spleen", "pancreas", "other"),
)
VOLUMES = np.array([5, 1.8, 0.31, 1.4, 0.33, 0.5, 30, 15, 1.1, 3.3, 10, 0.18, 0.1, 5])
"""Of the compartments, L."""
FLOWS = np.array([90, 60, 50, 20, 300, 75, 12, 45, 10, 5, 15, 5, 20.0])
"""Blood flow to and from every organ but the blood itself, L/h."""

# Mean and standard deviation of the logarithms.
_HEPATIC, _RENAL, _PARTITION = (2.0, 1.0), (1.5, 0.8), (0.0, 0.5)
_PARTITION_OF = {"brain": (-0.5, 0.5), "adipose": (1.0, 0.8), "liver": (0.5, 0.6)}
_AT_ONCE = 1024
# Steps of the saturable case: they grow with the time since the dose, and are short while it spreads. Halving
# them changes concentrations above 0.01 mg/L by less than 2e-4 of their value.
_FIRST_STEP, _STEP_GROWTH, _LONGEST_STEP = 5e-5, 0.02, 0.03
_SERIES_BELOW = 0.05


@dataclass(frozen=True, kw_only=True)
class Compounds:
    """What is known of N compounds.

    Args:
        doses: Given at once into the blood at t = 0, mg, shape (N,).
        hepatic: Clearance by the liver, L/h, shape (N,).
        renal: Clearance by the kidneys, L/h, shape (N,).
        partition: Ratio of the concentrations in each organ and in blood at equilibrium, shape (N, 14).
    """

    doses: np.ndarray
    hepatic: np.ndarray
    renal: np.ndarray
    partition: np.ndarray

    def rows(self, start: int, stop: int) -> "Compounds":
        """Return the compounds from `start` up to, not including, `stop`."""
        part = slice(start, stop)
        return Compounds(
            doses=self.doses[part],
            hepatic=self.hepatic[part],
            renal=self.renal[part],
            partition=self.partition[part],
        )


def draw_compounds(count: int, seed: int, doses: tuple[float, float] = (10.0, 1000.0)) -> Compounds:
    """Draw compounds at random.

    Compound i comes from NumPy's legacy generator seeded with `seed + i`, whose stream is promised never to change,
    so compound 1 of seed 42 is compound 0 of seed 43. Clearances and partition coefficients are lognormal, doses
    uniform.

    Args:
        count: Compounds to draw.
        seed: Of the first compound.
        doses: The smallest and the largest, mg.
    """
    shape = np.array([_HEPATIC, _RENAL, *(_PARTITION_OF.get(organ, _PARTITION) for organ in ORGANS[1:])])
    normal, uniform = np.empty((count, len(shape))), np.empty(count)
    for index in range(count):
        random = np.random.RandomState((seed + index) % 2**32)
        normal[index] = random.standard_normal(len(shape))
        uniform[index] = random.random_sample()
    drawn = np.exp(shape[:, 0] + shape[:, 1] * normal)
    return Compounds(
        doses=doses[0] + (doses[1] - doses[0]) * uniform,
        hepatic=drawn[:, 0],
        renal=drawn[:, 1],
        partition=np.column_stack([np.ones(count), drawn[:, 2:]]),
    )


def simulate(compounds: Compounds, times: np.ndarray, km: float = math.inf) -> np.ndarray:
    """Return the concentrations in all compartments.

    dC_i/dt = Q_i/V_i (C_blood - C_i/Kp_i) for each organ;
    dC_blood/dt = -sum_i Q_i/V_blood (C_blood - C_i/Kp_i) - (CL_hepatic s + CL_renal)/V_blood C_blood,
    with s = 1, or s = km / (km + C_blood) where the liver saturates (Michaelis and Menten).

    In y_i = C_i sqrt(V_i / Kp_i) the matrix is symmetric, so its exponential comes from its eigenvalues, exactly and
    for all times at once.

    Args:
        compounds: N compounds.
        times: Times since the dose, h, rising from 0 or later, shape (T,).
        km: Concentration in blood at which the hepatic clearance has fallen to a half, mg/L; infinity keeps it
            constant.

    Returns:
        Concentrations, mg/L, shape (N, 14, T).
    """
    parts = [
        _simulate(compounds.rows(start, start + _AT_ONCE), times, km)
        for start in range(0, len(compounds.doses), _AT_ONCE)
    ]
    return np.concatenate(parts)


def _simulate(compounds: Compounds, times: np.ndarray, km: float) -> np.ndarray:
    rates, modes = np.linalg.eigh(_symmetric_matrix(compounds))  # (N, 14), (N, 14, 14)
    blood = modes[:, 0]
    start = blood * (compounds.doses / math.sqrt(VOLUMES[0]))[:, None]
    if math.isinf(km):
        amplitudes = start[:, :, None] * np.exp(rates[:, :, None] * times)  # (N, 14, T)
    else:
        back = compounds.hepatic / VOLUMES[0]
        amplitudes = _saturable_amplitudes(rates, blood, start, back, times, km)
    unit = np.sqrt(compounds.partition / VOLUMES)
    concentrations: np.ndarray = (modes @ amplitudes) * unit[:, :, None]
    concentrations[concentrations < 0] = 0.0  # rounding leaves -1e-13 of what is gone
    return concentrations


def _symmetric_matrix(compounds: Compounds) -> np.ndarray:
    capacities = VOLUMES * compounds.partition  # (N, 14)
    matrix = np.zeros((*capacities.shape, capacities.shape[1]))
    organs = np.arange(1, len(ORGANS))
    matrix[:, organs, organs] = -FLOWS / capacities[:, 1:]
    exchange = FLOWS / np.sqrt(VOLUMES[0] * capacities[:, 1:])
    matrix[:, 0, 1:] = matrix[:, 1:, 0] = exchange
    matrix[:, 0, 0] = -(FLOWS.sum() + compounds.hepatic + compounds.renal) / VOLUMES[0]
    return matrix


def _saturable_amplitudes(
    rates: np.ndarray, blood: np.ndarray, start: np.ndarray, back: np.ndarray, times: np.ndarray, km: float
) -> np.ndarray:
    """Integrate what saturation gives back to the blood, as a source on top of the linear system.

    The fourth-order exponential Runge-Kutta method of Cox and Matthews (2002): the linear part, which is stiff, is
    exact.

    Args:
        rates: Eigenvalues with the whole clearance, 1/h, shape (N, 14).
        blood: The blood's place in each eigenvector, shape (N, 14).
        start: Amplitudes at t = 0, shape (N, 14).
        back: Rate of the hepatic clearance, 1/h, shape (N,).
        times: Shape (T,).
        km: mg/L.

    Returns:
        Amplitudes, shape (N, 14, T).
    """

    def source(state: np.ndarray) -> np.ndarray:
        in_blood = (blood * state).sum(1)
        concentration = np.maximum(in_blood, 0.0) / math.sqrt(VOLUMES[0])
        given: np.ndarray = blood * (back * in_blood * (concentration / (km + concentration)))[:, None]
        return given

    kept, state, now = np.empty((*start.shape, len(times))), start, 0.0
    for index, time in enumerate(times):
        while now < time:
            step = _next_step(now, float(time))
            whole, half = rates * step, rates * (step / 2)
            decay, factor = np.exp(half), _phi(half, 1) * (step / 2)
            first = source(state)
            middle = decay * state + factor * first
            second = source(middle)
            third = source(decay * state + factor * second)
            fourth = source(decay * middle + factor * (2 * third - first))
            one, two, three = (_phi(whole, order) for order in (1, 2, 3))
            state = np.exp(whole) * state + step * (
                (one - 3 * two + 4 * three) * first
                + (2 * two - 4 * three) * (second + third)
                + (4 * three - two) * fourth
            )
            now = float(time) if now + step >= time else now + step
        kept[:, :, index] = state
    return kept


def _next_step(now: float, until: float) -> float:
    longest = min(_LONGEST_STEP, _FIRST_STEP + _STEP_GROWTH * now)
    return (until - now) / math.ceil((until - now) / longest)


def _phi(values: np.ndarray, order: int) -> np.ndarray:
    """Return phi_1(z) = (e^z - 1)/z, or phi_k+1(z) = (phi_k(z) - 1/k!)/z; by its series near zero."""
    small = np.abs(values) < _SERIES_BELOW
    safe = np.where(small, 1.0, values)
    exact = np.expm1(safe) / safe
    for k in range(1, order):
        exact = (exact - 1 / math.factorial(k)) / safe
    near, series = np.where(small, values, 0.0), np.zeros_like(values)
    for k in range(7, -1, -1):
        series = series * near + 1 / math.factorial(k + order)
    return np.where(small, series, exact)
