"""Rules about what passes through the layers: gradients that explode, units that are dead or saturated."""

import math

from dlkit.diagnosis.cures import argument, change, current_argument, other_activation, shallower
from dlkit.diagnosis.findings import Cure, Evidence
from dlkit.diagnosis.recording import Point, Recording, first_above, late, median, persists
from dlkit.diagnosis.rule import OF_LAYERS, Rule

_NOTE_DEAD, _NOTE_SATURATED = 0.5, 0.2
_LEARNED, _WELL = 0.5, 0.85
_JUMP, _AT_FIRST = 100.0, 0.9
_SMALLER_START = Cure("start with smaller weights (Xavier), normalise the inputs, or use ReLU")


def exploding(recording: Recording, limit: float) -> Evidence | None:
    """Find a gradient far above its usual size while the loss rises."""
    norms: dict[int, float] = {}
    for points in recording.layers("grad_norm").values():
        for step, norm in points:
            norms[step] = math.hypot(norms.get(step, 0.0), norm)
    course = sorted(norms.items())
    if len(course) < 8:
        return None
    usual_size = median(course[: len(course) // 2])
    above = first_above(course[len(course) // 2 :], limit * usual_size)
    losses = recording.train_losses
    if above is None or not losses or losses[-1] <= 1.1 * min(losses):
        return None
    largest = max(value for _, value in course)
    return Evidence(
        message=f"the gradient grew from {usual_size:.3g} to {largest:.3g}",
        value=largest / max(usual_size, 1e-30),
        step=above,
        cure=change("grad_clip", recording.config.get("grad_clip"), 1.0),
        confirm="dlkit inspect updates RUN",
        level="warning" if recording.learned_less(_WELL) else "note",
    )


def dead_units(recording: Recording, limit: float) -> Evidence | None:
    """Find rectifiers of which most units are zero for every sample, and not because all inputs are alike to them."""
    recorded = recording.layers("dead")
    found = {
        **recorded,
        **{layer: points for layer, points in _silent(recording).items() if layer not in recorded},
    }
    worst = {layer: median(late(points)) for layer, points in found.items()}
    if not worst:
        return None
    layer, share = max(worst.items(), key=lambda pair: pair[1])
    if found[layer][0][1] < _AT_FIRST and recording.ignores_inputs:
        return None
    if share < _NOTE_DEAD or not persists(found[layer], _NOTE_DEAD):
        return None
    alarm = persists(found[layer], limit) and (recording.learned_less(_LEARNED) or share > 0.95)
    return Evidence(
        message=f"{share:.0%} of the units of {layer} are zero for every sample",
        value=share,
        layer=layer,
        step=first_above(found[layer], _NOTE_DEAD),
        cure=shallower(recording)
        or argument(recording, "activation", "leaky_relu")
        or other_activation(recording)
        or Cure("LeakyReLU or GELU, biases of 0, a lower --lr"),
        confirm="dlkit inspect acts RUN",
        level="warning" if alarm else "note",
        threshold=limit if alarm else _NOTE_DEAD,
    )


def _silent(recording: Recording) -> dict[str, list[Point]]:
    """Return other functions without weights that put out nothing but zeros, as all dead."""
    means, spreads = recording.layers("act_mean"), recording.layers("act_std")
    return {
        layer: [(step, 1.0) for step, _ in points]
        for layer, points in spreads.items()
        if recording.number("size", f"{layer}.weight") is None
        and len(points) > 2
        and all(value == 0 for _, value in (*points, *means.get(layer, ())))
    }


def saturated(recording: Recording, limit: float) -> Evidence | None:
    """Find tanh or sigmoid units at the flat ends of their functions."""
    found = recording.layers("saturated")
    worst = {layer: median(late(points)) for layer, points in found.items()}
    if not worst:
        return None
    layer, share = max(worst.items(), key=lambda pair: pair[1])
    if share < _NOTE_SATURATED:
        return None
    at_once = found[layer][0][1] > limit
    alarm = persists(found[layer], limit) and recording.learned_less(_WELL if at_once else _LEARNED)
    return Evidence(
        message=f"{share:.0%} of the outputs of {layer} lie at the flat ends",
        value=share,
        layer=layer,
        step=first_above(found[layer], _NOTE_SATURATED),
        cure=_less_saturated(recording, at_once=at_once),
        confirm="dlkit inspect acts RUN",
        level="warning" if alarm else "note",
        threshold=limit if alarm else _NOTE_SATURATED,
    )


def _less_saturated(recording: Recording, *, at_once: bool) -> Cure:
    """Return a smaller start for units that are saturated from the first step on, else another function."""
    if at_once and current_argument(recording, "init") not in (None, "default"):
        return argument(recording, "init", "default") or _SMALLER_START
    return _SMALLER_START if at_once else other_activation(recording) or _SMALLER_START


RULES = (
    Rule(
        name="exploding",
        title="exploding gradients",
        stage="activations",
        signals=("grad_norm", "mean_loss"),
        threshold=_JUMP,
        condition="the whole gradient grows 100 times above its median while the loss rises",
        healthy="up to 10 times",
        source="AutoTrainer; TheDeepChecker",
        cure="--grad-clip 1",
        find=exploding,
        explains=(*OF_LAYERS, "dead", "saturated"),
    ),
    Rule(
        name="dead",
        title="dead units",
        stage="activations",
        signals=("dead", "train_loss"),
        threshold=0.75,
        condition="75 % of a rectifier's units are zero for every sample, in most of the late checks, and the loss fell"
        " by less than half; a note above 50 %",
        healthy="up to 0.52",
        source="SageMaker Debugger, DeadRelu; AutoTrainer",
        cure="-s activation=leaky_relu",
        find=dead_units,
        explains=(*(rule for rule in OF_LAYERS if rule != "bottleneck"), "vanishing", "softmax"),
    ),
    Rule(
        name="saturated",
        title="saturated units",
        stage="activations",
        signals=("saturated", "train_loss"),
        threshold=0.5,
        condition="half of the outputs of tanh or sigmoid lie beyond 0.97 of their range, in most of the late checks;"
        " a note above 20 %",
        healthy="up to 0.16",
        source="SageMaker Debugger, SaturatedActivation; Karpathy, makemore",
        cure="-s activation=relu",
        find=saturated,
        explains=(*OF_LAYERS, "vanishing"),
    ),
)
