"""dlkit eval: the command, one part a file."""
