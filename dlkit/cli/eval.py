"""dlkit eval."""


def evaluate() -> None:
    """Stand-in, replaced in the next commit."""
