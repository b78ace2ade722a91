"""dlkit inspect run: what is wrong with a run, and what to change."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from typer import Argument

from dlkit.cli import console
from dlkit.cli.inspect.findings import StrictOption, print_findings
from dlkit.diagnosis.diagnose import diagnose
from dlkit.diagnosis.findings import Finding, to_json
from dlkit.diagnosis.reading import read_run
from dlkit.errors import DlkitError
from dlkit.files.atomic import write_file
from dlkit.files.run_dir import RunDir


def run(
    path: Annotated[Path, Argument(metavar="RUN", help="A run folder.")],
    strict: StrictOption = False,
) -> None:
    """Report what is wrong with a run, the evidence, and what to change; also in findings.json."""
    recording, notes = read_run(path)
    findings = diagnose(recording)
    folder = RunDir(path if path.is_dir() else path.parent)
    if recording.finished:
        _keep(folder, findings)
    print_findings(str(folder.path), recording, findings, notes, strict=strict)


def _keep(folder: RunDir, findings: Sequence[Finding]) -> None:
    """Write findings.json; a folder that takes no files is reported, and the findings are shown all the same."""
    try:
        write_file(folder.findings, to_json(str(folder.path), findings).encode())
    except DlkitError as err:
        console.warn(err.message)
