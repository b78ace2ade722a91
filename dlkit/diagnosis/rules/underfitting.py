"""The rule about a run that ended while it was far from what the data allow: stopped early, too short, or too weak."""

import math

from dlkit.diagnosis.cures import change, train_longer, usual
from dlkit.diagnosis.findings import Cure, Evidence
from dlkit.diagnosis.recording import Recording, median
from dlkit.diagnosis.rule import Rule
from dlkit.errors import counted

_FEWEST_STEPS, _VERY_FEW_STEPS, _SHORT, _MANY, _TRIAL = 10, 20, 100, 10, 5
_STILL_FALLING, _FALLS, _FELL, _FELL_WITHIN = 0.15, 0.02, 0.75, 0.1
_NOTHING, _LEARNED, _WELL, _ATTAINED, _SHORTFALL = 0.1, 0.2, 0.85, 0.05, 0.35
_FEW_OTHERS, _NOTICED = 0.9, 0.01
_TIMES_ERRORS, _SHORT_OF_IT = 4.0, 0.1
_FAR_TARGETS = (
    50.0  # times the usual distance from the median, where targets of a healthy run go up to 3 to 4
)


def underfit(recording: Recording, limit: float) -> Evidence | None:
    """Find a run that ended while it was still far from what the data allow, train and validation alike."""
    if recording.number("constant_loss") is None and recording.epochs < 2:
        return None  # there is nothing to compare with
    return (
        _impatient(recording)
        or _one_step_an_epoch(recording)
        or _few_steps(recording)
        or _one_epoch(recording)
        or _unfinished(recording, limit)
        or _below_simple(recording)
    )


def _impatient(recording: Recording) -> Evidence | None:
    """Find a run that stopped early in an epoch that was its best, for it was better by less than --min-delta."""
    config, val, skill = recording.config, recording.column("val_loss"), recording.skill
    delta, patience = config.get("min_delta", 0.0), config.get("patience")
    if not delta or patience is None or recording.epochs >= config.get("epochs", 0) or len(val) < 2:
        return None
    if skill is None or skill > _WELL or val[-1] > min(val) or val[-2] - val[-1] > delta:
        return None
    return Evidence(
        message=f"--patience {patience} ended the run after {recording.epochs} epochs, though the validation loss still"
        f" fell from {val[-2]:.3g} to {val[-1]:.3g}: less than --min-delta {delta:g}",
        value=val[-2] - val[-1],
        threshold=delta,
        healthy="0",
        step=None,
        cure=change("min_delta", delta, 0.0),
        confirm="dlkit plot RUN",
    )


def _one_step_an_epoch(recording: Recording) -> Evidence | None:
    """Find a run that adds up the gradients of whole epochs."""
    config, skill, train_gain = recording.config, recording.skill, recording.gain("train_loss")
    accumulate, samples = config.get("accumulate", 1), recording.number("samples") or math.inf
    if accumulate < _MANY or accumulate * config.get("batch_size", 0) < samples:
        return None
    if skill is None or train_gain is None or max(skill, train_gain) > _FELL or recording.steps > _SHORT:
        return None
    return Evidence(
        message=f"--accumulate {accumulate} makes {counted(recording.steps, 'step')} of {recording.epochs} epochs, and"
        f" the training loss fell by {max(train_gain, 0):.0%}",
        value=float(recording.steps),
        threshold=_SHORT,
        healthy="100 or more",
        step=None,
        cure=change("accumulate", accumulate, 1),
        confirm="dlkit plot RUN",
    )


def _one_epoch(recording: Recording) -> Evidence | None:
    """Find a single epoch of few steps, after which the loss is far below its mean over the epoch: it still fell."""
    skill, train_gain, gain = recording.skill, recording.gain("train_loss"), recording.gain()
    if recording.epochs != 1 or recording.steps > _SHORT or recording.config.get("init"):
        return None
    if (
        skill is None
        or train_gain is None
        or gain is None
        or skill > _WELL
        or gain - train_gain < _FELL_WITHIN
    ):
        return None
    return Evidence(
        message=f"the run took {counted(recording.steps, 'step')}, and in its one epoch the loss fell from"
        f" {recording.column('train_loss')[0]:.3g} in the mean to {recording.column('val_loss')[0]:.3g} at the end",
        value=gain - train_gain,
        threshold=_FELL_WITHIN,
        healthy="less",
        step=None,
        cure=train_longer(recording),
        confirm="dlkit plot RUN",
    )


def _few_steps(recording: Recording) -> Evidence | None:
    """Find a run of a few steps, in which nothing can be learned."""
    steps, skill, train_gain = recording.steps, recording.skill, recording.gain("train_loss")
    if not 0 < steps < _VERY_FEW_STEPS or recording.config.get("init") or skill is None or train_gain is None:
        return None
    if max(skill, train_gain) > _FELL or (steps >= _FEWEST_STEPS and _attains_simple(recording, skill)):
        return None
    epochs, batch, limit = (
        max(1, recording.epochs),
        recording.config.get("batch_size", 0),
        recording.config.get("limit"),
    )
    smaller = min(32, usual(recording.config, "batch_size"))
    small_batches = steps < _MANY * epochs and batch > smaller and not recording.config.get("max_steps")
    return Evidence(
        message=f"the run took {counted(steps, 'step')}, {max(1, steps // epochs)} an epoch, and the training loss"
        f" fell by {max(train_gain, 0):.0%}",
        value=float(steps),
        threshold=_VERY_FEW_STEPS,
        healthy="100 or more",
        step=None,
        cure=change("batch_size", batch, smaller) if small_batches else train_longer(recording, _MANY),
        confirm="dlkit plot RUN",
        level="note" if (limit and epochs <= _TRIAL) or not recording.signals else "warning",
    )


def _below_simple(recording: Recording) -> Evidence | None:
    """Find a run that stays below what nearest neighbours or a linear model make of the same data."""
    skill, simple = recording.skill, recording.simple
    if skill is None or simple is None:
        return None
    shortfall = _SHORTFALL if 1 - skill < _TIMES_ERRORS * (1 - simple) else _SHORTFALL / 2
    if not recording.falls_short(shortfall) or (recording.gain("train_loss") or 0.0) > simple - _SHORT_OF_IT:
        return None  # what was learned does not hold for validation
    return Evidence(
        message=f"validation is {max(skill, 0):.0%} of the way from a constant answer to a perfect one, where nearest"
        f" neighbours or a linear model get {simple:.0%} of the way",
        value=skill,
        threshold=simple - shortfall,
        step=None,
        cure=train_longer(recording) if _last_fall(recording) > _FALLS else _stronger(recording),
        confirm="dlkit plot RUN",
    )


def _unfinished(recording: Recording, limit: float) -> Evidence | None:
    """Judge by how far the losses fell, and whether they still fall."""
    skill, train_gain = recording.skill, recording.gain("train_loss")
    if recording.steps < _FEWEST_STEPS or recording.epochs < 1 or skill is None or train_gain is None:
        return None
    gain = recording.gain() or 0.0
    fall = _last_fall(recording)
    far = _STILL_FALLING * (1 if recording.steps > _SHORT else 0.5 if recording.epochs > 2 else 0.25)
    falling = fall > far and train_gain < _FELL
    simple = recording.simple
    if _attains_simple(recording, max(skill, limit)) and recording.epochs > 2:
        falling = False
    tried = recording.config.get("limit") and not recording.falls_short(_SHORTFALL)
    known = simple is not None and simple > _LEARNED and skill > _NOTHING
    if not falling and (known or max(train_gain, skill) > limit):
        return None
    return Evidence(
        message=_how_far(recording, train_gain, gain)
        + (", and the training loss still falls" if fall > _FALLS else ""),
        value=fall if falling else train_gain,
        threshold=far if falling else limit,
        healthy="up to 0.02" if falling else "",
        step=None,
        cure=train_longer(recording) if fall > _FALLS or recording.steps < _SHORT else _stronger(recording),
        confirm="dlkit plot RUN",
        level="note" if tried or not recording.signals or _is_hardly_told(recording) else "warning",
    )


def _how_far(recording: Recording, train_gain: float, gain: float) -> str:
    """Return how far the losses fell, in words."""
    if max(train_gain, gain) > _NOTICED:
        return (
            f"the training loss fell by {max(train_gain, 0):.0%}, the validation loss by {max(gain, 0):.0%}"
        )
    known = recording.number("constant_loss") is not None
    return f"neither loss got noticeably below that of {'the best constant answer' if known else 'the first epoch'}"


def _stronger(recording: Recording) -> Cure:
    """Return the cure for a network that is too weak; first of all targets far away, of which no method learns much."""
    tail, simple = recording.number("whole_target_tail") or 0.0, recording.simple
    network = "a larger network, or --lr from dlkit inspect lr"
    if features := recording.config.get("features"):
        return Cure(f"leave --features {features} out, so that all columns are learned from", "--features")
    if tail < _FAR_TARGETS or simple is None or simple >= _NOTHING:
        return Cure(network)
    return Cure(
        f"look at the targets first: some lie {tail:.2g} times the usual distance from the median, as codes for missing"
        f" values do (dlkit data check); then {network}"
    )


def _is_hardly_told(recording: Recording) -> bool:
    """Return whether few samples are of other classes than the largest, and simple methods do not tell them either."""
    share, balanced = recording.number("whole_label_share"), recording.number("simple_balanced")
    return share is not None and balanced is not None and share > _FEW_OTHERS and balanced < _NOTHING


def _attains_simple(recording: Recording, skill: float) -> bool:
    """Return whether a skill is about that of simple methods, or better; not where these were not measured."""
    return recording.simple is not None and skill > recording.simple - _ATTAINED


def _last_fall(recording: Recording) -> float:
    """Return by how much of the best constant answer's the training loss fell in the last fifth of the steps.

    A run whose rate was lowered has come to its end; so has one whose validation no longer gets better.
    """
    points, rates, constant = recording.points("mean_loss"), recording.column("lr"), recording.constant_loss
    validation = recording.column("val_loss")
    if len(points) < 5 or constant is None or (rates and rates[-1] < max(rates) / 2):
        return 0.0
    if validation and validation[-1] > min(validation):
        return 0.0
    end = points[-1][0]
    last = [point for point in points if point[0] > 0.8 * end]
    before = [point for point in points if 0.6 * end < point[0] <= 0.8 * end]
    return (median(before) - median(last)) / constant if last and before else 0.0


RULES = (
    Rule(
        name="underfit",
        title="underfitting",
        stage="generalisation",
        signals=("train_loss", "val_loss", "constant_loss"),
        threshold=0.35,
        condition="training and validation get less than 35 % of the way from a constant to a perfect answer; or the"
        " training loss, above a quarter of the constant answer's, fell by 15 % of that (7.5 % in fewer than 100 steps,"
        " 3.75 % in one or two epochs) in the last fifth of the run, and validation with it; or a run of fewer than 20"
        " steps, or of one step an epoch by --accumulate; or --min-delta ended it while validation got better",
        healthy="0.5 to 1",
        source="AutoTrainer, slow convergence",
        cure="--epochs, or a larger network",
        find=underfit,
    ),
)
