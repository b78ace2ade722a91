"""The families of faults of the fifth part, written without sight of the rules they were to measure."""

from tests.benchmarks.diagnosis.bases import Base, Value
from tests.benchmarks.diagnosis.cases import Change, Families, setting

_FAMILIES = Families("fifth")
_fault, _code, _data = _FAMILIES.fault, _FAMILIES.code, _FAMILIES.data


def _linear_scaling(base: Base) -> Change:
    """Multiply the rate as often as the batch, and go on from a batch of 16 to one of 512."""
    return Change(
        settings={
            "optimizer": "sgd",
            "lr": base.lrs[0] * 32,
            "batch-size": 512,
            "epochs": base.epochs * 3,
            "schedule": "none",
            "nesterov": None,
            "grad-clip": None,
        }
    )


def _online(base: Base) -> Change:
    """Take a step after every sample, at the rate of larger batches."""
    return Change(
        settings={
            "optimizer": "sgd",
            "lr": base.lrs[0],
            "batch-size": 1,
            "epochs": base.epochs // 4,
            "schedule": "none",
            "grad-clip": None,
        }
    )


def _fitted_noise(base: Base) -> Change:
    """Train a wide network for long on targets that are mostly noise."""
    return Change(
        data="noisy-targets",
        settings={"epochs": base.epochs * 6, "schedule": "none", "weight-decay": 0},
        arguments={"width": 192, "dropout": 0.0},
    )


def _outgrown(base: Base) -> Change:
    """Train a network for large data, with numbers as vectors, for long on 50 rows."""
    return Change(
        settings={
            "limit": 50,
            "epochs": base.epochs * 6,
            "schedule": "none",
            "weight-decay": 0,
        },
        arguments={"hidden": "256,256,256", "dropout": 0.0, "numbers": "piecewise"},
    )


def _thin(base: Base) -> Change:
    """Give every part of a built-in network one unit."""
    thin: dict[str, dict[str, Value]] = {
        "cnn": {"width": 1},
        "spatial": {"phi": 1, "omega": 1, "theta": 1, "trend": 1, "heads": 1},
        "pbpk": {"hidden": 1, "rounds": 1},
    }
    return Change(arguments=thin[base.model])


def _frozen(base: Base) -> Change:
    """Train one part of a built-in network alone."""
    parts = {
        "cnn": "stem*,stages*",
        "spatial": "phi*,omega*,trend*,theta.0*,theta.1*",
        "pbpk": "encode*,place*,message*,update*",
    }
    return Change(settings={"freeze": parts[base.model]})


FIFTH_FAULTS = (
    # In the code of a network.
    _code("averaged-probabilities", "softmax", "crops reviews societies"),
    _code("tanh-outputs", "softmax saturated", "concrete tides baskets"),
    _code("nearest-code", "no_gradient", "crops leaves reviews"),
    _code("coin-flips", "no_gradient", "concrete gestures societies"),
    _code("own-linear", "unregistered not_updated no_gradient", "concrete leaves societies"),
    _code("fresh-each-epoch", "not_updated", "dials gestures baskets"),
    _code("frozen-by-evaluation", "frozen no_gradient not_updated", "crops dials reviews"),
    _code("shuffled-in-training", "mixed_samples labels", "concrete gestures societies"),
    _code("mixed-up", "mixed_samples labels mode_gap", "crops concrete tides"),
    _code("softmax-over-samples", "mixed_samples", "crops gestures baskets"),
    _code("first-of-sequence", "inputs_ignored underfit", "gestures tides reviews"),
    _code("imagenet-bytes", "input_scale constant_input", "leaves dials tides"),
    _code("clamp-swapped", "no_gradient inputs_ignored dead", "concrete leaves reviews"),
    _code("sigmoid-stack", "vanishing saturated", "crops dials societies"),
    _code("gamma-correction", "nan", "leaves tides concrete"),
    _code("distances-by-hand", "nan", "gestures societies baskets"),
    _code("cubic-activation", "exploding nan unstable init", "crops dials baskets"),
    _code("he-upside-down", "init exploding", "crops dials baskets"),
    _code("zero-pair", "init no_gradient vanishing", "crops gestures tides"),
    _code("noise-in-evaluation", "mode_gap", "leaves tides baskets"),
    _code("quantised-in-evaluation", "mode_gap", "concrete tides dials"),
    _code("pooled-inputs", "underfit bottleneck inputs_ignored", "leaves gestures tides"),
    _code("shrunk-each-step", "over_regularised vanishing not_updated", "crops tides reviews"),
    _code("noisy-features", "over_regularised mode_gap", "dials baskets crops"),
    _code("soft-threshold", "dead no_gradient inputs_ignored vanishing", "concrete gestures reviews"),
    # In the data.
    _data("out-of-order", "labels", "incomes flags wells"),
    _data("two-codings", "labels val_differs", "odours leaves societies"),
    _data("counted-from-one", "labels val_differs", "crops flags gestures"),
    _data("coarse-labels", "labels val_differs", "odours leaves crops"),
    _data("block-means", "labels val_differs", "incomes concrete dials"),
    _data("lost-comma", "target_outlier bad_data", "concrete wells incomes"),
    _data("other-zero", "val_differs labels", "dials wells incomes"),
    _data("turned-validation", "val_differs", "leaves dials flags"),
    _data("rolled-validation", "val_differs", "tides dials leaves"),
    _data("logged-inputs", "val_differs input_scale", "odours concrete crops"),
    _data("stuck-sensors", "val_differs constant_input", "odours concrete gestures"),
    _data("gaps-in-validation", "bad_data val_differs nan", "odours tides gestures"),
    _data("wrapped-bytes", "val_differs", "leaves dials flags"),
    _data("failed-decoding", "bad_data constant_input val_differs", "leaves dials gestures"),
    _data("copied-class", "majority val_differs", "terms odours reviews"),
    _fault("fitted-noise", "overfit labels", "concrete tides baskets", _fitted_noise),
    # In the options.
    _fault("outgrown", "overfit", "terms incomes", _outgrown),
    _fault("thin-parts", "bottleneck underfit", "flags wells organs", _thin),
    _fault("frozen-parts", "frozen", "flags wells organs", _frozen),
    _fault("linear-scaling", "lr_high exploding nan unstable", "crops odours tides", _linear_scaling),
    _fault("online", "small_batch lr_high unstable exploding nan", "concrete odours gestures", _online),
    _fault(
        "fine-tuning-rate",
        "lr_low underfit",
        "terms flags wells organs",
        setting(optimizer="adamw", lr=2e-5),
    ),
    _fault(
        "cycle-from-sgd",
        "lr_high exploding nan unstable",
        "leaves reviews organs",
        setting(optimizer="adam", schedule="onecycle", lr=0.5, grad_clip=None),
    ),
    _fault(
        "adagrad-high",
        "lr_high exploding nan unstable",
        "incomes tides wells",
        setting(optimizer="adagrad", lr=5.0),
    ),
    _fault(
        "high-frequencies",
        "overfit",
        "terms",
        lambda _: Change(arguments={"numbers": "periodic", "sigma": 30}),
    ),
    _fault(
        "statistics-in-bytes",
        "input_scale constant_input",
        "leaves dials flags",
        setting(normalize="127,60"),
    ),
    _fault(
        "near-alone",
        "underfit inputs_ignored",
        "wells",
        setting(radius=0.05, min_neighbors=0),
    ),
    _fault(
        "decay-and-dropout",
        "over_regularised",
        "terms odours wells",
        lambda _: Change(
            settings={"optimizer": "adamw", "weight-decay": 5.0, "nesterov": None}, arguments={"dropout": 0.9}
        ),
    ),
    _fault(
        "no-hidden-layers", "underfit linear", "incomes odours", lambda _: Change(arguments={"hidden": ""})
    ),
)
