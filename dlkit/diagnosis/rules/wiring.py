"""Rules about how the network is put together: what computes gradients, and what the optimizer moves."""

from collections.abc import Sequence

from dlkit.diagnosis.findings import Cure, Evidence, listed
from dlkit.diagnosis.recording import Recording, median
from dlkit.diagnosis.rule import OF_WIRING, Rule

_SHOWN = 3
_TINY = 1e-6
_LEAST_UPDATE = 1e-5
_OVERWRITTEN = 1e-3
_LEAST_SLOPE, _MOST_SLOPE = 0.7, 1.4
_WELL, _NEARLY, _NEARLY_ALL = 0.85, 0.97, 0.9


def no_gradient(recording: Recording, limit: float) -> Evidence | None:
    """Find parameters that backward gives no gradient, or none but zero while others have one."""
    samples = {layer: len(points) for layer, points in recording.layers("grad_norm").items()}
    missing = {
        layer: points[0][0]
        for layer, points in recording.layers("grad_missing").items()
        if len(points) > limit * samples.get(layer, 1)
    }
    if not missing:
        return _no_slope(recording) or _other_slope(recording)
    cut = [*recording.layers("detached"), *recording.layers("no_grad")]
    place = f"; gradients are cut off in {cut[0] or 'the forward pass'}" if cut else ""
    return Evidence(
        message=f"no gradient reaches {listed(list(missing))}{place}",
        value=1.0,
        healthy="0",
        layer=next(iter(missing)),
        step=next(iter(missing.values())),
        cure=Cure("take out detach(), no_grad() or .data there, or call the layer in forward()"),
        confirm="dlkit train --config RUN/config.toml --overfit 32",
    )


def _no_slope(recording: Recording) -> Evidence | None:
    """Find a first matrix whose gradient is always zero, though what it computes does reach the outputs."""
    layers = recording.matrices
    still = [
        layer for layer in layers if all(value == 0 for _, value in recording.points("grad_norm", layer))
    ]
    if (
        layers[:1] != still[:1]
        or not still
        or len(points := recording.points("grad_norm", still[0])) < _SHOWN
    ):
        return None
    none_at_all = all(value == 0 for each in recording.layers("grad_norm").values() for _, value in each)
    if len(still) == len(layers) and not none_at_all:
        return None
    if not none_at_all and not _reaches_outputs(recording):
        return None
    return Evidence(
        message=f"the gradient of {listed(still)} is zero at every step, though the outputs are computed with it",
        value=1.0,
        layer=still[0],
        step=points[0][0],
        cure=Cure(
            "take out what has no slope: round(), argmax, comparisons, .long(), outputs that are all alike"
        ),
        confirm="dlkit inspect grads RUN --check",
    )


def _other_slope(recording: Recording) -> Evidence | None:
    """Find a loss that changes otherwise along the gradient than the gradient says."""
    slope, noise = recording.number("slope"), recording.number("evaluation_noise") or 0.0
    if slope is None or _LEAST_SLOPE < slope < _MOST_SLOPE or noise > _TINY or not recording.suffers(_WELL):
        return None
    return Evidence(
        message=f"along the gradient the loss changes {slope:.2g} times as much as the gradient says",
        value=slope,
        threshold=_MOST_SLOPE if slope > 1 else _LEAST_SLOPE,
        healthy="0.99 to 1.01",
        step=1,
        cure=Cure(
            "look for detach(), .data, hooks or a backward() of your own: a part of the gradient is not the loss's"
        ),
        confirm="dlkit inspect grads RUN --check",
    )


def _reaches_outputs(recording: Recording) -> bool:
    """Return whether outputs differ from sample to sample, at least at first."""
    sizes = recording.output_sizes()
    spreads = recording.points("output_spread")
    return any(value > _TINY * max(sizes.get(step, 0.0), _TINY) for step, value in spreads[:2])


def unregistered(recording: Recording, _limit: float) -> Evidence | None:
    """Find parameters that the network uses without having them: layers in a plain list."""
    found = recording.layers("unregistered")
    if not found:
        return None
    return Evidence(
        message=_of_no_module(list(found)),
        value=float(len(found)),
        layer=next(iter(found)),
        step=1,
        cure=Cure("make tensors nn.Parameter, and keep layers in nn.ModuleList or nn.ModuleDict"),
        confirm="dlkit inspect model RUN lists the layers",
    )


def _of_no_module(found: Sequence[str]) -> str:
    """Say where parameters are that the network does not have: the attribute that holds them, or else what computes."""
    kept = [name for name in found if name.startswith("self.")]
    if kept:
        return f"{listed(kept)} is a plain tensor, list or dictionary: it is no part of the network and never trains"
    return f"{listed(found)} computes with parameters that the network does not have, so they never train"


def not_updated(recording: Recording, limit: float) -> Evidence | None:
    """Find parameters with a gradient that no step changes, while it changes others, or that forward() changes."""
    if overwritten := _overwritten(recording):
        return overwritten
    updates = recording.layers("update_ratio")
    gradients = {layer: median(recording.points("grad_norm", layer)) for layer in updates}
    least = _TINY * max(gradients.values(), default=0.0)
    still = [
        layer
        for layer, points in updates.items()
        if max(value for _, value in points) <= limit and gradients[layer] > least
    ]
    largest = max((value for points in updates.values() for _, value in points), default=0.0)
    matrices = [max(value for _, value in updates[name]) for name in recording.matrices if name in updates]
    if not still or len(still) == len(updates) or max(matrices, default=largest) < _LEAST_UPDATE:
        return None
    return Evidence(
        message=f"no step changes {listed(still)}, though it has a gradient",
        value=0.0,
        layer=still[0],
        step=updates[still[0]][0][0],
        cure=Cure("let the optimizer have these parameters: do not replace them in forward()"),
        confirm="dlkit inspect updates RUN",
    )


def _overwritten(recording: Recording) -> Evidence | None:
    """Find weights that forward() itself sets at each step, so that what was learned is lost."""
    points = recording.points("overwritten")
    least = min((value for _, value in points), default=0.0)
    if len(points) < 2 or least <= _OVERWRITTEN or not recording.suffers(_WELL):
        return None
    return Evidence(
        message=f"forward() changes weights by {least:.2g} of their norm at each step, and so undoes what the optimizer"
        " learned",
        value=least,
        threshold=_OVERWRITTEN,
        healthy="0",
        step=points[0][0],
        cure=Cure(
            "let the optimizer alone change weights: no init, reset_parameters(), clamp_() or .data in forward()"
        ),
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
    well = _NEARLY if share > _NEARLY_ALL else _WELL
    suffers = recording.suffers(well) if recording.finished else recording.falls_short(0.0)
    level = "warning" if share > limit and not loaded and suffers else "note"
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


RULES = (
    Rule(
        name="no_gradient",
        title="gradients that are missing or wrong",
        stage="wiring",
        signals=("grad_missing", "detached", "no_grad", "grad_norm", "slope", "val_loss"),
        threshold=0.9,
        condition="backward gives a parameter no gradient in 90 % of the sampled steps; or along the gradient, at the"
        " first step, the loss changes less than 0.7 or more than 1.4 times as much as the gradient says, and"
        " validation gets less than 85 % of the way to a perfect answer",
        healthy="0; 0.99 to 1.01",
        source="NeuraLint (static); SageMaker Debugger, AllZero",
        cure="take out detach(), no_grad() or .data, or call the layer",
        find=no_gradient,
        explains=OF_WIRING,
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
        cure="nn.Parameter, and nn.ModuleList in place of a list",
        find=unregistered,
        explains=(*OF_WIRING, "input_scale"),
        live=True,
    ),
    Rule(
        name="not_updated",
        title="a parameter that the optimizer does not move",
        stage="wiring",
        signals=("update_ratio", "grad_norm", "overwritten"),
        threshold=0,
        condition="a parameter with a gradient is the same after every sampled step, others are not; or forward()"
        " itself changes the norm of a parameter by 1e-3, at steps 2 and 3, and validation gets less than 85 % of the"
        " way to a perfect answer",
        healthy="1e-3 to 1e-2",
        source="SageMaker Debugger, UnchangedTensor",
        cure="let the optimizer have the parameter",
        find=not_updated,
        explains=OF_WIRING,
    ),
    Rule(
        name="frozen",
        title="frozen layers",
        stage="wiring",
        signals=("frozen", "size"),
        threshold=0.5,
        condition="more than half of the parameters are frozen without --init, and validation gets less than 85 % of"
        " the way to a perfect answer (97 % where 90 % are frozen) or stays below simple methods; else a note",
        healthy="0, or weights from another run",
        source="measured here",
        cure="leave --freeze out",
        find=frozen,
        explains=OF_WIRING,
        live=True,
    ),
)
