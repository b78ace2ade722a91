"""Settings, data and a network become the parts that the loop trains."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from refusals import assert_reports
from runs import configure, drive, resume
from torch.nn import functional as F  # noqa: N812

from dlkit.data.dataset import DataSet, TensorSplit
from dlkit.data.kinds import load_dataset
from dlkit.errors import CheckpointError, ConfigError
from dlkit.evaluation.objective import check_description
from dlkit.files.checkpoint import load_checkpoint
from dlkit.models.build import build_model
from dlkit.settings.resolve import resolve
from dlkit.training.assemble import Assembly, assemble, assemble_new
from dlkit.training.optimizers import optimizer_state
from dlkit.training.run import start_run
from dlkit.training.step import Parts


def assembled(arguments: dict[str, str] | None = None, **settings: Any) -> Assembly:
    return assemble_new(configure(arguments, **settings))


def refused(arguments: dict[str, str] | None = None, **settings: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        assembled(arguments, **settings)
    return caught.value


def test_settings_of_the_step_reach_the_loop() -> None:
    parts = assembled(l1=0.1, grad_clip=2.0, accumulate=3, ema=0.9).parts

    assert (parts.l1, parts.accumulate, parts.steps_per_epoch) == (0.1, 3, 7)
    assert parts.ema is not None
    assert parts.validated is parts.ema.network()
    assert assembled().parts.ema is None


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop", "adagrad"])
def test_settings_of_the_optimizer_reach_it(optimizer: str) -> None:
    own = {"momentum": 0.7, "nesterov": True} if optimizer == "sgd" else {}

    built = assembled(optimizer=optimizer, lr=0.3, weight_decay=0.2, **own).parts.optimizer

    assert type(built).__name__.lower() == optimizer
    assert [group["lr"] for group in built.param_groups] == [0.3, 0.3]
    assert [group["weight_decay"] for group in built.param_groups] == [0.2, 0.0]
    if own:
        assert {(group["momentum"], group["nesterov"]) for group in built.param_groups} == {(0.7, True)}


def test_class_weights_go_to_the_classes_they_are_named_for() -> None:
    assembly = assembled(target_weights="3=2,8=0.5", label_smoothing=0.2)
    objective, counts = assembly.parts.objective, assembly.dataset.splits["train"].strata().bincount()
    outputs, targets = torch.randn(50, 10, generator=torch.Generator().manual_seed(0)), torch.arange(50) % 10

    weights = torch.ones(10)
    weights[3], weights[8] = 2.0, 0.5
    each = F.cross_entropy(outputs, targets, reduction="none", label_smoothing=0.2)
    mean_weight = (weights * counts).sum() / counts.sum()

    torch.testing.assert_close(
        objective.loss(outputs, targets), (each * weights[targets]).mean() / mean_weight
    )


@pytest.mark.parametrize(
    ("loss", "function"), [("mse", F.mse_loss), ("bce", F.binary_cross_entropy_with_logits)]
)
def test_the_loss_asked_for_is_the_one_taken(loss: str, function: Any) -> None:
    parts = assembled(loss=loss).parts
    outputs, targets = torch.randn(20, 10), torch.arange(20) % 10

    assert torch.equal(parts.objective.loss(outputs, targets), function(outputs, torch.eye(10)[targets]))


SPANS = {
    "all": ({"schedule": "polynomial"}, 57),
    "groups": ({"schedule": "polynomial", "accumulate": 3}, 21),
    "max-steps": ({"schedule": "polynomial", "max_steps": 30}, 30),
    "max-steps-beyond": ({"schedule": "polynomial", "max_steps": 99}, 57),
}


@pytest.mark.parametrize(("settings", "steps"), SPANS.values(), ids=SPANS)
def test_the_schedule_spans_the_steps_of_the_run(settings: dict[str, Any], steps: int) -> None:
    schedule = assembled(**settings, lr=1.0).parts.schedule

    assert schedule(0) == 1.0
    assert schedule(steps - 1) == pytest.approx(1 / steps)
    assert schedule(steps) == schedule(steps - 1)


def test_plateau_changes_the_rate_of_the_schedule() -> None:
    assembly = assembled(schedule="plateau", lr=1.0)
    assert not assembly.plateau.higher_is_better
    assert assembly.parts.schedule(5) == 1.0

    assembly.plateau.factor = 0.25

    assert assembly.parts.schedule(5) == 0.25
    assert assembled(schedule="plateau", monitor="val_accuracy").plateau.higher_is_better


def test_a_warm_up_as_long_as_the_run_is_refused_when_the_samples_are_known() -> None:
    all_samples = {"limit": None, "batch_size": 64, "epochs": 1}

    found = refused(**all_samples, warmup_steps=23)

    assert_reports(found, "--warmup-steps 23", "23 steps")
    assert found.hint
    assert assembled(**all_samples, warmup_steps=22).parts.schedule(22) == 0.01


FROZEN = {
    "a-name": ("output.bias", {"output.bias"}),
    "a-glob": ("hidden.*", {"hidden.0.linear.weight", "hidden.0.linear.bias"}),
    "two": ("output.bias, *.linear.weight", {"output.bias", "hidden.0.linear.weight"}),
    "one-twice": ("output.bias,output.b*", {"output.bias"}),
}


@pytest.mark.parametrize(("globs", "names"), FROZEN.values(), ids=FROZEN)
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_frozen_parameters_keep_their_bits_and_are_listed(
    globs: str, names: set[str], optimizer: str, tmp_path: Path
) -> None:
    run = start_run(
        configure(freeze=globs, epochs=1, optimizer=optimizer, weight_decay=0.1, l1=0.1), tmp_path / "run"
    )
    before = {name: weight.clone() for name, weight in run.parts.model.named_parameters()}
    drive(run)

    kept = {name for name, weight in run.parts.model.named_parameters() if torch.equal(weight, before[name])}
    assert kept == names
    (note,) = [note for note in run.notes if note.startswith("frozen: ")]
    assert set(note.removeprefix("frozen: ").split(", ")) == names
    assert (
        not {key.partition(".")[2] for key in optimizer_state(run.parts.optimizer, run.parts.model)} & names
    )


def test_a_frozen_run_resumes_frozen(tmp_path: Path) -> None:
    drive(start_run(configure(freeze="hidden.*", epochs=1), tmp_path / "run"))
    weight = load_checkpoint(tmp_path / "run" / "last.safetensors").weights["hidden.0.linear.weight"]

    run = resume(tmp_path / "run", epochs=2)
    drive(run)

    assert "frozen: hidden.0.linear.weight, hidden.0.linear.bias" in run.notes
    assert torch.equal(run.parts.model.get_parameter("hidden.0.linear.weight"), weight)


REFUSED = {
    "unknown": ("hiden.*", "--freeze hiden.*", "hidden.0.linear.weight", ""),
    "one-of-two-unknown": (
        "hidden.*,output.weigth",
        "--freeze output.weigth",
        "output.bias",
        "output.weight",
    ),
    "layer": ("hidden.0", "--freeze hidden.0", "hidden.0.linear.weight", '--freeze "hidden.0.*"'),
    "empty": ("", "--freeze", "output.bias", ""),
    "everything": ("*", "--freeze *", "nothing to train", "fewer"),
    "everything-in-parts": ("hidden.*,output.*", "--freeze hidden.*,output.*", "nothing to train", "fewer"),
}


@pytest.mark.parametrize(("globs", "option", "says", "hint"), REFUSED.values(), ids=REFUSED)
def test_globs_that_freeze_nothing_or_everything_are_refused(
    globs: str, option: str, says: str, hint: str
) -> None:
    found = refused(freeze=globs)

    assert option in found.message
    assert says in found.message
    assert hint in found.hint
    assert found.exit_code == 2


@pytest.mark.parametrize("name", ["best.safetensors", ""], ids=["file", "folder"])
def test_a_run_starts_from_the_weights_of_another(name: str, trained_run: Path) -> None:
    path, given = trained_run / "best.safetensors", trained_run / name

    assembly = assembled(init=str(given), ema=0.9)

    stored = load_checkpoint(path).weights
    for network in (assembly.parts.model, assembly.parts.validated):
        assert all(torch.equal(value, stored[name]) for name, value in network.state_dict().items())
    assert any("--init" in note and "4 of 4" in note and str(path) in note for note in assembly.notes)
    assert not torch.equal(assembled().parts.model.state_dict()["output.bias"], stored["output.bias"])


def test_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        assembled(init=str(tmp_path / "x.safetensors"))

    assert str(tmp_path / "x.safetensors") in caught.value.message


def test_a_resumed_run_does_not_start_from_them_again(trained_run: Path, tmp_path: Path) -> None:
    drive(start_run(configure(init=str(trained_run), epochs=1), tmp_path / "run"))
    before = load_checkpoint(tmp_path / "run" / "last.safetensors").weights

    run = resume(tmp_path / "run", epochs=2)

    assert not any("--init" in note for note in run.notes)
    assert all(torch.equal(value, before[name]) for name, value in run.parts.model.state_dict().items())


def skewed() -> DataSet:
    """Digits whose training split holds 100 zeros and 10 of each other."""
    dataset = load_dataset(resolve({"model": "mlp"}, {}))
    train = dataset.split("train")
    assert isinstance(train, TensorSplit)
    targets = train.targets[train.rows]
    rows = [train.rows[targets == digit][: 100 if digit == 0 else 10] for digit in range(10)]
    return replace(
        dataset,
        description=replace(dataset.description, class_counts=tuple(map(len, rows))),
        splits={**dataset.splits, "train": train.with_rows(torch.cat(rows))},
    )


def skewed_parts(**settings: str) -> Parts:
    config, dataset = resolve({"model": "mlp", **settings}, {}), skewed()
    model = build_model("mlp", dataset.description, config.arguments)
    return assemble(config, dataset, model, torch.device("cpu"), []).parts


def test_sampler_draws_every_class_equally_often() -> None:
    parts = skewed_parts(balance="sampler")

    targets = torch.cat([targets for _, targets in parts.train.shuffled(1)])
    assert targets.bincount().tolist() == [19] * 10


def test_loss_weighs_a_class_by_one_over_its_samples() -> None:
    loss = skewed_parts(balance="loss").objective.loss

    outputs = torch.zeros(1, 10)
    common, rare = (loss(outputs, torch.tensor([digit])).item() for digit in (0, 1))
    assert rare == pytest.approx(10 * common)


def test_a_number_has_no_classes_to_weigh() -> None:
    description = replace(skewed().description, task="regression", class_names=(), target_shape=(1,))

    with pytest.raises(ConfigError) as caught:
        check_description(resolve({"model": "mlp", "balance": "loss"}, {}), description)

    assert "--balance loss" in caught.value.message
    assert "--balance sampler" in caught.value.hint


def test_what_the_data_do_not_have_is_refused_together() -> None:
    description = replace(
        skewed().description, task="regression", class_names=(), target_names=("liver",), target_shape=(1,)
    )
    config = replace(resolve({"model": "mlp"}, {}), monitor="val_accuracy", target_weights="livr=2,liver=3")

    with pytest.raises(ConfigError) as caught:
        check_description(config, description)

    monitor, weights = caught.value.faults
    assert_reports(monitor, "--monitor val_accuracy", "val_mae", "train_r2")
    assert_reports(weights, "--target-weights livr", "did you mean liver")


MANY = """import torch
from torch import nn


class Net(nn.Linear):
    def __init__(self, in_features, num_classes):
        super().__init__(in_features, num_classes)
        self.more = nn.ParameterList(torch.zeros(1) for _ in range(12_000))

    def forward(self, x):
        return super().forward(x.flatten(1)) + sum(self.more)
"""


@pytest.mark.slow
def test_more_parameters_than_a_checkpoint_can_name_are_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(MANY)
    settings = {"model": f"{tmp_path}/net.py:Net", "data": "digits"}

    fault = refused(**settings, optimizer="adamw")

    assert_reports(fault, "12,002 parameters", "adamw", "--optimizer sgd")
    assert assembled(**settings, optimizer="sgd").parts.model is not None
