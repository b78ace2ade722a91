"""The plot kinds: which files each recognises, how they are read, and what draws them; no matplotlib needed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlkit.errors import DataError, printable
from dlkit.files.foreign_history import is_history, parse_any_history
from dlkit.files.history import read_rows
from dlkit.plotting.eval_inputs import (
    are_layers,
    are_scores,
    is_importance,
    is_worst,
    parse_importance,
    parse_layers,
    parse_scores,
    parse_worst,
)
from dlkit.plotting.history.long import read_large
from dlkit.plotting.history.terminal import Line
from dlkit.plotting.inputs import CURVE_COLUMNS, parse_curves
from dlkit.plotting.map_inputs import is_map, parse_map
from dlkit.plotting.predictions.reading import (
    Predictions,
    Rows,
    complete_rows,
    has_predictions,
    holds_numbers,
    parse_classes,
    parse_numbers,
    parse_probabilities,
)
from dlkit.settings.deferred import deferred

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Reader = Callable[[Path, Sequence[str], Rows], Any]


@dataclass(frozen=True, kw_only=True)
class PlotOptions:
    """What was asked for with the options that curves alone have."""

    columns: list[str] | None = None
    x: str | None = None
    labels: list[str] | None = None
    smooth: int = 1
    log_y: bool = False
    join: bool = False
    group: bool = False

    def typed(self) -> list[str]:
        """Return the options that ask for something else than the default."""
        asked = {
            "-y": self.columns is not None,
            "-x": self.x is not None,
            "--label": self.labels is not None,
            "--smooth": self.smooth != 1,
            "--log-y": self.log_y,
            "--join": self.join,
            "--group": self.group,
        }
        return [flag for flag, is_asked in asked.items() if is_asked]


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What is to be drawn.

    Args:
        inputs: What `read` returned, one for each file.
        paths: The files.
        options: What was asked for.
        warn: Takes a message for the user.
    """

    inputs: Sequence[Any]
    paths: Sequence[Path]
    options: PlotOptions
    warn: Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class PlotKind:
    """One kind of plot.

    Args:
        name: As --kind is typed.
        holds: What a file of it holds, for messages.
        recognise: Whether a CSV with this header and these rows is of the kind; None if only --kind asks for it.
        read: Reads the rows of a CSV, each with its line; raises DataError for what it cannot draw.
        draw: Makes the figure, with matplotlib, which it imports itself.
        options: The options of `PlotOptions` that it takes.
        several: Several files are drawn into one figure.
        note: Said of it in the help, where the name does not say it.
        write: Draws with characters instead, for a width, as `histories.write_histories`; None if it cannot.
        suffix: Stands behind the name of the file in that of the figure.
    """

    name: str
    holds: str
    recognise: Callable[[Sequence[str], Rows], bool] | None
    read: "Reader"
    draw: "Callable[[Drawing], Figure]"
    options: tuple[str, ...] = ()
    several: bool = False
    note: str = ""
    write: Callable[[Drawing, int], tuple[list[Line], dict[str, str]]] | None = None
    suffix: str = ""


def read_input(
    path: Path, kind: str | None = None, note: Callable[[str], object] = str
) -> tuple[PlotKind, Any]:
    """Read a CSV as what its header says it is.

    Args:
        path: The file.
        kind: A name in `PLOT_KINDS` where the header shall not decide.
        note: Takes a message about rows that are left out.

    Raises:
        DataError: It is missing, empty, no text, of no kind, or a cell is faulty.
    """
    if kind in (None, "curves") and (history := read_large(path)) is not None:
        return PLOT_KINDS["curves"], history
    header, rows = read_rows(path)
    if odd := [name for name in header if not " ".join(name.split()).isprintable()]:
        raise DataError(f"{path} is not a CSV with a header: {printable(odd[0])!r} is not a column name")
    found = _kind_of(path, header, rows) if kind is None else PLOT_KINDS[kind]
    if found.holds != "predictions":
        return found, found.read(path, header, rows)
    complete, message = complete_rows(path, header, rows)
    if message:
        note(message)
    return found, found.read(path, header, complete)


def _kind_of(path: Path, header: Sequence[str], rows: Rows) -> PlotKind:
    for kind in PLOT_KINDS.values():
        if kind.recognise is not None and kind.recognise(header, rows):
            return kind
    shown = printable(", ".join(header), 200)
    raise DataError(
        f"{path} is neither a history (it would have the columns epoch, train_loss, val_loss) "
        f"nor predictions (target, pred); its columns are {shown}",
        "dlkit train writes history.csv, dlkit eval RUN --predict FILE.csv writes predictions",
    )


def _draw_confusion(drawing: Drawing) -> "Figure":
    from dlkit.plotting.predictions.confusion import count_confusion, plot_confusion

    found: Predictions = drawing.inputs[0]
    counts = count_confusion(found.targets, found.preds, found.class_names)
    return plot_confusion(counts, found.class_names)


def _with(place: str) -> "Callable[[Drawing], Figure]":
    """Return what draws a single input with the function at `module:name`."""
    plot = deferred(place)
    return lambda drawing: plot(drawing.inputs[0])


def _has_curves(header: Sequence[str], _: Rows = ()) -> bool:
    return set(CURVE_COLUMNS) <= set(header)


_RECORDS = (
    PlotKind(
        name="curves",
        holds="histories",
        recognise=lambda header, _: is_history(header) and not has_predictions(header),
        read=parse_any_history,
        draw=deferred("dlkit.plotting.history.drawing:draw_histories"),
        write=deferred("dlkit.plotting.history.drawing:write_histories"),
        options=("-y", "-x", "--label", "--smooth", "--log-y", "--join", "--group"),
        several=True,
    ),
    PlotKind(
        name="importance",
        holds="the importance of columns",
        recognise=lambda header, _: is_importance(header),
        read=parse_importance,
        draw=_with("dlkit.plotting.scores:plot_importance"),
    ),
    PlotKind(
        name="worst",
        holds="the worst samples",
        recognise=lambda header, _: is_worst(header),
        read=parse_worst,
        draw=_with("dlkit.plotting.scores:plot_worst"),
    ),
    PlotKind(
        name="compare",
        holds="scores of checkpoints",
        recognise=lambda header, _: are_scores(header),
        read=parse_scores,
        draw=_with("dlkit.plotting.scores:plot_scores"),
        note="scores of checkpoints",
    ),
    PlotKind(
        name="layers",
        holds="statistics of layers",
        recognise=lambda header, _: are_layers(header),
        read=parse_layers,
        draw=_with("dlkit.plotting.layers.statistics:plot_layers"),
        note="weights, gradients or activations",
    ),
    PlotKind(
        name="organs",
        holds="predictions",
        recognise=_has_curves,
        read=parse_curves,
        draw=_with("dlkit.plotting.concentrations:plot_organs"),
    ),
    PlotKind(
        name="fold",
        holds="predictions",
        recognise=None,
        read=parse_curves,
        draw=_with("dlkit.plotting.concentrations:plot_fold"),
        note="predicted against true",
        suffix="-fold",
    ),
    PlotKind(
        name="parity",
        holds="predictions",
        recognise=lambda header, rows: has_predictions(header) and holds_numbers(header, rows),
        read=parse_numbers,
        draw=_with("dlkit.plotting.predictions.parity:plot_parity"),
        note="predicted against true numbers",
    ),
    PlotKind(
        name="residual",
        holds="predictions",
        recognise=None,
        read=parse_numbers,
        draw=_with("dlkit.plotting.predictions.residual:plot_residual"),
        note="errors of numbers",
        suffix="-residual",
    ),
    PlotKind(
        name="confusion",
        holds="predictions",
        recognise=lambda header, _: has_predictions(header),
        read=parse_classes,
        draw=_draw_confusion,
    ),
    PlotKind(
        name="roc",
        holds="predictions",
        recognise=None,
        read=parse_probabilities,
        draw=_with("dlkit.plotting.predictions.ranking:plot_roc"),
        suffix="-roc",
    ),
    PlotKind(
        name="pr",
        holds="predictions",
        recognise=None,
        read=parse_probabilities,
        draw=_with("dlkit.plotting.predictions.ranking:plot_pr"),
        note="precision and recall",
        suffix="-pr",
    ),
    PlotKind(
        name="calibration",
        holds="predictions",
        recognise=None,
        read=parse_probabilities,
        draw=_with("dlkit.plotting.predictions.calibration:plot_calibration"),
        suffix="-calibration",
    ),
    PlotKind(
        name="map",
        holds="a map",
        recognise=lambda header, _: is_map(header),
        read=parse_map,
        draw=_with("dlkit.plotting.maps:plot_map"),
    ),
)

PLOT_KINDS: dict[str, PlotKind] = {kind.name: kind for kind in _RECORDS}
