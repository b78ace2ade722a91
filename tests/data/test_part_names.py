"""The spellings of train, val and test."""

import pytest

from dlkit.data.part_names import part_of


@pytest.mark.parametrize(
    ("names", "part", "alone"),
    [
        (
            "train Training TRAIN train_set Train-Set trainset TrainingData train2017 train_images",
            "train",
            True,
        ),
        ("val Valid validation dev Dev_Set eval VAL valSplit evaluation", "val", True),
        ("test Testing test_set TEST-DATA test1 testset", "test", True),
        ("entrenamiento Treinamento apprentissage Addestramento Trainingsdaten", "train", True),
        ("validación valida\u00e7\u00e3o validacio\u0301n Validierung Validatie", "val", True),
        ("prueba Pruebas teste Testdaten", "test", True),
        ("seg_train Alzheimer-train", "train", False),
        ("test_tube crash.test", "test", False),
    ],
    ids=[
        "train",
        "val",
        "test",
        "train-abroad",
        "val-abroad",
        "test-abroad",
        "train-and-more",
        "test-and-more",
    ],
)
def test_part_names_are_recognised_however_they_are_spelled(names: str, part: str, alone: bool) -> None:
    assert {name: part_of(name) for name in names.split()} == dict.fromkeys(names.split(), (part, alone))


@pytest.mark.parametrize(
    "name", ["cat", "trainer", "contest", "valley", "latest", "device", "train_test", ""]
)
def test_other_names_are_none(name: str) -> None:
    assert part_of(name) is None
