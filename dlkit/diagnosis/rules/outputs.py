"""Rules about what the network computes: what it makes of its inputs, and what the loss is given."""

import math

from dlkit.diagnosis.cures import change, other_activation
from dlkit.diagnosis.findings import Cure, Evidence
from dlkit.diagnosis.recording import Recording, late, median
from dlkit.diagnosis.rule import OF_WIRING, Rule

_CROSS_ENTROPIES = ("auto", "cross-entropy")
_BOUNDED = 1e-6
_SETTLED = 51
_WORSE = 1.5
_SHARE_OF_CONSTANT = 0.1
_SHOWN = 3
_TINY = 1e-6
_WELL, _SHORT, _HALF = 0.85, 0.1, 0.5
_OTHER, _RANDOM = 0.2, 0.05


def mixed_samples(recording: Recording, limit: float) -> Evidence | None:
    """Find outputs that depend on the other samples of the batch."""
    value = recording.number("batch_dependence")
    if value is None or value < limit:
        return None
    if (recording.number("evaluation_noise") or 0.0) >= limit:
        return None
    return Evidence(
        message="in evaluation mode the output of a sample changes with the other samples of its batch",
        value=value,
        step=1,
        cure=Cure("keep the first axis apart in forward(): no mean, softmax, reshape or index over it"),
        confirm="pass one sample alone, and among others",
        level="warning" if recording.skill is None or recording.skill < _WELL else "note",
    )


def straight(recording: Recording, limit: float) -> Evidence | None:
    """Find layers without an activation between them: all together they are one linear layer."""
    curvature, skill = recording.number("curvature"), recording.skill
    spreads = recording.points("output_spread")
    if curvature is None or curvature > limit or skill is None or len(recording.matrices) < 2:
        return None
    if not spreads or spreads[0][1] <= _TINY:
        return None
    return Evidence(
        message=f"{len(recording.matrices)} matrices, and the outputs are linear in the inputs",
        value=curvature,
        step=1,
        cure=other_activation(recording) or Cure("put nn.ReLU() or another activation between the layers"),
        confirm="dlkit inspect model RUN lists the layers",
        level="warning" if recording.falls_short(_SHORT) else "note",
    )


def output_activation(recording: Recording, limit: float) -> Evidence | None:
    """Find outputs that went through softmax or another bounded function before the loss."""
    low, high = recording.points("output_min"), recording.points("output_max")
    if not low or not high or recording.config.get("loss", "auto") not in _CROSS_ENTROPIES:
        return None
    if recording.config.get("model") == "pbpk":  # concentrations are positive
        return None
    classes = bool(recording.points("output_sum_error"))
    lowest, highest = min(value for _, value in low), max(value for _, value in high)
    name = ""
    value = max((value for _, value in recording.points("output_sum_error")), default=math.inf)
    if classes and lowest >= 0 and value < limit:
        name = "softmax"
    elif classes and lowest >= 0 and highest <= 1 and len(low) > _SHOWN:
        name, value = "sigmoid", highest
    elif all(point == 0 for _, point in low) and len(low) > _SHOWN:
        name, value = "ReLU", lowest
    elif classes and _reaches(low, -1.0) and _reaches(high, 1.0):
        name, value = "tanh", highest
    if not name:
        return None
    return Evidence(
        message=f"the outputs that the loss gets went through {name}",
        value=value,
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
    if max(ratios) > limit:
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
    used = recording.number("inputs_used")
    if used is None or not 0 < used < _HALF:
        return None
    return Evidence(
        message=f"the outputs depend on {used:.0%} of the input features",
        value=used,
        step=1,
        cure=Cure("use all of the inputs in forward(): an index or a slice leaves the others out"),
        confirm="dlkit inspect acts RUN",
        level="warning" if recording.skill is not None and recording.skill < _WELL else "note",
    )


def mode_gap(recording: Recording, limit: float) -> Evidence | None:
    """Find a network that computes something else in evaluation mode than as it is trained."""
    return _other_loss(recording, limit) or _random_outputs(recording) or _other_outputs(recording)


def _random_outputs(recording: Recording) -> Evidence | None:
    """Judge by outputs that differ for the same samples in evaluation mode."""
    noise, skill = recording.number("evaluation_noise"), recording.skill
    if noise is None or noise < _RANDOM:
        return None
    return Evidence(
        message="in evaluation mode the same inputs have other outputs each time",
        value=noise,
        step=1,
        cure=Cure(
            "let nothing be random in evaluation: F.dropout(x, p, self.training), noise only while training"
        ),
        confirm="dlkit eval RUN, twice",
        level="warning" if skill is None or skill < _WELL else "note",
    )


def _other_outputs(recording: Recording) -> Evidence | None:
    """Judge by the outputs of a network without dropout and batch norm, which should be the same."""
    points = recording.points("mode_difference")
    dropped = any(found[0][1] > 0 for found in recording.layers("dropout").values())
    if not points or dropped or recording.layers("batch_norm"):
        return None
    if median(points) < _OTHER or not recording.falls_short(_SHORT):
        return None
    return Evidence(
        message=f"outputs differ by {median(points):.2g} of their spread between training and evaluation mode, without"
        " dropout or batch norm",
        value=median(points),
        step=points[0][0],
        cure=Cure("compute the same in both modes: look at what depends on self.training"),
        confirm="mode_difference in RUN/probes.csv",
    )


def _other_loss(recording: Recording, limit: float) -> Evidence | None:
    """Judge by the loss, which should not be much higher in evaluation mode."""
    constant = recording.constant_loss
    evaluated = dict(recording.points("eval_loss"))
    pairs = [
        (step, evaluated[step], trained)
        for step, trained in recording.points("train_loss")
        if step in evaluated and step >= _SETTLED
    ]
    if not pairs or constant is None:
        return None
    ratios = [
        (step, after / max(before, 1e-12) if after - before > _SHARE_OF_CONSTANT * constant else 1.0)
        for step, after, before in pairs
    ]
    worst = late(ratios)
    if median(worst) < limit or worst[-1][1] < limit or (recording.skill or 0.0) > _WELL:
        return None
    norms = list(recording.layers("batch_norm"))
    batch = recording.config.get("batch_size", 0)
    cure = Cure(
        "let evaluation compute what training computes: momentum of batch norm 0.1, and the same branch"
    )
    if norms and batch and batch < 16:
        cure = change("batch_size", batch, 64)
    return Evidence(
        message=f"the same samples have {median(worst):.3g} times the loss in evaluation mode",
        value=median(worst),
        layer=norms[0] if norms else "",
        step=worst[0][0],
        cure=cure,
        confirm="eval_loss beside train_loss in RUN/probes.csv",
    )


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
        condition="outputs for cross-entropy lie in 0..1 and each sample's sum to 1 within 1e-3; or they lie in 0..1,"
        " or in -1..1 and at both ends; or the smallest output is exactly 0 at every step (ReLU)",
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
        signals=("batch_dependence", "val_loss"),
        threshold=0.05,
        condition="in evaluation mode, outputs change by 5 % of their size where half of the batch is left out; a note"
        " where validation gets 85 % of the way to a perfect answer all the same",
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
        signals=("curvature", "simple_skill", "val_loss"),
        threshold=1e-4,
        condition="two matrices or more, outputs that lie straight between those of two samples to 1e-4 of their"
        " spread, and validation is worse than what simple methods reach; else a note",
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
        signals=("output_spread", "output_std", "output_min", "output_max"),
        threshold=1e-6,
        condition="the outputs' spread over samples is below 1e-6 of their size in every measured step",
        healthy="0.1 to 1",
        source="TheDeepChecker; Karpathy, A Recipe for Training Neural Networks",
        cure="use the inputs in forward()",
        find=inputs_ignored,
        explains=("flat_loss", "underfit", "majority", "labels", "overfit", "lr_low", "softmax"),
    ),
    Rule(
        name="mode_gap",
        title="training and evaluation mode disagree",
        stage="wiring",
        signals=("train_loss", "eval_loss", "batch_norm"),
        threshold=_WORSE,
        condition="the same samples have 1.5 times the loss in evaluation mode, by 10 % of the constant answer's,"
        " from step 51 on",
        healthy="0.9 to 1.1",
        source="TheDeepChecker, activation similarity",
        cure="--batch-size, or what differs between train() and eval()",
        find=mode_gap,
        explains=("overfit", "labels", "flat_loss", "underfit", "unstable"),
    ),
)
