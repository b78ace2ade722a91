"""dlkit data."""

from dlkit.cli.options import command_group

app = command_group("data", "What data there are: list, get, show.")
