"""The contents of a safetensors file: read from its header alone, so nothing of it is verified."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlkit.errors import printable
from dlkit.files.header import METADATA_KEY, TensorEntry, read_header
from dlkit.inspection.layer_table import Cell

TENSOR_COLUMNS = ("tensor", "dtype", "shape", "mib")
_RESERVED = "dlkit."
_NO_PARAMETERS = (".running_mean", ".running_var", ".num_batches_tracked")
_SHOWN_SETTINGS = (
    "optimizer",
    "lr",
    "batch_size",
    "schedule",
    "epochs",
    "loss",
    "weight_decay",
    "l1",
    "seed",
)


@dataclass(frozen=True)
class Contents:
    """The header of a safetensors file.

    Args:
        path: The file.
        file_bytes: Its size.
        metadata: What dlkit wrote beside the tensors; empty if another program wrote the file.
        foreign: The metadata that another program wrote.
        tensors: By name: those of the network first, then those that only resuming needs.
    """

    path: Path
    file_bytes: int
    metadata: Mapping[str, Any]
    foreign: Mapping[str, str]
    tensors: Mapping[str, TensorEntry]

    @property
    def parameters(self) -> int:
        """Numbers in the network's tensors, the running statistics of batch norm left out."""
        return sum(
            math.prod(entry.shape)
            for name, entry in self.tensors.items()
            if not name.startswith(_RESERVED) and not name.endswith(_NO_PARAMETERS)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        kept = ("model", "arguments")
        return {
            "path": str(self.path),
            "verified": False,
            "written_by_dlkit": bool(self.metadata),
            "format": self.metadata.get("format"),
            **{name: _inside(self.metadata, "config", name) for name in kept},
            "data": self.metadata.get("description"),
            "code": self.metadata.get("code"),
            "progress": self.metadata.get("progress"),
            "config": self.metadata.get("config"),
            "versions": self.metadata.get("versions"),
            "metadata": dict(self.foreign),
            "num_tensors": len(self.tensors),
            "parameters": self.parameters,
            "bytes": self.file_bytes,
            "tensors": [dict(zip(TENSOR_COLUMNS, row, strict=True)) for row in self.tensor_rows()],
        }

    def to_pairs(self) -> dict[str, Cell]:
        """Return what a person asks first, by name; what the file does not hold is left out."""
        network_name = _inside(self.metadata, "config", "model")
        network = sum(not name.startswith(_RESERVED) for name in self.tensors)
        resuming = len(self.tensors) - network
        pairs: dict[str, Any] = {
            "file": str(self.path),
            "checksum": "not verified: only the header was read",
            "written by": _versions(self.metadata)
            if self.metadata
            else "another program: only its tensors are known",
            "format": self.metadata.get("format"),
            "model": network_name,
            "code": _joined(_chosen(self.metadata.get("code"), ("file", "sha256"))),
            "arguments": _joined(_inside(self.metadata, "config", "arguments")),
            "data": _data(self.metadata.get("description")),
            "settings": _joined(_chosen(self.metadata.get("config"), _SHOWN_SETTINGS)),
            "changed": _listed(_inside(self.metadata, "progress", "changes")),
            "best epoch": _joined(_metrics(_inside(self.metadata, "progress", "best"))),
            "metadata": _joined(self.foreign),
            "tensors": f"{network:,} of the network, {resuming:,} for resuming" if resuming else network,
            "parameters" if network_name or not self.metadata else "values": self.parameters,
            "bytes": self.file_bytes,
        }
        return {
            name: printable(value, limit=400) if isinstance(value, str) else value
            for name, value in pairs.items()
            if isinstance(value, int | float | str) and value != ""
        }

    def tensor_rows(self) -> list[tuple[str, str, str, float]]:
        """Return a row for each tensor: name, dtype, shape as in 10x128, and size in MiB."""
        return [
            (name, entry.dtype, "x".join(map(str, entry.shape)) or "1", (entry.end - entry.begin) / 2**20)
            for name, entry in self.tensors.items()
        ]


def read_contents(path: Path) -> Contents:
    """Read the header of a safetensors file, dlkit's own or any other.

    Raises:
        CheckpointError: The file is missing, is damaged, or is no safetensors file.
    """
    header = read_header(path)
    metadata = header.dlkit_metadata(path) if METADATA_KEY in header.metadata else {}
    foreign = {name: value for name, value in header.metadata.items() if name != METADATA_KEY}
    names = sorted(header.tensors, key=_natural_order)
    return Contents(
        path, header.file_bytes, metadata, foreign, {name: header.tensors[name] for name in names}
    )


def _natural_order(name: str) -> tuple[bool, list[tuple[int, str]]]:
    """Sort the network's tensors first, and layer 10 after layer 9."""
    parts = re.findall(r"[0-9]{1,18}|[^0-9]+|[0-9]+", name)
    return name.startswith(_RESERVED), [
        (int(part), "") if part.isdecimal() and len(part) <= 18 else (-1, part) for part in parts
    ]


def _inside(value: Any, *keys: str) -> Any:
    """Go down into nested dictionaries; None where one is missing or is something else."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _listed(value: Any) -> str:
    return "; ".join(map(str, value)) if isinstance(value, list) else ""


def _chosen(value: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value[key] for key in keys if key in value} if isinstance(value, Mapping) else {}


def _metrics(record: Any) -> dict[str, Any]:
    if not isinstance(record, Mapping):
        return {}
    names = ("epoch", "step", *sorted(name for name in record if name.startswith(("train_", "val_"))))
    return {name: round(value, 4) for name in names if isinstance(value := record.get(name), int | float)}


def _joined(pairs: Any) -> str:
    if not isinstance(pairs, Mapping):
        return ""
    return ", ".join(f"{name}={_text(value)}" for name, value in pairs.items())


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _versions(metadata: Mapping[str, Any]) -> str:
    versions = metadata.get("versions")
    if not isinstance(versions, Mapping):
        return "dlkit"
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _data(description: Any) -> str:
    if not isinstance(description, Mapping):
        return ""
    shape, classes = description.get("input_shape"), description.get("class_names")
    sizes = description.get("split_sizes")
    parts = [
        str(description.get("task", "")),
        "x".join(map(str, shape)) if isinstance(shape, list) else "",
        f"{len(classes)} classes" if isinstance(classes, list) and classes else "",
        " ".join(f"{name} {size}" for name, size in _chosen(sizes, ("train", "val", "test")).items()),
    ]
    return f"{description.get('name', '')} ({', '.join(filter(None, parts))})"
