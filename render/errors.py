"""What every error of ours is: a sentence for people, and the exit code it ends with."""

from __future__ import annotations


class RenderError(Exception):
    """A sentence with the next step in it."""

    exit_code = 1


class InputError(RenderError):
    """What the user gave is wrong."""

    exit_code = 2


class FilmError(RenderError):
    """A render that cannot go on: a sentence that says what is kept and what to do."""
