"""The settings of data on the command line, for the commands that look at data alone."""

from collections.abc import Iterable, Mapping
from typing import Any

from typer import Context

from dlkit.cli.options import given_options
from dlkit.cli.own_code import report_running
from dlkit.errors import ConfigError
from dlkit.settings.config import DATA_PANEL, FIELDS, SPATIAL_PANEL, TABLE_PANEL, TrainConfig
from dlkit.settings.kinds import data_kinds
from dlkit.settings.models import MODELS
from dlkit.settings.resolve import resolve
from dlkit.settings.spec import parse_spec
from dlkit.user_code import check_file

_PANELS = (DATA_PANEL, TABLE_PANEL, SPATIAL_PANEL)
DATA_SETTINGS = {name for name, field in FIELDS.items() if field.metadata.get("panel") in _PANELS} | {"seed"}


def data_config(
    context: Context, spec: str, settings: Mapping[str, Any], faults: Iterable[ConfigError] = ()
) -> TrainConfig:
    """Make the settings that training on some data would have; that a function of the user's own makes them is said.

    Args:
        context: Of the command; knows the source of each option.
        spec: The data, as typed for SPEC.
        settings: Values of all options of the data.
        faults: What was found before, to be reported together with what is found here.

    Raises:
        ConfigError: Something cannot be used; all faults are reported together.
    """
    given = given_options(context, ("COMMANDLINE", "ENVIRONMENT"))
    typed = {name: value for name, value in settings.items() if name in given}
    found = parse_spec(spec, "SPEC")
    config = resolve({"model": _model_for(found.kind, typed), "data": found.text, **typed}, {}, faults=faults)
    if found.code is not None:
        check_file(found.code, "SPEC")
        report_running([found.code])
    return config


def _model_for(kind: str, typed: Mapping[str, Any]) -> str:
    """Return the network whose way of reading the data is asked for, mlp where any network reads them alike."""
    asked = {other.name for other in data_kinds().values() if typed.get(other.option) is not None}
    readers = {model.reads: model.name for model in MODELS.values() if model.reads}
    return next((readers[name] for name in (*asked, kind) if name in readers), "mlp")
