"""dlkit inspect show: the contents of a checkpoint, from its header alone."""

from dlkit.cli import console
from dlkit.cli.inspect.layers import file_of
from dlkit.cli.options import Checkpoint
from dlkit.errors import printable
from dlkit.inspection.contents import TENSOR_COLUMNS, read_contents


def show(path: Checkpoint) -> None:
    """Show the metadata and tensors of a checkpoint or any safetensors file, reading only its header."""
    contents = read_contents(file_of(path))
    if console.mode.json:
        console.print_json(contents.to_dict())
        return
    console.print_pairs(contents.to_pairs())
    console.print_line("")
    console.print_table(TENSOR_COLUMNS, [(printable(row[0]), *row[1:]) for row in contents.tensor_rows()])
