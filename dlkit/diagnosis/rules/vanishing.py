"""The rule about layers whose gradients, or whose outputs of different samples, are next to nothing."""

import math

from dlkit.diagnosis.cures import batch_norm, other_activation, shallower
from dlkit.diagnosis.findings import Cure, Evidence
from dlkit.diagnosis.recording import Recording, late, median
from dlkit.diagnosis.rule import OF_LAYERS, Rule

_LEARNED, _WELL = 0.5, 0.85
_FIRST_CHECKS = 4
_TINY_SPREAD, _NO_SPREAD = 1e-4, 1e-6
_SMALL_SHARE, _FALL, _MIDDLE = 0.02, 20.0, 0.2
_PASS_ON = Cure(
    "let the inputs pass: no factor far below 1 in forward(), default weights, inputs of spread 1"
)


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
        if layer in recording.layers("saturated") and (recording.number("act_mean", layer) or 0.0) > _MIDDLE:
            continue  # a sigmoid's outputs all lie around a half
        if _NO_SPREAD < share < min(_SMALL_SHARE, before / _FALL):
            return Evidence(
                message=f"at step {points[0][0]} a share of {share:.2g} of the outputs of {layer} differs from sample"
                f" to sample, of {before:.2g} before it",
                value=share,
                threshold=min(_SMALL_SHARE, before / _FALL),
                healthy="0.3 to 1",
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
    hardly = (recording.number("inputs_used") or 0.0) > _LEARNED  # they have slopes, however small
    if (share < _NO_SPREAD and not hardly) or min(spread, share) > _TINY_SPREAD:
        return None
    return Evidence(
        message=f"at step {step} the outputs of different samples differ by {spread:.2g} only",
        value=min(spread, share),
        threshold=_TINY_SPREAD,
        healthy="8e-4 or more",
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
        healthy="0.044 or more",
        layer=layers[0],
        step=next((step for step, value in ratios if value < limit), None),
        cure=shallower(recording)
        or batch_norm(recording)
        or other_activation(recording)
        or Cure("use ReLU or GELU, a normalisation layer, or fewer layers"),
        confirm="dlkit inspect grads RUN",
        level="warning" if recording.learned_less(_WELL if start < limit else _LEARNED) else "note",
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
        explains=(*OF_LAYERS, "saturated", "dead"),
        live=True,
    ),
)
