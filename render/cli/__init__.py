"""The command line: arguments in, exit code out."""

import signal


def main() -> None:
    """Run the command line and exit with its code.

    While it is imported, Ctrl-C ends the process without a word: nothing has begun.
    """
    given = signal.getsignal(signal.SIGINT)
    if given == signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from render.cli.entry import main

    signal.signal(signal.SIGINT, given)
    main()


__all__ = ["main"]
