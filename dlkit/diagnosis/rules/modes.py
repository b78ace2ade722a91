"""The rule about a network that computes something else in evaluation mode than as it is trained."""

from collections.abc import Sequence

from dlkit.diagnosis.cures import change
from dlkit.diagnosis.findings import Cure, Evidence
from dlkit.diagnosis.recording import Recording, late, median
from dlkit.diagnosis.rule import Rule

_WORSE, _MUCH_WORSE, _SHARE_OF_CONSTANT = 1.5, 2.0, 0.1
_SETTLED = 51
_WELL, _NEARLY, _SHORT, _LITTLE = 0.85, 0.97, 0.1, 0.35
_OTHER, _FAR_APART, _RANDOM = 0.12, 1.0, 0.05
_AVERAGED, _BEHIND = 3.0, 0.3


def mode_gap(recording: Recording, limit: float) -> Evidence | None:
    """Find a network that computes something else in evaluation mode than as it is trained."""
    return (
        _random_outputs(recording)
        or _other_loss(recording, limit)
        or _other_outputs(recording)
        or _slow_average(recording)
    )


def _random_outputs(recording: Recording) -> Evidence | None:
    """Judge by outputs that differ for the same samples in evaluation mode."""
    noise, skill = recording.number("evaluation_noise"), recording.skill
    if noise is None or noise < _RANDOM:
        return None
    return Evidence(
        message="in evaluation mode the same inputs have other outputs each time",
        value=noise,
        threshold=_RANDOM,
        healthy="0",
        step=1,
        cure=Cure(
            "let nothing be random in evaluation: F.dropout(x, p, self.training), noise only while training"
        ),
        confirm="dlkit eval RUN, twice",
        level="warning" if skill is None or skill < _WELL else "note",
    )


def _other_outputs(recording: Recording) -> Evidence | None:
    """Judge by the outputs of a network without dropout and batch norm, which should be the same."""
    points = recording.points("mode_difference")
    if not recording.mode_difference or median(points) < _OTHER:
        return None
    if not recording.suffers(_WELL if median(points) > _FAR_APART else _LITTLE, _SHORT):
        return None
    return Evidence(
        message=f"outputs differ by {median(points):.2g} of their spread between training and evaluation mode, without"
        " dropout or batch norm",
        value=median(points),
        threshold=_OTHER,
        healthy="0",
        step=points[0][0],
        cure=Cure("compute the same in both modes: look at what depends on self.training"),
        confirm="mode_difference in RUN/probes.csv",
    )


def _slow_average(recording: Recording) -> Evidence | None:
    """Find an average of the weights, which is validated, that has hardly left the start."""
    decay, steps = recording.config.get("ema"), recording.steps
    trained, validated = recording.gain("train_loss"), recording.gain()
    if not decay or steps * (1 - decay) > _AVERAGED or trained is None or validated is None:
        return None
    if trained - validated < _BEHIND:
        return None
    return Evidence(
        message=f"--ema {decay:g} averages over {1 / (1 - decay):,.0f} steps, and {steps:,} were taken",
        value=steps * (1 - decay),
        threshold=_AVERAGED,
        healthy="10 or more",
        step=None,
        cure=change("ema", decay, max(0.9, float(f"{1 - 20 / max(steps, 1):.2g}"))),
        confirm="dlkit plot RUN",
    )


def _other_loss(recording: Recording, limit: float) -> Evidence | None:
    """Judge by the loss, which should not be much higher in evaluation mode."""
    constant = recording.constant_loss
    evaluated = dict(recording.points("eval_loss"))
    pairs = [
        (step, evaluated[step], trained)
        for step, trained in recording.points("train_loss")
        if step in evaluated and step >= _SETTLED
    ]
    if not pairs or constant is None:
        return None
    alike = recording.mode_difference > 0 or not (
        recording.layers("batch_norm") or recording.layers("dropout")
    )  # nothing has a reason to differ
    least = (_SHARE_OF_CONSTANT / 10 if alike else _SHARE_OF_CONSTANT) * constant
    ratios = [
        (step, after / max(before, 1e-12) if after - before > least else 1.0) for step, after, before in pairs
    ]
    if backwards := _noise_in_training(recording, pairs):
        return backwards
    worst = late(ratios)
    if (
        median(worst) < limit
        or worst[-1][1] < limit
        or (recording.skill or 0.0) > (_NEARLY if alike else _WELL)
    ):
        return None
    norms = list(recording.layers("batch_norm"))
    batch = recording.config.get("batch_size", 0)
    cure = Cure(
        "let evaluation compute what training computes: momentum of batch norm 0.1, and the same branch"
    )
    if norms and batch and batch < 16:
        cure = change("batch_size", batch, 64)
    return Evidence(
        message=f"the same samples have {median(worst):.3g} times the loss in evaluation mode",
        value=median(worst),
        layer=norms[0] if norms else "",
        step=worst[0][0],
        cure=cure,
        confirm="eval_loss beside train_loss in RUN/probes.csv",
    )


def _noise_in_training(recording: Recording, pairs: Sequence[tuple[int, float, float]]) -> Evidence | None:
    """Judge by a loss that is much higher in training mode, though nothing is dropped."""
    constant, dropped = recording.constant_loss or 0.0, recording.layers("dropout").values()
    if any(found[0][1] > 0 for found in dropped) or not recording.suffers(_LITTLE, _SHORT):
        return None
    ratios = [
        (
            step,
            trained / max(evaluated, 1e-12) if trained - evaluated > _SHARE_OF_CONSTANT * constant else 1.0,
        )
        for step, evaluated, trained in pairs
    ]
    if median(late(ratios)) < _MUCH_WORSE:
        return None
    return Evidence(
        message=f"the same samples have {median(late(ratios)):.3g} times the loss in training mode, without dropout",
        value=median(late(ratios)),
        threshold=_MUCH_WORSE,
        step=ratios[0][0],
        cure=Cure("compute the same in both modes: look at what depends on self.training"),
        confirm="eval_loss beside train_loss in RUN/probes.csv",
    )


RULES = (
    Rule(
        name="mode_gap",
        title="training and evaluation mode disagree",
        stage="wiring",
        signals=("train_loss", "eval_loss", "evaluation_noise", "mode_difference", "batch_norm", "dropout"),
        threshold=_WORSE,
        condition="the same samples have 1.5 times the loss in evaluation mode, by 10 % of the constant answer's,"
        " from step 51 on, or without dropout twice the loss in training mode; or other outputs each time; or, without"
        " dropout and batch norm, outputs that differ by 0.12 of their spread between the modes; or --ema averages over"
        " a third of the steps or more and validation stays 30 % behind training",
        healthy="0.9 to 1.1",
        source="TheDeepChecker, activation similarity",
        cure="--batch-size, or what differs between train() and eval()",
        find=mode_gap,
        explains=("overfit", "labels", "flat_loss", "underfit", "unstable"),
    ),
)
