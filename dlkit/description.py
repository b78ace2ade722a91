"""What a data set says of itself: enough to size a network and to read its predictions."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Normalisation:
    """How stored values become inputs: (value / scale - mean) / std, channel by channel.

    Args:
        scale: The stored value that counts as 1, e.g. 255 for bytes.
        mean: One number a channel, or one for all.
        std: One number a channel, or one for all; never zero.
    """

    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class DataDescription:
    """Name, task, shapes, names and origin of a data set.

    Args:
        name: The spec it is loaded by.
        task: `classification` or `regression`.
        input_shape: Shape of one sample, (C, H, W) for pictures, (D,) for rows of numbers.
        target_shape: Shape of one target: () for a class index, (D,) for D numbers.
        class_names: One name a class, in the order of the class indices; empty for regression.
        feature_names: One name an input column; empty for pictures.
        units: The target's unit; empty for classes.
        normalisation: How stored values become inputs; None leaves them alone.
        split_sizes: Number of samples of `train`, `val` and `test`.
        source: Where it comes from.
        licence: Under which licence.
        fingerprint: SHA-256 over the stored samples and targets.
    """

    name: str
    task: str
    input_shape: tuple[int, ...]
    target_shape: tuple[int, ...] = ()
    class_names: tuple[str, ...] = ()
    feature_names: tuple[str, ...] = ()
    units: str = ""
    normalisation: Normalisation | None = None
    split_sizes: Mapping[str, int]
    source: str = ""
    licence: str = ""
    fingerprint: str = ""

    @property
    def num_outputs(self) -> int:
        """Numbers that a network gives for one sample: classes, or target values."""
        if self.task == "classification":
            return len(self.class_names)
        count = 1
        for size in self.target_shape:
            count *= size
        return count

    def with_normalisation(self, normalisation: Normalisation | None) -> Self:
        """Give the same description with another normalisation."""
        return replace(self, normalisation=normalisation)

    def to_dict(self) -> dict[str, Any]:
        """Give plain dictionaries, lists, strings and numbers."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` gave.

        Raises:
            ValueError: A key is missing or unknown, or a value is of another kind.
        """
        try:
            values: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value for key, value in plain.items()
            }
            normalisation = values.pop("normalisation")
            if normalisation is not None:
                normalisation = Normalisation(
                    scale=float(normalisation["scale"]),
                    mean=tuple(normalisation["mean"]),
                    std=tuple(normalisation["std"]),
                )
            known = {field.name for field in fields(cls)}
            if unknown := set(values) - known:
                raise ValueError(f"unknown keys {sorted(unknown)}")
            return cls(normalisation=normalisation, **values)
        except (KeyError, TypeError, AttributeError) as err:
            raise ValueError(f"not a data description: {err}") from err
