"""dlkit inspect env: what a bug report needs to know of the machine."""

from dlkit.cli import console


def env() -> None:
    """Show versions, machine and devices: a block to paste into a bug report."""
    from dlkit.inspection.environment import describe_environment

    console.print_pairs(describe_environment())
