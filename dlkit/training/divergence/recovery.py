"""Divergence: when NaN or infinity appears, go back to the last good step and keep the failing batch."""

import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from itertools import islice
from typing import Literal

from torch import nn

from dlkit.device import random_state, restore_random_state
from dlkit.errors import CheckpointError, DivergedError, DlkitError
from dlkit.evaluation.evaluate import mean_scores
from dlkit.files.checkpoint import load_checkpoint, save_checkpoint
from dlkit.files.history import append_probes
from dlkit.files.run_dir import RunDir
from dlkit.models.build import restore_model
from dlkit.models.extra_state import weights_of
from dlkit.settings.config import TrainConfig
from dlkit.settings.resolve import recipe_of
from dlkit.settings.spec import parse_code
from dlkit.training.divergence.failing_batch import FailingBatch, find_batch, find_validation_batch
from dlkit.training.divergence.guard import all_finite, non_finite
from dlkit.training.divergence.replay import Finding
from dlkit.training.loop import Position, Step
from dlkit.training.optimizers import optimizer_state
from dlkit.training.state import RunState
from dlkit.training.step import Parts, alone

_BATCHES_COMPARED = 16
_MUCH_WORSE = 3.0
_ROWS_SHOWN = 8
_RATE_DIVISOR = 10
_FOUND = {
    "step": "the loss or a gradient is",
    "weights": "the weights are",
    "validation": "the validation loss is",
}

Where = Literal["step", "weights", "validation"]


def stop_diverged(run: RunState, step: Step, where: Where) -> DivergedError:
    """Save the last good state and the failing batch, and return the error that reports both.

    Args:
        run: The run; taken back to its last good step.
        step: The newest step.
        where: What was found not to be finite: the loss or gradients of a step, the weights, or the validation loss.

    Returns:
        The error to raise.
    """
    parts, position = run.parts, run.position
    troubles: list[str] = []
    measured = [*parts.probe.rows(), *parts.signals.rows()]
    bad_step = rewind(parts, position, step)
    run.assembly = replace(run.assembly, parts=alone(parts))
    if not parts.group.writes:
        return DivergedError("training diverged; the first process reports how")
    parts = run.parts
    state = _keep_state(run, troubles) if bad_step else _as_saved(run.dir)
    failing = (
        find_validation_batch(parts, step)
        if where == "validation"
        else find_batch(parts, step, bad_step or step.step)
    )
    kept, finding, message = False, None, f"{_FOUND[where]} not finite"
    if failing is not None:
        kept = _try(lambda: _keep_batch(run, failing), troubles)
        finding, message = _replay(run, failing, message)
    cause, layer = (where, "") if finding is None else (finding.cause, finding.layer)
    measured.append((bad_step or step.step, layer, f"non_finite_{cause}", 1.0))
    _try(lambda: append_probes(run.dir.probes, measured), troubles)
    validation = "the validation after " if where == "validation" else ""
    place = f"in epoch {step.epoch}, {validation}step {bad_step or step.step}"
    text = f"training diverged {place}: {message}; {state}"
    return DivergedError("; ".join([text, *troubles]), _hint(run, finding, kept=kept))


def rewind(parts: Parts, position: Position, step: Step) -> int:
    """Return a run to the end of its last good step.

    Weights, state of the optimizer and the average of the weights never left it; running statistics, sums and
    samples of the epoch did.

    Args:
        parts: What the loop trains.
        position: Where the run stands; changed.
        step: The newest step.

    Returns:
        The number of the first step that was skipped; 0 if none was.
    """
    skipped = parts.guard.skipped()
    if not skipped:
        return 0
    good = step.step - skipped
    parts.guard.restore_buffers()
    position.epoch, position.step = step.epoch, good
    position.epoch_start = step.step - step.in_epoch
    position.batch = (good - position.epoch_start) * parts.accumulate
    parts.running.rewind(position.batch)
    parts.probe.forget_after(good)
    parts.signals.forget_after(good)
    if parts.ema is not None:
        parts.ema.forget(skipped)
    return good + 1


def _replay(run: RunState, failing: FailingBatch, message: str) -> tuple[Finding | None, str]:
    """Replay the batch, and return what it showed, or the message so far where it showed nothing."""
    try:
        model = run.parts.model if failing.split == "train" else run.parts.validated
        seen = failing.replay(
            model, run.parts.objective, run.config.seed, run.parts.device, run.config.precision
        )
    except RuntimeError:  # a network may refuse numbers that are not finite
        return None, message
    if seen.finding.cause == "none":
        return seen.finding, f"{message}, though all is when the batch is replayed"
    return seen.finding, seen.finding.message + _row_list(failing.bad_rows(seen))


def lower_rate(config: TrainConfig) -> float:
    """Return a rate to resume with: a tenth, or the network's recipe where that is lower still."""
    given = {"model": config.model, "data": config.data, "optimizer": config.optimizer}
    usual: float = recipe_of(given).get("lr", TrainConfig.lr)
    return float(f"{min(config.lr / _RATE_DIVISOR, usual):.3g}")


def _keep_state(run: RunState, troubles: list[str]) -> str:
    """Save the state of the last good step if it is useful, and return which state `last` holds."""
    last = run.dir.last
    state = optimizer_state(run.parts.optimizer, run.parts.model)
    if non_finite(run.parts.model) or not all_finite(state.values()):
        return f"the weights were NaN or infinite too; {_as_saved(run.dir)}"
    drawn = random_state(run.parts.device)
    now, before = _losses_now_and_saved(run)
    restore_random_state(drawn, run.parts.device)  # building the saved network drew from it
    if not now <= _MUCH_WORSE * before and math.isfinite(before):
        return (
            f"the weights before it had become useless (validation loss {now:.3g}, {before:.3g} when last saved); "
            f"{_as_saved(run.dir)}"
        )
    if _saved_step(run.dir) != run.position.step and not _try(run.save_last, troubles):
        return _as_saved(run.dir)
    return f"the state before that step is saved in {last}"


def _losses_now_and_saved(run: RunState) -> tuple[float, float]:
    """Return the loss over some validation batches of the weights as they are, and of those last saved."""
    parts = run.parts

    def loss_of(network: nn.Module) -> float:
        batches = islice(parts.val.in_order(), _BATCHES_COMPARED)
        return mean_scores(network, batches, parts.objective, parts.predict)[0]

    try:
        saved = restore_model(load_checkpoint(run.dir.last), parts.device)
    except CheckpointError:
        return 0.0, math.inf
    return loss_of(parts.model), loss_of(saved)


def _saved_step(run_dir: RunDir) -> int | None:
    try:
        step: int = load_checkpoint(run_dir.last).metadata["progress"]["position"]["step"]
    except (CheckpointError, KeyError, TypeError):
        return None
    return step


def _as_saved(run_dir: RunDir) -> str:
    step = _saved_step(run_dir)
    return f"the last good state is {run_dir.last}" + ("" if step is None else f", of step {step}")


def _keep_batch(run: RunState, failing: FailingBatch) -> None:
    """Write the failing batch, with the weights that it met, to `nan.safetensors`."""
    model = run.parts.model if failing.split == "train" else run.parts.validated
    save_checkpoint(
        run.dir.nan,
        weights_of(model),
        config=run.config,
        description=run.description,
        progress={"position": asdict(run.position), "best": run.best, "failing": failing.to_dict()},
        extras=failing.tensors() | run.parts.hidden_state(),
    )


def _row_list(rows: Sequence[int]) -> str:
    if not rows:
        return ""
    more = " ..." if len(rows) > _ROWS_SHOWN else ""
    return f" (row{'s' if len(rows) > 1 else ''} {', '.join(map(str, rows[:_ROWS_SHOWN]))}{more} of the data, from 0)"


def _hint(run: RunState, finding: Finding | None, *, kept: bool) -> str:
    network, function = parse_code(run.config.model), parse_code(run.config.data)
    named = f" --model {network}" if network else ""
    path = shlex.quote(str(run.dir.path))
    inspect = f"; dlkit inspect nan {path}{named} replays the batch" if kept else ""
    inspect += f"; dlkit inspect run {path} says why"
    if finding is not None and finding.cause in ("inputs", "targets"):
        return f"a lower rate does not help against bad numbers in {run.config.data}{inspect}"
    rate = lower_rate(run.config)
    model, data = f"{network} " if network else "", f" --data {function}" if function else ""
    return f"continue from there with dlkit train {model}--resume {run.dir.path}{data} --lr {rate:g}{inspect}"


def _try(save: Callable[[], None], troubles: list[str]) -> bool:
    """Return whether saving succeeded; an error is reported with the divergence, not in its place."""
    try:
        save()
    except DlkitError as err:
        troubles.append(err.message)
        return False
    return True
