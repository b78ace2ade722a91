"""Rules about the course of the loss, for what no rule before them explains."""

from itertools import pairwise

from dlkit.diagnosis.cures import change, lower_rate, raise_rate
from dlkit.diagnosis.findings import Cure, Evidence
from dlkit.diagnosis.recording import Recording, late, median
from dlkit.diagnosis.rule import Rule

_SHORT, _LEARNED = 100, 0.2
_FEW_EPOCHS, _FELL = 5, 0.3
_DRY_RUN = "dlkit train --config RUN/config.toml --dry-run reports the memory"


def flat_loss(recording: Recording, limit: float) -> Evidence | None:
    """Find a training loss that never went below that of the best constant answer."""
    losses, constant = recording.train_losses, recording.constant_loss
    if not losses or constant is None or (recording.steps < _SHORT and "step" in recording.history):
        return None
    known = recording.number("constant_loss") is not None
    if len(losses) < (1 if known else 2 if recording.steps else _FEW_EPOCHS):
        return None
    best = min(losses)
    if best / constant <= limit or (recording.skill or 0.0) > _LEARNED:
        return None
    return Evidence(
        message=f"the lowest training loss is {best:.3g}, that of"
        f" {'the best constant answer' if known else 'the first epoch'} {constant:.3g}",
        value=best / constant,
        step=None,
        cure=raise_rate(recording),
        confirm="dlkit train --config RUN/config.toml --overfit 32 shows whether the network can learn at all",
    )


def unstable(recording: Recording, limit: float) -> Evidence | None:
    """Find a loss that jumps from epoch to epoch more than it falls, or an accuracy that falls at the end."""
    return _fallen(recording) or _jumping(recording, limit)


def _fallen(recording: Recording) -> Evidence | None:
    """Judge by the last epoch, which was far worse than the best one: its weights are of little use."""
    accuracies = recording.column("val_accuracy")
    if not recording.finished or not accuracies or max(accuracies) - accuracies[-1] < _FELL:
        return None
    best = accuracies.index(max(accuracies)) + 1
    return Evidence(
        message=f"the validation accuracy was {max(accuracies):.3g} at epoch {best} and ends at {accuracies[-1]:.3g}",
        value=max(accuracies) - accuracies[-1],
        threshold=_FELL,
        healthy="up to 0.23",
        step=None,
        cure=lower_rate(recording),
        confirm="dlkit plot RUN",
    )


def _jumping(recording: Recording, limit: float) -> Evidence | None:
    losses = recording.column("train_loss")
    constant = recording.constant_loss
    if len(losses) < 6 or constant is None:
        return None
    half = losses[len(losses) // 2 :]
    rises = [after - before for before, after in pairwise(half) if after > before]
    if len(rises) < limit * (len(half) - 1) or sum(rises) < 0.1 * constant:
        return None
    return Evidence(
        message=f"the training loss rose in {len(rises)} of the last {len(half) - 1} epochs",
        value=len(rises) / (len(half) - 1),
        step=None,
        cure=lower_rate(recording),
        confirm="dlkit plot RUN",
        level="note",
    )


def memory(recording: Recording, _limit: float) -> Evidence | None:
    """Find a run that ended for want of memory, or batches that did not fit whole."""
    failed = recording.points("out_of_memory")
    if failed and failed[-1][0] > recording.steps:
        return _out_of_memory(recording, failed[-1][0])
    pieces = late(recording.points("piece_size"))
    if not pieces:
        return None
    batch = recording.config.get("batch_size", 0)
    return Evidence(
        message=f"memory ran out; batches go through in pieces of {pieces[-1][1]:g} samples or fewer",
        value=median(pieces),
        threshold=float(batch),
        step=pieces[0][0],
        cure=change("batch_size", batch, int(pieces[-1][1])),
        confirm=_DRY_RUN,
        level="note",
    )


def _out_of_memory(recording: Recording, step: int) -> Evidence:
    batch = recording.config.get("batch_size", 1)
    return Evidence(
        message=f"memory ran out at step {step}, with {batch} sample{'s' * (batch != 1)} a batch",
        value=1.0,
        step=step,
        cure=change("batch_size", batch, max(1, batch // 4))
        if batch > 1
        else Cure("a smaller network, or --precision bf16"),
        confirm=_DRY_RUN,
    )


RULES = (
    Rule(
        name="memory",
        title="out of memory",
        stage="loss",
        signals=("out_of_memory", "piece_size"),
        threshold=0,
        condition="the run ended because memory was full; a note where batches went through in pieces",
        healthy="batches whole",
        source="measured here",
        cure="--batch-size of the pieces, with --accumulate",
        find=memory,
        explains=("flat_loss", "underfit", "majority", "labels", "overfit"),
        live=True,
    ),
    Rule(
        name="unstable",
        title="an unstable loss",
        stage="loss",
        signals=("train_loss", "val_accuracy"),
        threshold=0.4,
        condition="the validation accuracy ends 0.3 below its best; or, a note, the training loss rises in 40 % of the"
        " later epochs, by 10 % of the constant answer in all",
        healthy="0 to 0.2",
        source="AutoTrainer, oscillating loss",
        cure="lower --lr",
        find=unstable,
    ),
    Rule(
        name="flat_loss",
        title="a loss that does not change",
        stage="generalisation",
        signals=("train_loss", "mean_loss", "constant_loss"),
        threshold=0.98,
        condition="the lowest training loss is above 0.98 of the best constant answer's",
        healthy="0 to 0.8",
        source="TheDeepChecker; DeepDiagnosis (Wardat et al. 2022)",
        cure="--lr, or --overfit 32 to see whether the network can learn",
        find=flat_loss,
        explains=("underfit", "majority"),
    ),
)
