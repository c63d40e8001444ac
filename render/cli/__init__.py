"""The command line: arguments in, exit code out."""

from render.cli.main import main

__all__ = ["main"]
