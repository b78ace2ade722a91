"""dlkit data check: what is wrong with the data, with place and cure."""

from typing import Annotated, Any

from typer import Argument, Context, Option

from dlkit.cli import console
from dlkit.cli.bars import show_preparing
from dlkit.cli.data.settings import DATA_SETTINGS, data_config
from dlkit.cli.help import HelpAllOption
from dlkit.cli.settings import with_settings
from dlkit.data.findings import Finding
from dlkit.errors import DataError
from dlkit.settings.config import TrainConfig

_COLUMNS = ("level", "rule", "where", "count", "message", "cure")


@with_settings(DATA_SETTINGS)
def check(
    context: Context,
    spec: Annotated[str, Argument(metavar="SPEC", help="Data as --data takes them.")],
    strict: Annotated[bool, Option("--strict", help="Exit with 3 on warnings too.")] = False,
    help_all: HelpAllOption = False,  # noqa: ARG001 - its callback acts on it
    **settings: Any,
) -> None:
    """Find faults in data before training; exit code 3 means that there are errors."""
    config = data_config(context, spec, settings)
    with show_preparing():
        findings = _find(config)
    faults = [finding for finding in findings if finding.level != "note"]
    if console.mode.json:
        console.print_json([finding.to_dict() for finding in findings])
    else:
        for reading in findings[len(faults) :]:
            console.note(reading.message)
        if faults:
            console.print_table(_COLUMNS, [[getattr(each, column) for column in _COLUMNS] for each in faults])
    _conclude(spec, faults, strict=strict)


def _find(config: TrainConfig) -> list[Finding]:
    from dlkit.data.check import check_data

    return check_data(config)


def _conclude(spec: str, findings: list[Finding], *, strict: bool) -> None:
    errors = sum(finding.level == "error" for finding in findings)
    warnings = len(findings) - errors
    if not findings:
        console.note(f"{spec}: nothing found")
    said = f"{spec}: {errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
    if errors or (strict and findings):
        raise DataError(said, "each finding has a cure")
    if findings:
        console.note(said)
