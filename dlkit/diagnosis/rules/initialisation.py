"""Rules about how the network starts: its weights, its first loss, and the width of its layers."""

import math
from collections.abc import Sequence
from itertools import pairwise

from dlkit.diagnosis.cures import argument, current_argument, own_argument
from dlkit.diagnosis.findings import Cure, Evidence, listed
from dlkit.diagnosis.recording import Recording
from dlkit.diagnosis.rule import Rule

_ALIKE = 1e-6
_LEARNED, _WELL = 0.5, 0.85
_FEW, _FAR = 8, 3.0
_SMALL, _LARGE, _MANY_TIMES = 0.1, 2.0, 4.0
_DIFFER = 0.01
_NARROW_BY_DESIGN = ("spatial", "pbpk")  # one number for a point, one rate for a flow


def bad_start(recording: Recording, limit: float) -> Evidence | None:
    """Find weights whose units are all alike, or a first loss far above the best constant answer's."""
    return (
        _alike_units(recording)
        or _alike_at_first(recording)
        or _high_first_loss(recording, limit)
        or _small_weights(recording)
        or _large_weights(recording)
        or _growing_weights(recording)
    )


def _growing_weights(recording: Recording) -> Evidence | None:
    """Find weights that start much larger than what keeps the spread from layer to layer."""
    sizes = _gains(recording)
    large = [layer for layer, value in sizes.items() if value > _MANY_TIMES]
    if (
        len(large) < 2
        or 2 * len(large) < len(sizes)
        or not recording.finished
        or not recording.suffers(_WELL)
    ):
        return None
    return Evidence(
        message=f"the weights of {listed(large)} start at {sizes[large[0]]:.2g} times what keeps the spread of its"
        " inputs",
        value=sizes[large[0]],
        threshold=_MANY_TIMES,
        healthy="0.57 to 1.9",
        layer=large[0],
        step=1,
        cure=_default_start(recording),
        confirm="dlkit inspect acts RUN shows outputs that grow from layer to layer",
    )


def _gains(recording: Recording) -> dict[str, float]:
    """Return the root mean square weight of each matrix times the root of the inputs of a unit; not of embeddings."""
    embeddings = {f"{layer}.weight" for layer in recording.layers("embedding")}
    sizes = {}
    for layer in recording.matrices:
        units, norm = recording.number("units", layer), recording.number("weight_norm", layer)
        if units and norm and layer not in embeddings and not recording.config.get("init"):
            sizes[layer] = norm / math.sqrt(units)
    return sizes


def _large_weights(recording: Recording) -> Evidence | None:
    """Find weights that start much larger than those of any usual initialisation, embeddings included."""
    sizes = {
        layer: norm / math.sqrt(size)
        for layer in recording.matrices
        if (size := recording.number("size", layer)) and (norm := recording.number("weight_norm", layer))
    }
    large = [layer for layer, value in sizes.items() if value > _LARGE and not layer.startswith("table.")]
    if not large or recording.config.get("init") or not recording.finished or not recording.suffers(_WELL):
        return None
    return Evidence(
        message=f"the weights of {listed(large)} start at {sizes[large[0]]:.2g} in the root mean square",
        value=sizes[large[0]],
        threshold=_LARGE,
        healthy="0.05 to 1",
        layer=large[0],
        step=1,
        cure=_default_start(recording),
        confirm="dlkit inspect acts RUN",
    )


def _small_weights(recording: Recording) -> Evidence | None:
    """Find weights that start much smaller than what keeps the spread from layer to layer."""
    sizes = _gains(recording)
    small = [layer for layer, value in sizes.items() if value < _SMALL]
    skill = recording.skill
    if len(small) < 2 or 2 * len(small) < len(sizes) or skill is None or skill > _WELL:
        return None
    return Evidence(
        message=f"the weights of {listed(small)} start at {sizes[small[0]]:.2g} of what keeps the spread of its inputs",
        value=sizes[small[0]],
        threshold=_SMALL,
        healthy="0.57 to 1.9",
        layer=small[0],
        step=1,
        cure=_default_start(recording),
        confirm="dlkit inspect acts RUN shows outputs that shrink from layer to layer",
    )


def _alike_units(recording: Recording) -> Evidence | None:
    alike = {
        layer: points
        for layer, points in recording.layers("unit_spread").items()
        if (recording.finished or len(points) > 1) and all(value < _ALIKE for _, value in points)
    }
    if not alike:
        return None
    layer = next(iter(alike))
    zero = (recording.number("weight_norm", layer) or 0.0) == 0.0
    return Evidence(
        message=f"all units of {listed(list(alike))} start {'at zero' if zero else 'alike'} and stay alike",
        value=alike[layer][0][1],
        threshold=_ALIKE,
        healthy="0.4 to 2",
        layer=layer,
        step=alike[layer][0][0],
        cure=_default_start(recording),
        confirm="dlkit inspect weights RUN shows std 0",
    )


def _alike_at_first(recording: Recording) -> Evidence | None:
    """Find a network of which half of the matrices or more start with units alike; one alone may be meant."""
    spreads = recording.layers("unit_spread")
    alike = [layer for layer, points in spreads.items() if points[0][1] < _ALIKE]
    if len(alike) < max(2, len(spreads) / 2) or not recording.finished or not recording.suffers(_WELL):
        return None
    return Evidence(
        message=f"all units of {listed(alike)} start alike",
        value=spreads[alike[0]][0][1],
        threshold=_ALIKE,
        healthy="0.4 to 2",
        layer=alike[0],
        step=1,
        cure=_default_start(recording),
        confirm="dlkit inspect weights RUN",
    )


def _high_first_loss(recording: Recording, limit: float) -> Evidence | None:
    first, constant = recording.number("loss"), recording.number("constant_loss")
    if first is None or not constant or recording.config.get("init"):
        return None
    classes = recording.number("classes")
    first = min(first, recording.number("eval_loss") or first)  # it may be high in training mode alone
    ratio = first / max(constant, math.log(classes) if classes and classes > 1 else 0.0)
    if ratio <= limit * (
        _FAR if recording.config.get("batch_size", _FEW) < _FEW else 1
    ):  # of one sample, by chance
        return None
    gain = recording.gain("train_loss")
    learned = gain is not None and gain > _LEARNED and not (ratio > _FAR * limit and recording.suffers(_WELL))
    return Evidence(
        message=f"the first loss is {first:.3g}; that of the best constant answer is {constant:.3g}",
        value=ratio,
        step=1,
        cure=_default_start(recording),
        confirm="dlkit inspect acts RUN shows outputs that grow from layer to layer",
        level="note" if learned else "warning",
    )


def _default_start(recording: Recording) -> Cure:
    given = current_argument(recording, "init")
    chosen = argument(recording, "init", "default")
    if chosen is not None and given not in (None, "default"):
        return chosen
    return Cure(
        "start from torch's own weights: leave nn.init and .data out, or kaiming_normal_ without a factor"
    )


def bottleneck(recording: Recording, limit: float) -> Evidence | None:
    """Find a place in the network that lets fewer numbers through than it takes to answer."""
    classes, skill = recording.number("classes"), recording.skill
    needed = max(1.0, (classes - 1) / limit) if classes else 1.0
    narrow = _narrow_place(recording, needed)
    if narrow is None or skill is None or recording.config.get("model") in _NARROW_BY_DESIGN:
        return None
    if 0 < (recording.number("inputs_used") or 0.0) < _LEARNED:
        return None  # the inputs that are left out make the outputs alike
    layer, passes = narrow
    widest = max((points[0][1] for points in recording.layers("units").values()), default=0.0)
    return Evidence(
        message=f"{passes:g} numbers pass through to {layer}"
        + (f", for {classes:g} classes" if classes else ""),
        value=passes,
        threshold=needed,
        layer=layer,
        step=1,
        cure=argument(recording, "hidden", int(max(64, widest)))
        or own_argument(recording, int(passes), 64)
        or Cure("make that place as wide as those beside it"),
        confirm="dlkit inspect model RUN",
        level="warning" if skill < _WELL and classes != 2 else "note",
    )


def _narrow_place(recording: Recording, needed: float) -> tuple[str, float] | None:
    """Return the matrix that takes the fewest numbers from another one before it, and how many, if they are too few.

    By the numbers of inputs, or by the rank of what a wider layer puts out for different samples at the first step.
    """
    trained, called = recording.layers("grad_norm"), list(recording.layers("act_std"))
    widths = [
        (layer, recording.number("inputs", layer) or math.inf)
        for layer in recording.layers("inputs")
        if layer in trained
        and layer != f"{next(iter(called), '')}.weight"  # it takes the inputs, however few
    ]
    if any(
        points[0][1] == 0 for points in recording.layers("act_std").values()
    ):  # nothing passes, so no rank tells
        return _first_narrow(widths, needed)
    if (recording.number("inputs", f"{next(iter(called), '')}.weight") or math.inf) <= needed:
        return None  # the data have no more
    ranks = [(layer, points[0][1]) for layer, points in recording.layers("act_rank").items()]
    several = (recording.number("classes") or 0.0) > 2  # of one number for an answer, the rank is 1
    differ = ranks and (recording.number("act_spread", ranks[-1][0]) or 0.0) > _DIFFER
    return _first_narrow(widths, needed) or _first_narrow(
        [
            place
            for place in (ranks if several and differ else ranks[:-1])
            if _is_wide(recording, *place) or place[1] > needed
        ],
        needed,
    )


def _first_narrow(places: Sequence[tuple[str, float]], needed: float) -> tuple[str, float] | None:
    for (_, before), (layer, passes) in pairwise(places):
        if 1 <= passes <= needed < before and passes < _FEW:
            return layer, passes
    return None


def _is_wide(recording: Recording, layer: str, rank: float) -> bool:
    """Return whether a layer has more units than its outputs have directions: it is not made for so few."""
    return (recording.number("units", f"{layer}.weight") or 0.0) > rank


RULES = (
    Rule(
        name="init",
        title="a bad start",
        stage="initialisation",
        signals=("unit_spread", "weight_norm", "loss", "constant_loss"),
        threshold=3.0,
        condition="the units of a layer start alike and stay alike, or those of half of the matrices start alike and"
        " validation gets less than 85 % of the way; or the first loss is 3 times that of the best"
        " constant answer, a note where the loss fell by half all the same (of 9 times, where validation gets 85 % of"
        " the way to a perfect answer); or half of the matrices start at a tenth of"
        " the size that keeps the spread or a matrix at 2 in the root mean square, and validation gets less than 85 %"
        " of the way to a perfect answer",
        healthy="1.00 to 1.31",
        source="Karpathy, A Recipe for Training Neural Networks; TheDeepChecker",
        cure="-s init=default",
        find=bad_start,
        explains=(
            "lr_high",
            "vanishing",
            "exploding",
            "nan",
            "dead",
            "saturated",
            "flat_loss",
            "underfit",
            "unstable",
            "inputs_ignored",
            "majority",
            "lr_low",
            "overfit",
            "labels",
            "linear",
        ),
        live=True,
    ),
    Rule(
        name="bottleneck",
        title="a layer that is too narrow",
        stage="initialisation",
        signals=("inputs", "act_rank", "act_spread", "classes", "val_loss"),
        threshold=2.0,
        condition="a hidden layer passes on one number, or fewer than half the classes less one; a note where"
        " validation gets 85 % of the way to a perfect answer all the same",
        healthy="as wide as the layers beside it",
        source="measured here",
        cure="-s hidden=128",
        find=bottleneck,
        explains=("underfit", "flat_loss", "majority", "dead", "labels", "inputs_ignored"),
    ),
)
