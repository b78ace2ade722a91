"""Rules about how the network is put together: what computes gradients, and what the loss is given."""

import math

from dlkit.diagnosis.cures import change
from dlkit.diagnosis.findings import Cure, Evidence, listed
from dlkit.diagnosis.recording import Recording, late, median
from dlkit.diagnosis.rule import Rule

_CROSS_ENTROPIES = ("auto", "cross-entropy")
_BOUNDED = 1e-6
_SETTLED = 51
_WORSE = 1.5
_SHARE_OF_CONSTANT = 0.1
_SHOWN = 3
_TINY = 1e-6


def no_gradient(recording: Recording, limit: float) -> Evidence | None:
    """Find parameters that backward gives no gradient, or none but zero while others have one."""
    samples = {layer: len(points) for layer, points in recording.layers("grad_norm").items()}
    missing = {
        layer: points[0][0]
        for layer, points in recording.layers("grad_missing").items()
        if len(points) > limit * samples.get(layer, 1)
    }
    if not missing:
        return None
    cut = [*recording.layers("detached"), *recording.layers("no_grad")]
    place = f"; gradients are cut off in {cut[0] or 'the forward pass'}" if cut else ""
    return Evidence(
        message=f"no gradient reaches {listed(list(missing))}{place}",
        value=1.0,
        layer=next(iter(missing)),
        step=next(iter(missing.values())),
        cure=Cure("take out detach(), no_grad() or .data there, or call the layer in forward()"),
        confirm="dlkit train MODEL --overfit 32",
    )


def unregistered(recording: Recording, _limit: float) -> Evidence | None:
    """Find parameters that the network uses without having them: layers in a plain list."""
    found = recording.layers("unregistered")
    if not found:
        return None
    return Evidence(
        message=f"{listed(list(found))} computes with parameters that the network does not have, so they never train",
        value=float(len(found)),
        layer=next(iter(found)),
        step=1,
        cure=Cure("keep layers in nn.ModuleList and parameters in nn.ParameterList"),
        confirm="dlkit inspect model lists the layers",
    )


def not_updated(recording: Recording, limit: float) -> Evidence | None:
    """Find parameters with a gradient that no step changes, while it changes others."""
    updates = recording.layers("update_ratio")
    gradients = {layer: median(recording.points("grad_norm", layer)) for layer in updates}
    least = _TINY * max(gradients.values(), default=0.0)
    still = [
        layer
        for layer, points in updates.items()
        if max(value for _, value in points) <= limit and gradients[layer] > least
    ]
    if not still or len(still) == len(updates):
        return None
    return Evidence(
        message=f"no step changes {listed(still)}, though it has a gradient",
        value=0.0,
        layer=still[0],
        step=updates[still[0]][0][0],
        cure=Cure("let the optimizer have these parameters: do not replace them in forward()"),
        confirm="dlkit inspect updates RUN",
    )


def frozen(recording: Recording, limit: float) -> Evidence | None:
    """Find frozen parameters that hold most of the network, and were not loaded from another run."""
    sizes = recording.layers("size")
    names = list(recording.layers("frozen"))
    total = sum(points[0][1] for points in sizes.values())
    if not names or not total:
        return None
    share = sum(sizes[name][0][1] for name in names if name in sizes) / total
    asked, loaded = recording.config.get("freeze"), recording.config.get("init")
    level = "warning" if share > limit and not loaded else "note"
    cure = (
        Cure("leave --freeze out", "--freeze")
        if asked
        else Cure("requires_grad_(True), or name it in --freeze")
    )
    return Evidence(
        message=f"{share:.0%} of the parameters are frozen ({listed(names)})"
        + ("" if loaded else " at their random start"),
        value=share,
        layer=names[0],
        step=1,
        cure=cure,
        confirm="dlkit inspect updates RUN",
        level=level,
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
    spreads, sizes = recording.points("output_spread"), _output_sizes(recording)
    if len(spreads) < 2:
        return None
    ratios = [value / max(sizes.get(step, 0.0), 1e-30) for step, value in spreads]
    if max(ratios) > limit:
        return None
    return Evidence(
        message="the outputs are the same for all inputs",
        value=max(ratios),
        step=spreads[0][0],
        cure=Cure(
            "use the inputs in forward(): something on the way multiplies them by zero or replaces them"
        ),
        confirm="dlkit inspect acts RUN shows the first layer without spread",
    )


def _output_sizes(recording: Recording) -> dict[int, float]:
    """Return the largest output by step, without its sign."""
    sizes: dict[int, float] = {}
    for signal in ("output_std", "output_min", "output_max"):
        for step, value in recording.points(signal):
            sizes[step] = max(sizes.get(step, 0.0), abs(value))
    return sizes


def mode_gap(recording: Recording, limit: float) -> Evidence | None:
    """Find the same samples with a much higher loss in evaluation mode than as they were trained on."""
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
    if median(worst) < limit or worst[-1][1] < limit:
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
        confirm="eval_loss beside train_loss in probes.csv",
    )


def _reaches(points: list[tuple[int, float]], bound: float) -> bool:
    """Return whether the late values all lie within a bound and come close to it, as tanh's do."""
    values = [abs(value) for _, value in late(points)]
    return bool(values) and max(values) <= abs(bound) + _BOUNDED and min(values) > 0.95 * abs(bound)


_EVERYTHING = (
    "inputs_ignored",
    "vanishing",
    "dead",
    "saturated",
    "flat_loss",
    "underfit",
    "init",
    "majority",
    "lr_low",
    "labels",
    "overfit",
    "mode_gap",
)

RULES = (
    Rule(
        name="no_gradient",
        title="gradients that are not computed",
        stage="wiring",
        signals=("grad_missing", "detached", "no_grad"),
        threshold=0.9,
        condition="backward gives a parameter no gradient in 90 % of the sampled steps",
        healthy="0",
        source="NeuraLint (static); SageMaker Debugger, AllZero",
        cure="take out detach(), no_grad() or .data, or call the layer",
        find=no_gradient,
        explains=_EVERYTHING,
        live=True,
    ),
    Rule(
        name="unregistered",
        title="parameters that the network does not have",
        stage="wiring",
        signals=("unregistered",),
        threshold=0,
        condition="a forward pass computes with parameters that model.parameters() does not list",
        healthy="0",
        source="NeuraLint (static)",
        cure="nn.ModuleList in place of a list",
        find=unregistered,
        explains=_EVERYTHING,
        live=True,
    ),
    Rule(
        name="not_updated",
        title="a parameter that the optimizer does not move",
        stage="wiring",
        signals=("update_ratio", "grad_norm"),
        threshold=0,
        condition="a parameter with a gradient is the same after every sampled step, others are not",
        healthy="1e-3 to 1e-2",
        source="SageMaker Debugger, UnchangedTensor",
        cure="let the optimizer have the parameter",
        find=not_updated,
        explains=_EVERYTHING,
    ),
    Rule(
        name="frozen",
        title="frozen layers",
        stage="wiring",
        signals=("frozen", "size"),
        threshold=0.5,
        condition="more than half of the parameters are frozen without --init; fewer are a note",
        healthy="0, or weights from another run",
        source="measured here",
        cure="leave --freeze out",
        find=frozen,
        explains=_EVERYTHING,
        live=True,
    ),
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
        explains=tuple(rule for rule in _EVERYTHING if rule not in ("inputs_ignored", "dead")),
        live=True,
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
