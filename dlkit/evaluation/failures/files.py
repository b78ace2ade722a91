"""The tables that say where a network fails, kept in its run folder for plots."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dlkit.evaluation.section import Section
from dlkit.files.atomic import make_folder, write_file
from dlkit.files.file_times import stamp_as
from dlkit.files.run_dir import RunDir


def keep_failures(
    run: RunDir, split: str, sections: Sequence[Section], images: Sequence[bytes]
) -> list[Path]:
    """Write importance and worst samples into a run folder, images as PNG files in a folder of their own.

    Returns:
        The tables written.

    Raises:
        DlkitError: The folder takes no files.
    """
    written = []
    by_name = {section.name: section for section in sections}
    if "importance" in by_name:
        written.append(_write(run.importance, by_name["importance"]))
    if "worst" in by_name:
        path = run.worst(split)
        written.append(_write(path, _with_images(path, by_name["worst"], images)))
    for path in written:
        stamp_as(path, run.best)
    return written


def _with_images(path: Path, section: Section, images: Sequence[bytes]) -> Section:
    """Write the images, and return the table with a column of their names."""
    if not images:
        return section
    folder = path.with_suffix("")
    make_folder(folder)
    names = [f"{folder.name}/{rank:04d}.png" for rank in range(1, len(images) + 1)]
    for name, image in zip(names, images, strict=True):
        write_file(path.parent / name, image)
    rows = [[*row, name] for row, name in zip(section.rows, names, strict=True)]
    return replace(section, columns=[*section.columns, "image"], rows=rows)


def _write(path: Path, section: Section) -> Path:
    write_file(path, section.to_csv().encode())
    return path
