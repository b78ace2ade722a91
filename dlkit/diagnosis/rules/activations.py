"""Rules about what passes through the layers: gradients that vanish or explode, units that are dead or saturated."""

import math

from dlkit.diagnosis.cures import argument, batch_norm, change, current_argument, other_activation, shallower
from dlkit.diagnosis.findings import Cure, Evidence
from dlkit.diagnosis.recording import Point, Recording, first_above, late, median, persists
from dlkit.diagnosis.rule import Rule

_NOTE_DEAD, _NOTE_SATURATED = 0.5, 0.2
_NOTHING, _LEARNED, _WELL = 0.05, 0.5, 0.85
_FIRST_CHECKS = 4
_TINY_SPREAD, _NO_SPREAD = 1e-4, 1e-6
_SMALL_SHARE, _FALL = 0.02, 20.0
_PASS_ON = Cure(
    "let the inputs pass: no factor far below 1 in forward(), default weights, inputs of spread 1"
)
_JUMP = 100.0
_SMALLER_START = Cure("start with smaller weights (Xavier), normalise the inputs, or use ReLU")


def vanishing(recording: Recording, limit: float) -> Evidence | None:
    """Find a first layer whose gradients are tiny beside those of others."""
    return (
        _vanishing_gradient(recording, limit) or _vanishing_layer(recording) or _vanishing_outputs(recording)
    )


def _vanishing_layer(recording: Recording) -> Evidence | None:
    """Judge by the first layer whose outputs are nearly the same for different samples, unlike those before it."""
    used = recording.number("inputs_used") or 0.0
    if not recording.finished or not recording.suffers(_WELL) or 0 < used < _LEARNED:
        return None  # the inputs that are left out make the outputs alike
    shares = [1.0, 1.0]
    for layer, points in recording.layers("act_spread").items():
        share, before = points[0][1], shares[-2]
        if _NO_SPREAD < share < min(_SMALL_SHARE, before / _FALL):
            return Evidence(
                message=f"at step {points[0][0]} a share of {share:.2g} of the outputs of {layer} differs from sample"
                f" to sample, of {before:.2g} before it",
                value=share,
                layer=layer,
                step=points[0][0],
                cure=_PASS_ON,
                confirm="dlkit inspect acts RUN",
            )
        shares.append(share)
    return None


def _vanishing_outputs(recording: Recording) -> Evidence | None:
    """Judge by the first outputs: of different samples they are nearly the same, where the inputs hardly pass."""
    spreads, sizes = recording.points("output_spread"), recording.output_sizes()
    if not spreads or not recording.finished or not recording.suffers(_WELL):
        return None
    step, spread = spreads[0]
    share = spread / max(sizes.get(step, 0.0), _NO_SPREAD)
    if share < _NO_SPREAD or min(spread, share) > _TINY_SPREAD:
        return None
    return Evidence(
        message=f"at step {step} the outputs of different samples differ by {spread:.2g} only",
        value=spread,
        step=step,
        cure=_PASS_ON,
        confirm="dlkit inspect acts RUN shows where the spread is lost",
    )


def _vanishing_gradient(recording: Recording, limit: float) -> Evidence | None:
    layers = recording.matrices
    if len(layers) < 2:
        return None
    sizes = {layer: recording.number("size", layer) or 1.0 for layer in layers}
    by_step: dict[int, list[float]] = {}
    for layer in layers:
        for step, norm in recording.points("grad_norm", layer):
            by_step.setdefault(step, []).append(norm / math.sqrt(sizes[layer]))
    ratios = [
        (step, values[0] / max(values))
        for step, values in sorted(by_step.items())
        if len(values) == len(layers) and max(values) > 0
    ]
    missing = layers[0] in recording.layers("grad_missing")
    if not ratios or missing:
        return None
    start, end = median(ratios[:_FIRST_CHECKS]), median(late(ratios))
    if not 0 < min(start, end) < limit:
        return None
    return Evidence(
        message=f"the gradient of {layers[0]} is {min(start, end):.2g} of the largest",
        value=min(start, end),
        layer=layers[0],
        step=next((step for step, value in ratios if value < limit), None),
        cure=shallower(recording)
        or batch_norm(recording)
        or other_activation(recording)
        or Cure("use ReLU or GELU, a normalisation layer, or fewer layers"),
        confirm="dlkit inspect grads RUN",
        level="warning" if _below(recording, _WELL if start < limit else _LEARNED) else "note",
    )


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
        level="warning" if _below(recording, _WELL) else "note",
    )


def dead_units(recording: Recording, limit: float) -> Evidence | None:
    """Find rectifiers of which most units are zero for every sample."""
    recorded = recording.layers("dead")
    found = {
        **recorded,
        **{layer: points for layer, points in _silent(recording).items() if layer not in recorded},
    }
    worst = {layer: median(late(points)) for layer, points in found.items()}
    if not worst:
        return None
    layer, share = max(worst.items(), key=lambda pair: pair[1])
    if share < _NOTE_DEAD or not persists(found[layer], _NOTE_DEAD):
        return None
    alarm = persists(found[layer], limit) and (_below(recording, _LEARNED) or share > 0.95)
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
    )


def _silent(recording: Recording) -> dict[str, list[Point]]:
    """Return layers of other functions that put out nothing but zeros, as all dead."""
    means, spreads = recording.layers("act_mean"), recording.layers("act_std")
    return {
        layer: [(step, 1.0) for step, _ in points]
        for layer, points in spreads.items()
        if len(points) > 2 and all(value == 0 for _, value in (*points, *means.get(layer, ())))
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
    alarm = persists(found[layer], limit) and _below(recording, _WELL if at_once else _LEARNED)
    return Evidence(
        message=f"{share:.0%} of the outputs of {layer} lie at the flat ends",
        value=share,
        layer=layer,
        step=first_above(found[layer], _NOTE_SATURATED),
        cure=_less_saturated(recording, at_once=at_once),
        confirm="dlkit inspect acts RUN",
        level="warning" if alarm else "note",
    )


def _less_saturated(recording: Recording, *, at_once: bool) -> Cure:
    """Return a smaller start for units that are saturated from the first step on, else another function."""
    if at_once and current_argument(recording, "init") not in (None, "default"):
        return argument(recording, "init", "default") or _SMALLER_START
    return _SMALLER_START if at_once else other_activation(recording) or _SMALLER_START


def _below(recording: Recording, limit: float) -> bool:
    """Return whether what was learned so far is less than a limit."""
    if not recording.finished:
        limit = _NOTHING
    skill = recording.skill
    return skill is None or skill < limit


_SYMPTOMS = (
    "flat_loss",
    "not_updated",
    "bottleneck",
    "underfit",
    "majority",
    "inputs_ignored",
    "lr_low",
    "unstable",
    "labels",
)

RULES = (
    Rule(
        name="vanishing",
        title="vanishing gradients",
        stage="activations",
        signals=("grad_norm", "size", "output_spread", "act_spread"),
        threshold=1e-4,
        condition="the root mean square gradient of the first matrix is below 1e-4 of the largest, in the first or in"
        " the late steps; a note where the loss fell by half; or the first outputs of different samples differ by 1e-4,"
        " or those of a layer by 2 % of their size and 20 times less than two layers before, and validation gets less"
        " than 85 % of the way to a perfect answer",
        healthy="0.044 or more; outputs 8e-4 or more; 0.2 to 1 times as much as two layers before",
        source="AutoTrainer (Zhang et al. 2021); SageMaker Debugger, VanishingGradient",
        cure="-s norm=batch, -s activation=relu",
        find=vanishing,
        explains=(*_SYMPTOMS, "saturated", "dead"),
        live=True,
    ),
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
        explains=(*_SYMPTOMS, "dead", "saturated"),
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
        explains=(*(rule for rule in _SYMPTOMS if rule != "bottleneck"), "vanishing", "softmax"),
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
        explains=(*_SYMPTOMS, "vanishing"),
    ),
)
