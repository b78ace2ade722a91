"""The rule about validation whose inputs or targets are not like those of training, or go together otherwise."""

import math

from dlkit.diagnosis.findings import Cure, Evidence
from dlkit.diagnosis.recording import Recording
from dlkit.diagnosis.rule import Rule

_OTHER_SCALE, _ALL_SCALES, _FAR_INPUTS = 3.0, 2.0, 2.0
_OTHER_COLUMN, _OTHER_RELATION = 1.2, 0.5
_OTHER_CLASSES, _OTHER_TARGETS, _NEW_CLASSES = 0.2, 1.5, 0.02
_ACROSS, _TIMES_ERRORS = 0.3, 4.0
_NOTHING, _WELL, _NOT_FEWER = 0.1, 0.85, 0.25
_LEAST_SAMPLES, _ENOUGH, _FEWEST = 30, 60, 100
_READ = 384.0  # samples of each part that are compared
_BEHIND, _OTHER_GAPS = 0.17, 0.1
_TINY = 1e-9
_TABLES = (".csv", ".tsv", ".parquet", "-")
_WAYS = ("by_time", "group", "split_file", "split_by_block")

_Unlike = tuple[str, float, float, bool]
"""In words how validation differs, what was measured, what it is compared with, and whether it is extreme."""


def other_validation(recording: Recording, limit: float) -> Evidence | None:
    """Find validation inputs or targets that are not like those of training, or that go together otherwise."""
    samples, skill = recording.number("val_samples") or 0.0, recording.skill
    if recording.number("val_input_shift") is None or samples < _LEAST_SAMPLES or recording.repeats_few:
        return None
    found = (
        _other_gaps(recording)
        or _other_inputs(recording, limit)
        or _other_column(recording)
        or _other_targets(recording)
        or _each_by_itself(recording)
    )
    if found is None:
        return None
    message, value, threshold, extreme = found
    within = max(recording.number(f"simple_{part}") or 0.0 for part in ("train", "val"))
    ahead = (recording.gain("train_loss") or 0.0) - (recording.gain() or 0.0)
    suffers = (
        skill is None
        or skill < (_WELL if extreme else _NOTHING)
        or max(within - skill, ahead) > _NOT_FEWER
        or recording.training_behind > _BEHIND
    )
    return Evidence(
        message=message,
        value=value,
        threshold=threshold,
        step=1,
        cure=Cure(_cure(recording)),
        confirm="dlkit data check DATA",
        level="warning" if suffers else "note",
    )


def divided_by(recording: Recording) -> str:
    """Return the option that keeps rows apart which belong together; empty where they are divided at random."""
    ways = [way for way in _WAYS if recording.config.get(way) is not None]
    return f"--{ways[0].replace('_', '-')}" if ways else ""


def _cure(recording: Recording) -> str:
    """Return what makes both parts alike, as far as the options show how they were made."""
    if way := divided_by(recording):
        folds = way == "--group" and recording.config.get("folds") is None
        return f"rows are divided by {way}, so the scores are those on new ones, which may differ" + (
            "; --folds 5 tests on all of them in turn" if folds else ""
        )
    if str(recording.config.get("data", "")).endswith(_TABLES):
        return "few odd rows do it where rows are split at random: take out what dlkit data check finds"
    return "prepare the inputs of both parts alike, or put them together, so that they are split at random"


def _other_gaps(recording: Recording) -> _Unlike | None:
    """Judge by how many values are missing."""
    train, val = (recording.number(name) or 0.0 for name in ("missing", "val_missing"))
    if abs(val - train) < _OTHER_GAPS:
        return None
    return (
        f"{val:.0%} of the values of validation are missing, {train:.0%} of those of training",
        val,
        _OTHER_GAPS,
        True,
    )


def _other_inputs(recording: Recording, limit: float) -> _Unlike | None:
    """Judge by where all columns lie together, and how much they vary."""
    shift, scale = (recording.number(f"val_input_{what}") for what in ("shift", "scale"))
    scale = 1.0 if scale is None else max(scale, _TINY)
    extreme = (shift or 0.0) > _FAR_INPUTS * limit or not 0.1 < scale < 10
    if shift is not None and shift > limit:
        return (
            f"the inputs of validation lie {shift:.2g} standard deviations from those of training",
            shift,
            limit,
            extreme,
        )
    if not 1 / _ALL_SCALES < scale < _ALL_SCALES:
        message = f"the inputs of validation vary {scale:.2g} times as much as those of training"
        return message, scale, _ALL_SCALES if scale > 1 else 1 / _ALL_SCALES, extreme
    return None


def _other_column(recording: Recording) -> _Unlike | None:
    """Judge by the column that differs most."""
    shift, samples = recording.number("val_column_shift") or 0.0, _compared(recording)
    if shift > _OTHER_COLUMN:
        return (
            f"a column of validation lies {shift:.2g} standard deviations from that of training",
            shift,
            _OTHER_COLUMN,
            False,
        )
    narrowest = recording.number("val_column_scale")
    if narrowest is not None and narrowest < 1 / _OTHER_SCALE and samples >= _ENOUGH:
        message = f"a column varies {narrowest:.2g} times as much in one part as in the other"
        return message, narrowest, 1 / _OTHER_SCALE, narrowest < 0.1
    relation = recording.number("val_relation_shift") or 0.0
    within = [recording.number(f"simple_{part}") for part in ("train", "val")]
    if any(part is not None and part < _NOTHING for part in within):
        return None  # the targets of one part do not go with its inputs at all
    if relation > _OTHER_RELATION and samples >= _FEWEST:
        return (
            f"the correlation of a column with the targets differs by {relation:.2g} in validation",
            relation,
            _OTHER_RELATION,
            False,
        )
    return None


def _other_targets(recording: Recording) -> _Unlike | None:
    """Judge by how frequent each class is, more than by chance, or by the mean of numbers."""
    targets, classes = recording.number("val_target_shift") or 0.0, recording.number("classes")
    if not classes:
        message = f"the targets of validation lie {targets:.2g} standard deviations from those of training"
        return (message, targets, _OTHER_TARGETS, False) if targets > _OTHER_TARGETS else None
    each = classes / max(_compared(recording), 1.0)  # one over the samples of a class
    frequent = max(_OTHER_CLASSES, 2 * math.sqrt(each))
    if targets > frequent:
        return (
            f"{targets:.0%} of the validation samples are of classes that training has few of",
            targets,
            frequent,
            False,
        )
    new = recording.number("val_new_classes") or 0.0
    if new > max(_NEW_CLASSES, each):  # classes / (e samples) is the most that is missed by chance
        message = f"{new:.0%} of the validation samples are of classes that training hardly has"
        return message, new, max(_NEW_CLASSES, each), False
    return None


def _compared(recording: Recording) -> float:
    """Return the number of samples that were compared, of the smaller part."""
    return min(recording.number("samples") or _READ, recording.number("val_samples") or 0.0, _READ)


def _each_by_itself(recording: Recording) -> _Unlike | None:
    """Return how far simple methods get within each part, where what they learn does not hold across."""
    parts = [recording.number(f"simple_{part}") for part in ("train", "val")]
    across, samples = recording.simple, recording.number("val_samples") or 0.0
    within = min(part or 0.0 for part in parts)
    drop = recording.number("simple_drop") or 0.0
    if drop > _ACROSS and samples >= _ENOUGH:
        return (
            f"what simple methods learn within training and within validation holds {drop:.0%} less far from one to the"
            " other",
            drop,
            _ACROSS,
            False,
        )
    if across is None or samples < _ENOUGH:
        return None
    far = _ACROSS if 1 - across < _TIMES_ERRORS * (1 - within) else _ACROSS / 2
    if within - max(across, 0.0) < far:
        return None
    message = (
        f"simple methods tell {within:.0%} or more within training and within validation,"
        f" but {max(across, 0.0):.0%} from one to the other"
    )
    return message, within - max(across, 0.0), far, far < _ACROSS


RULES = (
    Rule(
        name="val_differs",
        title="validation data that are not like the training data",
        stage="data",
        signals=(
            "missing",
            "val_missing",
            "val_input_shift",
            "val_column_shift",
            "val_input_scale",
            "val_column_scale",
            "val_target_shift",
            "val_new_classes",
            "val_relation_shift",
            "simple_drop",
            "simple_train",
            "simple_val",
            "val_loss",
        ),
        threshold=1.0,
        condition="10 % more values are missing in one part; or validation inputs lie one standard deviation away in"
        " the mean over columns or 1.2 in one, or vary 2 times more or less, or a column 3 times less in one part, or a"
        " fifth of its samples is of other classes, 2 % of classes that are 10 times rarer in training, or numeric"
        " targets lie 1.5 standard deviations away, or the correlation of a column with the targets differs by 0.5,"
        " or simple methods get 30 % further within each part than from one to the other (15 % where that is four"
        " times the errors); a note where validation is as good as training and as what simple methods reach within"
        " a part",
        healthy="0.02 to 0.2",
        source="measured here",
        cure="split at random; prepare both parts alike",
        find=other_validation,
        explains=("overfit", "labels", "mode_gap", "underfit", "majority", "lr_high"),
    ),
)
