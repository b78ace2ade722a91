"""The curves of training runs: histories of dlkit and of others, read and drawn."""
