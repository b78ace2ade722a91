"""What is wrong with a folder of images: files that cannot be read, and those whose names say another format."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from dlkit.data.check import check_loaded
from dlkit.data.findings import Finding
from dlkit.data.images.image_file import suffixes_of
from dlkit.data.images.listing import list_images
from dlkit.data.images.plan import find_faults
from dlkit.data.images.series import BY_SERIES, SERIES_CURE, unheeded_series
from dlkit.errors import DataError, printable
from dlkit.settings.config import TrainConfig
from dlkit.settings.spec import parse_spec

_LONGEST = 300


def check_folder(config: TrainConfig) -> list[Finding]:
    """Look for faults in a folder of images: files that cannot be read, or all that its samples have."""
    root = parse_spec(config.data).path
    assert root is not None, "a folder has a path"
    series = _series(root, config)
    findings = check_loaded(replace(config, group=BY_SERIES) if series else config)
    if any(finding.rule == "readable" for finding in findings):
        return list(unreadable(root, config.layout)) or findings
    return [*series, *findings, *misnamed(root, config.layout)]


def _series(root: Path, config: TrainConfig) -> list[Finding]:
    """Find images of one series, which splits at random would share."""
    try:
        series = unheeded_series(list_images(root, None, config.layout), config)
    except DataError:  # reported where the folder is loaded
        return []
    if not series:
        return []
    return [
        Finding(
            level="error",
            rule="series",
            where=printable(root.name, _LONGEST),
            count=1,
            message=f"{series}; a random split would separate them",
            cure=SERIES_CURE,
        )
    ]


def unreadable(root: Path, layout: str = "auto") -> Iterator[Finding]:
    """Decode all images of a folder and find those that cannot be read; none where it cannot even be listed."""
    try:
        faults = find_faults(list_images(root, None, layout))
    except DataError:
        return
    for name, text in faults:
        yield Finding(
            level="error",
            rule="readable",
            where=printable(name, _LONGEST),
            count=1,
            message=f"the image {text}",
            cure="fix or remove it",
        )


def misnamed(root: Path, layout: str = "auto") -> Iterator[Finding]:
    """Find images whose names end otherwise than their format does.

    Args:
        root: The folder; all of its images can be read.
        layout: What --layout asks for.

    Raises:
        DataError: It is missing or laid out otherwise.
    """
    for name in list_images(root, None, layout).names:
        fitting = suffixes_of(root / name)
        if fitting and Path(name).suffix.lower() not in fitting:
            yield Finding(
                level="warning",
                rule="misnamed",
                where=printable(name, _LONGEST),
                count=1,
                message=f"the name ends in {Path(name).suffix}, the image is of the kind {fitting[0]}",
                cure="it is read by its content; rename it, since other programs rely on the name",
            )
