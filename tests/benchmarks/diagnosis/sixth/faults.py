"""The families of faults of the sixth part, as people make them, without sight of the rules they were to measure."""

from tests.benchmarks.diagnosis.bases import Base
from tests.benchmarks.diagnosis.cases import Change, Families, setting

_FAMILIES = Families("sixth")
_fault, _code, _data = _FAMILIES.fault, _FAMILIES.code, _FAMILIES.data


def _sigmoids(base: Base) -> Change:
    """Take sigmoids for all activations, and five layers."""
    if base.own:
        return Change(arguments={"act": "sigmoid", "depth": 5})
    return Change(arguments={"activation": "sigmoid", "hidden": "32,32,32,32,32,32", "norm": "none"})


def _no_activations(base: Base) -> Change:
    if base.own:
        return Change(arguments={"act": "none"})
    return Change(arguments={"hidden": ""})


def _last_batch(base: Base) -> Change:
    """Give momentum as Keras counts it, with batches of three."""
    return Change(
        settings={"batch-size": 3, "epochs": base.epochs // 2},
        arguments={"fault": "last_batch_statistics", "norm": "batch"},
    )


def _rate_of_another(base: Base) -> Change:
    """Take a rate that is forty times what suits, as from a tutorial on another network."""
    return Change(
        settings={"lr": base.lr * 40, "schedule": "none", "grad-clip": None, "warmup-steps": 0},
    )


def _one_at_a_time(base: Base) -> Change:
    """Forget to set the size of a batch, which is one, with what suits larger ones."""
    return Change(
        settings={
            "batch-size": 1,
            "optimizer": "sgd",
            "lr": base.lrs[0] * 1.5,
            "nesterov": None,
            "schedule": "none",
            "grad-clip": None,
            "epochs": max(2, base.epochs // 5),
        }
    )


def _one_large_batch(base: Base) -> Change:
    """Fill the memory with one batch and keep the rate and the few epochs."""
    return Change(settings={"batch-size": 2048, "epochs": base.epochs // 2})


def _memorised(base: Base) -> Change:
    """Train a network that is far too wide for long on 36 rows, without any penalty."""
    return Change(
        settings={"limit": 36, "batch-size": 12, "epochs": base.epochs * 8, "weight-decay": 0},
        arguments={"width" if base.own else "hidden": 256, "dropout": 0.0, "norm": "none"},
    )


def _narrow(_: Base) -> Change:
    """Put a layer of one unit between wide ones."""
    return Change(arguments={"hidden": "64,1,64", "norm": "none"})


def _dropped_units(base: Base) -> Change:
    """Take the share of units that are kept for that of those that are dropped."""
    return Change(arguments={"dropout": 0.85, "hidden": "24,24,24"})


def _squared_error(base: Base) -> Change:
    """Take mean squared errors for classes, at the rate that is the default of SGD."""
    return Change(settings={"loss": "mse", "optimizer": "sgd", "lr": 1e-3, "nesterov": None})


def _frozen(base: Base) -> Change:
    """Match more parameters than were meant."""
    return Change(settings={"freeze": "*weight" if base.model == "pbpk" else "hidden*"})


SIXTH_FAULTS = (
    # In the data and what is done to them before training.
    _data("careless-labels", "labels val_differs", "minerals glyphs twins"),
    _data("files-by-name", "labels val_differs", "engines motors tiles"),
    _data("dropped-on-one-side", "labels val_differs", "patients phases cells"),
    _data("one-hot-turned", "labels val_differs", "beans events minerals"),
    _data("two-units", "labels val_differs target_outlier", "engines loads ratings"),
    _data("code-for-missing", "target_outlier bad_data", "solar cells soils"),
    _data("scaled-each-alone", "val_differs", "engines motors minerals"),
    _data("columns-first", "val_differs", "glyphs loads twins"),
    _data("other-channels", "val_differs", "tiles"),
    _data("drifted-sensors", "val_differs", "solar beans twins"),
    _data("over-exposed", "val_differs constant_input", "glyphs cells tiles"),
    _data("zeros-for-missing", "val_differs bad_data input_scale", "engines solar minerals"),
    _data("split-in-order", "val_differs unshuffled", "engines minerals solar"),
    _data("target-encoded", "val_differs overfit labels inputs_ignored", "engines beans solar"),
    _data("jittered-copies", "overfit val_differs", "beans motors solar"),
    _data("rare-classes", "majority val_differs", "patients motors tiles"),
    _fault(
        "never-scaled", "input_scale column_scale", "engines solar beans phases", setting(normalize="none")
    ),
    # In the layers of a network.
    _code("softmax-in-head", "softmax saturated", "glyphs beans motors"),
    _code("relu-in-head", "softmax dead", "solar loads motors"),
    _code("exponential-outputs", "softmax exploding nan unstable", "solar cells ratings"),
    _fault("sigmoids", "vanishing saturated init", "minerals glyphs solar", _sigmoids),
    _fault("no-activations", "linear underfit", "phases solar twins", _no_activations),
    _code("layers-for-depth", "vanishing init dead", "motors glyphs beans"),
    _fault("narrow", "bottleneck underfit", "minerals engines", _narrow),
    _code("ones-weights", "init exploding", "glyphs solar events"),
    _code("thousandth-normal", "init vanishing lr_low", "motors glyphs"),
    _code("keep-probability", "over_regularised mode_gap", "glyphs solar twins"),
    _code("functional-dropout", "mode_gap over_regularised", "motors cells solar"),
    _fault("last-batch-statistics", "mode_gap small_batch", "glyphs cells motors", _last_batch),
    # In how tensors and gradients pass through it.
    _code("no-grad-left", "no_gradient frozen not_updated", "glyphs loads ratings"),
    _code("gradient-reversed", "no_gradient", "glyphs loads beans"),
    _code("body-copied", "no_gradient unregistered not_updated", "solar glyphs motors"),
    _code("layers-in-dict", "unregistered not_updated no_gradient", "beans cells glyphs"),
    _code("backbone-frozen", "frozen no_gradient not_updated", "glyphs motors twins"),
    _code("rounded-outputs", "no_gradient", "cells ratings loads"),
    _code("view-for-transpose", "mixed_samples", "loads events twins"),
    _code("roll-without-axis", "mixed_samples", "solar loads motors"),
    _code("state-kept", "mixed_samples mode_gap", "loads events glyphs"),
    _code("same-part-twice", "inputs_ignored underfit", "ratings loads twins"),
    _code("divided-by-255", "input_scale vanishing lr_low", "glyphs motors loads"),
    _code("log-without-epsilon", "nan", "beans events solar"),
    # In the options of training.
    _fault(
        "rate-of-another", "lr_high exploding nan unstable", "glyphs loads soils events", _rate_of_another
    ),
    _fault(
        "adam-at-a-tenth",
        "lr_high exploding nan unstable",
        "tiles motors events",
        setting(optimizer="adam", lr=0.1, schedule="none", warmup_steps=None),
    ),
    _fault("rate-with-a-zero-more", "lr_low underfit", "minerals cells ratings", setting(lr=2e-5)),
    _fault(
        "defaults-of-sgd",
        "lr_low underfit",
        "beans loads soils",
        setting(optimizer="sgd", lr=1e-3, momentum=0.0),
    ),
    _fault("first-try", "underfit lr_low", "livers tiles ratings", setting(epochs=1)),
    _fault("one-large-batch", "underfit lr_low", "phases motors twins", _one_large_batch),
    _fault(
        "one-at-a-time", "small_batch lr_high unstable exploding nan", "minerals loads motors", _one_at_a_time
    ),
    _fault(
        "decay-of-adam",
        "over_regularised",
        "engines glyphs events",
        setting(optimizer="adam", lr=3e-3, nesterov=None, weight_decay=0.3),
    ),
    _fault("dropped-units", "over_regularised mode_gap", "patients minerals engines", _dropped_units),
    _fault("memorised-rows", "overfit", "minerals twins patients", _memorised),
    _fault("frozen-by-match", "frozen", "phases engines livers", _frozen),
    _fault("clipped-away", "lr_low", "loads tiles livers", setting(optimizer="sgd", lr=0.01, grad_clip=2e-3)),
    _fault(
        "error-of-numbers",
        "flat_loss underfit lr_low",
        "events beans tiles",
        _squared_error,
    ),
    _fault(
        "wrong-coordinates",
        "underfit inputs_ignored",
        "soils",
        setting(coords="f2,f3"),
    ),
)
