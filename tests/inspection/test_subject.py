from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dlkit.data.batches import Batches
from dlkit.data.kinds import load_dataset
from dlkit.errors import DataError
from dlkit.files.checkpoint import load_checkpoint
from dlkit.inspection.subject import open_subject

CPU = torch.device("cpu")


def test_batches_are_the_first_that_training_saw(trained_run: Path) -> None:
    checkpoint = load_checkpoint(trained_run)
    train = load_dataset(checkpoint.config).split("train")
    first, second, *_ = Batches(train, 64, CPU, seed=0).shuffled(1)

    subject = open_subject(checkpoint, "train", 2, CPU)

    assert subject.num_samples == 128
    for (inputs, targets), (seen, labels) in zip(subject.batches, (first, second), strict=True):
        assert torch.equal(inputs, seen)
        assert torch.equal(targets, labels)


def test_model_has_the_weights_of_the_checkpoint(trained_run: Path) -> None:
    checkpoint = load_checkpoint(trained_run)

    subject = open_subject(checkpoint, "train", 1, CPU)

    assert all(
        torch.equal(tensor, checkpoint.weights[name]) for name, tensor in subject.model.state_dict().items()
    )


def test_split_of_one_sample_is_refused(trained_run: Path) -> None:
    checkpoint = load_checkpoint(trained_run)
    tiny = replace(checkpoint, config=replace(checkpoint.config, val=0.0001))

    with pytest.raises(DataError) as caught:
        open_subject(tiny, "val", 1, CPU)

    assert "--split val has 1 sample" in caught.value.message
    assert "--split train" in caught.value.hint
