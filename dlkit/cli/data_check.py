"""dlkit data check: what is wrong with the data, with place and cure."""

from typing import Annotated, Any

from typer import Argument, Context, Option

from dlkit.catalogue import MODELS
from dlkit.cli import console
from dlkit.cli.options import given_options
from dlkit.cli.settings import with_settings
from dlkit.config import DATA_PANEL, FIELDS, SPATIAL_PANEL, TrainConfig
from dlkit.data.findings import Finding
from dlkit.errors import DataError
from dlkit.resolve import resolve
from dlkit.spec import parse_spec

_COLUMNS = ("level", "rule", "where", "count", "message", "cure")
_PANELS = (DATA_PANEL, SPATIAL_PANEL)
_SETTINGS = {name for name, field in FIELDS.items() if field.metadata.get("panel") in _PANELS} | {"seed"}


@with_settings(_SETTINGS)
def check(
    context: Context,
    spec: Annotated[str, Argument(metavar="SPEC", help="Data as --data takes them.")],
    strict: Annotated[bool, Option("--strict", help="Exit with 3 on warnings too.")] = False,
    **settings: Any,
) -> None:
    """Find faults in data before an hour is lost on them; exit code 3 tells that there are errors."""
    given = given_options(context, ("COMMANDLINE", "ENVIRONMENT"))
    typed = {name: value for name, value in settings.items() if name in given}
    found = parse_spec(spec, "SPEC")
    config = resolve({"model": _model_for(found.kind, typed), "data": found.text, **typed}, {})
    findings = _find(config)
    if console.mode.json:
        console.print_json([finding.to_dict() for finding in findings])
    elif findings:
        rows = [[getattr(finding, column) for column in _COLUMNS] for finding in findings]
        console.print_table(_COLUMNS, rows)
    _conclude(spec, findings, strict=strict)


def _find(config: TrainConfig) -> list[Finding]:
    from dlkit.data.check import check_data

    return check_data(config)


def _model_for(kind: str, typed: dict[str, Any]) -> str:
    """Give the network whose way of reading the data is asked for."""
    if typed.get("coords") is not None:
        return "spatial"
    return kind if kind in MODELS else "mlp"


def _conclude(spec: str, findings: list[Finding], *, strict: bool) -> None:
    errors = sum(finding.level == "error" for finding in findings)
    warnings = len(findings) - errors
    if not findings:
        console.note(f"{spec}: nothing found")
    said = f"{spec}: {errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"
    if errors or (strict and findings):
        raise DataError(said, "each finding has its cure")
    if findings:
        console.note(said)
