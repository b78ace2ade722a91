"""Drug amounts in compartments that exchange with each other and are cleared: linear systems, solved exactly.

With conductances g (L/h) between compartments, clearances c (L/h) out of them and capacities k (L), the amounts a
follow da/dt = -(L(g) + diag(c)) a/k, L the Laplacian of the graph. In y = a/sqrt(k) the matrix is symmetric, so its
exponential comes from real eigenvalues, none of which is above zero: nothing grows, and what leaves one compartment
arrives in another or is cleared.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

_SAME = 1e-6  # eigenvalues that differ by less are taken as one, 1/h
_SERIES_BELOW = 0.05
_GONE = -46.0  # e to this is 1e-20
# Steps of the saturable case: short while the dose spreads, then growing with the time since.
_FIRST_STEP, _STEP_GROWTH, _LONGEST_STEP = 0.002, 0.3, 0.7


def edge_matrices(edges: Tensor, cleared: Tensor, num_compartments: int) -> Tensor:
    """Return what each conductance adds to the system, as flat matrices.

    Args:
        edges: The two ends of each exchange, shape (E, 2), int64.
        cleared: The compartment that each clearance leaves from, shape (C,), int64.
        num_compartments: n.

    Returns:
        Shape (E + C, n * n): for an exchange (e_i - e_j)(e_i - e_j)', for a clearance e_i e_i'.
    """
    one_hot = torch.nn.functional.one_hot
    exchange = one_hot(edges[:, 0], num_compartments) - one_hot(edges[:, 1], num_compartments)
    rows = torch.cat([exchange, one_hot(cleared, num_compartments)]).double()
    return (rows.unsqueeze(2) * rows.unsqueeze(1)).flatten(1)


def system_matrix(conductances: Tensor, capacities: Tensor, matrices: Tensor) -> Tensor:
    """Return the symmetric matrix of the system, shape (B, n, n), 1/h.

    Args:
        conductances: Of exchanges and clearances, L/h, shape (B, E + C).
        capacities: L, shape (B, n).
        matrices: From `edge_matrices`.
    """
    samples, size = capacities.shape
    scale = capacities.rsqrt()
    return -(conductances @ matrices).view(samples, size, size) * (scale.unsqueeze(2) * scale.unsqueeze(1))


class Decay(torch.autograd.Function):
    """exp(M t) y for symmetric M, with gradients that hold where eigenvalues meet.

    The derivative of the exponential in the eigenbasis is the divided difference
    (exp(a t) - exp(b t)) / (a - b) of Daleckii and Krein, which has a limit for a = b; the derivative of eigenvectors
    has none. Eigenvalues are found in double precision; what has an entry for each time has the times' precision.
    """

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, start: Tensor, units: Tensor, times: Tensor) -> Tensor:
        """Map M, shape (B, n, n), y and units, (B, n), and times, (B, T), to units * states, (B, n, T)."""
        rates, modes = _eigh(matrix)
        left = (units.unsqueeze(2) * modes).to(times.dtype)
        amplitudes = modes.transpose(1, 2) @ start.unsqueeze(2)  # (B, n, 1)
        decays = _exp(rates.to(times.dtype).unsqueeze(2) * times.unsqueeze(1))
        states = left @ (decays * amplitudes.to(times.dtype))
        states.clamp_(min=0)  # rounding leaves -1e-7 of what was
        ctx.save_for_backward(rates, modes, left, amplitudes, decays, states, units, times)
        return states

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Return the gradients of M, y and the units."""
        rates, modes, left, amplitudes, decays, states, units, times = ctx.saved_tensors
        (gradient,) = gradients
        of_units = (gradient * states).sum(2) / units
        pulled = left.transpose(1, 2) @ gradient  # (B, n, T)
        along = pulled * decays
        own = along.sum(2).to(units.dtype)
        limit = (along * times.unsqueeze(1)).sum(2, keepdim=True)
        gaps = rates.unsqueeze(2) - rates.unsqueeze(1)
        # Below this the difference loses more digits to cancellation than the limit is off.
        meet = gaps.abs() * times.amax(1).reshape(-1, 1, 1) < torch.finfo(times.dtype).eps ** 0.5
        crossed = own.unsqueeze(2) - pulled @ decays.transpose(1, 2)
        differences = torch.where(meet, limit, crossed / torch.where(meet, 1.0, gaps))
        of_matrix = modes @ (differences * amplitudes.transpose(1, 2)) @ modes.transpose(1, 2)
        return of_matrix, (modes @ own.unsqueeze(2)).squeeze(2), of_units, None


def decay(matrix: Tensor, start: Tensor, units: Tensor, times: Tensor) -> Tensor:
    """Return what is left of linear systems at any times: units * exp(M t) y.

    Args:
        matrix: Symmetric, with non-negative entries off the diagonal, shape (B, n, n), 1/h, float64.
        start: States at t = 0, none negative, shape (B, n), float64.
        units: What a state of 1 amounts to in each compartment, shape (B, n), float64.
        times: h, shape (B, T); float32 is three times as fast as float64, and exact to 1e-6.

    Returns:
        Shape (B, n, T), of the dtype of the times, never negative; not a number where the matrices are not finite.
    """
    states: Tensor = Decay.apply(matrix, start, units, times)
    return states


def saturable_decay(
    matrix: Tensor,
    start: Tensor,
    units: Tensor,
    times: Tensor,
    cleared: int,
    given_back: Callable[[Tensor], Tensor],
) -> Tensor:
    """Return what is left of systems whose clearance is less than the matrix says, depending on what is there.

    What the matrix clears too much is given back as a source in the cleared compartment. Between the nodes of a grid
    that follows the time since the dose the source changes in a straight line, for which the solution is exact; at
    each node it comes from the state there. Sources are never negative, so neither are the states.

    Args:
        matrix: With the whole clearance: symmetric, shape (B, n, n), 1/h, float64.
        start: States at t = 0, none negative, shape (B, n), float64.
        units: What a state of 1 amounts to in each compartment, shape (B, n), float64.
        times: h, shape (B, T).
        cleared: The compartment that is cleared.
        given_back: Maps what is left there, shape (B, 1), to the rate at which it is given back, shape (B, 1), 1/h;
            at most what the matrix clears.

    Returns:
        Shape (B, n, T), of the dtype of the times, never negative.
    """
    rates, modes = eigenpairs(matrix)
    amplitudes = (start.unsqueeze(1) @ modes).squeeze(1)
    left = units.unsqueeze(2) * modes
    there = left[:, cleared] / units[:, cleared].unsqueeze(1)
    rates, amplitudes, left, there, unit = (
        tensor.to(times.dtype) for tensor in (rates, amplitudes, left, there, units[:, cleared : cleared + 1])
    )
    nodes = _nodes(float(times.max()), times)
    kept, sources = _march(rates, amplitudes, there, nodes.diff(), lambda state: given_back(state * unit))
    return (left @ _between(rates, there, kept, sources, nodes, times)).clamp_min(0)


def _march(
    rates: Tensor, amplitudes: Tensor, there: Tensor, steps: Tensor, given_back: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Go from node to node; give the amplitudes, shape (B, n, K + 1), and the sources, (B, K + 1), at them."""
    whole = rates.unsqueeze(2) * steps  # (B, n, K)
    at_end = there.unsqueeze(2) * _phi(whole, 2) * steps
    at_start = there.unsqueeze(2) * _phi(whole, 1) * steps - at_end
    answers = (there.unsqueeze(2) * at_end).sum(
        1, keepdim=True
    )  # (B, 1, K): the compartment's to its own source
    state = (there * amplitudes).sum(1, keepdim=True)
    rate = given_back(state)
    kept, sources = [amplitudes], [rate * state]
    columns = (_exp(whole).unbind(2), at_start.unbind(2), at_end.unbind(2), answers.unbind(2))
    for shrink, by_old, by_new, answer in zip(*columns, strict=True):
        carried = torch.addcmul(shrink * kept[-1], by_old, sources[-1])
        known = (there * carried).sum(1, keepdim=True)
        rate = given_back(known / (1 - answer * rate))  # at the state that the rate so far would lead to
        sources.append(known * (rate / (1 - answer * rate)))
        kept.append(torch.addcmul(carried, by_new, sources[-1]))
    return torch.stack(kept, 2), torch.cat(sources, 1)


def _between(
    rates: Tensor, there: Tensor, kept: Tensor, sources: Tensor, nodes: Tensor, times: Tensor
) -> Tensor:
    """Return the amplitudes at any times from those at the nodes, shape (B, n, T)."""
    last = (torch.searchsorted(nodes, times.contiguous(), right=True) - 1).clamp(0, len(nodes) - 2)
    since = times - nodes[last]
    old = sources.gather(1, last)
    slope = (sources.gather(1, last + 1) - old) / nodes.diff()[last]
    decays = rates.unsqueeze(2) * since.unsqueeze(1)  # (B, n, T)
    level, rise = (old * since).unsqueeze(1), (slope * since.square()).unsqueeze(1)
    source = level * _phi(decays, 1) + rise * _phi(decays, 2)
    at_node = kept.gather(2, last.unsqueeze(1).expand(-1, kept.shape[1], -1))
    return _exp(decays) * at_node + there.unsqueeze(2) * source


class Eigenpairs(torch.autograd.Function):
    """Eigenvalues and eigenvectors of symmetric matrices, with finite gradients where eigenvalues meet."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> tuple[Tensor, Tensor]:
        """Map M, shape (B, n, n), to eigenvalues, (B, n), and eigenvectors, (B, n, n)."""
        rates, modes = _eigh(matrix)
        ctx.save_for_backward(rates, modes)
        return rates, modes

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Return the gradient of M."""
        rates, modes = ctx.saved_tensors
        of_rates, of_modes = gradients
        gaps = rates.unsqueeze(1) - rates.unsqueeze(2)
        turned = (modes.transpose(1, 2) @ of_modes) * gaps / (gaps.square() + _SAME**2)
        of_matrix: Tensor = modes @ (turned + torch.diag_embed(of_rates)) @ modes.transpose(1, 2)
        return of_matrix


def eigenpairs(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Return the eigenvalues, shape (B, n), and eigenvectors, (B, n, n), of symmetric matrices, (B, n, n)."""
    rates, modes = Eigenpairs.apply(matrix)
    return rates, modes


def _eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    if not matrix.isfinite().all():  # torch would raise; so the loss says that the run diverged
        return torch.full_like(matrix[:, 0], math.nan), torch.full_like(matrix, math.nan)
    rates, modes = torch.linalg.eigh(matrix)
    return rates, modes


def _exp(values: Tensor) -> Tensor:
    """Return e^z, and 0 where it is below 2e-20.

    What is smaller makes products that are stored without their leading bits (below 1e-38), which take a hundred times
    as long; at most times most modes are gone that far.
    """
    return nn.functional.threshold(values.clamp_min(_GONE).exp(), 2 * math.exp(_GONE), 0.0)


def _nodes(duration: float, times: Tensor) -> Tensor:
    """Return the grid from 0 to the end, shape (K + 1,), K at least 1, of the dtype and on the device of the times."""
    nodes = [0.0, _FIRST_STEP]
    while nodes[-1] < duration:
        nodes.append(nodes[-1] + min(_LONGEST_STEP, _FIRST_STEP + _STEP_GROWTH * nodes[-1]))
    return torch.tensor(nodes, dtype=times.dtype, device=times.device)


def _phi(values: Tensor, order: int) -> Tensor:
    """Return phi_1(z) = (e^z - 1)/z, or phi_2(z) = (phi_1(z) - 1)/z; by their series near zero."""
    small = values.abs() < _SERIES_BELOW
    safe = torch.where(small, -1.0, values)
    exact = torch.expm1(safe) / safe
    if order == 2:
        exact = (exact - 1) / safe
    near = torch.where(small, values, 0.0)
    series = torch.zeros_like(values)
    for power in range(6, -1, -1):
        series = series * near + 1 / math.factorial(power + order)
    return torch.where(small, series, exact)
