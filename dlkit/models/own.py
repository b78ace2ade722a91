"""A network of the user's own: built from its file, what it gives held to what the data ask for."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from dlkit.errors import ConfigError, instance_of, printable
from dlkit.files.description import DataDescription
from dlkit.inputs import RETURN_HINT, call, call_unchecked, kind_of_outputs, zeros
from dlkit.models.constructor import plan_call
from dlkit.models.outputs import adapt, adaptation_of, last_operation
from dlkit.models.size_hints import hint_for
from dlkit.models.untouched import untouched
from dlkit.settings.arguments import ArgumentValue
from dlkit.settings.spec import CodeSpec
from dlkit.user_code import load_code, running

# Two sizes, so that a batch size that is written into the network is found.
_CHECKED_SAMPLES = (2, 3)


def build_own(code: CodeSpec, description: DataDescription, arguments: Mapping[str, Any]) -> nn.Module:
    """Build a network of the user's own and pass two batches of zeros through it.

    Args:
        code: The file and the name of its class, or of a function that gives a network.
        description: Fills the constructor; what the network gives must fit it.
        arguments: What `-s` gave, as text or as `own_arguments` read it.

    Raises:
        ConfigError: The file cannot be run, arguments are wrong or missing, the constructor raised something, or
            the network does not give what the data ask for.
    """
    target = _load(code)
    planned = plan_call(code, target, description, arguments)
    with running(
        code, f"MODEL {code.short}: its constructor", ConfigError, f"it was called as {planned.shown()}"
    ):
        model = target(**planned.values)
    if not isinstance(model, nn.Module):
        raise ConfigError(
            f"MODEL {code.short} gives {instance_of(model)}, not a torch.nn.Module",
            "name a class that inherits from torch.nn.Module",
        )
    _try_it(code, model, description)
    if not any(True for _ in model.parameters()):
        raise ConfigError(
            f"MODEL {code.short} has no parameters to train",
            "layers must be attributes of the module; put a list of layers into an nn.ModuleList",
        )
    _check_trainable(code, model)
    _check_saved(code, model)
    return model


def own_arguments(
    code: CodeSpec, description: DataDescription, arguments: Mapping[str, Any]
) -> tuple[dict[str, ArgumentValue], str]:
    """Return the arguments of a network of the user's own as they are stored, and how it is called, if with any.

    Raises:
        ConfigError: The file cannot be run, or arguments are wrong or missing.
    """
    planned = plan_call(code, _load(code), description, arguments)
    return planned.kept, planned.shown() if planned.values or planned.defaults else ""


def notes_on_outputs(code: CodeSpec, model: nn.Module, description: DataDescription) -> list[str]:
    """Return messages about what a network returns: what was made of it, and whether it is what the loss takes."""
    if adapted := adaptation_of(model):
        return [adapted.note(code.short, description)]
    if description.task != "classification":
        return []
    training = model.training
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), untouched(model):
        outputs = call(model.eval(), zeros(description, _CHECKED_SAMPLES[0]))
    model.train(training)
    if bool((outputs >= 0).all() and torch.allclose(outputs.sum(1), torch.ones(len(outputs)))):
        return [f"{code.short} gives probabilities; the loss expects logits: leave the softmax out"]
    if last_operation(outputs) == "Sigmoid":
        return [f"{code.short} ends with a sigmoid; the loss expects logits: leave the sigmoid out"]
    return []


def _load(code: CodeSpec) -> Callable[..., Any]:
    target = load_code(code, "MODEL")
    if not callable(target) or isinstance(target, nn.Module):
        raise ConfigError(
            f"MODEL {code.short} is {instance_of(target)}, neither a class nor a function",
            "name the class: dlkit makes the network itself, fitted to the data",
        )
    checked: Callable[..., Any] = target
    return checked


def _try_it(code: CodeSpec, model: nn.Module, description: DataDescription) -> None:
    """Pass batches of zeros through a network, which also gives lazy layers their sizes."""
    training, hint = model.training, ""
    with torch.random.fork_rng(devices=[]), torch.no_grad(), untouched(model):
        for samples in _CHECKED_SAMPLES:
            what = f"MODEL {code.short}: forward with {_shapes(description, samples)}"
            try:
                with running(code, what, ConfigError, hint):
                    if samples == _CHECKED_SAMPLES[0]:
                        adapt(model.eval(), description)
                    outputs = call_unchecked(model.eval(), zeros(description, samples))
            except ConfigError as err:
                if not hint and (cure := hint_for(err.__cause__, model, description)):
                    raise ConfigError(err.message, cure) from err.__cause__
                raise
            _check_outputs(code, outputs, description, samples)
            hint = f"{samples} samples did pass: forward must take any number of them"
    model.train(bool(training))


def _check_trainable(code: CodeSpec, model: nn.Module) -> None:
    """Check that something can be trained, and that its gradients are ones that the optimizers take."""
    lazy = [name for name, tensor in (*model.named_parameters(), *model.named_buffers()) if is_lazy(tensor)]
    if lazy:
        raise ConfigError(
            f"MODEL {code.short}: forward does not use {lazy[0]}, a lazy layer that gets its size when it is used",
            "leave the layer out, or give it its size (nn.Linear instead of nn.LazyLinear)",
        )
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigError(
            f"MODEL {code.short} has nothing to train: all its parameters have requires_grad=False",
            "leave requires_grad_(False) out for the layers that should learn; --freeze GLOB freezes others",
        )
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.sparse:
            raise ConfigError(
                f"MODEL {code.short}: layer {name} is {type(module).__name__}(sparse=True); "
                "the optimizers take dense gradients",
                "leave sparse=True out",
            )


def _check_saved(code: CodeSpec, model: nn.Module) -> None:
    """Check that checkpoints can hold what the network learns."""
    saved = model.state_dict()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and name not in saved:
            raise ConfigError(
                f"MODEL {code.short}: its state_dict leaves out {name}, which is trained",
                "checkpoints hold what state_dict returns",
            )
    for name, buffer in model.named_buffers():
        if name in saved and (buffer.layout != torch.strided or buffer.is_quantized):
            kind = "quantized" if buffer.is_quantized else "sparse"
            raise ConfigError(
                f"MODEL {code.short}: buffer {name} is {kind}, which a checkpoint cannot hold",
                "if the constructor makes it, register_buffer(..., persistent=False); else keep it dense",
            )


def _check_outputs(code: CodeSpec, outputs: Any, description: DataDescription, samples: int) -> None:
    """Check the outputs for some samples against the shape that the loss takes."""
    if not isinstance(outputs, Tensor) or not outputs.is_floating_point():
        raise ConfigError(
            f"MODEL {code.short}: forward returns {kind_of_outputs(outputs).rstrip(',')}", RETURN_HINT
        )
    if outputs.layout != torch.strided:
        raise ConfigError(
            f"MODEL {code.short}: forward returns a sparse tensor", "return a dense one: .to_dense()"
        )
    count = description.num_outputs
    classes = description.task == "classification"
    curves = not classes and len(description.target_shape) > 1
    wanted = (samples, *(description.target_shape if curves else (count,)))
    single = not classes and count == 1 and outputs.shape == (samples,)
    if tuple(outputs.shape) == wanted or single:
        return
    one_logit = (
        "return one output for each class, even for two: " if classes and outputs.numel() == samples else ""
    )
    what = f"{count} classes" if classes else f"{count} number{'s' * (count != 1)}"
    raise ConfigError(
        f"MODEL {code.short}: forward gives the shape {tuple(outputs.shape)} for {samples} samples; "
        f"{printable(description.name, 100)} has {what} to predict, so it must be {wanted}",
        _reordered(tuple(outputs.shape), wanted)
        or f"{one_logit}take {'num_classes' if classes else 'num_outputs'} as an argument of the constructor: it is "
        "filled in from the data",
    )


def _reordered(found: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Return how outputs become those wanted where only their axes differ; empty where more does."""
    if [size for size in found if size != 1] == [size for size in wanted if size != 1]:
        return f"return outputs.reshape(len(outputs), {', '.join(map(str, wanted[1:]))})"
    if len(wanted) > 2 and (found[0], *found[2:], found[1]) == wanted:
        return "the channels of the targets come last: return outputs.movedim(1, -1)"
    return ""


def _shapes(description: DataDescription, samples: int) -> str:
    if not description.named_inputs:
        return f"inputs of shape {(samples, *description.input_shape)}"
    named = (f"{name} of shape {(samples, *shape)}" for name, (_, shape) in description.named_inputs.items())
    return f"the inputs {', '.join(named)}"
