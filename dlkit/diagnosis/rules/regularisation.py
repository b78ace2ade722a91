"""Rules about what keeps a network from fitting: batches of a few samples, regularisation."""

import math

from dlkit.diagnosis.cures import argument, change, lower_rate, usual
from dlkit.diagnosis.findings import Cure, Evidence, learned
from dlkit.diagnosis.recording import Recording
from dlkit.diagnosis.rule import Rule

_HARDLY = 0.35
_LEARNED = 0.5
_SHRANK = 0.3
_SHORT, _MANY = 0.1, 0.6
_SMALL, _USUAL = 4, 32
_AT_FIRST = 20
_SMOOTH = 0.5
_PENALTIES = {"l1": 1e-3, "weight_decay": 0.2}
_EXTREME, _NEARLY = 4.0, 0.97
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


def batch_too_small(recording: Recording, limit: float) -> Evidence | None:
    """Find batches of a few samples, under whose noise the loss does not settle."""
    batch = recording.config.get("batch_size", 0) * recording.config.get("accumulate", 1)
    samples = recording.number("samples") or 0
    skill = recording.skill
    if not batch or batch > limit or samples < 32 * batch or (skill is not None and skill > _LEARNED):
        return None
    if skill is None and recording.steps < _AT_FIRST:
        return None
    return Evidence(
        message=f"a step sees {batch} sample{'s' * (batch > 1)}, "
        + ("and training diverged" if skill is None else learned(skill)),
        value=float(batch),
        step=None,
        cure=change(
            "batch_size", recording.config["batch_size"], min(_USUAL, usual(recording.config, "batch_size"))
        ),
        confirm="dlkit plot RUN",
    )


def over_regularised(recording: Recording, limit: float) -> Evidence | None:
    """Find weights that shrink away, or units that are mostly dropped, while the loss stays high."""
    skill = recording.skill
    if skill is None or recording.ignores_inputs:
        return None
    if skill > _HARDLY and not recording.falls_short(_SHORT):
        return _large_penalty(recording, _EXTREME) if skill < _NEARLY else None
    smoothing = recording.config.get("label_smoothing", 0.0)
    if smoothing > _SMOOTH:
        return Evidence(
            message=f"--label-smoothing {smoothing:g} leaves {1 - smoothing:.0%} of a label, {learned(skill)}",
            value=smoothing,
            threshold=_SMOOTH,
            healthy="0 to 0.1",
            step=1,
            cure=change("label_smoothing", smoothing, 0.1),
            confirm="dlkit plot RUN",
        )
    drops = {layer: points[0][1] for layer, points in recording.layers("dropout").items()}
    matrices = set(recording.matrices)
    norms = [points for layer, points in recording.layers("weight_norm").items() if layer in matrices]
    first = math.hypot(*(points[0][1] for points in norms)) if norms else 0.0
    least = math.hypot(*(min(value for _, value in points) for points in norms)) if norms else 0.0
    if first and least < limit * first and skill < _HARDLY:
        return Evidence(
            message=f"the weights shrank to {least / first:.2g} of their size, {learned(skill)}",
            value=least / first,
            step=None,
            cure=_less_decay(recording),
            confirm="dlkit inspect weights RUN",
        )
    if (penalty := _large_penalty(recording)) is not None:
        return penalty
    if drops and max(drops.values()) > _MANY:
        layer, share = max(drops.items(), key=lambda pair: pair[1])
        return Evidence(
            message=f"{layer} drops {share:.0%} of its inputs, {learned(skill)}",
            value=share,
            threshold=_MANY,
            healthy="0 to 0.5",
            layer=layer,
            step=1,
            cure=argument(recording, "dropout", 0.1) or Cure("drop 10 to 50 %"),
            confirm="train_loss beside eval_loss in RUN/probes.csv",
        )
    return None


def _large_penalty(recording: Recording, times: float = 1.0) -> Evidence | None:
    """Find a penalty that is far above any usual one, or some times further."""
    for name, usual_most in _PENALTIES.items():
        given, most = recording.config.get(name, 0.0), times * usual_most
        if given > most:
            return Evidence(
                message=f"--{name.replace('_', '-')} {given:g} is a large penalty, {learned(recording.skill or 0.0)}",
                value=given,
                threshold=most,
                healthy="0 to 0.1" if name == "weight_decay" else "0 to 1e-4",
                step=1,
                cure=_less_decay(recording),
                confirm="dlkit inspect weights RUN",
            )
    return None


def _less_decay(recording: Recording) -> Cure:
    if recording.config.get("l1", 0.0):
        return change("l1", recording.config["l1"], 0.0)
    decay = recording.config.get("weight_decay", 0.0)
    recipe = usual(recording.config, "weight_decay")
    return (
        change("weight_decay", decay, recipe if recipe < decay else 0.0) if decay else lower_rate(recording)
    )


RULES = (
    Rule(
        name="small_batch",
        title="batches too small",
        stage="learning rate",
        signals=("samples", "val_loss"),
        threshold=float(_SMALL),
        condition="at most 4 samples a step, and validation gets less than half of the way to a perfect answer, or"
        " training diverged after step 20",
        healthy="16 to 512",
        source="measured here",
        cure="--batch-size of the recipe",
        find=batch_too_small,
        explains=(*_SYMPTOMS, "nan"),
    ),
    Rule(
        name="over_regularised",
        title="too much regularisation",
        stage="learning rate",
        signals=("weight_norm", "dropout", "val_loss", "constant_loss"),
        threshold=_SHRANK,
        condition="the weights shrank to 0.3 of their size, a layer drops over 60 %, --label-smoothing is over 0.5,"
        " --l1 over 1e-3 or --weight-decay over 0.2, and validation gets less than 35 % of the way to a perfect answer"
        " or stays below simple methods; or a penalty is 4 times as large, and it gets less than 97 % of the way",
        healthy="0.9 to 3",
        source="UMLAUT; TheDeepChecker",
        cure="--weight-decay, --l1, --label-smoothing or -s dropout=0.1",
        find=over_regularised,
        explains=(*_SYMPTOMS, "vanishing", "init", "mode_gap"),
    ),
)
