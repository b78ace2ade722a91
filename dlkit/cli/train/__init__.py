"""dlkit train: the command, one part a file."""
