"""dlkit plot: a picture of histories or of predictions."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from dlkit.cli import console
from dlkit.errors import ConfigError, did_you_mean, file_error
from dlkit.files.history import History
from dlkit.plotting.figure_file import figure_bytes, picture_format, save_figure
from dlkit.plotting.inputs import (
    KINDS,
    PredictedCurves,
    Predictions,
    find_csv,
    is_cut_off,
    read_input,
)
from dlkit.plotting.map_inputs import MapValues
from dlkit.plotting.panels import X_COLUMNS, check_x, choose_panels, count_not_positive, find_lacking

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STDOUT = Path("-")
_CURVES = "Curves"


@dataclass(frozen=True, kw_only=True)
class _CurveOptions:
    """What was asked for with the options that curves alone have."""

    columns: list[str] | None
    x: str
    labels: list[str] | None
    smooth: int
    log_y: bool

    def typed(self) -> list[str]:
        """Name the options that ask for something else than the default."""
        asked = {
            "-y": self.columns is not None,
            "-x": self.x != "epoch",
            "--label": self.labels is not None,
            "--smooth": self.smooth != 1,
            "--log-y": self.log_y,
        }
        return [flag for flag, is_asked in asked.items() if is_asked]


def plot(
    files: Annotated[
        list[Path],
        Argument(
            metavar="FILE|RUN",
            help="A history.csv, a run folder, or a CSV of dlkit eval --predict or --grid.",
        ),
    ],
    out: Annotated[
        Path | None,
        Option(
            "--out",
            "-o",
            metavar="FILE|-",
            help="A .png, .svg or .pdf file, - for PNG on stdout. Left out: beside the input, "
            "histories.png for several.",
        ),
    ] = None,
    kind: Annotated[
        str | None,
        Option(
            metavar="KIND",
            help="history, confusion, organs, fold (predicted against true) or map; else the header tells.",
        ),
    ] = None,
    columns: Annotated[
        str | None,
        Option(
            "--columns", "-y", metavar="COLS", help="Columns to draw, e.g. loss,lr.", rich_help_panel=_CURVES
        ),
    ] = None,
    x: Annotated[
        str, Option("-x", metavar="COL", help="epoch, step or seconds.", rich_help_panel=_CURVES)
    ] = "epoch",
    label: Annotated[
        str | None,
        Option(metavar="A,B", help="Names of the runs, as many as inputs.", rich_help_panel=_CURVES),
    ] = None,
    smooth: Annotated[
        int, Option(metavar="N", help="Running mean over N epochs, centred.", rich_help_panel=_CURVES)
    ] = 1,
    log_y: Annotated[
        bool, Option("--log-y", help="Logarithmic loss; with -y, every axis.", rich_help_panel=_CURVES)
    ] = False,
) -> None:
    """Draw the curves of training runs, the confusion matrix of predictions, concentration curves, or a map."""
    curves = _CurveOptions(columns=_split(columns), x=x, labels=_split(label), smooth=smooth, log_y=log_y)
    faults = [*_output_faults(out), *_kind_faults(kind), *_curve_faults(curves, len(files))]
    if faults:
        raise ConfigError.of(faults)
    paths = [find_csv(path) for path in files]
    inputs = [_read(path, kind) for path in paths]
    if maps := [found for found in inputs if isinstance(found, MapValues)]:
        _check_single("a map", paths, curves)
        _deliver(_draw_map(maps[0]), out or _default_path(paths, "map"))
        return
    histories = [found for found in inputs if isinstance(found, History)]
    if len(histories) == len(inputs):
        _deliver(_draw_curves(histories, paths, curves), out or _default_path(paths, "history"))
        return
    found = inputs[0]
    what = "a confusion matrix" if isinstance(found, Predictions) else "a picture of concentrations"
    _check_predictions(what, paths, len(histories), curves)
    assert not isinstance(found, History | MapValues), "it was checked that none is"
    if isinstance(found, Predictions):
        _deliver(_draw_confusion(found), out or _default_path(paths, "confusion"))
    else:
        _deliver(_draw_concentrations(found, kind), out or _default_path(paths, kind or "organs"))


def _split(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",")]


def _output_faults(out: Path | None) -> Iterator[ConfigError]:
    if out == _STDOUT:
        if console.mode.json:
            yield ConfigError("--json and -o - both want stdout", "name a file with -o, or leave --json out")
        elif sys.stdout.isatty():
            yield ConfigError(
                "-o - would write a picture to the terminal", "dlkit plot ... -o - > curves.png"
            )
    elif out is not None:
        try:
            picture_format(out)
        except ConfigError as err:
            yield err


def _kind_faults(kind: str | None) -> Iterator[ConfigError]:
    if kind is not None and kind not in KINDS:
        yield ConfigError(
            f"--kind {kind} is not known; choose from {', '.join(KINDS)}", did_you_mean(kind, KINDS)
        )


def _curve_faults(curves: _CurveOptions, num_inputs: int) -> Iterator[ConfigError]:
    if curves.x not in X_COLUMNS:
        yield ConfigError(
            f"-x {curves.x} is not known; choose from {', '.join(X_COLUMNS)}",
            did_you_mean(curves.x, X_COLUMNS),
        )
    if curves.smooth < 1:
        yield ConfigError(
            f"--smooth {curves.smooth} is outside [1, inf)", "1 draws every epoch as it was measured"
        )
    if curves.columns is not None and not all(curves.columns):
        yield ConfigError(f"-y {','.join(curves.columns)} has an empty name", "for example -y loss,lr")
    labels = curves.labels
    if labels is not None and len(labels) != num_inputs:
        yield ConfigError(
            f"--label {','.join(labels)} names {len(labels)} of {num_inputs} inputs",
            "one name an input, with commas between",
        )
    elif labels is not None and not all(labels):
        yield ConfigError(f"--label {','.join(labels)} has an empty name", "one name an input")


def _read(path: Path, kind: str | None) -> History | Predictions | PredictedCurves | MapValues:
    found = read_input(path, kind)
    if is_cut_off(path):
        console.note(f"the last line of {path} is cut off and left out")
    return found


def _check_predictions(what: str, paths: Sequence[Path], num_histories: int, curves: _CurveOptions) -> None:
    if num_histories:
        raise ConfigError(
            f"{num_histories} of the {len(paths)} inputs are histories, the others predictions",
            "draw them one after the other: a picture shows one kind",
        )
    _check_single(what, paths, curves)


def _check_single(what: str, paths: Sequence[Path], curves: _CurveOptions) -> None:
    if len(paths) > 1:
        raise ConfigError(f"{what} is of one file, not of {len(paths)}", f"for example dlkit plot {paths[0]}")
    if flags := curves.typed():
        holds = "a map" if what == "a map" else "predictions"
        raise ConfigError(f"{', '.join(flags)} is for histories; {paths[0]} holds {holds}", "leave it out")


def _draw_map(found: MapValues) -> "Figure":
    from dlkit.plotting.maps import plot_map

    return plot_map(found)


def _draw_confusion(predictions: Predictions) -> "Figure":
    from dlkit.plotting.confusion import count_confusion, plot_confusion

    counts = count_confusion(predictions.targets, predictions.preds, predictions.class_names)
    return plot_confusion(counts, predictions.class_names)


def _draw_concentrations(curves: PredictedCurves, kind: str | None) -> "Figure":
    from dlkit.plotting.concentrations import plot_fold, plot_organs

    return plot_fold(curves) if kind == "fold" else plot_organs(curves)


def _draw_curves(histories: Sequence[History], paths: Sequence[Path], curves: _CurveOptions) -> "Figure":
    files = [str(path) for path in paths]
    check_x(histories, files, curves.x)
    panels = choose_panels(histories, curves.columns, log_y=curves.log_y)
    if curves.columns is not None:
        for file, column in find_lacking(histories, files, panels):
            console.warn(f"{file} has no {column}; it is left out of that panel")
    if hidden := count_not_positive(histories, panels, curves.columns, log_y=curves.log_y):
        values = "1 value that is" if hidden == 1 else f"{hidden:,} values that are"
        console.warn(f"--log-y leaves out {values} not above 0")

    from dlkit.plotting.curves import plot_history

    return plot_history(
        histories,
        curves.labels or _labels(paths),
        columns=curves.columns,
        x=curves.x,
        smooth=curves.smooth,
        log_y=curves.log_y,
    )


def _labels(paths: Sequence[Path]) -> list[str]:
    """Name several runs by their folders, or by their paths where those are alike; one alone needs no name."""
    if len(paths) == 1:
        return [""]
    short = [path.resolve().parent.name if path.name == "history.csv" else path.stem for path in paths]
    counts = Counter(short)
    return [name if counts[name] == 1 else str(path) for name, path in zip(short, paths, strict=True)]


def _default_path(paths: Sequence[Path], kind: str) -> Path:
    """Put the picture beside its input; in the working directory for several, or for what is no plain file."""
    if len(paths) > 1:
        return Path("histories.png")
    if not paths[0].is_file():
        return Path(f"{kind}.png")
    return paths[0].with_name(f"{paths[0].stem}-fold.png") if kind == "fold" else paths[0].with_suffix(".png")


def _deliver(figure: "Figure", out: Path) -> None:
    if out != _STDOUT:
        save_figure(figure, out)
        console.print_paths([out])
        return
    picture = figure_bytes(figure)
    try:
        sys.stdout.buffer.write(picture)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as err:
        raise file_error(err, Path("stdout"), "write the picture to", needed=len(picture)) from err
