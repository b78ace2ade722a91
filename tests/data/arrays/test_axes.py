"""How the axes of arrays are read, and what is said of it."""

from typing import Any

import numpy as np
import pytest

from dlkit.data.arrays.axes import Reading, features_last_or_first, reading_like, readings
from dlkit.errors import ConfigError
from dlkit.files.description import DataDescription, Normalisation

DRAW = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("shape", "layout", "said"),
    [
        ((100,), "rows", ""),
        ((100, 5), "rows", ""),
        ((100, 3, 32, 32), "nchw", "32x32 with 3 bands"),
        ((100, 32, 32, 3), "nhwc", "32x32 with 3 bands"),
        ((100, 13, 64, 64), "nchw", "--layout nhwc"),
        ((100, 9, 9, 30), "nhwc", "9x9 with 30 bands, which come last; --layout nchw"),
        ((100, 30, 9, 9), "nchw", "9x9 with 30 bands; --layout nhwc"),
        ((100, 64, 48, 13), "nhwc", "--layout nchw"),
        ((100, 8, 8, 8), "nchw", "8x8 with 8 bands; --layout nhwc"),
        ((100, 9, 7, 30), "nchw", "7x30 with 9 bands; --layout nhwc"),
        ((100, 1, 1, 1), "nchw", "--layout nhwc"),
        ((100, 2, 3, 4, 5), "other", ""),
    ],
    ids=str,
)
def test_axes_of_images_are_read_by_equal_sides_then_by_the_shortest(
    shape: tuple[int, ...], layout: str, said: str
) -> None:
    (reading,) = readings(shape, np.dtype("float32"), {"model": "cnn"})

    assert reading.layout == layout
    assert said in reading.note
    assert ("--layout" in reading.note) is ("--layout" in said)


@pytest.mark.parametrize(
    ("model", "shape", "dtype", "name", "expected"),
    [
        ("net.py:Net", (100, 24, 3), "float64", "x", ["ntf", "ntf turned", "nhw"]),
        ("net.py:Net", (100, 28, 28), "float32", "x", ["ntf", "ntf turned", "nhw"]),
        ("net.py:Net", (100, 28, 28), "uint8", "x", ["nhw", "ntf", "ntf turned"]),
        ("net.py:Net", (100, 28, 28), "float32", "images", ["nhw", "ntf", "ntf turned"]),
        ("mlp", (100, 24, 3), "float64", "x", ["ntf"]),
        ("mlp", (100, 28, 28), "float64", "x", ["nhw"]),
        ("cnn", (100, 24, 30), "float64", "x", ["nhw"]),
        ("resnet18", (100, 24, 30), "float64", "x", ["nhw"]),
        ("net.py:Net", (100, 12), "int64", "x", ["codes", "rows"]),
        ("net.py:Net", (100, 12), "uint8", "x", ["codes", "rows"]),
        ("net.py:Net", (100, 12, 4), "int32", "x", ["codes", "ntf", "ntf turned", "nhw"]),
        ("net.py:Net", (100, 12), "bool", "x", ["rows", "signal"]),
        ("net.py:Net", (100, 3, 8, 8), "int32", "x", ["nchw"]),
        ("mlp", (100, 12), "int64", "x", ["rows"]),
    ],
    ids=str,
)
def test_only_a_network_of_ones_own_has_a_choice(
    model: str, shape: tuple[int, ...], dtype: str, name: str, expected: list[str]
) -> None:
    found = readings(shape, np.dtype(dtype), {"model": model}, name)

    called = ["codes" if each.codes else f"{each.layout}{' turned' * each.turned}" for each in found]
    assert called == expected


@pytest.mark.parametrize(
    ("given", "layout"),
    [({"layout": "nft"}, "nft"), ({"layout": "nhw"}, "nhw"), ({"augment": "light"}, "nhw"), ({"bands": "1"}, "nhw")],
    ids=["nft", "nhw", "augment", "bands"],
)  # fmt: skip
def test_what_was_asked_for_decides(given: dict[str, str], layout: str) -> None:
    assert readings((9, 24, 3), np.dtype("float32"), {"model": "net.py:Net", **given})[0].layout == layout


@pytest.mark.parametrize(
    ("layout", "shape", "hint"),
    [
        ("nhwc", (9, 24, 3), "nhw or ntf"),
        ("ntf", (9, 3, 8, 8), "nchw or nhwc"),
        ("nhw", (9, 4), "leave it out"),
    ],
    ids=["four-of-three", "three-of-four", "of-rows"],
)
def test_a_layout_of_other_axes_is_refused(layout: str, shape: tuple[int, ...], hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        readings(shape, np.dtype("float32"), {"layout": layout})

    assert f"--layout {layout}" in caught.value.message
    assert "x".join(map(str, shape)) in caught.value.message
    assert hint in caught.value.hint


SENSORS = DRAW.normal(size=(60, 24, 3)) * [300, 3, 0.003] + [101325, 20, 0.01]


@pytest.mark.parametrize(
    ("array", "layout"),
    [
        (SENSORS, "ntf"),
        (SENSORS.transpose(0, 2, 1), "nft"),
        ((SENSORS - SENSORS.mean((0, 1))) / SENSORS.std((0, 1)), "ntf"),
        (np.zeros((60, 24, 3)), "ntf"),
        (np.full((60, 24, 3), np.nan), "ntf"),
    ],
    ids=["last", "first", "alike", "zero", "nan"],
)
def test_features_are_in_the_axis_whose_places_differ(array: np.ndarray, layout: str) -> None:
    found = features_last_or_first(Reading("ntf", note="x"), array)

    assert found.layout == layout
    assert found.axis == {"ntf": 2, "nft": 1}[layout]
    if layout == "nft":
        assert "24 steps with 3 features" in found.note


def describe(shape: tuple[int, ...], axis: int = 1, dtype: str = "float32") -> DataDescription:
    numbers = Normalisation(scale=1.0, mean=(0.0,), std=(1.0,), axis=axis)
    return DataDescription(
        name="x",
        task="regression",
        input_shape=shape,
        input_dtype=dtype,
        normalisation=numbers,
        split_sizes={},
    )


@pytest.mark.parametrize(
    ("shape", "trained_on", "given", "layout"),
    [
        ((9, 24, 3), describe((1, 24, 3)), {}, "nhw"),
        ((9, 24, 3), describe((24, 3), axis=2), {}, "ntf"),
        ((9, 24, 3), describe((24, 3)), {}, "nft"),
        ((9, 9, 9, 30), describe((9, 9, 30)), {}, "nchw"),
        ((9, 9, 9, 30), describe((30, 9, 9)), {}, "nhwc"),
        ((9, 8, 8, 8), describe((8, 8, 8)), {"layout": "nhwc"}, "nhwc"),
        ((9, 12), describe((12,), dtype="int64"), {}, "rows"),
    ],
    ids=["image", "last", "first", "as-before", "bands-last", "typed", "codes"],
)
def test_data_are_read_as_those_trained_on(
    shape: tuple[int, ...], trained_on: DataDescription, given: dict[str, Any], layout: str
) -> None:
    reading = reading_like(shape, given, trained_on)

    assert reading.layout == layout
    assert reading.codes is (trained_on.input_dtype == "int64")
