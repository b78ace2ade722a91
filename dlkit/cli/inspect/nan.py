"""dlkit inspect nan: replay the batch at which a run diverged."""

from pathlib import Path
from typing import Annotated

from typer import Argument

from dlkit.cli import console
from dlkit.cli.options import DeviceOption
from dlkit.cli.own_code import ModelOption, check_options, load_checkpoints
from dlkit.errors import CheckpointError, ConfigError
from dlkit.files.run_dir import RunDir
from dlkit.inspection.layer_table import COLUMNS
from dlkit.settings.checks import check_device


def nan(
    run: Annotated[Path, Argument(metavar="RUN", help="A run that diverged, or its nan.safetensors.")],
    device: DeviceOption = "auto",
    model: ModelOption = None,
) -> None:
    """Replay the batch at which a run diverged, and show the first layer with NaN or infinity."""
    if faults := list(check_device(device)):
        raise ConfigError.of(faults)
    path = RunDir(run).nan if run.is_dir() else run
    if not path.exists():
        raise CheckpointError(
            f"no {path.name} in {path.parent}", "a run that diverged (exit code 5) has one in its folder"
        )
    code = check_options(model, None)

    from dlkit.device import device_label, pick_device
    from dlkit.inspection.nan import inspect_nan

    where = pick_device(device)
    (checkpoint,) = load_checkpoints([path], code)
    found = inspect_nan(checkpoint, where)
    console.note(f"the batch of {path}, on {device_label(where)}")
    if console.mode.json:
        console.print_json(found.to_dict())
        return
    console.print_pairs(found.to_pairs())
    console.print_line("")
    columns = COLUMNS["nan"]
    console.print_table(columns, [[row[column] for column in columns] for row in found.rows()])
