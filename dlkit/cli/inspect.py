"""dlkit inspect."""

from dlkit.cli.options import command_group

app = command_group("inspect", "Look inside a checkpoint.")
