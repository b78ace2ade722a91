"""What a data set says of itself: enough to size a network and to read its predictions."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

_TUPLES = ("input_shape", "target_shape", "class_names", "class_counts", "target_names", "feature_names")


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """How stored values become inputs: (value / scale - mean) / std, channel by channel or feature by feature.

    Args:
        scale: The stored value that counts as 1, e.g. 255 for bytes.
        mean: One number a channel, or one for all.
        std: One number a channel, or one for all; never zero.
        axis: The axis of a batch whose places are the channels: 1, or 2 for sequences, (B, T, F).
    """

    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    axis: int = 1


@dataclass(frozen=True, kw_only=True)
class DataDescription:
    """Name, task, shapes, names and origin of a data set.

    Args:
        name: The spec it is loaded by.
        kind: `images`, `table`, `arrays`, `spatial` or `pbpk`.
        task: `classification` or `regression`.
        input_shape: Shape of one sample, (C, H, W) for images, (D,) for rows of numbers.
        input_dtype: `float32`, or `int64` for whole numbers that a network gets as they are.
        named_inputs: Dtype and shape of one sample of each input by name, where the network takes several; then
            `input_shape` is what its features come to.
        target_shape: Shape of one target: () for a class index, (D,) for D numbers, (D, T) for D curves.
        class_names: One name a class, in the order of the class indices; empty for regression.
        class_counts: Training samples of each class; empty for regression.
        target_names: One name an output, for numbers; may be empty.
        feature_names: One name an input column; empty for images.
        units: The target's unit; empty for classes.
        normalisation: How stored values become inputs; None leaves them alone.
        target_scaling: How targets become what the network gives: (target / scale - mean) / std, output by output;
            None: the network gives them as they are.
        learned: What was learned from the training split beside that, as JSON values; its source reads it.
        split_sizes: Number of samples of `train`, `val` and `test`.
        source: Where it comes from.
        licence: Under which licence.
        fingerprint: SHA-256 over the stored samples and targets.
    """

    name: str
    kind: str = "images"
    task: str
    input_shape: tuple[int, ...]
    input_dtype: str = "float32"
    named_inputs: Mapping[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    target_shape: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()
    class_counts: tuple[int, ...] = ()
    target_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    units: str = ""
    normalisation: Normalisation | None = None
    target_scaling: Normalisation | None = None
    learned: Mapping[str, Any] = field(default_factory=dict)
    split_sizes: Mapping[str, int]
    source: str = ""
    licence: str = ""
    fingerprint: str = ""

    @property
    def num_outputs(self) -> int:
        """Numbers that a network gives for one sample: classes, or target values."""
        if self.task == "classification":
            return len(self.class_names)
        return math.prod(self.target_shape)

    def to_dict(self) -> dict[str, Any]:
        """Return plain dictionaries, lists, strings and numbers."""
        plain: dict[str, Any] = json.loads(json.dumps(vars(self), default=vars))
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` gave.

        Raises:
            ValueError: A key is missing or unknown, or a value is of another kind.
        """
        try:
            values = dict(plain)
            for name in ("normalisation", "target_scaling"):
                values[name] = _normalisation_of(values.get(name))
            for name in _TUPLES:
                values[name] = tuple(values.get(name, ()))
            values["named_inputs"] = {
                name: (dtype, tuple(shape)) for name, (dtype, shape) in values.get("named_inputs", {}).items()
            }
            description = cls(**values)
        except (KeyError, TypeError, ValueError, AttributeError) as err:
            raise ValueError(f"not a data description: {err}") from err
        description._check()
        return description

    def _check(self) -> None:
        """Check the types of what a file held, so that nothing further on meets a string in a number's place."""
        texts = (self.name, self.kind, self.task, self.units, self.source, self.licence, self.fingerprint)
        names = (*self.class_names, *self.target_names, *self.feature_names)
        shapes = [shape for _, shape in self.named_inputs.values()]
        sizes = (
            *self.input_shape,
            *self.target_shape,
            *self.class_counts,
            *_values_of(self.split_sizes),
            *sum(shapes, ()),
        )
        if not all(isinstance(text, str) for text in (*texts, *names)):
            raise ValueError("not a data description: a name is not text")
        if not all(type(size) is int and 0 <= size < 2**48 for size in sizes):
            raise ValueError("not a data description: a size is not a whole number")
        if self.task not in ("classification", "regression"):
            raise ValueError("not a data description: its task is neither classification nor regression")
        if self.class_counts and len(self.class_counts) != len(self.class_names):
            raise ValueError("not a data description: it counts other classes than it names")
        dtypes = [self.input_dtype, *(dtype for dtype, _ in self.named_inputs.values())]
        if any(dtype not in ("float32", "int64") for dtype in dtypes):
            raise ValueError("not a data description: an input is neither float32 nor int64")
        if not isinstance(self.learned, dict):
            raise ValueError("not a data description: what was learned is no table of names")
        for numbers in (self.normalisation, self.target_scaling):
            if numbers is not None and not _is_sound(numbers):
                raise ValueError(
                    "not a data description: its normalisation does not consist of finite numbers"
                )


def _normalisation_of(plain: Mapping[str, Any] | None) -> Normalisation | None:
    if plain is None:
        return None
    return Normalisation(
        scale=plain["scale"], mean=tuple(plain["mean"]), std=tuple(plain["std"]), axis=plain.get("axis", 1)
    )


def _values_of(sizes: object) -> tuple[object, ...]:
    return tuple(sizes.values()) if isinstance(sizes, Mapping) else (None,)


def _is_sound(normalisation: Normalisation) -> bool:
    divisors = (normalisation.scale, *normalisation.std)
    numbers = (*divisors, *normalisation.mean)
    kinds = all(isinstance(number, float | int) and math.isfinite(number) for number in numbers)
    if normalisation.axis not in (1, 2):
        return False
    return kinds and len(normalisation.mean) == len(normalisation.std) and all(divisors)
