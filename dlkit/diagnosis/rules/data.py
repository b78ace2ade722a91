"""Rules about the data: inputs and targets as the network meets them."""

import math

from dlkit.diagnosis.cures import change
from dlkit.diagnosis.findings import Cure, Evidence
from dlkit.diagnosis.recording import Recording, first_above, median
from dlkit.diagnosis.rule import Rule

_SOURCE_TDC = "TheDeepChecker (arXiv 2204.00694)"
_GOOD_GAIN = 0.9
_LEAST_PER_BATCH = 8
_LEAST_ENTROPY = 0.6


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
                confirm="dlkit data check",
            )
    return None


def constant_inputs(recording: Recording, limit: float) -> Evidence | None:
    """Find inputs that are the same for all samples; of several, as curves and their times, one may be."""
    inputs = recording.layers("input_constant")
    for name, points in inputs.items():
        if all(median(each) >= limit for each in inputs.values()):
            what = f"input {name}" if name else "the input"
            return Evidence(
                message=f"{what} is the same for all samples of a batch",
                value=median(points),
                layer=name,
                step=points[0][0],
                cure=_normalised(recording, "the data hold no information; check how they are read"),
                confirm="dlkit data check",
            )
    return None


def input_scale(recording: Recording, limit: float) -> Evidence | None:
    """Find inputs far from mean 0 and standard deviation 1, in a network that takes one tensor."""
    mean, std = median(recording.points("input_mean")), median(recording.points("input_std"))
    if math.isnan(mean) or math.isnan(std) or not std:
        return None
    size = math.hypot(mean, std)
    if 1 / limit <= std and size <= limit:
        return None
    gain = recording.gain()
    return Evidence(
        message=f"the inputs have mean {mean:.3g} and standard deviation {std:.3g}",
        value=size,
        step=recording.points("input_std")[0][0],
        cure=_normalised(recording, "subtract the mean of the training inputs and divide by their spread"),
        confirm="inspect acts RUN shows the first layer's outputs",
        level="note" if gain is not None and gain >= _GOOD_GAIN else "warning",
    )


def unshuffled(recording: Recording, limit: float) -> Evidence | None:
    """Find batches whose labels or targets vary much less than those of the whole training data."""
    batch = recording.config.get("batch_size", 0)
    whole, classes = recording.number("whole_label_entropy"), recording.number("classes")
    points = recording.points("label_entropy")
    if whole and classes and whole < _LEAST_ENTROPY * math.log(classes):
        return None
    if whole and classes and batch >= max(_LEAST_PER_BATCH, classes):
        expected = whole - (classes - 1) / (2 * batch)  # Miller 1955
    else:
        points, expected = (
            recording.points("target_variance"),
            recording.number("whole_target_variance") or 0.0,
        )
        if batch < _LEAST_PER_BATCH:
            return None
    if not expected or not points or median(points) / expected >= limit:
        return None
    return Evidence(
        message=f"the targets of a batch vary {median(points) / expected:.2g} times as much as those of all data",
        value=median(points) / expected,
        step=points[0][0],
        cure=Cure("put the rows in random order before they are read"),
        confirm="compare the first rows of the data",
    )


def majority(recording: Recording, limit: float) -> Evidence | None:
    """Find a network that answers with the largest class of unequal ones."""
    share, classes = recording.number("whole_label_share"), recording.number("classes")
    predicted = recording.points("predicted_share")
    if share is None or classes is None or not predicted or share < 1.5 / classes:
        return None
    last = median(predicted[-2:])
    accuracy = recording.column("val_accuracy")
    if last < limit or not accuracy or max(accuracy) > share + 0.02:
        return None
    return Evidence(
        message=f"{last:.0%} of the answers are one class, which {share:.0%} of the samples have",
        value=last,
        step=first_above(predicted, limit),
        cure=change("balance", recording.config.get("balance", "none"), "loss"),
        confirm="dlkit eval shows each class",
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
        signals=("input_constant",),
        threshold=1.0,
        condition="every feature is the same in all samples of the batches",
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
        ),
        live=True,
    ),
    Rule(
        name="input_scale",
        title="inputs that are not normalised",
        stage="data",
        signals=("input_mean", "input_std", "val_loss"),
        threshold=20.0,
        condition="mean and standard deviation beyond 20 together, or standard deviation below 1/20; a note where"
        " the loss fell by 90 % all the same",
        healthy="mean 0, standard deviation 1",
        source="Amazon SageMaker Debugger, TensorVariance; Glorot and Bengio 2010",
        cure="--normalize auto",
        find=input_scale,
        explains=(
            "init",
            "lr_high",
            "lr_low",
            "dead",
            "saturated",
            "nan",
            "exploding",
            "flat_loss",
            "underfit",
            "overfit",
            "mode_gap",
            "vanishing",
            "unstable",
            "labels",
        ),
        live=True,
    ),
    Rule(
        name="unshuffled",
        title="data in order",
        stage="data",
        signals=("label_entropy", "whole_label_entropy", "target_variance", "whole_target_variance"),
        threshold=0.6,
        condition="the labels of batches vary less than 0.6 times as much as those of all data",
        healthy="0.9 to 1.1",
        source="measured here",
        cure="put the rows in random order",
        find=unshuffled,
        explains=("unstable", "overfit", "lr_high", "flat_loss", "mode_gap", "underfit"),
        live=True,
    ),
    Rule(
        name="majority",
        title="only the largest class is predicted",
        stage="data",
        signals=("predicted_share", "whole_label_share", "classes", "val_accuracy"),
        threshold=0.98,
        condition="98 % of the answers are one class, the classes are unequal, and accuracy is that class's share",
        healthy="up to the share of the largest class",
        source="Amazon SageMaker Debugger, ClassImbalance",
        cure="--balance loss",
        find=majority,
        explains=("flat_loss", "underfit", "labels"),
    ),
)
