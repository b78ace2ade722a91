import json
from typing import Any

import pytest

from dlkit.files.description import DataDescription, Normalisation

IMAGES = DataDescription(
    name="digits",
    task="classification",
    input_shape=(1, 8, 8),
    class_names=("zero", "öne"),
    normalisation=Normalisation(scale=16.0, mean=(0.3,), std=(0.4,)),
    split_sizes={"train": 8, "val": 1, "test": 1},
    source="https://example.org",
    licence="CC BY 4.0",
    fingerprint="ab" * 32,
)
TABLE = DataDescription(
    name="table.csv",
    task="regression",
    input_shape=(3,),
    target_shape=(2, 4),
    feature_names=("a", "b", "c"),
    units="mg/L",
    split_sizes={"train": 8, "val": 1, "test": 1},
)


@pytest.mark.parametrize("description", [IMAGES, TABLE], ids=["images", "table"])
def test_description_survives_a_round_trip_through_json(description: DataDescription) -> None:
    assert DataDescription.from_dict(json.loads(json.dumps(description.to_dict()))) == description


def test_outputs_are_classes_or_target_values() -> None:
    assert (IMAGES.num_outputs, TABLE.num_outputs) == (2, 8)


def changed(**values: object) -> dict[str, Any]:
    return {**IMAGES.to_dict(), **values}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in IMAGES.to_dict().items() if key != name}


def normalised(**values: object) -> dict[str, Any]:
    return changed(normalisation={"scale": 16.0, "mean": [0.3], "std": [0.4], **values})


@pytest.mark.parametrize(
    ("plain", "says"),
    [
        ("digits", "not a data description|dictionary"),
        (without("name"), "'name'"),
        (changed(colour="red"), "'colour'"),
        (changed(class_names=["zero", None]), "not text"),
        (changed(input_shape=[-1]), "size"),
        (changed(input_shape=[2**60]), "size"),
        (changed(split_sizes={"train": "8"}), "size"),
        (changed(task="guessing"), "neither classification nor regression"),
        (changed(normalisation="auto"), "not a data description"),
        (changed(kind=7), "not text"),
        (changed(target_scaling={"scale": 0, "mean": [1], "std": [1]}), "finite numbers"),
        (changed(learned=[1]), "no table of names"),
        (changed(named_inputs={"x": 3}), "not a data description"),
        (changed(named_inputs={"x": ["object", [3]]}), "neither float32 nor int64"),
        (normalised(std=[0]), "finite numbers"),
        (normalised(mean=[float("nan")]), "finite numbers"),
        (normalised(mean=[0.1, 0.2]), "finite numbers"),
    ],
)
def test_description_of_another_type_is_refused(plain: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        DataDescription.from_dict(plain)
