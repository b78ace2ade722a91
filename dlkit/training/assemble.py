"""Build what a run trains from its settings: data, network, optimizer, schedule."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from torch import nn

from dlkit import __version__
from dlkit.data.batches import Batches
from dlkit.data.dataset import DataSet, first_that_fits
from dlkit.data.kinds import load_dataset
from dlkit.device import device_label, pick_device, seed_all
from dlkit.distributed.alike import check_alike
from dlkit.distributed.batch_norm import SharedBuffers, has_batch_norm, synchronise
from dlkit.distributed.group import Group
from dlkit.distributed.join import Joined
from dlkit.errors import CheckpointError, ConfigError, did_you_mean
from dlkit.evaluation.objective import check_description, objective_of
from dlkit.files.checkpoint import load_checkpoint
from dlkit.files.description import DataDescription
from dlkit.files.tensor_file import check_readable
from dlkit.metrics import higher_is_better
from dlkit.models.build import build_model, load_matching
from dlkit.models.extra_state import weights_of
from dlkit.models.hidden_state import HiddenState
from dlkit.models.own import notes_on_outputs, own_arguments
from dlkit.probes.parameters import Probe
from dlkit.running_mean import RunningMean
from dlkit.settings.config import TrainConfig, flag
from dlkit.settings.optimizers import OPTIMIZERS
from dlkit.settings.spec import parse_code
from dlkit.settings.texts import parse_threads
from dlkit.training.compute import (
    compile_network,
    count_cores,
    may_draw,
    mixed_seed,
    pick_threads,
    prepare_determinism,
)
from dlkit.training.divergence.guard import FiniteGuard
from dlkit.training.memory import Pieces
from dlkit.training.optimizers import build_optimizer
from dlkit.training.precision import Forward, LossScale, is_emulated, prepare_precision
from dlkit.training.schedules import Plateau, build_schedule
from dlkit.training.signals.recorder import Signals
from dlkit.training.step import Parts, WeightAverage
from dlkit.training.stopping import total_steps
from dlkit.user_code import source_digest

_EVAL_BATCH_FACTOR = 4
_SAMPLES_TO_COUNT = 2


@dataclass(frozen=True)
class Assembly:
    """A run that is ready to start.

    Args:
        config: The settings, with the arguments that a network of the user's own takes from the data.
        dataset: The data.
        parts: What the loop trains.
        plateau: The state of the plateau schedule.
        notes: Messages for the user.
        schedule_steps: Steps that the schedule spans.
    """

    config: TrainConfig
    dataset: DataSet
    parts: Parts
    plateau: Plateau
    notes: list[str]
    schedule_steps: int


def assemble_new(config: TrainConfig, joined: Joined | None = None) -> Assembly:
    """Load the data, build the network and seed everything, as the first step of a new run finds it.

    Args:
        config: The settings.
        joined: The other processes that train with this one; None where it trains alone.

    Raises:
        DlkitError: The device, the data or the weights to start from are not available.
        ConfigError: A glob or a warm-up does not fit the network or the run.
    """
    device, group = prepare_device(config, joined)
    seed_all(config.seed)
    dataset, (config, model, built) = first_that_fits(
        load_dataset(config), lambda dataset: _network_for(config, dataset)
    )
    code = parse_code(config.model)
    notes = [*dataset.notes, *built]
    notes += notes_on_outputs(code, model, dataset.description) if code else []
    model.to(device)  # a network of the user's own may return something else
    set_threads(config, dataset, model, device, joined)
    notes.insert(0, plan_of(config, dataset.description, model, device, group))
    if is_emulated(config.precision, device):
        notes.append("this processor does not support bfloat16: --precision fp32 is several times as fast")
    if config.init is not None:
        notes.append(load_matching(model, load_checkpoint(Path(config.init))))
    assembly = assemble(config, dataset, model, device, notes, group)
    _check_room(config, model)
    if group.rank:
        seed_rank(config.seed, group.rank)
    return assembly


def seed_rank(seed: int, rank: int) -> None:
    """Let what code of the user's own draws differ between the processes of a run."""
    seed_all(mixed_seed(seed, 0, rank) % 2**32)


def _alike(config: TrainConfig, description: DataDescription) -> dict[str, str]:
    """Return what must be alike in all processes of a run, in words."""
    code = parse_code(config.model)
    settings = {flag(name): str(value) for name, value in config.to_dict().items()}
    own = "" if code is None else source_digest(code)
    versions = {"dlkit": __version__, "torch": torch.__version__}
    return {**versions, **settings, "own code": own, "data": description.fingerprint}


def _network_for(config: TrainConfig, dataset: DataSet) -> tuple[TrainConfig, nn.Module, list[str]]:
    """Build the network for data; return it with its arguments in the settings, and how it was called."""
    check_description(config, dataset.description)
    notes = []
    if code := parse_code(config.model):
        arguments, called = own_arguments(code, dataset.description, config.arguments)
        config = replace(config, arguments=arguments)
        notes += [f"the network is built as {called}"] if called else []
        # As when it is built again: what its constructor draws and does not save is the same.
        seed_all(config.seed)
    return config, build_model(config.model, dataset.description, config.arguments, dataset.context), notes


def _check_room(config: TrainConfig, model: nn.Module) -> None:
    """Refuse so many tensors that `last`, which has those of the optimizer too, could not be read back."""
    parameters = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    kinds = (*OPTIMIZERS[config.optimizer].state, *(["ema"] if config.ema is not None else []))
    kept = {f"{kind}.{name}": tensor for name, tensor in parameters.items() for kind in kinds}
    try:
        check_readable(Path("last.safetensors"), {**weights_of(model), **kept})
    except CheckpointError as err:
        raise ConfigError(
            f"{config.model_name} has {len(parameters):,} parameters: with what {config.optimizer} keeps for each, "
            "too many tensors for a checkpoint",
            "hold the weights of equal layers in one parameter, or take --optimizer sgd, which keeps one for each",
        ) from err


def set_threads(
    config: TrainConfig, dataset: DataSet, model: nn.Module, device: torch.device, joined: Joined | None
) -> None:
    """Set the number of CPU threads: --threads, or what suits the network, the batch and the cores."""
    place = None if joined is None else joined.membership
    threads = parse_threads(config.threads)
    if threads is None and device.type == "cpu":
        train = dataset.split("train")
        inputs, _ = train.batch(train.rows[:_SAMPLES_TO_COUNT], device)
        cores = count_cores() if place is None else max(1, count_cores() // place.local_size)
        samples = config.batch_size if place is None else config.batch_size // place.size
        threads = pick_threads(model, inputs, samples, cores)
    if threads is not None:
        torch.set_num_threads(threads)


def prepare_device(config: TrainConfig, joined: Joined | None = None) -> tuple[torch.device, Group]:
    """Return the device, set up to compute as the settings say, and the processes that train together.

    Raises:
        MissingError: It is not available, or does not compute in the precision.
    """
    prepare_determinism(config.deterministic)
    device = pick_device(config.device)
    if joined is not None and device.type == "cuda":
        device = pick_device(f"cuda:{joined.membership.device}")
        torch.cuda.set_device(device)
    prepare_precision(config.precision, device)
    return device, Group() if joined is None else joined.group(device)


def assemble(
    config: TrainConfig,
    dataset: DataSet,
    model: nn.Module,
    device: torch.device,
    notes: list[str],
    group: Group | None = None,
) -> Assembly:
    """Build everything around a network that has its weights."""
    group = group or Group()
    check_alike(group, _alike(config, dataset.description))
    for name in ("train", "val"):
        if len(dataset.split(name)) < group.size:
            raise ConfigError(
                f"the {name} split has fewer samples ({len(dataset.split(name))}) than there are processes "
                f"({group.size})",
                "train in fewer processes",
            )
    dataset = replace(dataset, table=None)  # the samples are encoded
    if config.freeze is not None:
        notes.append(_freeze(model, config.freeze))
    train = Batches(
        dataset.split("train"),
        config.batch_size,
        device,
        config.seed,
        balanced=config.balance == "sampler",
        blocks=config.shuffle == "blocks",
        group=group,
    )
    objective = objective_of(config, dataset, device)
    optimizer = build_optimizer(
        model,
        config.optimizer,
        lr=config.lr,
        momentum=config.momentum,
        nesterov=config.nesterov,
        weight_decay=config.weight_decay,
    )
    steps_per_epoch = -(-len(train) // config.accumulate)
    probe = Probe(model, steps_per_epoch)
    plateau = Plateau(higher_is_better=higher_is_better(config.monitor))
    span = total_steps(config, steps_per_epoch)
    if config.ema is not None:
        notes.append(
            f"best holds the average of the weights (--ema {config.ema:g}), last the weights themselves"
        )
    scale = LossScale(device) if config.precision == "fp16" else None
    average = None if config.ema is None else WeightAverage(model, config.ema)
    shared, own = None, parse_code(config.model) is not None
    if group.size == 1 and config.sync_batchnorm is not None:
        notes.append(f"{flag('sync_batchnorm', config.sync_batchnorm)} has no effect in one process")
    if group.size > 1:
        notes.extend(_share(config, model, group, device))
        if train.rest:
            notes.append(
                f"the last {train.rest} of {train.num_samples:,} samples of an epoch are fewer than two for each "
                "process: they join the batch before"
            )
        shared = SharedBuffers(model, group, own=own)
    if config.compile:
        compile_network(model, device)
    parts = Parts(
        model=model,
        train=train,
        val=Batches(dataset.split("val"), config.batch_size * _EVAL_BATCH_FACTOR, device, group=group),
        objective=objective,
        optimizer=optimizer,
        schedule=build_run_schedule(config, plateau, steps_per_epoch=steps_per_epoch, span=span),
        guard=FiniteGuard(optimizer, probe.parameters, config.grad_clip, model, scale),
        probe=probe,
        signals=Signals(model, objective, layers=not config.compile),
        running=RunningMean(objective, train.chunk, rewindable=True, group=group),
        pieces=Pieces(model, device, processes=group.size, rank=group.rank),
        device=device,
        forward=Forward(config.precision, device),
        scale=scale,
        l1=config.l1,
        accumulate=config.accumulate,
        ema=average,
        hidden=HiddenState(model, code.short) if (code := parse_code(config.model)) else None,
        random=may_draw(model),
        group=group,
        coupled=None if group.size == 1 else group.coupled(model, unused=own or group.size > 2),
        buffers=shared,
    )
    return Assembly(config, dataset, parts, plateau, notes, span)


def _share(config: TrainConfig, model: nn.Module, group: Group, device: torch.device) -> list[str]:
    """Let batch norm see whole batches if it is to; return messages for the user.

    Raises:
        ConfigError: It is not to, and sees one sample.
    """
    if not has_batch_norm(model):
        return []
    if config.sync_batchnorm or (config.sync_batchnorm is None and device.type == "cuda"):
        synchronise(model, group, device)
        return []
    if config.batch_size < 2 * group.size:
        raise ConfigError(
            f"--batch-size {config.batch_size} leaves batch norm in one of {group.size} processes a single sample",
            f"--batch-size {2 * group.size} or more, or --sync-batchnorm",
        )
    return [
        "batch norm sees the samples of each process by themselves, and its running statistics are averaged; "
        "--sync-batchnorm lets it see whole batches, as in one process"
    ]


def build_run_schedule(
    config: TrainConfig, plateau: Plateau, *, steps_per_epoch: int, span: int
) -> Callable[[int], float]:
    """Return the function from the step, from 0, to the learning rate.

    Args:
        config: The settings.
        plateau: The state of the plateau schedule.
        steps_per_epoch: Steps of one epoch.
        span: Steps that the schedule spans; after them the rate stays where it ended, but cyclic goes round again.

    Raises:
        ConfigError: The warm-up freezes all of it.
    """
    if config.warmup_steps >= span:
        raise ConfigError(
            f"--warmup-steps {config.warmup_steps} is not below the {span} steps of the run",
            "fewer warm-up steps, or more epochs",
        )
    curve = build_schedule(
        config.schedule,
        config.lr,
        total_steps=span,
        steps_per_epoch=steps_per_epoch,
        warmup_steps=config.warmup_steps,
    )
    if config.schedule == "plateau":
        return lambda step: curve(step) * plateau.factor
    return curve if config.schedule == "cyclic" else lambda step: curve(min(step, span - 1))


def _freeze(model: nn.Module, globs: str) -> str:
    """Freeze the parameters that match, and return a message that lists them."""
    named = dict(model.named_parameters())
    frozen = []
    for glob in globs.split(","):
        matching = [name for name in named if fnmatchcase(name, glob.strip())]
        if not matching:
            raise ConfigError(
                f"--freeze {glob} matches no parameter; there are {', '.join(list(named)[:8])}",
                f'--freeze "{glob}.*" freezes all of it'
                if any(fnmatchcase(name, f"{glob}.*") for name in named)
                else did_you_mean(glob, named),
            )
        frozen += matching
    if len(set(frozen)) == len(named):
        raise ConfigError(f"--freeze {globs} leaves nothing to train", "freeze fewer layers")
    for name in frozen:
        named[name].requires_grad_(False)
    return f"frozen: {', '.join(dict.fromkeys(frozen))}"


def plan_of(
    config: TrainConfig, description: DataDescription, model: nn.Module, device: torch.device, group: Group
) -> str:
    """Return what is trained, on which data and how, in a line."""
    least, most = config.batch_size // group.size, -(-config.batch_size // group.size)
    each = f"{least}" if least == most else f"{least} or {most}"
    shared = "" if group.size == 1 else f" ({group.size} x {each})"
    place = "on" if group.size == 1 else f"in {group.size} processes, the first on"
    count = sum(parameter.numel() for parameter in model.parameters())
    sizes = description.split_sizes
    return (
        f"{config.model_name} ({count:,} parameters) on {config.data} ({sizes['train']:,} train, {sizes['val']:,} val, "
        f"{sizes['test']:,} test), {config.optimizer} at lr {config.lr:g}, batch {config.batch_size}{shared}, "
        f"{place} {device_label(device)}"
    )
