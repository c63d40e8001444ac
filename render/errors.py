"""The errors that the user sees: each has a sentence as its text, and an exit code."""

from __future__ import annotations


class RenderError(Exception):
    """The base of all our errors. Its text says what is wrong and what to do about it."""

    exit_code = 1
    """What the process exits with."""


class InputError(RenderError):
    """Something that the user gave is wrong: a storyboard, an option, a file."""

    exit_code = 2


class FilmError(RenderError):
    """A film cannot be completed. Its text says what has been kept and what to do."""
