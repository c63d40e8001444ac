"""The command line: arguments in, exit code out."""

from render.cli.entry import main

__all__ = ["main"]
