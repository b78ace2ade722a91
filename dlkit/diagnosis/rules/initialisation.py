"""Rules about how the network starts: its weights, its first loss, and the width of its layers."""

from dlkit.diagnosis.cures import argument, current_argument
from dlkit.diagnosis.findings import Cure, Evidence
from dlkit.diagnosis.recording import Recording
from dlkit.diagnosis.rule import Rule

_ALIKE = 1e-6
_LEARNED = 0.5


def bad_start(recording: Recording, limit: float) -> Evidence | None:
    """Find weights whose units are all alike, or a first loss far above the best constant answer's."""
    return _alike_units(recording) or _high_first_loss(recording, limit)


def _alike_units(recording: Recording) -> Evidence | None:
    alike = {
        layer: points
        for layer, points in recording.layers("unit_spread").items()
        if all(value < _ALIKE for _, value in points)
    }
    if not alike:
        return None
    layer = next(iter(alike))
    zero = (recording.number("weight_norm", layer) or 0.0) == 0.0
    return Evidence(
        message=f"all units of {layer} start {'at zero' if zero else 'alike'} and stay alike",
        value=alike[layer][0][1],
        layer=layer,
        step=alike[layer][0][0],
        cure=_default_start(recording),
        confirm="dlkit inspect weights RUN shows std 0",
    )


def _high_first_loss(recording: Recording, limit: float) -> Evidence | None:
    first, constant = recording.number("loss"), recording.number("constant_loss")
    if first is None or not constant or recording.config.get("init"):
        return None
    ratio = first / constant
    if ratio <= limit:
        return None
    gain = recording.gain("train_loss")
    return Evidence(
        message=f"the first loss is {first:.3g}; that of the best constant answer is {constant:.3g}",
        value=ratio,
        step=1,
        cure=_default_start(recording),
        confirm="dlkit inspect acts RUN shows outputs that grow from layer to layer",
        level="note" if gain is not None and gain > _LEARNED else "warning",
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
    """Find a hidden layer narrower than what has to pass through it."""
    units = [(layer, points[0][1]) for layer, points in recording.layers("units").items()]
    classes = recording.number("classes")
    hidden = [(layer, count) for layer, count in units[:-1] if _is_hidden(recording, layer)]
    if not hidden:
        return None
    layer, narrowest = min(hidden, key=lambda pair: pair[1])
    widest = max(count for _, count in units)
    narrow = narrowest < min(classes - 1, widest) / limit if classes else narrowest <= 1 < widest
    gain = recording.gain()
    if not narrow or gain is None:
        return None
    hidden_widths = argument(recording, "hidden", int(max(64, widest)))
    return Evidence(
        message=f"{layer} has {narrowest:g} units"
        + (f"; {classes:g} classes have to pass through" if classes else ""),
        value=narrowest,
        layer=layer,
        step=1,
        cure=hidden_widths or Cure("make that layer as wide as those beside it"),
        confirm="dlkit inspect model RUN",
        level="warning" if gain < 0.75 else "note",
    )


def _is_hidden(recording: Recording, layer: str) -> bool:
    return layer in recording.layers("grad_norm")


RULES = (
    Rule(
        name="init",
        title="a bad start",
        stage="initialisation",
        signals=("unit_spread", "weight_norm", "loss", "constant_loss"),
        threshold=3.0,
        condition="the units of a layer start alike and stay alike, or the first loss is 3 times that of the best"
        " constant answer; a note where the loss fell by half all the same",
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
        ),
        live=True,
    ),
    Rule(
        name="bottleneck",
        title="a layer that is too narrow",
        stage="initialisation",
        signals=("units", "classes", "val_loss"),
        threshold=2.0,
        condition="a hidden layer has fewer units than half the classes less one, and the loss fell by less than 75 %",
        healthy="as wide as the layers beside it",
        source="measured here",
        cure="-s hidden=128",
        find=bottleneck,
        explains=("underfit", "flat_loss", "majority", "dead", "labels"),
    ),
)
