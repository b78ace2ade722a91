"""probes.csv and `inspect grads` against hooks that torch itself calls, on a run as a user starts it."""

import csv
import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from dlkit.files.checkpoint import load_checkpoint
from dlkit.models.build import restore_model
from dlkit.settings.resolve import resolve
from dlkit.training.run import start_run


def test_rows_of_probes_equal_what_hooks_see(tmp_path: Path) -> None:
    settings = {"model": "mlp", "epochs": 1, "limit": 120, "batch_size": 8, "plot": False, "device": "cpu"}
    run = start_run(resolve(settings, {}), tmp_path / "run")
    seen: dict[tuple[int, str, str], float] = {}
    step, model = 1, run.parts.model

    def of_gradient(name: str) -> Callable[[Tensor], None]:
        return lambda p: seen.update({(step, name, "grad_norm"): p.grad.norm().item()})

    def of_outputs(name: str) -> Callable[..., None]:
        def hook(layer: nn.Module, _inputs: object, outputs: Tensor) -> None:
            if model.training:
                seen[step, name, "act_mean"] = outputs.double().mean().item()
                seen[step, name, "act_std"] = outputs.double().std(correction=0).item()

        return hook

    for name, parameter in model.named_parameters():
        parameter.register_post_accumulate_grad_hook(of_gradient(name))
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear | nn.ReLU):
            module.register_forward_hook(of_outputs(name))
    weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    for done, _ in run:
        for name, p in model.named_parameters():
            if norm := weights[name].norm():
                seen[step, name, "update_ratio"] = ((p.detach() - weights[name]).norm() / norm).item()
            seen[step, name, "weight_norm"] = norm.item()
            weights[name] = p.detach().clone()
        step = done.step + 1

    with (tmp_path / "run/probes.csv").open(newline="") as file:
        rows = {
            (int(row["step"]), row["layer"], row["signal"]): float(row["value"])
            for row in csv.DictReader(file)
            if row["step"] != str(done.step)  # of the last step, validation measures layers too
        }
    compared = rows.keys() & seen.keys()
    assert {signal for _, _, signal in compared} == {
        *("grad_norm", "update_ratio", "weight_norm", "act_mean", "act_std")
    }
    measured = {step for step, _, signal in compared if signal == "grad_norm"}
    assert measured >= {1, 2, 3, 6, 11}
    assert len([key for key in compared if key[2] == "grad_norm"]) == len(measured) * len(weights)
    assert {key: rows[key] for key in compared} == pytest.approx({k: seen[k] for k in compared}, rel=1e-3)


def test_inspect_grads_equals_hooks_on_the_same_batches(trained_run: Path, dlkit: Callable[..., Any]) -> None:
    result = dlkit("inspect", "grads", trained_run, "--batches", "2", "--json")
    rows = {row["layer"]: row for row in json.loads(result.stdout)}

    checkpoint = load_checkpoint(trained_run)
    model = restore_model(checkpoint).eval()
    run = start_run(resolve({"model": "mlp", "plot": False, "device": "cpu"}, {}))
    inputs, targets = zip(*islice(run.parts.train.shuffled(1), 2), strict=True)  # the first two of training
    gradients: dict[str, Tensor] = {}
    for name, parameter in model.named_parameters():
        parameter.register_hook(lambda grad, name=name: gradients.update({name: grad.clone()}))
    F.cross_entropy(model(torch.cat(inputs)), torch.cat(targets)).backward()

    assert rows.keys() == gradients.keys()
    for name, gradient in gradients.items():
        weight = dict(model.named_parameters())[name].detach()
        assert rows[name]["norm"] == pytest.approx(gradient.norm().item(), rel=1e-4)
        assert rows[name]["max"] == pytest.approx(gradient.max().item(), rel=1e-4)
        assert rows[name]["grad_to_weight"] == pytest.approx(
            (gradient.norm() / weight.norm()).item(), rel=1e-4
        )
