"""dlkit data: list, get, show, check and split data."""
