"""Rules about the inputs, as the network meets them."""

import math

from dlkit.diagnosis.cures import change
from dlkit.diagnosis.findings import Cure, Evidence
from dlkit.diagnosis.recording import Recording, median
from dlkit.diagnosis.rule import OF_SCALE, Rule

_SOURCE_TDC = "TheDeepChecker (arXiv 2204.00694)"
_GOOD_GAIN = 0.9
_LEARNED_NOTHING, _HALF, _MOSTLY = 0.1, 0.5, 0.75
_WIDEST_COLUMN = 100.0
_FALLS_SHORT = 0.1
_FAR, _WELL, _NEARLY = 100.0, 0.85, 0.97
_ENORMOUS, _COLLAPSED = 1e10, 0.3


def bad_numbers(recording: Recording, _limit: float) -> Evidence | None:
    """Find a run that diverged on inputs or targets that are not finite."""
    for part in ("inputs", "targets"):
        points = recording.points(f"non_finite_{part}")
        if points:
            return Evidence(
                message=f"the {part} of the batch at step {points[0][0]} hold NaN or infinity",
                value=len(points),
                step=points[0][0],
                cure=Cure("remove or fill these rows; dlkit data check lists them"),
                confirm="dlkit data check DATA",
            )
    return None


def constant_inputs(recording: Recording, limit: float) -> Evidence | None:
    """Find inputs that are the same for all samples; of several, as curves and their times, one may be."""
    inputs = recording.layers("input_constant")
    simple, skill = recording.simple, recording.skill
    if simple is not None and skill is not None and max(simple, skill) < _LEARNED_NOTHING:
        limit = _MOSTLY
    if (recording.number("repeated_rows") or 0.0) > _HALF and recording.finished and recording.suffers(_HALF):
        limit = _MOSTLY  # what tells samples apart is gone
    commonest = recording.number("commonest_row")
    if commonest is not None and commonest > _HALF and recording.suffers(_WELL):
        return Evidence(
            message=f"{commonest:.0%} of the training samples have the very same inputs",
            value=commonest,
            threshold=_HALF,
            healthy="0.003 to 0.1",
            step=1,
            cure=Cure(
                "look at these samples: files that could not be read, or rows that were filled with one value"
            ),
            confirm="dlkit data check DATA",
        )
    for name, points in inputs.items():
        if all(median(each) >= limit for each in inputs.values()):
            what = f"input {name}" if name else "the input"
            share = median(points)
            return Evidence(
                message=f"{what} is the same for all samples of a batch"
                if share == 1
                else f"{share:.0%} of the features of {what} are the same for all samples of a batch",
                value=share,
                threshold=limit,
                layer=name,
                step=points[0][0],
                cure=_normalised(recording, "the data hold no information; check how they are read"),
                confirm="dlkit data check DATA",
            )
    return None


def input_scale(recording: Recording, limit: float) -> Evidence | None:
    """Find inputs far from mean 0 and standard deviation 1, in a network that takes one tensor."""
    mean, std = median(recording.points("input_mean")), median(recording.points("input_std"))
    if math.isnan(mean) or math.isnan(std):
        return None
    size = math.hypot(mean, std)
    if not std and size <= limit:
        return None  # the same for all samples; a spread far below the mean is lost by rounding
    if 1 / limit <= std and size <= limit:
        return _far_values(recording) or _collapsed(recording) or _scaled_inside(recording, limit)
    gain = recording.gain()
    return Evidence(
        message=f"the inputs have mean {mean:.3g} and standard deviation "
        + (f"{std:.3g}" if std else "far below it"),
        value=size if size > limit else std,
        threshold=limit if size > limit else 1 / limit,
        step=recording.points("input_std")[0][0],
        cure=_normalised(recording, "subtract the mean of the training inputs and divide by their spread"),
        confirm="dlkit inspect acts RUN shows the first layer's outputs",
        level="note" if gain is not None and gain >= _GOOD_GAIN else "warning",
    )


def _far_values(recording: Recording) -> Evidence | None:
    """Find a column of which a few values lie so far away that they make up its spread."""
    tail = recording.number("column_outlier")
    if tail is None or tail < _FAR or not recording.suffers(_WELL):
        return None
    return Evidence(
        message=f"a column of the inputs has a standard deviation of {tail:.2g} times the usual distance from its"
        " median: a few values lie far away",
        value=tail,
        threshold=_FAR,
        healthy="1.2 to 4.8",
        step=1,
        cure=Cure(
            "take these values out, or mark them as missing: a wrong unit, or a code, which dlkit data check names"
        ),
        confirm="dlkit data check DATA",
    )


def _collapsed(recording: Recording) -> Evidence | None:
    """Find a column whose spread is so large that all its usual values are the same beside it."""
    std, alike = recording.number("stored_std"), median(recording.points("input_constant"))
    if std is None or std < _ENORMOUS or not alike > _COLLAPSED:
        return None
    return Evidence(
        message=f"a column of the inputs has a standard deviation of {std:.2g} before it is normalised, beside which"
        " its usual values are all alike",
        value=std,
        threshold=_ENORMOUS,
        healthy="up to 1e6",
        step=1,
        cure=Cure(
            "take out values such as 1e20, or mark them as missing (NaN): they are codes, no measurements"
        ),
        confirm="dlkit data check DATA",
    )


def _scaled_inside(recording: Recording, limit: float) -> Evidence | None:
    """Find inputs that the network scales itself before its first layer."""
    for layer, points in recording.layers("received_std").items():
        mean, std = recording.number("received_mean", layer) or 0.0, points[0][1]
        size = math.hypot(mean, std)
        if (1 / limit <= std and size <= limit) or not size or not recording.suffers(_NEARLY):
            continue
        return Evidence(
            message=f"{layer} receives values of mean {mean:.3g} and standard deviation {std:.3g}, though the inputs"
            " are normalised",
            value=size if size > limit else std,
            threshold=limit if size > limit else 1 / limit,
            layer=layer,
            step=points[0][0],
            cure=Cure("leave factors and offsets out of forward(): what it gets is normalised already"),
            confirm="dlkit inspect acts RUN shows the first layer's outputs",
        )
    return None


def column_scale(recording: Recording, limit: float) -> Evidence | None:
    """Find columns of very different spread, in a run whose inputs are not normalised."""
    ratio, normalize = recording.number("column_scale"), recording.config.get("normalize", "auto")
    if ratio is None or ratio < limit or normalize == "auto":
        return None
    return Evidence(
        message=f"the widest column of the inputs varies {ratio:.2g} times as much as the median one",
        value=ratio,
        step=1,
        cure=change("normalize", normalize, "auto"),
        confirm="dlkit data check DATA",
        level="warning" if recording.falls_short(_FALLS_SHORT) else "note",
    )


def _normalised(recording: Recording, otherwise: str) -> Cure:
    """Return the cure for inputs that were not normalised, if that was asked for."""
    if recording.config.get("normalize", "auto") != "auto":
        return change("normalize", recording.config["normalize"], "auto")
    return Cure(otherwise)


RULES = (
    Rule(
        name="bad_data",
        title="numbers that are not finite in the data",
        stage="data",
        signals=("non_finite_inputs", "non_finite_targets"),
        threshold=0,
        condition="training diverged, and the batch holds NaN or infinity",
        healthy="0",
        source="replay of the failing batch",
        cure="remove or fill the rows",
        find=bad_numbers,
        explains=("nan", "exploding", "flat_loss", "dead"),
    ),
    Rule(
        name="constant_input",
        title="constant inputs",
        stage="data",
        signals=("input_constant", "commonest_row", "repeated_rows", "val_loss"),
        threshold=1.0,
        condition="every feature is the same in all samples of the batches, or three quarters of them where nothing can"
        " be learned, or where half of the training samples repeat another and validation gets less than half of the"
        " way to a perfect answer; or half of the training samples are the same in ten columns or more, and it gets"
        " less than 85 % of the way",
        healthy="up to 0.6 (borders of images)",
        source=_SOURCE_TDC,
        cure="--normalize auto, or check how the data are read",
        find=constant_inputs,
        explains=(
            "inputs_ignored",
            "flat_loss",
            "dead",
            "saturated",
            "underfit",
            "vanishing",
            "init",
            "labels",
            "bottleneck",
            "overfit",
            "val_differs",
        ),
        live=True,
    ),
    Rule(
        name="input_scale",
        title="inputs that are not normalised",
        stage="data",
        signals=(
            "input_mean",
            "input_std",
            "received_mean",
            "received_std",
            "column_outlier",
            "stored_std",
            "val_loss",
        ),
        threshold=20.0,
        condition="mean and standard deviation beyond 20 together, or standard deviation below 1/20; a note where"
        " the loss fell by 90 % all the same; or a column's standard deviation is 100 times the median distance from"
        " its median, or the first layer receives values of a size beyond 20 or below 1/20, and validation gets less"
        " than 85 % of the way to a perfect answer; or a column has a standard deviation of 1e10 before it is"
        " normalised, and many values are alike after it",
        healthy="mean 0, standard deviation 1",
        source="Amazon SageMaker Debugger, TensorVariance; Glorot and Bengio 2010",
        cure="--normalize auto",
        find=input_scale,
        explains=(*OF_SCALE, "val_differs", "inputs_ignored"),
        live=True,
    ),
    Rule(
        name="column_scale",
        title="columns of very different scale",
        stage="data",
        signals=("column_scale", "simple_skill", "val_loss"),
        threshold=_WIDEST_COLUMN,
        condition="--normalize is not auto, one column varies 100 times as much as the median one, and validation is"
        " worse than what simple methods reach; else a note",
        healthy="1 to 10",
        source="LeCun et al. 1998, Efficient BackProp",
        cure="--normalize auto",
        find=column_scale,
        explains=OF_SCALE,
    ),
)
