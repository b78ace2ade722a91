"""How far each step moved each layer, over a whole run: the update-to-weight ratios that training recorded."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from dlkit.diagnosis.reading import read_run
from dlkit.diagnosis.recording import Point
from dlkit.errors import DataError
from dlkit.files.run_dir import RunDir
from dlkit.inspection.layer_table import Row

SIGNAL = "update_ratio"


def read_updates(path: Path) -> tuple[dict[str, list[Point]], list[str]]:
    """Read the update ratios of a run, also one that is being trained; of a long one, ever fewer steps are kept.

    Args:
        path: A run folder, or a checkpoint in it.

    Returns:
        Step and ratio (norm of the step / norm of the weights) by layer in network order, and notes about the files.

    Raises:
        CheckpointError: It is not a run folder.
        DataError: The run recorded no ratios.
    """
    recording, notes = read_run(path)
    probes = RunDir(path if path.is_dir() else path.parent).probes
    measured = recording.layers(SIGNAL)
    if not measured:
        problem = "has no update ratios" if probes.exists() else "is missing"
        raise DataError(f"{probes} {problem}", "dlkit train records them at sampled steps")
    order = [
        *recording.signals.get("grad_norm", ()),
        *measured,
    ]  # weights that start at zero have no first ratio
    found = {layer: measured[layer] for layer in order if layer in measured}
    return found, [note for note in notes if str(probes) in note]


def update_rows(ratios: Mapping[str, Sequence[Point]]) -> list[Row]:
    """Return a row for each layer: the sampled steps, and the ratio's first, smallest, middle, largest and last value.

    Args:
        ratios: Step and ratio by layer, at least one of each.
    """
    return [_row(layer, points) for layer, points in ratios.items()]


def _row(layer: str, points: Sequence[Point]) -> Row:
    values = [value for _, value in points]
    largest = max(points, key=lambda point: point[1])
    return {
        "layer": layer,
        "sampled": len(points),
        "first": values[0],
        "min": min(values),
        "median": statistics.median(values),
        "max": largest[1],
        "max_step": largest[0],
        "last": values[-1],
    }
