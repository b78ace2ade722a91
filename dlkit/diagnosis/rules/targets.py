"""Rules about the targets: outliers, their order, and unequal classes."""

import math

from dlkit.diagnosis.cures import change
from dlkit.diagnosis.findings import Cure, Evidence
from dlkit.diagnosis.recording import Recording, first_above, median
from dlkit.diagnosis.rule import OF_SCALE, Rule

_LEAST_PER_BATCH = 8
_LEAST_ENTROPY = 0.6
_FEWEST = 100
_MOST_OF_VARIANCE = 0.9
_SAMPLES_READ = 4096
_EXTREME, _HALF, _INFORMED = 0.95, 0.5, 0.05
_FAR_TARGET, _USUAL_TAIL = 100.0, 5.0
_NOTHING, _LITTLE_MORE, _ONE_CLASS = 0.1, 0.02, 0.9
_VERY_FEW_EPOCHS, _VERY_FEW_STEPS, _FEW_STEPS = 2, 20, 100
_ACROSS = 0.3


def target_outlier(recording: Recording, limit: float) -> Evidence | None:
    """Find a target so far away that it alone makes most of the variance of all."""
    furthest, samples = recording.number("whole_target_max"), recording.number("samples")
    if furthest is None or not samples or samples < _FEWEST or recording.config.get("loss") == "log1p":
        return None
    share, tail = furthest**2 / min(samples, _SAMPLES_READ), recording.number("whole_target_tail") or 0.0
    alone = share >= limit
    if not alone and (tail < _FAR_TARGET or not _hurts(recording)):
        return None
    return Evidence(
        message=f"one target lies {furthest:.3g} standard deviations from the median,"
        f" {min(share, 1):.0%} of all variance"
        if alone
        else f"some targets lie up to {tail:.3g} times the usual distance from the median",
        value=share if alone else tail,
        threshold=limit if alone else _FAR_TARGET,
        healthy="" if alone else "3 to 4",
        step=1,
        cure=Cure("take the rows with this target out: a wrong unit, or a code for a missing value"),
        confirm="dlkit data check DATA",
    )


def _hurts(recording: Recording) -> bool:
    """Return whether a run that is done learned little, or simple methods learn much from validation alone."""
    if (
        not recording.finished or recording.config.get("model") == "pbpk"
    ):  # concentrations span orders of magnitude
        return False
    train, val = (recording.number(f"simple_{part}") or 0.0 for part in ("train", "val"))
    return recording.suffers(_HALF) or val - train > _ACROSS


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
        if batch < _LEAST_PER_BATCH or (recording.number("whole_target_tail") or 0.0) > _FAR_TARGET:
            return None
        limit *= min(1.0, _USUAL_TAIL / (recording.number("whole_target_max") or 1.0))
    if not expected or not points or median(points) / expected >= limit:
        return None
    return Evidence(
        message=f"the targets of a batch vary {median(points) / expected:.2g} times as much as those of all data",
        value=median(points) / expected,
        threshold=limit,
        step=points[0][0],
        cure=Cure("put the rows in random order before they are read"),
        confirm="compare the first rows of the data",
    )


def majority(recording: Recording, limit: float) -> Evidence | None:
    """Find a network that answers with the largest class of unequal ones."""
    share, classes = recording.number("whole_label_share"), recording.number("classes")
    predicted = recording.points("predicted_share")
    if share is None or classes is None or not predicted:
        return None
    last = median(predicted[-2:])
    if weighted := _weighted_away(recording, last):
        return weighted
    few = _VERY_FEW_STEPS if recording.epochs > _VERY_FEW_EPOCHS else _FEW_STEPS
    if share < 1.5 / classes or 0 < recording.steps < few:
        return None
    accuracy = recording.column("val_accuracy")
    balanced = recording.column("val_balanced_accuracy")
    if share > _EXTREME and balanced and (recording.skill or 0.0) < _HALF:
        accuracy, limit = [share], 1 - 2 * (1 - share)
    if last < limit or not accuracy or max(accuracy) > share + _LITTLE_MORE:
        return None
    balanced_skill = recording.number("simple_balanced")
    harmless = not balanced and (recording.gain() or 0.0) > _INFORMED
    if balanced_skill is not None and balanced_skill < _NOTHING:
        harmless = True  # nothing tells the other classes
    return Evidence(
        message=f"{last:.0%} of the answers are one class, which {share:.0%} of the samples have",
        value=last,
        threshold=limit,
        step=first_above(predicted, limit),
        cure=change("balance", recording.config.get("balance", "none"), "loss"),
        confirm="dlkit eval RUN shows each class",
        level="note" if harmless else "warning",
    )


def _weighted_away(recording: Recording, answers: float) -> Evidence | None:
    """Find weights of classes under which it pays to answer one of them alone."""
    given, accuracy = str(recording.config.get("target_weights") or ""), recording.column("val_accuracy")
    if (
        not given
        or answers < _ONE_CLASS
        or (accuracy and accuracy[-1] > _LITTLE_MORE + (recording.number("whole_label_share") or 1.0))
    ):
        return None
    return Evidence(
        message=f"{answers:.0%} of the answers are one class, with --target-weights {given}",
        value=answers,
        threshold=_ONE_CLASS,
        step=first_above(recording.points("predicted_share"), _ONE_CLASS),
        cure=Cure("leave --target-weights out, or weight classes by --balance loss", "--target-weights"),
        confirm="dlkit eval RUN shows each class",
    )


RULES = (
    Rule(
        name="target_outlier",
        title="a target that is far away",
        stage="data",
        signals=("whole_target_max", "whole_target_tail", "samples", "val_loss"),
        threshold=_MOST_OF_VARIANCE,
        condition="one target alone makes 90 % of the variance of 100 targets or more, and the loss is not log1p; or"
        " targets lie 100 median distances from the median, and validation gets less than half of the way",
        healthy="up to 0.1",
        source="measured here",
        cure="take the row out",
        find=target_outlier,
        explains=(*OF_SCALE, "val_differs"),
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
        condition="98 % of the answers are one class, the classes are unequal, and accuracy is that class's share; of"
        " more than 95 % of one class, where balanced accuracy gets less than half of the way to a perfect answer; a"
        " note where the validation loss fell by 5 % all the same and balanced accuracy is not monitored",
        healthy="up to the share of the largest class",
        source="Amazon SageMaker Debugger, ClassImbalance",
        cure="--balance loss",
        find=majority,
        explains=("flat_loss", "underfit", "labels"),
    ),
)
