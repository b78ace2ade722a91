"""Rules about validation: what was learned from the training samples and does not hold for others."""

import math
import statistics

from dlkit.diagnosis.cures import argument, change, current_argument, usual
from dlkit.diagnosis.findings import Cure, Evidence
from dlkit.diagnosis.recording import VERY_FEW, Recording
from dlkit.diagnosis.rule import Rule
from dlkit.diagnosis.rules.validation import divided_by

_RISE, _RISE_OF_CONSTANT, _TRAIN_FELL = 1.15, 0.03, 0.9
_GAP, _GAP_OF_CONSTANT = 2.5, 0.15
_GAP_NUMBERS, _GAP_OF_CONSTANT_NUMBERS = 4.0, 0.2
_LEARNED_NOTHING = 0.1
_WORSE, _WORSE_NUMBERS = 0.06, 1.15
_STRANGE, _ENOUGH, _WELL = 0.3, 40, 0.85
_MUCH_LESS, _PART_OF_IT = 0.35, 0.6
_CHANCE, _ROWS_READ, _USUAL_TAIL = 5.0, 384, 5.0
_FEW, _SHIFTED = 30, 0.5
_LITTLE, _MOST, _FAR = 0.15, 0.8, 8.0
_TRIAL = 5
_BEHIND = 0.17
_BY_HEART, _NEARLY, _HALF, _HELD = 0.7, 0.95, 0.5, 0.05


def wrong_labels(recording: Recording, limit: float) -> Evidence | None:
    """Find a network that learns its training samples, while validation never gets better than a constant answer."""
    train, skill, val = recording.gain("train_loss"), recording.skill, recording.gain()
    if train is None or val is None or skill is None or not recording.signals:
        return None  # from a history alone nobody knows what a constant answer gets
    if behind := _training_behind(recording):
        return behind
    strange = _strange_part(recording, skill)
    few = recording.config.get("limit") and (recording.number("samples") or VERY_FEW) < VERY_FEW
    if recording.repeats_few or few:
        return None
    if not strange and (
        skill >= _LEARNED_NOTHING or train < limit or _can_be_learned(recording) or _is_unlike(recording)
    ):
        return None
    return Evidence(
        message=strange or f"the training loss fell by {train:.0%}, the validation loss by {max(val, 0):.0%}",
        value=skill,
        threshold=_LEARNED_NOTHING,
        step=None,
        cure=Cure(
            f"rows are divided by {way}: what is learned of some need not hold for others; take more of them, or "
            "inputs that mean the same in all"
            if (way := divided_by(recording))
            else "check that inputs and targets are read in the same order, and how the validation part was split off"
        ),
        confirm="dlkit data check DATA; dlkit eval RUN --predict predictions.csv",
        level="note" if _says_little(recording) else "warning",
    )


def _training_behind(recording: Recording) -> Evidence | None:
    """Find a network that answers validation much better than the samples that it was trained on."""
    if recording.training_behind < _BEHIND or not recording.finished:
        return None
    train, val = recording.column("train_loss")[-1], recording.column("val_loss")[-1]
    return Evidence(
        message=f"the training loss ends at {train:.3g}, far above that of validation, {val:.3g}: the training samples"
        " have wrong targets, or inputs that validation does not have",
        value=recording.training_behind,
        threshold=_BEHIND,
        healthy="up to 0.13",
        step=None,
        cure=Cure(
            "look at the training samples with the largest errors: --split train --predict lists all answers"
        ),
        confirm="dlkit eval RUN --split train --predict train.csv",
    )


def _says_little(recording: Recording) -> bool:
    """Return whether nothing tells these targets, and they are such that little would: one class, or a few far ones."""
    parts = [recording.number(f"simple_{part}") or 0.0 for part in ("train", "val")]
    share, furthest = (
        recording.number("whole_label_share") or 0.0,
        recording.number("whole_target_max") or 0.0,
    )
    return max(parts) < _LITTLE and (share > _MOST or furthest > _FAR)


def _strange_part(recording: Recording, skill: float) -> str:
    """Return which part has targets that nearest neighbours tell much worse than those of the other part."""
    within = {part: recording.number(f"simple_{part}") for part in ("train", "val")}
    train, val = within["train"], within["val"]
    if train is None or val is None or min(_counts(recording)) < _ENOUGH:
        return ""
    tail = max(1.0, (recording.number("whole_target_max") or 0.0) / _USUAL_TAIL)
    chance = tail * _CHANCE / math.sqrt(min(*_counts(recording), _ROWS_READ))
    neither = abs(train - val) < max(_STRANGE, chance) or min(train, val) > _LEARNED_NOTHING
    if neither and (val - train < max(_MUCH_LESS, chance) or train > _PART_OF_IT * val):
        return ""
    if skill > _WELL and (train > val or recording.number("classes")):
        return ""  # of numbers that vary more than those of validation, a good answer says little
    strange, other = ("training", val) if train < val else ("validation", train)
    return (
        f"nearest neighbours tell the targets of {strange} from the inputs to {max(min(train, val), 0):.0%},"
        f" those of the other part to {other:.0%}"
    )


def _counts(recording: Recording) -> tuple[float, float]:
    return recording.number("samples") or 0.0, recording.number("val_samples") or 0.0


def _can_be_learned(recording: Recording) -> bool:
    """Return whether what simple methods learn from the training samples does hold for validation.

    Where a few far targets make most of the loss, somewhat better than nothing is enough.
    """
    far = (recording.number("whole_target_max") or 0.0) > _FAR
    return recording.simple is not None and recording.simple > (_HELD if far else _STRANGE)


def _is_unlike(recording: Recording) -> bool:
    """Return whether validation has too few samples, or too different targets, to tell."""
    samples, shift = recording.number("val_samples"), recording.number("val_target_shift")
    return (samples is not None and samples < _FEW) or (shift is not None and shift > _SHIFTED)


def _few_rows(recording: Recording, train: float, val: float) -> Evidence | None:
    """Find a run on very few samples, which learns them by heart."""
    samples, skill, constant = recording.distinct_samples, recording.skill, recording.constant_loss
    if samples is None or samples > VERY_FEW or skill is None or constant is None:
        return None
    given, repeated = recording.config.get("limit"), recording.repeats_few
    by_heart = 1 - train / constant >= _BY_HEART and val - train >= _GAP_OF_CONSTANT * constant
    too_few = given and recording.epochs > _TRIAL and skill < _HALF
    if not (by_heart or repeated or too_few) or skill > _NEARLY:
        return None
    suffers = given or repeated or skill < _HALF
    return Evidence(
        message=f"of {samples:.0f} training samples{' that differ' if repeated else ''} the loss ends at {train:.3g},"
        f" that of validation at {val:.3g}",
        value=samples,
        threshold=VERY_FEW,
        healthy="hundreds and more",
        step=1,
        cure=change("limit", given, None) if given else Cure("more training samples that differ"),
        confirm="dlkit plot RUN",
        level="warning" if suffers else "note",
    )


def overfit(recording: Recording, limit: float) -> Evidence | None:
    """Find a validation loss that rises while the training loss still falls, and from which epoch on."""
    train, val = recording.column("train_loss"), recording.column("val_loss")
    constant = recording.constant_loss
    if len(val) < 3 or len(train) != len(val) or constant is None:
        return None
    if few := _few_rows(recording, train[-1], val[-1]):
        return few
    if learned_nothing := _nothing_holds(recording, train[-1], val[-1]):
        return learned_nothing
    best, end = val.index(min(val)), min(val[-1], statistics.median(val[-3:]))
    rise = end - val[best]
    least = _RISE_OF_CONSTANT * (1 if recording.metric == "accuracy" else 2)
    rising = end > limit * val[best] and rise > least * constant and train[-1] < _TRAIN_FELL * train[best]
    if not rising and not _wide_gap(recording, train[-1], end, constant):
        return None
    return Evidence(
        message=f"the validation loss is lowest at epoch {best + 1} ({val[best]:.3g}) and ends at {end:.3g}, "
        f"the training loss at {train[-1]:.3g}",
        value=end / max(val[best], 1e-12) if rising else (end - train[-1]) / constant,
        threshold=limit if rising else _gap(recording)[1],
        healthy="" if rising else "0 to 0.16 of the best constant answer's loss",
        step=_step_of(recording, best),
        cure=_regularise(recording, best + 1),
        confirm="dlkit plot RUN",
        level="warning" if _metric_suffers(recording, best) else "note",
    )


def _nothing_holds(recording: Recording, train: float, val: float) -> Evidence | None:
    """Find training samples learned by heart, of which validation never had anything."""
    constant, samples = recording.constant_loss or 0.0, recording.number("samples")
    if not recording.signals:
        return None
    if train > (1 - _NEARLY) * constant or val < constant or (recording.gain() or 0.0) > _HELD:
        return None
    return Evidence(
        message=f"the training loss ends at {train:.3g}, and the validation loss was never below"
        f" {min(recording.column('val_loss')):.3g}, where the best constant answer has {constant:.3g}",
        value=1 - min(recording.column("val_loss")) / constant,
        threshold=_HELD,
        healthy="0.5 to 1",
        step=None,
        cure=Cure(
            f"leave out columns that say nothing, or take more than {samples:.0f} samples"
            if samples
            else "leave out columns that say nothing, or take more samples"
        ),
        confirm="dlkit plot RUN",
    )


def _wide_gap(recording: Recording, train: float, val: float, constant: float) -> bool:
    """Return whether validation ends far above training; numbers vary more than classes."""
    factor, share = _gap(recording)
    return val > factor * train and val - train > share * constant


def _gap(recording: Recording) -> tuple[float, float]:
    """Return how many times the training loss, and how much more than it, the validation loss may be."""
    numbers = recording.metric != "accuracy"
    return (_GAP_NUMBERS, _GAP_OF_CONSTANT_NUMBERS) if numbers else (_GAP, _GAP_OF_CONSTANT)


def _metric_suffers(recording: Recording, best: int) -> bool:
    """Return whether the metric too ends clearly worse than it was where the loss was lowest, by medians of three."""
    name = recording.metric
    values = recording.column(f"val_{name}") if name else []
    if not values or len(values) <= best:
        return True
    around, last = values[max(0, best - 1) : best + 2], values[-3:]
    then, now = statistics.median(around), statistics.median(last)
    return then - now > _WORSE if name == "accuracy" else now > _WORSE_NUMBERS * then


def _step_of(recording: Recording, row: int) -> int | None:
    steps = recording.column("step")
    return int(steps[row]) if row < len(steps) else None


def _regularise(recording: Recording, epoch: int) -> Cure:
    """Return what stops the network from learning its samples by heart."""
    if recording.config.get("patience") is None and epoch < recording.epochs - 1:
        return change("patience", None, max(2, min(10, recording.epochs // 10)))
    if (
        not current_argument(recording, "dropout")
        and (dropout := argument(recording, "dropout", 0.3)) is not None
    ):
        return dropout
    decay = recording.config.get("weight_decay", 0.0)
    return change("weight_decay", decay, max(1e-2, 10 * decay, usual(recording.config, "weight_decay")))


RULES = (
    Rule(
        name="labels",
        title="labels that do not belong to the inputs",
        stage="generalisation",
        signals=("train_loss", "val_loss", "constant_loss"),
        threshold=0.05,
        condition="the training loss fell by 5 % or more, and validation is no better than a constant answer; or simple"
        " methods tell the targets of one part alone from its inputs; or, without dropout, augmentation and the like,"
        " the training loss ends above that of validation by 17 % of the best constant answer's",
        healthy="both fall",
        source="TheDeepChecker, corrupted labels",
        cure="check the order of inputs and targets",
        find=wrong_labels,
        explains=("overfit", "underfit", "flat_loss"),
    ),
    Rule(
        name="overfit",
        title="overfitting",
        stage="generalisation",
        signals=("train_loss", "val_loss", "constant_loss"),
        threshold=_RISE,
        condition="the validation loss ends 15 % above its lowest while the training loss fell on, or at 2.5 times the"
        " training loss (4 times for numbers); a note where the metric does not suffer; or the training loss ends below"
        " 5 % of the best constant answer's, and the validation loss, above it, never was 5 % below",
        healthy="1.0 to 1.1",
        source="UMLAUT; AutoTrainer; Prechelt 1998",
        cure="--patience, -s dropout, --weight-decay, --augment; fewer columns",
        find=overfit,
    ),
)
