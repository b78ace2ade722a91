"""Rules about what the network computes: what it makes of its inputs, and what the loss is given."""

import math
from collections.abc import Sequence

from dlkit.diagnosis.cures import argument, current_argument, other_activation
from dlkit.diagnosis.findings import Cure, Evidence, listed
from dlkit.diagnosis.recording import Point, Recording, late
from dlkit.diagnosis.rule import OF_WIRING, Rule
from dlkit.errors import counted

_CROSS_ENTROPIES = ("auto", "cross-entropy")
_BOUNDED = 1e-6
_RANGE = 0.5
_SHOWN, _CERTAIN = 3, 7  # measured steps; the first outputs of two classes may all be of one sign
_TINY = 1e-6
_WELL, _SHORT, _HALF, _THIRD = 0.85, 0.1, 0.5, 0.33
_NEARLY, _FEW = 0.97, 8
_LOST = 0.25
_SAME_ORDER, _OTHER_ORDER = 0.01, 0.1
_RANDOM = 0.01
_EXACT, _COARSE = "fp32", 0.05  # of lower precisions, results differ by how many rows are computed at once


def mixed_samples(recording: Recording, limit: float) -> Evidence | None:
    """Find outputs that depend on the other samples of the batch."""
    if reordered := _reordered(recording):
        return reordered
    value = recording.number("batch_dependence")
    if recording.config.get("precision", _EXACT) != _EXACT:
        limit = _COARSE
    if value is None or value < limit:
        return None
    if (recording.number("evaluation_noise") or 0.0) >= limit:
        return None
    return Evidence(
        message="in evaluation mode the output of a sample changes with the other samples of its batch",
        value=value,
        threshold=limit,
        step=1,
        cure=Cure("keep the first axis apart in forward(): no mean, softmax, reshape or index over it"),
        confirm="pass one sample alone, and among others",
        level="warning" if recording.skill is None or recording.skill < _WELL else "note",
    )


def _reordered(recording: Recording) -> Evidence | None:
    """Find outputs that in training mode are those of evaluation mode in another order."""
    order = recording.number("order_difference")
    if order is None or order > _SAME_ORDER or recording.mode_difference < _OTHER_ORDER:
        return None
    return Evidence(
        message="in training mode the outputs are those of evaluation mode in another order: of other samples",
        value=recording.mode_difference,
        threshold=_OTHER_ORDER,
        step=1,
        cure=Cure("keep the first axis in its order in forward(): no permutation, roll or sort over it"),
        confirm="mode_difference beside order_difference in RUN/probes.csv",
        level="warning" if recording.suffers(_WELL) else "note",
    )


def straight(recording: Recording, limit: float) -> Evidence | None:
    """Find layers without an activation between them: all together they are one linear layer."""
    if unused := _unused_activation(recording):
        return unused
    curvature, skill = recording.number("curvature"), recording.skill
    spreads = recording.points("output_spread")
    several = len(recording.matrices) > 1 or current_argument(recording, "hidden") == ""
    if curvature is None or curvature > limit or skill is None or not several:
        return None
    if not spreads or spreads[0][1] <= _TINY:
        return None
    return Evidence(
        message=f"{counted(len(recording.matrices), 'layer')} of weights, and the outputs are linear in the inputs",
        value=curvature,
        step=1,
        cure=(argument(recording, "hidden", 128) if len(recording.matrices) == 1 else None)
        or other_activation(recording)
        or Cure("put nn.ReLU() or another activation between the layers"),
        confirm="dlkit inspect model RUN lists the layers",
        level="warning" if recording.falls_short(_SHORT) else "note",
    )


def _unused_activation(recording: Recording) -> Evidence | None:
    """Find activations that are computed, and whose result nothing uses."""
    unused = list(recording.layers("unused"))
    if not unused:
        return None
    return Evidence(
        message=f"nothing uses what {listed(unused)} computes",
        value=float(len(unused)),
        threshold=0.0,
        healthy="0",
        layer=unused[0],
        step=1,
        cure=Cure("take the result, x = self.act(x): an activation does not change what it is given"),
        confirm="dlkit inspect model RUN lists the layers",
        level="warning" if recording.suffers(_NEARLY) else "note",
    )


def output_activation(recording: Recording, limit: float) -> Evidence | None:
    """Find outputs that went through softmax or another bounded function before the loss."""
    low, high = recording.points("output_min"), recording.points("output_max")
    if not low or not high or recording.config.get("loss", "auto") not in _CROSS_ENTROPIES:
        return None
    if recording.config.get("model") == "pbpk":  # concentrations are positive
        return None
    classes = bool(recording.points("output_sum_error"))
    if not classes and not recording.config.get("scale_target", True):
        return None  # targets of any range
    lowest, highest = min(value for _, value in low), max(value for _, value in high)
    enough = len(low) > (_SHOWN if recording.finished else _CERTAIN)
    name, one_sided = "", enough and recording.config.get("batch_size", _FEW) >= _FEW
    value = max((value for _, value in recording.points("output_sum_error")), default=math.inf)
    if classes and lowest >= 0 and value < limit:
        name = "softmax"
    elif all(point == 0 for _, point in low) and len(low) > _SHOWN:
        name, value = "ReLU", lowest
    elif lowest >= 0 and one_sided and _spread(low, high) > _RANGE:
        name, value = "sigmoid" if highest <= 1 else "a function without negative values", lowest
    elif not classes and highest <= 0 and one_sided and _spread(low, high) > _RANGE:
        name, value = "a function without positive values", highest
    elif _reaches(low, -1.0) and _reaches(high, 1.0):
        name, value = "tanh", highest
    if not name:
        return None
    return Evidence(
        message=f"the outputs that the loss gets went through {name}",
        value=value,
        threshold=limit if name == "softmax" else 1.0 if name == "tanh" else 0.0,
        step=low[0][0],
        cure=Cure(f"leave {name} out after the last layer: the loss takes what is before it"),
        confirm="dlkit inspect acts RUN shows the last layer",
    )


def inputs_ignored(recording: Recording, limit: float) -> Evidence | None:
    """Find outputs that are the same whatever the input is, from the first step to the last."""
    spreads, sizes = recording.points("output_spread"), recording.output_sizes()
    if len(spreads) < 2:
        return _part_ignored(recording)
    ratios = [value / max(sizes.get(step, 0.0), 1e-30) for step, value in spreads]
    if max(ratios) > limit or (recording.number("inputs_used") or 0.0) > _HALF:
        return _part_ignored(recording)
    return Evidence(
        message="the outputs are the same for all inputs",
        value=max(ratios),
        step=spreads[0][0],
        cure=Cure(
            "use the inputs in forward(): something on the way multiplies them by zero or replaces them"
        ),
        confirm="dlkit inspect acts RUN shows the first layer without spread",
    )


def _part_ignored(recording: Recording) -> Evidence | None:
    """Find a network that looks at a part of its inputs alone."""
    used, codes = recording.number("inputs_used"), recording.number("input_std") is None
    if used == 0 and (recording.number("evaluation_noise") or 0.0) > _RANDOM:
        return Evidence(
            message="the outputs depend on none of the inputs, and are others each time",
            value=used,
            threshold=_HALF,
            healthy="1",
            step=1,
            cure=Cure("use the inputs in forward(), not random numbers in their place"),
            confirm="dlkit inspect acts RUN",
        )
    if used is None or not 0 < used <= (_THIRD if codes else _HALF):
        return _few_directions(recording) or _lost_on_the_way(recording)
    return Evidence(
        message=f"the outputs depend on {used:.0%} of the input features",
        value=used,
        threshold=_THIRD if codes else _HALF,
        healthy="1",
        step=1,
        cure=Cure("use all of the inputs in forward(): an index or a slice leaves the others out"),
        confirm="dlkit inspect acts RUN",
        level="warning" if recording.skill is not None and recording.skill < _NEARLY else "note",
    )


def _few_directions(recording: Recording) -> Evidence | None:
    """Find inputs of which less than it takes to answer gets to the first layer."""
    layer, points = next(iter(recording.layers("act_rank").items()), ("", []))
    inputs = recording.number("inputs", f"{layer}.weight")
    classes = recording.number("classes")
    needed = max(1.0, (classes - 1) / 2) if classes else 1.0
    if not points or inputs is None or not 1 <= points[0][1] <= needed < min(inputs, _FEW) or classes == 2:
        return None
    units = recording.number("units", f"{layer}.weight") or 0.0
    if units <= points[0][1] or recording.skill is None or recording.skill > _WELL:
        return None
    if recording.mode_difference > 1:
        return None  # in training, most of the inputs may be dropped
    return Evidence(
        message=f"what {layer} makes of {inputs:g} inputs varies in {points[0][1]:g} direction"
        + "s" * (points[0][1] != 1),
        value=points[0][1],
        threshold=needed,
        healthy="as many as inputs, or units",
        layer=layer,
        step=1,
        cure=Cure("pass the inputs on as they are: a mean, a sum or an index takes most of them away"),
        confirm="dlkit inspect acts RUN",
    )


def _lost_on_the_way(recording: Recording) -> Evidence | None:
    """Find a first layer that receives much less of the targets than the inputs hold, by simple methods."""
    received, simple = recording.number("received_skill"), recording.simple
    if received is None or simple is None or simple - max(received, 0.0) < _LOST:
        return None
    if not recording.falls_short(_SHORT) or (recording.number("evaluation_noise") or 0.0) > _RANDOM:
        return None
    return Evidence(
        message=f"of what the first layer receives, simple methods get {max(received, 0):.0%} of the way to a perfect"
        f" answer; of the inputs themselves, {simple:.0%}",
        value=simple - max(received, 0.0),
        threshold=_LOST,
        healthy="0",
        step=1,
        cure=Cure(
            "pass the inputs on as they are: what comes before the first layer loses what tells them apart"
        ),
        confirm="dlkit inspect acts RUN",
    )


def _spread(low: Sequence[Point], high: Sequence[Point]) -> float:
    """Return the range of the late outputs; that of biases alone is small."""
    return max(value for _, value in late(high)) - min(value for _, value in late(low))


def _reaches(points: list[tuple[int, float]], bound: float) -> bool:
    """Return whether the late values all lie within a bound and come close to it, as tanh's do."""
    values = [abs(value) for _, value in late(points)]
    return bool(values) and max(values) <= abs(bound) + _BOUNDED and min(values) > 0.95 * abs(bound)


RULES = (
    Rule(
        name="softmax",
        title="an activation before the loss",
        stage="wiring",
        signals=("output_sum_error", "output_min", "output_max"),
        threshold=1e-3,
        condition="outputs lie in 0..1 and each sample's sum to 1 within 1e-3; or none is below 0 at any step, though"
        " they vary (sigmoid, ReLU, softplus, a square), or of numbers none is above 0; or they lie in -1..1 and at"
        " both ends",
        healthy="logits of both signs",
        source="UMLAUT (Schoop et al. 2021); NeuraLint",
        cure="leave it out after the last layer",
        find=output_activation,
        explains=tuple(rule for rule in OF_WIRING if rule not in ("inputs_ignored", "dead")),
        live=True,
    ),
    Rule(
        name="mixed_samples",
        title="samples that are mixed up",
        stage="wiring",
        signals=("batch_dependence", "mode_difference", "order_difference", "val_loss"),
        threshold=0.001,
        condition="in evaluation mode, outputs change by 0.1 % of their size (5 % in lower precisions) where half of"
        " the batch is left out; a note where validation gets 85 % of the way to a perfect answer all the same",
        healthy="0 to 1e-6",
        source="Karpathy, A Recipe for Training Neural Networks",
        cure="keep the first axis apart in forward()",
        find=mixed_samples,
        explains=OF_WIRING,
    ),
    Rule(
        name="linear",
        title="layers without an activation between them",
        stage="wiring",
        signals=("curvature", "unused", "simple_skill", "val_loss"),
        threshold=1e-4,
        condition="two matrices or more, outputs that lie straight between those of two samples to 1e-4 of their"
        " spread, and validation is worse than what simple methods reach; or nothing uses the result of an activation,"
        " and validation gets less than 97 % of the way to a perfect answer or stays below simple methods; else a note",
        healthy="0.01 to 1",
        source="measured here",
        cure="an activation between the layers",
        find=straight,
        explains=("underfit", "flat_loss", "bottleneck", "labels"),
    ),
    Rule(
        name="inputs_ignored",
        title="inputs that do not matter",
        stage="wiring",
        signals=("output_spread", "output_std", "inputs_used", "act_rank", "simple_skill", "received_skill"),
        threshold=1e-6,
        condition="the outputs' spread over samples is below 1e-6 of their size in every measured step; or they depend"
        " on fewer than half of the features (a third of codes), and validation gets less than 97 % of the way to a"
        " perfect answer, or on none and change by 1 % with each evaluation;"
        " or one number, or fewer than half the classes less one, reach the first layer; or simple methods get 25 %"
        " less far with what it receives than with the inputs, and validation gets less far than they do with these",
        healthy="0.1 to 1",
        source="TheDeepChecker; Karpathy, A Recipe for Training Neural Networks",
        cure="use the inputs in forward()",
        find=inputs_ignored,
        explains=("flat_loss", "underfit", "majority", "labels", "overfit", "lr_low", "softmax", "mode_gap"),
    ),
)
