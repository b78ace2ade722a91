"""The families of faults of the third part, written without sight of the rules they were to measure."""

from tests.benchmarks.diagnosis.bases import Base
from tests.benchmarks.diagnosis.cases import Change, Families, setting

_FAMILIES = Families("third")
_fault, _code, _data = _FAMILIES.fault, _FAMILIES.code, _FAMILIES.data


def _late_rate(base: Base) -> Change:
    """Warm up for a third of the run, to a rate that is far too high."""
    return Change(settings={"lr": base.lr * 200, "warmup-steps": 150, "schedule": "none", "grad-clip": None})


def _two_at_a_time(base: Base) -> Change:
    return Change(
        settings={
            "optimizer": "sgd",
            "momentum": 0.95,
            "lr": base.lrs[0],
            "batch-size": 2,
            "schedule": "none",
            "epochs": base.epochs // 2,
        }
    )


THIRD_FAULTS = (
    # In the code of a network.
    _code("through-numpy", "no_gradient", "moons textures levels"),
    _code("skipped-layers", "no_gradient linear", "moons beats sentences"),
    _code("plain-list", "unregistered", "trains textures sentences"),
    _code("whole-numbers", "inputs_ignored constant_input", "moons textures beats"),
    _code("scaled-again", "input_scale vanishing lr_low", "trains textures levels"),
    _code("dummy-inputs", "inputs_ignored", "trains beats moons"),
    _code("eval-scaling", "mode_gap val_differs", "trains beats textures"),
    _code("unscaled-dropout", "mode_gap", "trains moons levels"),
    _code("mean-over-batch", "mixed_samples inputs_ignored", "moons textures levels"),
    _code("sorted-not-undone", "mixed_samples", "trains beats sentences"),
    _code("batch-first", "mixed_samples", "levels sentences"),
    _code("closed-gate", "vanishing init saturated", "trains textures sentences"),
    _code("tiny-scale", "vanishing init lr_low", "trains beats sentences"),
    _code("own-softmax", "nan exploding", "trains moons levels"),
    _code("where-log", "nan", "moons beats levels"),
    _code("relu-of-log", "dead inputs_ignored", "trains textures sentences"),
    _code("steep-sigmoid", "saturated vanishing", "moons beats levels"),
    _code("sigmoid-of-numbers", "softmax saturated", "trains levels"),
    _code("positive-init", "init exploding", "trains moons textures"),
    _code("rows-alike", "init", "moons beats sentences"),
    _code("hot-bias", "init majority", "moons textures sentences"),
    _code("leaky-one", "linear underfit", "moons textures beats"),
    _code("waist", "bottleneck underfit", "textures beats sentences"),
    # In the data.
    _data("slipped", "labels", "debts sugar shapes sentences"),
    _data("joined", "labels", "trains flowers textures"),
    _data("encoded-anew", "labels val_differs", "leavers shells shapes"),
    _data("leak", "val_differs overfit labels", "debts trains flowers"),
    _data("split-by-feature", "val_differs", "blocks moons flowers"),
    _data("empty-in-validation", "val_differs", "trains shells beats"),
    _data("target-units", "val_differs", "blocks sugar levels"),
    _data("infinite", "bad_data nan", "trains moons beats"),
    _data("noise-columns", "overfit", "debts flowers moons"),
    _data("rare", "majority val_differs", "debts shapes beats"),
    _data("default-label", "labels val_differs majority", "leavers textures sentences"),
    _data("whole-division", "constant_input inputs_ignored", "shapes textures"),
    _data("inverted-validation", "val_differs", "shapes textures"),
    _fault(
        "raw-columns", "column_scale input_scale", "debts blocks leavers trains", setting(normalize="none")
    ),
    _fault("tiny-pictures", "underfit", "shapes", setting(size=3)),
    # In the options.
    _fault("max-steps", "underfit lr_low", "leavers trains shapes doses field", setting(max_steps=8)),
    _fault("impatient", "underfit lr_low", "shells levels sugar doses", setting(patience=1, min_delta=1.0)),
    _fault("accumulated", "underfit lr_low", "shells blocks beats", setting(accumulate=200)),
    _fault(
        "sgd-like-adam",
        "lr_low underfit",
        "debts blocks shapes sentences doses",
        setting(optimizer="sgd", lr=1e-4, momentum=0.0),
    ),
    _fault(
        "adam-at-one",
        "lr_high exploding nan",
        "leavers sugar textures levels field",
        setting(optimizer="adam", lr=1.0),
    ),
    _fault("late-rate", "lr_high exploding nan", "debts trains beats shells", _late_rate),
    _fault("slow-average", "mode_gap lr_low", "blocks shells textures", setting(ema=0.9999)),
    _fault("frozen-weights", "frozen", "blocks shells beats", setting(freeze="*weight")),
    _fault(
        "nearly-smooth",
        "over_regularised flat_loss",
        "leavers shapes sentences",
        setting(label_smoothing=0.97),
    ),
    _fault("two-at-a-time", "small_batch lr_high", "debts sugar moons shells", _two_at_a_time),
    _fault(
        "narrow-deep",
        "vanishing dead init",
        "flowers shells sugar",
        lambda _: Change(
            arguments={"hidden": ",".join(["10"] * 24), "residual": "false", "activation": "relu"}
        ),
    ),
    _fault("one-neighbour", "underfit inputs_ignored", "field", setting(neighbors=1, min_neighbors=0)),
)
