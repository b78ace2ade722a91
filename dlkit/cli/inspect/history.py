"""dlkit inspect history: what the course of the losses shows."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from dlkit.cli.inspect.findings import StrictOption, print_findings
from dlkit.diagnosis.diagnose import diagnose
from dlkit.diagnosis.reading import read_history_alone


def history(
    path: Annotated[Path, Argument(metavar="FILE", help="A history.csv, or the log of another program.")],
    run: Annotated[
        str | None, Option(metavar="NAME", help="Which run, where a log of another program holds several.")
    ] = None,
    strict: StrictOption = False,
) -> None:
    """Report what is wrong with a run, from the losses in a history.csv alone."""
    recording, notes = read_history_alone(path, run)
    print_findings(str(path), recording, diagnose(recording), notes, strict=strict)
