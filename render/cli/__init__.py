"""The command line: arguments in, exit code out."""

import signal


def main() -> None:
    """Run the command line and exit with its code.

    During its import Ctrl-C ends the process and nothing is printed, because nothing has begun.
    """
    is_usual = signal.getsignal(signal.SIGINT) == signal.default_int_handler
    if is_usual:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from render.cli.entry import main

    if is_usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    main()


__all__ = ["main"]
