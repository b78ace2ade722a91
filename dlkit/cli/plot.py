"""dlkit plot."""


def plot() -> None:
    """Stand-in, replaced in the next commit."""
