"""The command line: flags in, text out; the only folder that knows Typer and Rich."""
