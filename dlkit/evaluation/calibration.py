"""Probabilities made to mean what they say, by one temperature (Guo et al. 2017)."""

import math
from dataclasses import replace

import numpy as np
from torch import Tensor

from dlkit.errors import ConfigError, DataError
from dlkit.evaluation.classes import Classes
from dlkit.evaluation.subject import Subject
from dlkit.evaluation.tasks import Results
from dlkit.metrics import METRICS, scores_of

_LEAST = 1e-30
_SHOWN = [METRICS["log_loss"], METRICS["ece"]]


def calibrated(subject: Subject, results: Results, outputs: Tensor) -> tuple[Classes, Tensor, str]:
    """Divide logits by the temperature that gives the validation samples the least log loss.

    Args:
        subject: The network and its data.
        results: What it gives for some samples.
        outputs: The logits of that, shape (N, K).

    Returns:
        The same with other probabilities, the divided logits, and a message.

    Raises:
        ConfigError: These are no classes.
        DataError: No validation sample has a class, or the data trained on are not here.
    """
    if not isinstance(results, Classes):
        raise ConfigError(
            "--calibrate is for probabilities of classes", "--interval 0.9 gives numbers intervals"
        )
    own = subject.own()
    val = own.results(own.dataset.split("val"))
    probs, targets = val.pairs()
    if not len(targets):
        raise DataError("--calibrate: no validation sample has a class", "leave it out")
    temperature = fit_temperature(probs, targets)
    found = replace(results, probs=at_temperature(results.probs, temperature), temperature=temperature)
    text = (
        f"probabilities are calibrated: logits divided by a temperature of {temperature:.4g}, fitted on val"
    )
    if len(results.pairs()[1]):
        before, after = (scores_of(_SHOWN, *each.pairs()) for each in (results, found))
        text += "".join(f", {name} {before[name]:.4g} -> {after[name]:.4g}" for name in before)
    return found, outputs / temperature, text


def fit_temperature(probs: np.ndarray, targets: np.ndarray) -> float:
    """Return the temperature with the least log loss, between 0.05 and 20.

    Args:
        probs: Shape (N, K).
        targets: Class indices, shape (N,).
    """
    from scipy.optimize import minimize_scalar

    def loss(log: float) -> float:
        scaled = _scaled_logs(probs, math.exp(log))
        return -float(scaled[np.arange(len(targets)), targets].mean())

    limit = math.log(20)
    return math.exp(minimize_scalar(loss, bounds=(-limit, limit), method="bounded").x)


def at_temperature(probs: np.ndarray, temperature: float) -> np.ndarray:
    """Return probabilities whose logits are divided by a temperature, shape (N, K): above 1 they are less sure."""
    scaled: np.ndarray = np.exp(_scaled_logs(probs, temperature)).astype(probs.dtype)
    return scaled


def _scaled_logs(probs: np.ndarray, temperature: float) -> np.ndarray:
    logs = np.log(np.maximum(probs.astype(np.float64), _LEAST)) / temperature
    logs -= logs.max(1, keepdims=True)
    scaled: np.ndarray = logs - np.log(np.exp(logs).sum(1, keepdims=True))
    return scaled
