"""--balance: rare classes weigh more, or are drawn more often."""

from dataclasses import replace

import pytest
import torch

from dlkit.data.dataset import DataSet, TensorSplit
from dlkit.data.kinds import load_dataset
from dlkit.errors import ConfigError
from dlkit.evaluation.objective import check_description
from dlkit.models.build import build_model
from dlkit.settings.resolve import resolve
from dlkit.training.assemble import assemble
from dlkit.training.loop import Parts


def skewed() -> DataSet:
    """Digits whose training split holds 100 zeros and 10 of each other."""
    dataset = load_dataset(resolve({"model": "mlp"}, {}))
    train = dataset.split("train")
    assert isinstance(train, TensorSplit)
    targets = train.targets[train.rows]
    rows = [train.rows[targets == digit][: 100 if digit == 0 else 10] for digit in range(10)]
    return replace(dataset, splits={**dataset.splits, "train": train.with_rows(torch.cat(rows))})


def assembled(**settings: str) -> Parts:
    config, dataset = resolve({"model": "mlp", **settings}, {}), skewed()
    model = build_model("mlp", dataset.description, config.arguments)
    return assemble(config, dataset, model, torch.device("cpu"), []).parts


def test_sampler_draws_every_class_equally_often() -> None:
    parts = assembled(balance="sampler")

    targets = torch.cat([targets for _, targets in parts.train.shuffled(1)])
    assert targets.bincount().tolist() == [19] * 10


def test_loss_weighs_a_class_by_one_over_its_samples() -> None:
    loss = assembled(balance="loss").objective.loss

    outputs = torch.zeros(1, 10)
    common, rare = (loss(outputs, torch.tensor([digit])).item() for digit in (0, 1))
    assert rare == pytest.approx(10 * common)


def test_a_number_has_no_classes_to_weigh() -> None:
    description = replace(skewed().description, task="regression", class_names=(), target_shape=(1,))

    with pytest.raises(ConfigError) as caught:
        check_description(resolve({"model": "mlp", "balance": "loss"}, {}), description)

    assert caught.value.message == "--balance loss weighs classes; the target is a number"
    assert "--balance sampler" in caught.value.hint


def test_what_the_data_do_not_have_is_refused_together() -> None:
    description = replace(
        skewed().description, task="regression", class_names=(), target_names=("liver",), target_shape=(1,)
    )
    config = replace(resolve({"model": "mlp"}, {}), monitor="val_accuracy", target_weights="livr=2,liver=3")

    with pytest.raises(ConfigError) as caught:
        check_description(config, description)

    assert [(each.message, each.hint) for each in caught.value.faults] == [
        (
            "--monitor val_accuracy is not measured; choose from val_loss, val_mae, train_loss, train_mae",
            "",
        ),
        ("--target-weights livr: digits has no such class or output; it has liver", "did you mean liver?"),
    ]
