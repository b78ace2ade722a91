"""dlkit eval --grid: a map with its uncertainty."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dlkit.cli import console
from dlkit.errors import ConfigError
from dlkit.files.run_dir import RunDir

_MAX_CELLS = 2000


@dataclass(frozen=True, kw_only=True)
class MapOptions:
    """The options of maps and of random draws.

    Args:
        grid: Number of cells along the longer side; None for no map.
        draws: Number of random draws of neighbours.
        at: The time of the map.
        out: The file; None is stdout.
        interval: Share of new values that the intervals are to hold.
    """

    grid: int | None
    draws: int | None
    at: float | None
    out: Path | None
    interval: float | None = None

    def faults(self, num_checkpoints: int) -> Iterator[ConfigError]:
        """Check the options."""
        if self.draws is not None and not 2 <= self.draws <= 10_000:
            yield ConfigError(
                f"--draws {self.draws} is outside [2, 10000]",
                "20 estimate mean and standard deviation well enough",
            )
        if self.grid is None:
            for option, value in (("--at", self.at), ("--out", self.out)):
                if value is not None:
                    yield ConfigError(f"{option} {value} has no effect without --grid", "add --grid N")
            return
        if not 1 <= self.grid <= _MAX_CELLS:
            yield ConfigError(
                f"--grid {self.grid} is outside [1, {_MAX_CELLS}]", "50 makes up to 50 x 50 cells"
            )
        if num_checkpoints > 1:
            yield ConfigError(
                f"--grid takes one checkpoint; {num_checkpoints} are given", "run one command per checkpoint"
            )
        if self.at is not None and not math.isfinite(self.at):
            yield ConfigError(f"--at {self.at} is not a time", "use a number, in the unit of the table")
        if console.mode.json:
            yield ConfigError("--grid writes CSV, not JSON", "leave --json out")
        if self.out is not None and self.out.suffix.lower() != ".csv":
            yield ConfigError(f"--out {self.out} does not end in .csv", "for example -o map.csv")
        elif self.out is not None and self.out in RunDir(self.out.parent).files():
            yield ConfigError(
                f"--out {self.out} would overwrite a file of a run", "choose another name, e.g. map.csv"
            )


def write_map(checkpoint: Path, options: MapOptions, device: str) -> None:
    """Predict a map and write it to a file, or to stdout."""
    from dlkit.device import pick_device
    from dlkit.evaluation.spatial_map import DRAWS, predict_map
    from dlkit.files.atomic import write_file
    from dlkit.files.checkpoint import load_checkpoint

    assert options.grid is not None, "called for a map"
    found = predict_map(
        load_checkpoint(checkpoint),
        options.grid,
        pick_device(device),
        draws=options.draws or DRAWS,
        at=options.at,
        level=options.interval,
    )
    for text in found.notes:
        console.note(text)
    if options.out is None:
        console.print_text(found.to_csv())
        return
    write_file(options.out, found.to_csv().encode())
    console.print_paths([options.out])
