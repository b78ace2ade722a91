"""Rules about how far a step goes: learning rate, divergence."""

import math
from collections.abc import Mapping
from typing import Any

from dlkit.diagnosis.cures import change, lower_rate, raise_rate, usual, usual_rate
from dlkit.diagnosis.findings import Cure, Evidence, learned
from dlkit.diagnosis.recording import Point, Recording, early, first_above, late, median
from dlkit.diagnosis.rule import Rule

_SHORT, _RANDOM = 0.1, 0.05
_LEARNED, _BY_HEART = 0.5, 0.95
_WELL = 0.85
_EXTREME = 10.0
_SMOOTHING = 0.99
_SETTLED = 51
_LARGE_LATE = 0.1
_SHRANK = 0.3
_AT_ONCE = 2
_NOT_FINITE_AT_ONCE = Cure(
    "keep log, sqrt and divisions there away from zero and below: add 1e-6, or clamp(min=1e-6)"
)
_STILL = 0.9
_MOSTLY_DROPPED = 3.0  # times the spread of the outputs that training and evaluation mode differ by
_FIRST_STEPS, _FIRST_EPOCHS = 10, 2
_CLIPPED = 10.0
_LONG_MEMORY = 0.97
_TIMES_USUAL, _USUAL_STEPS = 5.0, 10.0
_BY_RATE, _TIMES_RECIPE = ("adam", "adamw", "nadam", "radam", "rmsprop"), 100.0
_RISE, _ABOVE_LOWEST = 1.5, 3.0
_LARGE_MEAN = 0.15
_SYMPTOMS = (
    "dead",
    "saturated",
    "flat_loss",
    "underfit",
    "unstable",
    "majority",
    "inputs_ignored",
    "labels",
    "overfit",
)


def not_finite(recording: Recording, _limit: float) -> Evidence | None:
    """Find a run that diverged, and where the first NaN or infinity came from."""
    for signal in ("weights", "forward", "loss", "backward", "step", "validation", "none"):
        for layer, points in recording.layers(f"non_finite_{signal}").items():
            place = f"in {layer}" if layer else f"in the {'gradients' if signal == 'step' else signal}"
            return Evidence(
                message=f"training diverged at step {points[0][0]}: the first NaN or infinity appeared {place}",
                value=1.0,
                layer=layer,
                step=points[0][0],
                cure=lower_rate(recording) if points[0][0] > _AT_ONCE else _NOT_FINITE_AT_ONCE,
                confirm="dlkit inspect nan RUN replays the batch",
            )
    for name in ("train_loss", "val_loss"):
        values = recording.history.get(name, [])
        bad = [
            epoch for epoch, value in enumerate(values, 1) if value is not None and not math.isfinite(value)
        ]
        if bad:
            return Evidence(
                message=f"{name} is not finite from epoch {bad[0]} on",
                value=float(len(bad)),
                step=None,
                cure=lower_rate(recording),
                confirm="dlkit inspect nan RUN replays the batch",
            )
    return None


def rate_too_high(recording: Recording, limit: float) -> Evidence | None:
    """Find steps that move the weights by a large share of themselves, or a loss that rises."""
    if (recording.number("evaluation_noise") or 0.0) > _RANDOM or recording.mode_difference > _MOSTLY_DROPPED:
        return None  # gradients of noise
    return (
        _large_steps(recording, limit)
        or _still_too_high(recording)
        or _rising_loss(recording)
        or _long_memory(recording)
        or _large_means(recording)
        or _far_above_usual(recording)
    )


def _far_above_usual(recording: Recording) -> Evidence | None:
    """Judge by the rate itself, of optimizers whose steps are about as long as it, whatever the gradients."""
    config, rate, skill = recording.config, recording.config.get("lr", 0.0), recording.skill
    if config.get("optimizer") not in _BY_RATE or not recording.finished or skill is None or skill > _WELL:
        return None
    most = _TIMES_RECIPE * usual_rate(config)
    if rate < most:
        return None
    return Evidence(
        message=f"--lr {rate:g} is {rate / usual_rate(config):.3g} times that of the recipe, {learned(skill)}",
        value=rate,
        threshold=most,
        healthy="0.1 to 30 times the recipe's",
        step=1,
        cure=change("lr", rate, usual_rate(config)),
        confirm="dlkit inspect lr --config RUN/config.toml finds a rate",
    )


def _long_memory(recording: Recording) -> Evidence | None:
    """Judge by the momentum, which adds up the steps of 1 / (1 - momentum) batches."""
    config, skill = recording.config, recording.skill
    momentum, rate = config.get("momentum", 0.0), config.get("lr", 0.0)
    if config.get("optimizer") != "sgd" or not _LONG_MEMORY < momentum < 1 or skill is None or skill > _WELL:
        return None
    steps = 1 / (1 - momentum)
    if not recording.finished or rate * steps < _TIMES_USUAL * _USUAL_STEPS * usual(config, "lr"):
        return None
    return Evidence(
        message=f"--momentum {momentum:g} adds up the steps of {steps:,.0f} batches, {learned(skill)}",
        value=rate * steps,
        threshold=_TIMES_USUAL * _USUAL_STEPS * usual(config, "lr"),
        healthy="up to 10 times the recipe's rate",
        step=None,
        cure=_lower(recording),
        confirm="dlkit plot RUN",
    )


def _large_steps(recording: Recording, limit: float) -> Evidence | None:
    """Judge by the first steps; those of weights that shrank since tell of something else."""
    config = recording.config
    decay = config.get("lr", 0.0) * config.get("weight_decay", 0.0) / (1 - config.get("momentum", 0.9))
    worst: tuple[float, str, list[Point]] = (0.0, "", [])
    for layer in recording.matrices:
        if recording.number("weight_norm", layer) == 0:
            continue  # of nothing, any step is a large share: class tokens and last layers that start at zero
        points = [
            (step, value * _bias(config, step)) for step, value in recording.points("update_ratio", layer)
        ]
        highest = max((value for _, value in early(points, _first_steps(recording, layer))), default=0.0)
        worst = max(worst, (highest, layer, points))
    ratio, layer, points = worst
    if ratio <= limit + decay or _copes(recording, extreme=ratio > _EXTREME * limit):
        return None
    return Evidence(
        message=f"a step moves {layer} by {ratio:.2g} times its norm",
        value=ratio,
        healthy="up to 0.106 in the first steps",
        layer=layer,
        step=first_above(points, limit),
        cure=_lower(recording),
        confirm="dlkit inspect lr --config RUN/config.toml finds a rate",
    )


def _first_steps(recording: Recording, layer: str) -> int:
    """Return how many steps are looked at: the first ones, or all where the rate rises for long."""
    if recording.config.get("schedule") in ("onecycle", "cyclic"):
        return recording.steps
    return 3 if _shrank(recording, layer) else 11


def _bias(config: Mapping[str, Any], step: int) -> float:
    """Return what makes first steps comparable: without Adam's correction, RMSprop's are up to ten times as long."""
    return math.sqrt(1 - _SMOOTHING**step) if config.get("optimizer") == "rmsprop" else 1.0


def _copes(recording: Recording, *, extreme: bool) -> bool:
    """Return whether the run learns all the same."""
    if not recording.finished:
        begun = recording.steps < _FIRST_STEPS or (recording.epochs < _FIRST_EPOCHS and not extreme)
        return begun or not recording.learned_nothing
    skill, train = recording.skill, recording.gain("train_loss") or 0.0
    return skill is not None and (skill > (_WELL if extreme else _LEARNED) or train > _BY_HEART)


def _shrank(recording: Recording, layer: str) -> bool:
    norms = recording.points("weight_norm", layer)
    return bool(norms) and norms[-1][1] < _SHRANK * norms[0][1]


def _large_means(recording: Recording) -> Evidence | None:
    """Judge by the column of the history, which has the mean over an epoch and the whole network."""
    ratios = recording.column("update_ratio")
    if recording.matrices or not ratios or max(ratios) <= _LARGE_MEAN:
        return None
    whole = max(ratios) > 1
    if not whole and _copes(recording, extreme=False):
        return None
    return Evidence(
        message=f"steps of epoch {ratios.index(max(ratios)) + 1} move the weights by {max(ratios):.2g} times their"
        " norm",
        value=max(ratios),
        threshold=_LARGE_MEAN,
        healthy="1.4e-3 to 1.5e-2",
        step=None,
        cure=_lower(recording),
        confirm="dlkit inspect lr --config RUN/config.toml finds a rate",
        level="warning" if whole else "note",
    )


def _still_too_high(recording: Recording) -> Evidence | None:
    """Judge by the steps of the last half."""
    skill = recording.skill
    ratios = {
        layer: median(late(points))
        for layer in recording.matrices
        if not _shrank(recording, layer) and (points := recording.points("update_ratio", layer))
    }
    if not ratios or skill is None or not recording.finished or recording.steps < _SETTLED:
        return None
    layer, ratio = max(ratios.items(), key=lambda pair: pair[1])
    if ratio < _LARGE_LATE or skill > _LEARNED:
        return None
    return Evidence(
        message=f"steps still move {layer} by {ratio:.2g} times its norm, {learned(skill)}",
        value=ratio,
        layer=layer,
        step=None,
        threshold=_LARGE_LATE,
        healthy="1.4e-3 to 1.5e-2",
        cure=_lower(recording),
        confirm="dlkit inspect lr --config RUN/config.toml finds a rate",
    )


def _rising_loss(recording: Recording) -> Evidence | None:
    losses, constant = recording.train_losses, recording.constant_loss
    if len(losses) < 3 or constant is None or (not recording.finished and _just_improved(recording)):
        return None
    last = median([(0, value) for value in losses[-2:]]) if recording.finished else min(losses[-2:])
    start = max(losses[0], constant)
    far_above_lowest = recording.finished and last > max(
        _ABOVE_LOWEST * min(losses), min(losses) + 0.3 * constant
    )
    if last <= _RISE * start and not far_above_lowest:
        return None
    return Evidence(
        message=f"the training loss rose from {min(losses):.3g} to {last:.3g}",
        value=last / min(losses) if far_above_lowest else last / start,
        threshold=_ABOVE_LOWEST if far_above_lowest else _RISE,
        healthy="1 or less",
        step=None,
        cure=_lower(recording),
        confirm="dlkit plot RUN",
    )


def _just_improved(recording: Recording) -> bool:
    """Return whether the last epoch has the lowest validation loss: what rose in it fell again."""
    losses = recording.column("val_loss")
    return len(losses) > 1 and losses[-1] <= min(losses)


def rate_too_low(recording: Recording, limit: float) -> Evidence | None:
    """Find steps that hardly move the weights, in a run that did not learn much."""
    ratios = [
        max((value for _, value in recording.points("update_ratio", layer)), default=math.nan)
        for layer in recording.matrices
    ]
    ratios = [ratio for ratio in ratios if math.isfinite(ratio)]
    skill = recording.skill
    if not ratios or skill is None:
        return None
    largest = max(ratios)
    if not 0 < largest <= limit or (
        skill > _LEARNED
        and not _stands_still(recording)
        and (recording.config.get("init") or not recording.falls_short(_SHORT))
    ):
        return None
    return Evidence(
        message=f"no step moves a layer by more than {largest:.2g} times its norm, {learned(skill)}",
        value=largest,
        step=None,
        cure=_less_clipping(recording) or raise_rate(recording),
        confirm="dlkit inspect lr --config RUN/config.toml finds a rate",
    )


def _less_clipping(recording: Recording) -> Cure | None:
    """Return the cure for gradients of which clipping leaves a small share; None where it does not."""
    clip, norms = recording.config.get("grad_clip"), recording.column("grad_norm")
    if clip is None or not norms or norms[0] < _CLIPPED * clip:
        return None
    return change("grad_clip", clip, 1.0)


def _lower(recording: Recording) -> Cure:
    """Return a shorter memory where --momentum adds up the steps of hundreds of batches, else a lower rate."""
    momentum = recording.config.get("momentum", 0.0)
    if recording.config.get("optimizer") == "sgd" and momentum > _LONG_MEMORY:
        return change("momentum", momentum, 0.9)
    return lower_rate(recording)


def _stands_still(recording: Recording) -> bool:
    """Return whether the loss of a network that was not trained before is about what it was at the start."""
    losses = recording.train_losses
    return not recording.config.get("init") and len(losses) > 1 and losses[-1] > _STILL * losses[0]


RULES = (
    Rule(
        name="lr_high",
        title="learning rate too high",
        stage="learning rate",
        signals=("update_ratio", "train_loss", "mean_loss", "constant_loss"),
        threshold=0.3,
        condition="one of the first 11 steps (of all, where the schedule raises the rate) moves a weight matrix by 0.3"
        " of its norm, or late steps by 0.1, and validation gets less than half of the way to a perfect answer (85 %"
        " for 3 times its norm); or the training loss ends 1.5 times above its start, or 3 times above its lowest;"
        " or --momentum makes steps 5 times as long as 0.9 does at the recipe's rate, or --lr of Adam and its kin"
        " is 100 times the recipe's, and validation gets less than 85 % of the way",
        healthy="up to 0.106 in the first steps, 1.4e-3 to 1.5e-2 later",
        source="Karpathy, A Recipe for Training Neural Networks; SageMaker Debugger, WeightUpdateRatio",
        cure="lower --lr to that of the recipe, or to a tenth",
        find=rate_too_high,
        explains=(*_SYMPTOMS, "nan", "exploding", "vanishing", "mode_gap", "over_regularised"),
        live=True,
    ),
    Rule(
        name="nan",
        title="numbers that are not finite",
        stage="learning rate",
        signals=(
            "non_finite_weights",
            "non_finite_forward",
            "non_finite_loss",
            "non_finite_backward",
            "val_loss",
        ),
        threshold=0,
        condition="training diverged, or a loss in the history is NaN or infinite",
        healthy="none",
        source="replay of the failing batch",
        cure="lower --lr",
        find=not_finite,
        explains=(*_SYMPTOMS, "exploding"),
    ),
    Rule(
        name="lr_low",
        title="learning rate too low",
        stage="learning rate",
        signals=("update_ratio", "train_loss", "constant_loss"),
        threshold=2e-3,
        condition="no step moves any weight matrix by 2e-3 of its norm, and validation gets less than half of the way"
        " to a perfect answer or stays below simple methods, or the loss stays above 0.9 of its start",
        healthy="1.4e-3 to 1.5e-2",
        source="Karpathy, A Recipe for Training Neural Networks; SageMaker Debugger, WeightUpdateRatio",
        cure="raise --lr to that of the recipe, or tenfold",
        find=rate_too_low,
        explains=("flat_loss", "underfit", "majority", "labels"),
    ),
)
