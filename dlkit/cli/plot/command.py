"""dlkit plot: a plot of histories or of predictions."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from dlkit.cli import console, streams
from dlkit.cli.own_code import ModelOption, check_options, load_checkpoints
from dlkit.cli.plot.checks import STDOUT, curve_faults, kind_faults, output_faults, style_faults, term_faults
from dlkit.cli.plot.follow import follow_runs, print_drawing
from dlkit.cli.plot.search import check_sweep, draw_sweep, find_sweep
from dlkit.errors import ConfigError, file_error, printable
from dlkit.files.atomic import write_file
from dlkit.files.file_times import is_made_from
from dlkit.files.run_dir import RunDir
from dlkit.plotting.figure_file import figure_bytes, figure_format, look, titled
from dlkit.plotting.history.runs import read_settings
from dlkit.plotting.inputs import find_csv, is_cut_off
from dlkit.plotting.kinds import PLOT_KINDS, Drawing, PlotKind, PlotOptions, read_input
from dlkit.settings.spec import CodeSpec, parse_spec

_SPLIT = "test"
_CURVES = "Curves"


def _listed_kinds() -> str:
    shown = [f"{kind.name} ({kind.note})" if kind.note else kind.name for kind in PLOT_KINDS.values()]
    return f"{', '.join(shown[:-1])} or {shown[-1]}"


def plot(
    files: Annotated[
        list[Path],
        Argument(
            metavar="FILE|RUN|SWEEP",
            help="A history.csv, a run folder, the folder of a search, or a CSV that eval --predict or eval "
            "--grid wrote. If --kind needs predictions, a run folder is evaluated on its test split.",
        ),
    ],
    out: Annotated[
        Path | None,
        Option(
            "--out",
            "-o",
            metavar="FILE|-",
            help="A .png, .svg or .pdf file, or - for PNG on stdout. Default: next to the input; "
            "histories.png for several.",
        ),
    ] = None,
    kind: Annotated[
        str | None,
        Option(
            metavar="KIND",
            help=f"{_listed_kinds()}; parallel for a search; by default the header decides.",
        ),
    ] = None,
    columns: Annotated[
        str | None,
        Option(
            "--columns", "-y", metavar="COLS", help="Columns to draw, e.g. loss,lr.", rich_help_panel=_CURVES
        ),
    ] = None,
    x: Annotated[
        str | None,
        Option(
            "-x",
            metavar="COL",
            help="epoch, step or seconds. Default: epoch; step or seconds where another program's file has none.",
            rich_help_panel=_CURVES,
        ),
    ] = None,
    label: Annotated[
        str | None,
        Option(metavar="A,B", help="Names of the runs, one each.", rich_help_panel=_CURVES),
    ] = None,
    smooth: Annotated[
        int, Option(metavar="N", help="Running mean over N epochs, centred.", rich_help_panel=_CURVES)
    ] = 1,
    log_y: Annotated[
        bool, Option("--log-y", help="Logarithmic loss axis; with -y, every y axis.", rich_help_panel=_CURVES)
    ] = False,
    join: Annotated[
        bool,
        Option("--join", help="The inputs are pieces of one run, in this order.", rich_help_panel=_CURVES),
    ] = False,
    group: Annotated[
        bool,
        Option(
            "--group",
            help="Mean and standard deviation of the runs that differ only in their seed, or share a --label.",
            rich_help_panel=_CURVES,
        ),
    ] = False,
    model: ModelOption = None,
    report: Annotated[
        Path | None,
        Option(
            metavar="FILE.html",
            help="Write a report on a run, or one that compares several: curves, metrics, errors, layers, findings.",
        ),
    ] = None,
    term: Annotated[bool, Option("--term", help="Draw in the terminal instead of a file.")] = False,
    follow: Annotated[
        bool, Option("--follow", help="Draw again after each epoch, until the training ends.")
    ] = False,
    title: Annotated[str, Option(metavar="T", help="Title of the figure.")] = "",
    style: Annotated[
        str,
        Option(metavar="STYLE", help="paper (8 cm, 300 dpi), screen (larger) or dark (large, on black)."),
    ] = "paper",
) -> None:
    """Draw the curves of training runs, the confusion matrix of predictions, concentration curves, or a map."""
    options = PlotOptions(
        columns=_split(columns), x=x, labels=_split(label), smooth=smooth, log_y=log_y, join=join, group=group
    )
    sweep = find_sweep(files)
    asked = [
        *options.typed(),
        *(["--report"] * (report is not None)),
        *(["--term"] * term),
        *(["--follow"] * follow),
    ]
    faults = [
        *output_faults(out),
        *(kind_faults(kind) if sweep is None else check_sweep(kind, asked)),
        *style_faults(style),
        *term_faults(out, term=term, follow=follow),
        *curve_faults(options, files),
    ]
    if report is not None and sweep is None:
        from dlkit.cli.plot.report import check_report, write_report

        faults += check_report(report, files, _typed(out, kind, style, options))
    if faults:
        raise ConfigError.of(faults)
    if sweep is not None:
        with look(style):
            figure = titled(draw_sweep(sweep, kind), title)
            suffix = "png" if out in (None, STDOUT) else figure_format(out)
            _deliver(figure_bytes(figure, suffix), out or sweep.path / f"{kind or 'search'}.png", again=False)
        return
    code = None if model is None else check_options(model, None)
    if report is not None:
        write_report(report, files, _SPLIT, code, title)
        return
    paths = [_find(path, kind, code) for path in files]

    def draw() -> tuple[PlotKind, Drawing]:
        found = [_read(path, kind) for path in paths]
        plot_kind = _one_kind([of for of, _ in found], paths, options)
        return plot_kind, Drawing(
            inputs=[values for _, values in found], paths=paths, options=options, warn=console.warn
        )

    written: list[Path] = []

    def write() -> None:
        plot_kind, drawing = draw()
        where = out or _default_path(files, paths, plot_kind)
        _deliver(_figure_bytes(plot_kind, drawing, out, style, title), where, again=bool(written))
        written.append(where)

    def show() -> None:
        plot_kind, drawing = draw()
        if plot_kind.write is None:
            raise ConfigError(
                f"--term is for histories; {paths[0]} holds {plot_kind.holds}", "leave --term out"
            )
        print_drawing(*plot_kind.write(drawing, shutil.get_terminal_size().columns), again=follow)

    step = show if term else write
    if follow:
        follow_runs(paths, step)
    else:
        step()


def _typed(out: Path | None, kind: str | None, style: str, options: PlotOptions) -> list[str]:
    """Return the options that ask for a figure."""
    asked = {"-o": out is not None, "--kind": kind is not None, "--style": style != "paper"}
    return [*(flag for flag, is_asked in asked.items() if is_asked), *options.typed()]


def _split(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",")]


def _find(path: Path, kind: str | None, code: CodeSpec | None) -> Path:
    """Return the CSV that a path means; predictions of a run folder are made if they are not there.

    Raises:
        DlkitError: There is none, or the run cannot be evaluated.
    """
    run = RunDir(path)
    kept = {"worst": run.worst(_SPLIT), "importance": run.importance}.get(kind or "")
    if kept is None and kind is not None and PLOT_KINDS[kind].holds == "predictions":
        kept = run.predictions(_SPLIT)
    if kept is None or not run.best.exists():
        return find_csv(path)
    if not is_made_from(kept, run.best):
        from dlkit.evaluation.stored_predictions import store_failures, store_predictions

        (checkpoint,) = load_checkpoints([run.best], code)
        console.note(f"evaluating {run.best} on its {_SPLIT} split")
        if kind in ("worst", "importance"):
            store_failures(checkpoint, _SPLIT, importance=kind == "importance")
        else:
            store_predictions(checkpoint, _SPLIT, kept)
    return kept


def _read(path: Path, kind: str | None) -> tuple[PlotKind, Any]:
    found = read_input(path, kind, console.note)
    if is_cut_off(path):
        console.note(f"the last line of {path} is incomplete and left out")
    return found


def _one_kind(kinds: Sequence[PlotKind], paths: Sequence[Path], options: PlotOptions) -> PlotKind:
    """Return the kind of all files, held to the number of files and the options that it takes.

    Raises:
        ConfigError: The files are of several kinds, there are too many, or an option is another kind's.
    """
    kind = next((kind for kind in kinds if not kind.several), kinds[0])
    if others := [other for other in kinds if other.holds != kind.holds]:
        raise ConfigError(
            f"{len(others)} of the {len(paths)} inputs are {others[0].holds}, the others {kind.holds}",
            "draw them one after the other: a figure shows one kind",
        )
    if len(paths) > 1 and not kind.several:
        raise ConfigError(
            f"--kind {kind.name} draws one file, not {len(paths)}", f"for example dlkit plot {paths[0]}"
        )
    if flags := [flag for flag in options.typed() if flag not in kind.options]:
        owners = " and ".join(owner.holds for owner in PLOT_KINDS.values() if flags[0] in owner.options)
        raise ConfigError(
            f"{', '.join(flags)} is for {owners}; {paths[0]} holds {kind.holds}", "leave it out"
        )
    return kind


def _default_path(typed: Sequence[Path], paths: Sequence[Path], kind: PlotKind) -> Path:
    """Put the figure beside its input; in the working directory for several, or for what is no plain file."""
    if len(paths) > 1:
        return Path("histories.png")
    if not paths[0].is_file():
        return Path(f"{kind.name}.png")
    if typed[0].is_dir():
        run = RunDir(typed[0])
        return run.curves if kind.name == "curves" else run.path / f"{kind.name}.png"
    return paths[0].with_name(f"{paths[0].stem}{kind.suffix}.png")


def _figure_bytes(kind: PlotKind, drawing: Drawing, out: Path | None, style: str, title: str) -> bytes:
    suffix = "png" if out in (None, STDOUT) else figure_format(out)
    with look(style):
        figure = kind.draw(drawing)
        return figure_bytes(titled(figure, title or _default_title(drawing.paths)), suffix)


def _default_title(paths: Sequence[Path]) -> str:
    """Name the run, the data and the split that predictions kept in its folder are of."""
    path = paths[0]
    run = RunDir(path.parent)
    if path not in (run.predictions(_SPLIT), run.worst(_SPLIT), run.importance):
        return ""
    data = parse_spec(read_settings(path)["data"]).name
    return f"{path.resolve().parent.name} on {printable(data, limit=40)}, {_SPLIT} split"


def _deliver(content: bytes, out: Path, *, again: bool) -> None:
    if out != STDOUT:
        write_file(out, content)
        if not again:
            console.print_paths([out])
            console.flush()
        return
    try:
        streams.result().buffer.write(content)
        streams.result().buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as err:
        raise file_error(err, Path("stdout"), "write the plot to", needed=len(content)) from err
