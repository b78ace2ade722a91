"""What eval and inspect write beside predictions, as it is drawn: importance, worst samples, scores, layers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dlkit.errors import DataError, printable

Rows = Sequence[tuple[int, Sequence[str]]]

_IMPORTANCE = ("feature", "importance", "lo", "hi")
_WORST = ("rank", "index")
_SCORES = ("checkpoint", "data", "split", "n", "loss")
_LOW, _HIGH = "_lo", "_hi"


@dataclass(frozen=True)
class Importance:
    """How much worse a metric gets when a column is shuffled, the most important column first.

    Args:
        metric: Its name.
        features: Names of F columns.
        values: F numbers, above 0 where the column is needed.
        lo: Lower ends of their intervals, NaN where there is none.
        hi: Upper ends.
    """

    metric: str
    features: Sequence[str]
    values: Sequence[float]
    lo: Sequence[float]
    hi: Sequence[float]


@dataclass(frozen=True)
class WorstSamples:
    """Samples that a model was most wrong about, the worst first.

    Args:
        captions: N texts: index, truth and prediction.
        errors: N losses or errors.
        of: What they are: `loss` or `error`.
        images: N files of images; empty for other samples.
    """

    captions: Sequence[str]
    errors: Sequence[float]
    of: str
    images: Sequence[Path]


@dataclass(frozen=True)
class Scores:
    """Metrics of several checkpoints with their intervals.

    Args:
        names: Of C checkpoints.
        metrics: By the name of the metric, C values with lower and upper end; NaN where there is none.
    """

    names: Sequence[str]
    metrics: dict[str, list[tuple[float, float, float]]]


def is_importance(header: Sequence[str]) -> bool:
    """Return whether a CSV is one of eval --importance."""
    return set(_IMPORTANCE) <= set(header)


def is_worst(header: Sequence[str]) -> bool:
    """Return whether a CSV is one of eval --worst."""
    return tuple(header[:2]) == _WORST


def are_scores(header: Sequence[str]) -> bool:
    """Return whether a table is that of eval of several checkpoints."""
    return tuple(header[: len(_SCORES)]) == _SCORES


def are_layers(header: Sequence[str]) -> bool:
    """Return whether a CSV is one of inspect weights, grads or acts."""
    return header[0] == "layer" and {"norm", "mean"} <= set(header)


def parse_importance(path: Path, header: Sequence[str], rows: Rows) -> Importance:
    """Read the importance of columns.

    Raises:
        DataError: It is another file, has no rows, or a value is no number.
    """
    _check(path, is_importance(header), rows, "importance.csv", "dlkit eval RUN --importance")
    values, lo, hi = (_numbers(path, header, rows, name) for name in _IMPORTANCE[1:])
    metric = rows[0][1][header.index("metric")] if "metric" in header else "the metric"
    return Importance(metric, [row[header.index("feature")] for _, row in rows], values, lo, hi)


def parse_worst(path: Path, header: Sequence[str], rows: Rows) -> WorstSamples:
    """Read the worst samples.

    Raises:
        DataError: It is another file, has no rows, or a value is no number.
    """
    _check(path, is_worst(header), rows, "a file of worst samples", "dlkit eval RUN --worst 16")
    of = next((name for name in ("loss", "error") if name in header), "")
    if not of:
        raise DataError(f"{path} has neither a column loss nor error")
    columns = {name: place for place, name in enumerate(header)}

    def caption(row: Sequence[str]) -> str:
        parts = [f"{row[columns[name]]}" for name in ("target", "pred") if name in columns]
        return f"{row[columns['index']]}: {' as '.join(parts)}" if parts else row[columns["index"]]

    images = [path.parent / row[columns["image"]] for _, row in rows] if "image" in columns else []
    return WorstSamples([caption(row) for _, row in rows], _numbers(path, header, rows, of), of, images)


def parse_scores(path: Path, header: Sequence[str], rows: Rows) -> Scores:
    """Read the scores of checkpoints; a second table below them is left alone.

    Raises:
        DataError: It is another file, has no rows, or a value is no number.
    """
    rows = [(line, row) for line, row in rows if len(row) == len(header)]
    _check(path, are_scores(header), rows, "a table of scores", "dlkit eval RUN1 RUN2 > scores.tsv")
    ends = {f"{name}{end}" for name in header for end in (_LOW, _HIGH)}
    found = {}
    for name in ("loss", *header[len(_SCORES) :]):
        if name not in ends:
            value = _numbers(path, header, rows, name)
            lo, hi = (
                _numbers(path, header, rows, name + end) if name + end in header else [math.nan] * len(rows)
                for end in (_LOW, _HIGH)
            )
            found[name] = list(zip(value, lo, hi, strict=True))
    return Scores([row[0] for _, row in rows], found)


def parse_layers(path: Path, header: Sequence[str], rows: Rows) -> list[dict[str, float | str | None]]:
    """Read the statistics of layers.

    Raises:
        DataError: It is another file, has no rows, or a value is no number.
    """
    _check(path, are_layers(header), rows, "a table of layers", "dlkit inspect weights RUN -o layers.csv")
    texts = ("layer", "shape")
    columns = {name: _numbers(path, header, rows, name) for name in header if name not in texts}
    return [
        {
            "layer": row[0],
            **{
                name: None if math.isnan(values[place]) else values[place] for name, values in columns.items()
            },
        }
        for place, (_, row) in enumerate(rows)
    ]


def _check(path: Path, fits: bool, rows: Rows, what: str, command: str) -> None:
    if not fits:
        raise DataError(f"{path} is not {what}", f"{command} writes one")
    if not rows:
        raise DataError(f"{path} has no rows", "it holds a header only")


def _numbers(path: Path, header: Sequence[str], rows: Rows, name: str) -> list[float]:
    """Return a column; an empty cell is NaN."""
    column, found = header.index(name), []
    for line, row in rows:
        try:
            found.append(float(row[column] or "nan"))
        except (ValueError, IndexError) as err:
            shown = printable(row[column]) if column < len(row) else "missing"
            raise DataError(f"{path} line {line}: {name} is {shown!r}, not a number") from err
    return found
