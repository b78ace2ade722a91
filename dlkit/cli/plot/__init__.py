"""dlkit plot: the command, one part a file."""
