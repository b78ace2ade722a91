"""dlkit train."""


def train() -> None:
    """Stand-in, replaced in the next commit."""
