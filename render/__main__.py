"""Runs the command line as `python -m render`."""

from render.cli.entry import main

if __name__ == "__main__":
    main()
