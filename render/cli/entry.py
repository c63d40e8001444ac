"""The console script."""

from __future__ import annotations

import atexit
import signal
import sys

import click

from render.cli.commands import cli
from render.cli.exits import (
    FAILED,
    WRONG_INPUT,
    exit_code_of,
    report_usage_error,
    sigterm_as_interrupt,
)
from render.cli.output import open_closed_streams, silence, unwritten_message, write_line


def ignore_signals() -> None:
    """Ignore Ctrl-C and SIGTERM during interpreter shutdown: the command has already succeeded."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def main() -> None:
    """Run the command line and exit with its code."""
    open_closed_streams()
    for stream in (sys.stdout, sys.stderr):  # prompts are in any language
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        with sigterm_as_interrupt():
            code = cli(standalone_mode=False)
        atexit.register(ignore_signals)
        sys.exit(code)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        report_usage_error(error, sys.argv)
        sys.exit(WRONG_INPUT)
    except (click.Abort, KeyboardInterrupt) as interruption:
        write_line(sys.stderr, "\nInterrupted.")
        sys.exit(exit_code_of(interruption))
    except BrokenPipeError:  # `render check film.yaml | head`
        sys.exit(FAILED)
    except OSError as error:  # from click's own help; commands report their errors themselves
        silence(sys.stdout)
        write_line(sys.stderr, f"render: {unwritten_message(error)}")
        sys.exit(FAILED)
