"""Optuna's samplers and pruners, every setting explicit: its defaults change from version to version."""

from typing import TYPE_CHECKING

import numpy as np

from dlkit.settings.search import Plan

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

STARTUP_TRIALS = 10
"""Trials with random settings, before tpe and gp learn from them."""


def build_sampler(plan: Plan, seed: int, number: int) -> "BaseSampler":
    """Return what chooses the settings of one trial.

    Each trial has a seed of its own, so that what is random does not depend on how many workers there are and which
    of them trains it. A grid is walked through by `study.Search`; its sampler is never asked.

    Args:
        plan: Names the sampler.
        seed: Of the search.
        number: Of the trial, from 0.
    """
    from optuna import samplers

    own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    if plan.sampler == "tpe":
        return samplers.TPESampler(
            n_startup_trials=STARTUP_TRIALS,
            n_ei_candidates=24,
            multivariate=True,
            group=False,
            constant_liar=True,
            seed=own,
        )
    if plan.sampler == "gp":
        return samplers.GPSampler(
            n_startup_trials=STARTUP_TRIALS, deterministic_objective=False, independent_sampler=None, seed=own
        )
    return samplers.RandomSampler(seed=own)


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
