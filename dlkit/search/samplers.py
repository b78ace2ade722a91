"""Optuna's samplers and pruners, every setting explicit: its defaults change from version to version."""

from typing import TYPE_CHECKING

import numpy as np

from dlkit.settings.search import Plan

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

STARTUP_TRIALS = 10
"""Trials with random settings, before tpe and gp learn from them."""


def own_seed(seed: int, number: int) -> int:
    """Return the seed of one trial, so that it does not matter how many workers there are and which of them trains it.

    Args:
        seed: Of the search.
        number: Of the trial, from 0.
    """
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def build_sampler(plan: Plan, seed: int) -> "BaseSampler":
    """Return what chooses the settings of one trial.

    The cells of a grid and the ranges of `cmaes` are chosen by `study.Search`; what is left to choose is random.

    Args:
        plan: Names the sampler.
        seed: Of the trial.
    """
    from optuna import samplers

    if plan.sampler == "tpe":
        return samplers.TPESampler(
            n_startup_trials=STARTUP_TRIALS,
            n_ei_candidates=24,
            multivariate=True,
            group=False,
            constant_liar=True,
            seed=seed,
        )
    if plan.sampler == "gp":
        return samplers.GPSampler(
            n_startup_trials=STARTUP_TRIALS,
            deterministic_objective=False,
            independent_sampler=None,
            seed=seed,
        )
    return samplers.RandomSampler(seed=seed)


def build_pruner(plan: Plan, epochs: int) -> "BasePruner":
    """Return what ends trials early.

    Args:
        plan: Names the pruner.
        epochs: Most epochs of a trial.
    """
    from optuna import pruners

    if plan.pruner == "median":
        return pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=0, interval_steps=1, n_min_trials=1)
    if plan.pruner == "hyperband":
        return pruners.HyperbandPruner(
            min_resource=1, max_resource=epochs, reduction_factor=3, bootstrap_count=0
        )
    return pruners.NopPruner()
