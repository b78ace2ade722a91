"""What is done when training leaves the finite numbers: back to the last good step, and the failing batch kept."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any, Literal

from torch import nn

from dlkit.device import random_state, restore_random_state
from dlkit.errors import CheckpointError, DivergedError, DlkitError
from dlkit.evaluation.evaluate import mean_scores
from dlkit.files.checkpoint import load_checkpoint, save_checkpoint
from dlkit.files.description import DataDescription
from dlkit.files.run_dir import RunDir
from dlkit.models.build import restore_model
from dlkit.settings.config import TrainConfig
from dlkit.settings.resolve import recipe_of
from dlkit.settings.spec import parse_code
from dlkit.training.failing_batch import FailingBatch, find_batch, find_validation_batch
from dlkit.training.guards import all_finite
from dlkit.training.loop import Parts, Position, Step
from dlkit.training.optimizers import optimizer_state
from dlkit.training.replay import Finding

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


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The run as it stands when the host learns of it.

    Args:
        config: Its settings.
        run_dir: Its folder.
        parts: What the loop turns.
        position: Where the run stands; taken back to the last good step.
        description: The data.
        best: The row of history.csv of the best epoch, if there is one.
        save_last: Saves the state that resuming goes on from.
    """

    config: TrainConfig
    run_dir: RunDir
    parts: Parts
    position: Position
    description: DataDescription
    best: Mapping[str, Any] | None
    save_last: Callable[[], None]


def stop_diverged(scene: Scene, step: Step, where: Where) -> DivergedError:
    """Save the last good state and the failing batch, and say what happened.

    Args:
        scene: The run.
        step: The step after which the host looked.
        where: What was found not to be finite: the loss or gradients of a step, the weights, or the validation loss.

    Returns:
        The error to raise.
    """
    parts, position = scene.parts, scene.position
    troubles: list[str] = []
    bad_step = rewind(parts, position, step)
    state = _keep_state(scene, troubles) if bad_step else _as_saved(scene.run_dir)
    failing = (
        find_validation_batch(parts, step)
        if where == "validation"
        else find_batch(parts, step, bad_step or step.step)
    )
    kept, finding, told = False, None, f"{_FOUND[where]} not finite"
    if failing is not None:
        kept = _try(lambda: _keep_batch(scene, failing), troubles)
        finding, told = _look_again(scene, failing, told)
    validation = "the validation after " if where == "validation" else ""
    place = f"in epoch {step.epoch}, {validation}step {bad_step or step.step}"
    said = f"training diverged {place}: {told}; {state}"
    return DivergedError("; ".join([said, *troubles]), _way_out(scene, finding, kept=kept))


def rewind(parts: Parts, position: Position, step: Step) -> int:
    """Take a run back to the end of its last good step.

    Weights, state of the optimizer and the average of the weights never left it; running statistics, sums and
    samples of the epoch did.

    Args:
        parts: What the loop turns.
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
    if parts.ema is not None:
        parts.ema.forget(skipped)
    return good + 1


def _look_again(scene: Scene, failing: FailingBatch, told: str) -> tuple[Finding | None, str]:
    """Replay the batch, and say what came to light, or what was told before where nothing did."""
    try:
        model = scene.parts.model if failing.split == "train" else scene.parts.validated
        seen = failing.replay(
            model, scene.parts.objective, scene.config.seed, scene.parts.device, scene.config.precision
        )
    except RuntimeError:  # a network may refuse numbers that are not finite
        return None, told
    if seen.finding.cause == "none":
        return seen.finding, f"{told}, though all is when the batch is replayed"
    return seen.finding, seen.finding.message + _said_rows(failing.bad_rows(seen))


def lower_rate(config: TrainConfig) -> float:
    """Give a rate to go on with: a tenth, or the usual one of the network where that is lower still."""
    given = {"model": config.model, "data": config.data, "optimizer": config.optimizer}
    usual: float = recipe_of(given).get("lr", TrainConfig.lr)
    return float(f"{min(config.lr / _RATE_DIVISOR, usual):.3g}")


def _keep_state(scene: Scene, troubles: list[str]) -> str:
    """Save the state of the last good step if it is of use, and say which state `last` holds."""
    last = scene.run_dir.last
    tensors = [*scene.parts.model.state_dict().values()]
    tensors += optimizer_state(scene.parts.optimizer, scene.parts.model).values()
    if not all_finite(tensors):
        return f"the weights had left the finite numbers too; {_as_saved(scene.run_dir)}"
    drawn = random_state(scene.parts.device)
    now, before = _losses_now_and_saved(scene)
    restore_random_state(drawn, scene.parts.device)  # building the saved network drew from it
    if not now <= _MUCH_WORSE * before and math.isfinite(before):
        return (
            f"the weights before it were of no more use (validation loss {now:.3g}, {before:.3g} when last saved); "
            f"{_as_saved(scene.run_dir)}"
        )
    if _saved_step(scene.run_dir) != scene.position.step and not _try(scene.save_last, troubles):
        return _as_saved(scene.run_dir)
    return f"the state before that step is saved in {last}"


def _losses_now_and_saved(scene: Scene) -> tuple[float, float]:
    """Give the loss over some validation batches of the weights as they are, and of those last saved."""
    parts = scene.parts

    def loss_of(network: nn.Module) -> float:
        batches = islice(parts.val.in_order(), _BATCHES_COMPARED)
        return mean_scores(network, batches, parts.objective, parts.passes.outputs)[0]

    try:
        saved = restore_model(load_checkpoint(scene.run_dir.last)).to(parts.device)
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


def _keep_batch(scene: Scene, failing: FailingBatch) -> None:
    """Write the failing batch, with the weights that it met, to `nan.safetensors`."""
    model = scene.parts.model if failing.split == "train" else scene.parts.validated
    save_checkpoint(
        scene.run_dir.nan,
        model.state_dict(),
        config=scene.config,
        description=scene.description,
        progress={"position": asdict(scene.position), "best": scene.best, "failing": failing.facts()},
        extras=failing.tensors(),
    )


def _said_rows(rows: Sequence[int]) -> str:
    if not rows:
        return ""
    more = " ..." if len(rows) > _ROWS_SHOWN else ""
    return f" (row{'s' if len(rows) > 1 else ''} {', '.join(map(str, rows[:_ROWS_SHOWN]))}{more} of the data, from 0)"


def _way_out(scene: Scene, finding: Finding | None, *, kept: bool) -> str:
    run, network, function = scene.run_dir.path, parse_code(scene.config.model), parse_code(scene.config.data)
    named = f" --model {network}" if network else ""
    look = f"; dlkit inspect nan {run}{named} replays the batch" if kept else ""
    if finding is not None and finding.cause in ("inputs", "targets"):
        return f"a lower rate does not help against bad numbers in {scene.config.data}{look}"
    rate = lower_rate(scene.config)
    model, data = f"{network} " if network else "", f" --data {function}" if function else ""
    return f"go on from there with dlkit train {model}--resume {run}{data} --lr {rate:g}{look}"


def _try(save: Callable[[], None], troubles: list[str]) -> bool:
    """Save and say whether it went well; what stands in the way is told with the divergence, not in its place."""
    try:
        save()
    except DlkitError as err:
        troubles.append(err.message)
        return False
    return True
