"""The check of each setting by itself: unknown names, values outside their range, texts that cannot be parsed."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dlkit.errors import ConfigError, did_you_mean
from dlkit.settings.catalogue import DATA
from dlkit.settings.config import FIELDS, TrainConfig, flag
from dlkit.settings.models import MODELS
from dlkit.settings.spec import parse_code, parse_spec
from dlkit.settings.texts import (
    parse_bands,
    parse_duration,
    parse_kinds,
    parse_log,
    parse_missing,
    parse_normalize,
    parse_num_workers,
    parse_save_every,
    parse_threads,
    parse_weights,
)

_DEVICE = re.compile("auto|cpu|mps|cuda(:(0|[1-9][0-9]{0,3}))?")


def check_device(device: str) -> Iterator[ConfigError]:
    """Check the name of a device."""
    if not _DEVICE.fullmatch(device):
        yield ConfigError(
            f"--device {device} is not known; choose from auto, cpu, cuda, cuda:N, mps",
            "auto takes the best device available",
        )


def find_faults(config: TrainConfig) -> Iterator[ConfigError]:
    """Check each setting by itself: unknown names, values outside their range."""
    for name, field in FIELDS.items():
        value = getattr(config, name)
        if field.metadata and value is not None and not (name == "model" and parse_code(value)):
            yield from _check(name, value, field.metadata)
    if not config.data and (config.model in MODELS or parse_code(config.model)):
        yield ConfigError("--data is missing", f"choose from {', '.join(DATA)}, or name a file")
    yield from check_device(config.device)
    parsed: tuple[tuple[Any, Callable[[Any], object]], ...] = (
        (config.data or None, parse_spec),
        (config.bands, parse_bands),
        (config.normalize if config.normalize not in ("auto", "none") else None, parse_normalize),
        (config.num_workers if config.num_workers != "auto" else None, parse_num_workers),
        (config.max_time, parse_duration),
        (config.save_every, parse_save_every),
        (config.target_weights, parse_weights),
        (config.threads, parse_threads),
        (config.log, parse_log),
        (config.missing, parse_missing),
        (config.kinds, parse_kinds),
    )
    for text, parse in parsed:
        try:
            if text is not None:
                parse(text)
        except ConfigError as err:
            yield err


def _check(name: str, value: Any, checks: Mapping[str, Any]) -> Iterator[ConfigError]:
    if checks["choices"] and value not in checks["choices"]:
        known = ", ".join(checks["choices"])
        problem = f"{value} is not known" if value else "is missing"
        yield ConfigError(
            f"{flag(name)} {problem}; choose from {known}{' or file.py:Class' if name == 'model' else ''}",
            did_you_mean(value, checks["choices"])
            or (
                f"it is a data set: dlkit train mlp --data {value}"
                if name == "model" and value in DATA
                else ""
            )
            or (f"add the name of its class: {value}:Net" if str(value).endswith(".py") else checks["hint"]),
        )
    if isinstance(value, bool | str):
        return
    low, above, below = (checks[key] for key in ("low", "above", "below"))
    inside = (
        (isinstance(value, int) or math.isfinite(value))
        and (low is None or value >= low)
        and (above is None or value > above)
        and (below is None or value < below)
    )
    if not inside:
        left = f"({above}" if low is None else f"[{low}"
        right = "inf" if below is None else below
        yield ConfigError(f"{flag(name)} {value} is outside {left}, {right})", checks["hint"])
