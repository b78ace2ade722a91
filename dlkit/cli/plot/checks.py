"""What is wrong with the options of dlkit plot."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from dlkit.cli import console, streams
from dlkit.cli.aliases import KINDS
from dlkit.errors import ConfigError, did_you_mean
from dlkit.plotting.figure_file import LOOKS, figure_format
from dlkit.plotting.history.panels import X_COLUMNS
from dlkit.plotting.kinds import PLOT_KINDS, PlotOptions

STDOUT = Path("-")


def output_faults(out: Path | None) -> Iterator[ConfigError]:
    """Check -o."""
    if out == STDOUT:
        if console.mode.json:
            yield ConfigError(
                "--json and -o - both write to stdout", "name a file with -o, or leave --json out"
            )
        elif streams.result().isatty():
            yield ConfigError("-o - would write a plot to the terminal", "dlkit plot ... -o - > curves.png")
    elif out is not None:
        try:
            figure_format(out)
        except ConfigError as err:
            yield err


def style_faults(style: str) -> Iterator[ConfigError]:
    """Check --style."""
    if style not in LOOKS:
        yield ConfigError(
            f"--style {style} is not known; choose from {', '.join(LOOKS)}", did_you_mean(style, LOOKS)
        )


def term_faults(out: Path | None, *, term: bool, follow: bool) -> Iterator[ConfigError]:
    """Check --term and --follow."""
    if term and out is not None:
        yield ConfigError(f"-o {out} writes a file, --term draws in the terminal", "leave one of them out")
    if term and console.mode.json:
        yield ConfigError("--term and --json both write to stdout", "leave one of them out")
    if follow and term and not streams.result().isatty():
        yield ConfigError(
            "--follow --term draws over itself and needs a terminal", "leave --follow out in a pipe"
        )
    if follow and out == STDOUT:
        yield ConfigError("--follow would write many plots to stdout", "name a file with -o")


def kind_faults(kind: str | None) -> Iterator[ConfigError]:
    """Check --kind."""
    if kind is not None and kind not in PLOT_KINDS:
        yield ConfigError(
            f"--kind {kind} is not known; choose from {', '.join(PLOT_KINDS)}",
            did_you_mean(KINDS.get(kind, kind), PLOT_KINDS),
        )


def curve_faults(curves: PlotOptions, inputs: Sequence[Path]) -> Iterator[ConfigError]:
    """Check the options that curves alone have; a file that is no folder of a run may hold several of them."""
    if curves.x is not None and curves.x not in X_COLUMNS:
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
    if curves.join and curves.group:
        yield ConfigError(
            "--join makes one run of all inputs, --group a mean of runs", "leave one of them out"
        )
    labels = curves.labels
    several = any(path.exists() and not path.is_dir() for path in inputs) and len(labels or ()) > len(inputs)
    if labels is not None and len(labels) != len(inputs) and not several:
        yield ConfigError(
            f"--label {','.join(labels)} names {len(labels)} of {len(inputs)} inputs",
            "one name per input, separated by commas",
        )
    elif labels is not None and not all(labels):
        yield ConfigError(f"--label {','.join(labels)} has an empty name", "one name per input")
