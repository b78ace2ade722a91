"""The families of faults of the fourth part, written without sight of the rules they were to measure."""

from collections.abc import Callable

from tests.benchmarks.diagnosis.bases import Base, Value
from tests.benchmarks.diagnosis.cases import Change, Families, setting

_Make = Callable[[Base], Change]
_FAMILIES = Families("fourth")
_fault, _code, _data = _FAMILIES.fault, _FAMILIES.code, _FAMILIES.data


def _sgd(**settings: float | str) -> _Make:
    """Train with sgd; its rate is `factor` times that of the base."""
    factor = float(settings.pop("factor", 1))
    options = {name.replace("_", "-"): value for name, value in settings.items()}
    return lambda base: Change(
        settings={"optimizer": "sgd", "lr": base.lrs[0] * factor, "schedule": "none", **options}
    )


def _memorised(base: Base) -> Change:
    """Train a wide network for long on labels of which many are wrong."""
    return Change(
        data="wrong-at-random",
        settings={"epochs": base.epochs * 5, "schedule": "none", "weight-decay": 0},
        arguments={"width": 256, "dropout": 0.0},
    )


def _few_and_wide(base: Base) -> Change:
    """Train a wide network for long on 30 rows."""
    wide: dict[str, Value] = {"width": 256} if base.own else {"hidden": "512,512"}
    return Change(
        settings={
            "limit": 30,
            "batch-size": 10,
            "epochs": base.epochs * 10,
            "schedule": "none",
            "weight-decay": 0,
        },
        arguments={**wide, "dropout": 0.0},
    )


def _all_penalties(base: Base) -> Change:
    return Change(
        settings={"weight-decay": 0.3, "label-smoothing": 0.6, "l1": 1e-3}, arguments={"dropout": 0.9}
    )


def _fine_tuned(base: Base) -> Change:
    """Train on from the weights of the base with a rate for another network."""
    return Change(settings={"lr": base.lr * 300, "schedule": "none", "grad-clip": None}, start_from_base=True)


def _threes(base: Base) -> Change:
    return Change(
        settings={
            "optimizer": "sgd",
            "lr": base.lrs[0] * 3,
            "batch-size": 3,
            "schedule": "none",
            "epochs": base.epochs // 2,
        }
    )


def _weighted(base: Base) -> Change:
    """Weight the largest class instead of the rarest."""
    largest = "class4" if base.form == "csv" else "4"
    return Change(settings={"target-weights": f"{largest}=1000"})


FOURTH_FAULTS = (
    # In the code of a network.
    _code("argmax-choice", "no_gradient", "alarms scans clouds"),
    _code("cached-batch", "inputs_ignored no_gradient", "arms speech protein"),
    _code("late-layers", "unregistered not_updated", "genes galaxies demand"),
    _code("clipped-weights", "over_regularised vanishing", "rentals scans protein"),
    _code("mask-inverted", "inputs_ignored", "speech protein clouds"),
    _code("centred-over-one", "inputs_ignored constant_input", "galaxies scans"),
    _code("flipped-batch", "mixed_samples", "alarms demand clouds"),
    _code("summed-over-batch", "mixed_samples", "arms speech molecules"),
    _code("repeated-rows", "mixed_samples", "rentals galaxies protein"),
    _code("relu-of-negative", "dead inputs_ignored", "genes galaxies molecules"),
    _code("clamped-outputs", "softmax saturated", "alarms speech clouds"),
    _code("positive-numbers", "softmax saturated", "arms demand molecules"),
    _code("arccosine", "nan", "rentals speech molecules"),
    _code("divided-by-spread", "nan", "alarms galaxies protein"),
    _code("norm-in-training", "mode_gap", "arms scans speech"),
    _code("dropout-in-evaluation", "mode_gap", "alarms demand clouds"),
    _code("gates-in-a-row", "vanishing init", "rentals galaxies clouds"),
    _code("forty-times", "exploding init nan", "arms scans molecules"),
    _code("normal-init", "init exploding", "genes demand clouds"),
    _code("reset-every-step", "not_updated", "alarms scans speech"),
    _code("lost-activation", "linear underfit", "arms protein molecules"),
    _code("positions-for-values", "inputs_ignored", "rentals protein clouds"),
    _code("inputs-dropped", "over_regularised mode_gap", "alarms speech demand"),
    _code("back-to-bytes", "input_scale saturated", "scans speech arms"),
    # In the data.
    _data("reversed-labels", "labels", "cuts pay signs"),
    _data("sorted-targets", "labels", "alarms rentals scans"),
    _data("swapped-pair", "labels val_differs", "cuts galaxies signs"),
    _data("target-sign", "labels val_differs", "arms demand molecules"),
    _data("target-logarithm", "val_differs", "pay rentals scans"),
    _data("censored-target", "val_differs", "demand spectra molecules"),
    _data("zero-targets", "labels val_differs", "rentals spectra scans"),
    _data("other-column", "labels val_differs", "arms spectra alarms"),
    _data("no-decimals", "constant_input inputs_ignored", "spectra clouds speech"),
    _data("empty-values", "bad_data nan", "arms demand clouds"),
    _data("nodata", "input_scale bad_data constant_input", "spectra genes arms"),
    _data("mixed-units", "input_scale constant_input val_differs", "spectra demand clouds"),
    _data("dark-validation", "val_differs", "galaxies scans signs"),
    _data("reversed-validation", "val_differs", "speech demand protein"),
    _data("standardised-validation", "val_differs", "alarms genes arms"),
    _data("mostly-one-class", "majority val_differs", "alarms galaxies signs"),
    _data("renamed-in-validation", "val_differs", "cuts pay rentals"),
    _data("timestamps", "column_scale input_scale", "cuts alarms rentals", normalize="none"),
    _fault("memorised-noise", "overfit labels", "alarms genes protein", _memorised),
    # In the options.
    _fault("frozen-most", "frozen", "alarms speech molecules", setting(freeze="first*,layers*,out.weight")),
    _fault(
        "rmsprop-high",
        "lr_high exploding nan unstable",
        "cuts pay signs clouds",
        setting(optimizer="rmsprop", lr=0.5),
    ),
    _fault(
        "adagrad-low",
        "lr_low underfit",
        "spectra rentals signs",
        setting(optimizer="adagrad", lr=1e-4),
    ),
    _fault("full-batch", "underfit lr_low", "pay alarms galaxies", _sgd(batch_size=5000)),
    _fault(
        "momentum-and-rate",
        "lr_high exploding nan unstable",
        "cuts genes scans",
        _sgd(momentum=0.995, factor=20),
    ),
    _fault(
        "both-penalties",
        "over_regularised",
        "signs demand molecules",
        setting(l1=0.02, weight_decay=0.5),
    ),
    _fault("all-penalties", "over_regularised", "genes galaxies speech", _all_penalties),
    _fault("tiny-deviation", "input_scale", "spectra scans demand", setting(normalize="0,0.002")),
    _fault("one-column", "underfit", "cuts pay rentals", setting(features="f0")),
    _fault("fine-tuned-fast", "lr_high exploding nan unstable", "arms signs protein", _fine_tuned),
    _fault("few-and-wide", "overfit", "pay protein clouds", _few_and_wide),
    _fault("weighted-away", "majority", "cuts alarms", _weighted),
    _fault("threes", "small_batch lr_high", "cuts rentals galaxies", _threes),
)
