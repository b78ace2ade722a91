"""Parse settings whose text has parts: durations, lists, weights."""

import csv
import io
import math
import re

from dlkit.errors import ConfigError, did_you_mean, printable

COLUMN_KINDS = ("number", "boolean", "date", "text")
LOGS = ("tensorboard", "jsonl")
_MAX_THREADS = 1024
_MAX_WORKERS = 256
_NUMBER = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)"
_DURATION = re.compile(f"(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?|{_NUMBER}")
_LONGEST_COUNT = 4
_SAVE_EVERY = re.compile("([1-9][0-9]{0,11})(e?)")


def parse_threads(text: str) -> int | None:
    """Parse a number of threads; None for `auto`.

    Raises:
        ConfigError: It is neither.
    """
    if text == "auto":
        return None
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= _MAX_THREADS):
        raise ConfigError(
            f"--threads {text} is not auto or a number from 1 to {_MAX_THREADS}",
            "auto chooses by network, batch and cores",
        )
    return int(text)


def parse_devices(text: str) -> int | tuple[int, ...] | None:
    """Parse `--devices`: how many, which, or None for `all`.

    Raises:
        ConfigError: It is none of them.
    """
    if text == "all":
        return None
    numbers = [part.strip() for part in text.split(",")]
    fits = all(part.isascii() and part.isdecimal() and len(part) <= _LONGEST_COUNT for part in numbers)
    if not fits or (len(numbers) == 1 and int(numbers[0]) == 0):
        raise ConfigError(
            f"--devices {text} is not a number of devices, a list of them or all",
            "--devices 4 takes the first four, --devices 0,1 those two",
        )
    devices = tuple(map(int, numbers))
    return devices if len(devices) > 1 else devices[0]


def parse_bands(text: str) -> tuple[str, ...]:
    """Parse a list of bands, by number from 1 or by name.

    Raises:
        ConfigError: One is empty, 0 or given twice.
    """
    bands = tuple(part.strip() for part in text.split(","))
    for band in bands:
        if not band or (band.isdecimal() and int(band) == 0) or bands.count(band) > 1:
            why = "is given twice" if bands.count(band) > 1 else "is not a band"
            raise ConfigError(
                f"--bands {text}: {band or 'an empty name'} {why}",
                "bands are counted from 1, as in --bands 4,3,2",
            )
    return bands


def parse_log(text: str | None) -> tuple[str, ...]:
    """Parse the names of logs, separated by commas; none for None.

    Raises:
        ConfigError: A name is unknown.
    """
    if text is None:
        return ()
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in LOGS:
            raise ConfigError(
                f"--log {name or text} is not known; choose from {', '.join(LOGS)}",
                did_you_mean(name, LOGS) or "for example --log tensorboard,jsonl",
            )
    return names


def parse_duration(text: str) -> float:
    """Parse a duration such as 90s, 30m, 2h or 1h30m into seconds; a number alone is seconds.

    Raises:
        ConfigError: It is not a duration, or not above 0.
    """
    match = _DURATION.fullmatch(text.strip())
    parts = [float(part or 0) for part in match.groups()] if match else [0.0]
    seconds = sum(part * unit for part, unit in zip(parts, (3600, 60, 1, 1), strict=False))
    if seconds <= 0:
        raise ConfigError(f"--max-time {text} is not a duration above 0", "for example 90s, 30m, 2h or 1h30m")
    return seconds


def parse_num_workers(text: str) -> int:
    """Parse a number of threads that decode.

    Raises:
        ConfigError: It is not a number from 0 to 256.
    """
    if not re.fullmatch("[0-9]{1,3}", text) or int(text) > _MAX_WORKERS:
        raise ConfigError(
            f"--num-workers {text} is not auto or a number from 0 to {_MAX_WORKERS}",
            "auto takes one per core; 0 decodes in the training thread",
        )
    return int(text)


def parse_save_every(text: str) -> tuple[int, bool]:
    """Parse `N` (steps) or `Ne` (epochs).

    Returns:
        The number, and whether it counts epochs.

    Raises:
        ConfigError: It is neither.
    """
    match = _SAVE_EVERY.fullmatch(text)
    if match is None:
        raise ConfigError(f"--save-every {text} is not N steps or Ne epochs", "for example 500 or 2e")
    return int(match[1]), match[2] == "e"


def parse_weights(text: str) -> dict[str, float]:
    """Parse `NAME=W,...`.

    Raises:
        ConfigError: A part is not a name and a number, a number is not above 0, or a name is given twice.
    """
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = part.rpartition("=")
        name = name.strip()
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not name or not (math.isfinite(weight) and weight > 0) or name in weights:
            raise ConfigError(
                f"--target-weights {text}: {part!r} is not NAME=W with W above 0, or is given twice",
                "for example --target-weights 3=2,8=1.5",
            )
        weights[name] = weight
    return weights


def parse_normalize(text: str) -> tuple[float, ...]:
    """Parse `MEAN,STD`: all means, then all standard deviations.

    Raises:
        ConfigError: It is neither that nor `auto` or `none`.
    """
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    half = len(numbers) // 2
    fits = numbers and len(numbers) % 2 == 0 and all(map(math.isfinite, numbers))
    if not fits or min(numbers[half:]) <= 0:
        raise ConfigError(
            f"--normalize {text} is not auto, none or MEAN,STD with a std above 0",
            "0.5,0.5 scales [0, 1] to [-1, 1]",
        )
    return numbers


def parse_missing(text: str) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Parse the values of --missing, separated by commas and quoted as in CSV.

    Returns:
        Values for all columns, and those for one column alone, `COL=VALUE`, by its name.

    Raises:
        ConfigError: It names none.
    """
    everywhere: list[str] = []
    of_columns: dict[str, tuple[str, ...]] = {}
    for part in dict.fromkeys(filter(None, fields_of(text))):
        name, equals, value = part.rpartition("=")
        if equals and not (name and value):
            raise ConfigError(
                f"--missing {printable(part, 60)} is no COLUMN=VALUE", "for example --missing -999,age=99"
            )
        if equals:
            of_columns[name] = (*of_columns.get(name, ()), value)
        else:
            everywhere.append(part)
    if not everywhere and not of_columns:
        raise ConfigError(f"--missing {text!r} names no value", "for example --missing -999,NA,age=99")
    return tuple(everywhere), of_columns


def parse_kinds(text: str) -> dict[str, str]:
    """Parse COL=KIND,... of --kinds into kinds by column.

    Raises:
        ConfigError: A part is no such pair, a kind is unknown, or a column is named twice.
    """
    kinds: dict[str, str] = {}
    for part in fields_of(text):
        name, _, kind = part.rpartition("=")
        if kind not in COLUMN_KINDS or not name or name in kinds:
            problem = "names a column twice" if name in kinds else "is not COLUMN=KIND"
            raise ConfigError(
                f"--kinds {printable(part, 60) or repr(text)} {problem}; kinds are {', '.join(COLUMN_KINDS)}",
                did_you_mean(kind, COLUMN_KINDS) or "for example --kinds zip=text",
            )
        kinds[name] = kind
    return kinds


def fields_of(text: str) -> list[str]:
    """Take a list apart that is separated by commas and quoted as in CSV."""
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), skipinitialspace=True))
    except csv.Error:
        rows = []
    return (
        [part.strip() for part in rows[0]] if len(rows) == 1 and rows[0] else [text]
    )  # a line end is within
